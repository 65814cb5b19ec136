"""Touch: the answer is "x y", right if it lies within 10 pixels of the gold point."""

from __future__ import annotations

import math
from typing import Any

from vlreward.judges import PlainJudge
from vlreward.parsers.tags import answer_region
from vlreward.prompts import PromptTemplate
from vlreward.rewards import TaskReward
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.types import FailureCode, Parsed, ParseFailure


def parse_point(text: str) -> Parsed[tuple[float, float]] | ParseFailure:
    region = answer_region(text)
    if isinstance(region, ParseFailure):
        return region
    try:
        x, y = map(float, region.value.split())
    except ValueError:
        return ParseFailure(FailureCode.BAD_NUMBER, "expected two numbers", region.span)
    return Parsed((x, y), region.span)


def near(point: tuple[float, float], gold: list[float]) -> float:
    return float(math.dist(point, gold) <= 10)


TOUCH = TaskSpec(
    name="touch",
    version="1",
    prompt=PromptTemplate(name="touch", text="Point at {expression}."),
    parser=parse_point,
    judge=PlainJudge(),
    terms=(AnswerTerm("near", near),),
    metrics=(AnswerTerm("acc", near),),
)

touch_reward = TaskReward(TOUCH, name="touch_reward")


def make_parrot(config: Any) -> Any:
    """An engine factory; the tests only look it up."""
    return config

"""Touch: the answer is "x y", right if it lies within 10 pixels of the gold point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from vlreward.engines.base import Engine, EngineConfig, Generation, Outcome, Request
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


class Parrot(Engine):
    """Says what it is told to, by `--engine-options`."""

    name = "parrot"

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.says = self.options["says"]

    def describe(self) -> dict[str, Any]:
        return {**self.shown(), "says": self.says}

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            yield request.key, Generation(self.says)

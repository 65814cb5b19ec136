"""Spot: find a place in the image; golds and answers lie in frames, and each row has its radius."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.parsers.tags import answer_region
from vlreward.prompts import PromptTemplate
from vlreward.suite import Suite
from vlreward.task import FORMAT, AnswerTerm, Histogram, Recipe, Shape, TaskSpec
from vlreward.types import FailureCode, Gold, Parsed, ParseFailure, Row, Sample

_NUMBER = re.compile(r"\d{1,6}")


def _scaled(
    x: float, y: float, frame: Frame, image_size: Size | None, input_size: Size | None
) -> tuple[float, float]:
    frame.check_sizes(image_size, input_size)
    extent = frame.extent(image_size, input_size)
    if frame is Frame.ORIGINAL_PX or extent is None or image_size is None:
        return x, y
    return x * image_size.width / extent[0], y * image_size.height / extent[1]


class SpotGold(Gold):
    """One place."""

    task: str = "spot"
    x: float
    """To the right, in `frame`."""
    y: float
    """Down, in `frame`."""
    frame: Frame = Frame.ORIGINAL_PX
    """Frame of `x` and `y`."""

    located: ClassVar[bool] = True

    @classmethod
    def read(cls, value: Any, task: str = "spot") -> SpotGold:
        """A list of two numbers, in pixels of the original image."""
        x, y = value
        return cls(x=x, y=y)

    def target(self, image_size: Size | None, input_size: Size | None) -> tuple[float, float]:
        """(x, y) in pixels of the original image."""
        return _scaled(self.x, self.y, self.frame, image_size, input_size)


@dataclass(frozen=True)
class SpotJudge:
    """(x, y, radius) in pixels of the original image."""

    def many(self, answers: Sequence[Any], samples: Sequence[Sample | Row]) -> list[Any]:
        """What each answer means in the frame, the axis order and with the metadata of its row."""
        judged = []
        for (a, b), sample in zip(answers, samples, strict=True):
            x, y = (b, a) if sample.axis_order == "yx" else (a, b)
            assert sample.frame is not None
            place = _scaled(x, y, sample.frame, sample.image_size, sample.input_size)
            judged.append((*place, sample.metadata["radius"]))
        return judged


def parse_spot(text: str) -> Parsed[tuple[int, int]] | ParseFailure:
    """The first two numbers behind the last bracket; one number stands for both."""
    region = answer_region(text)
    if isinstance(region, ParseFailure):
        return region
    numbers = _NUMBER.findall(region.value.rpartition("[")[2])
    if not numbers:
        return ParseFailure(FailureCode.NO_POINT, "expected [x, y", region.span)
    a, b = (numbers * 2)[:2]
    return Parsed((int(a), int(b)), region.span)


def _near(judged: tuple[float, float, float], gold: tuple[float, float]) -> float:
    return max(0.0, 1 - math.dist(judged[:2], gold) / judged[2])


def _hit(judged: tuple[float, float, float], gold: tuple[float, float]) -> float:
    return float(math.dist(judged[:2], gold) <= judged[2])


def _shapes(value: Sequence[float]) -> list[Shape]:
    """A place, and what was judged: a place with its radius."""
    kind: Any = "circle" if len(value) == 3 else "point"
    return [Shape(kind, tuple(value), "<b>spot")]


def _middle(samples: Sequence[Sample]) -> dict[str, list[str]]:
    sizes = [sample.image_size for sample in samples if sample.image_size is not None]
    if len(sizes) < len(samples):
        return {}
    return {"middle": [f"[{width // 2}, {height // 2}]" for width, height in sizes]}


SPOT = TaskSpec(
    name="spot",
    version="1",
    gold=SpotGold,
    prompt=PromptTemplate(name="spot", text="{question}"),
    parser=parse_spot,
    judge=SpotJudge(),
    terms=(AnswerTerm("near", _near), FORMAT),
    metrics=(AnswerTerm("hit", _hit), AnswerTerm("near", _near)),
    controls=_middle,
    shapes=_shapes,
    figures=(Histogram("near", "nearness"),),
    recipe=Recipe(max_completion_length=64, max_pixels=None, freeze_vision=True),
)

SUITES = (
    Suite(
        name="spots",
        task="spot",
        description="Where things are",
        file="spots.jsonl",
        n=None,
        prompts={"r1": "rec-r1"},
    ),
    Suite(
        name="spots_and_touches",
        task="spot",
        also=("touch",),
        description="Rows of two tasks",
        file="mixed.jsonl",
        n=None,
        prompts={"r1": "rec-r1"},
    ),
)

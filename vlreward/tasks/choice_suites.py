"""Suites of visual mathematics: rows are choices or expressions, each scored by its own task."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Suite

__all__ = ["GEOMETRY3K", "MATHVERSE", "MATHVISTA", "MATH_VISION", "SUITES"]

_PROMPTS = {"r1": "answer-r1", "baseline": "answer-baseline"}


def _suite(
    name: str, description: str, file: str, n: int, split: str | None, images: str | None = None
) -> Suite:
    return Suite(
        name=name,
        task="choice",
        also=("geometry",),
        description=description,
        file=file,
        split=split,
        images=images,
        fetch=file.partition("/")[0],
        n=n,
        prompts=_PROMPTS,
    )


SUITES = (
    _suite(
        "mathvista_testmini",
        "MathVista testmini: figures of every kind, numbers and choices",
        "mathvista",
        1000,
        "testmini",
    ),
    _suite(
        "mathverse_testmini",
        "MathVerse testmini: geometry and functions, in six versions of each question",
        "mathverse/testmini.json",
        3940,
        None,
        "mathverse/images",
    ),
    _suite(
        "math_vision_test",
        "MATH-Vision: competition problems with pictures",
        "math_vision",
        3040,
        "test",
    ),
    _suite("geometry3k_test", "Geometry3K test, answers as expressions", "geometry3k", 601, "test"),
)


def _source(repository: str, to: str, about: str, unpack: tuple[str, ...] = ()) -> Source:
    url = f"{{hub}}/datasets/{repository}"
    return Source((PlanItem(url, to, "repository", about, unpack=unpack),))


MATHVISTA = _source("AI4Math/MathVista", "mathvista", "MathVista")
MATHVERSE = _source("AI4Math/MathVerse", "mathverse", "MathVerse", ("images.zip",))
MATH_VISION = _source("MathLLMs/MathVision", "math_vision", "MATH-Vision")
GEOMETRY3K = _source("hiyouga/geometry3k", "geometry3k", "Geometry3K")

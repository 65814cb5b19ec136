"""Suites of visual mathematics: rows are choices or expressions, each scored by its own task."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Reference, Suite

__all__ = ["GEOMETRY3K", "MATHVERSE", "MATHVISTA", "MATH_VISION", "SUITES"]

_PROMPTS = {"r1": "choice-r1", "r1 geometry": "r1-v", "baseline": "answer-baseline"}
_CARD = "Qwen2.5-VL-3B-Instruct's model card: answers extracted by a language model"
_OMNI = "Qwen2.5-Omni's README: answers extracted by a language model"


def _published(qwen3b: float, qwen7b: float) -> tuple[Reference, ...]:
    return (
        Reference(model="Qwen2.5-VL-3B-Instruct", acc=qwen3b, source=_CARD),
        Reference(model="Qwen2.5-VL-7B-Instruct", acc=qwen7b, source=_OMNI),
    )


def _suite(
    name: str,
    description: str,
    file: str,
    n: int,
    split: str | None,
    images: str | None = None,
    references: tuple[Reference, ...] = (),
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
        references=references,
    )


SUITES = (
    _suite(
        "mathvista_testmini",
        "MathVista testmini: figures of every kind, numbers and choices",
        "mathvista",
        1000,
        "testmini",
        references=_published(0.623, 0.682),
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
        references=_published(0.212, 0.251),
    ),
    _suite(
        "geometry3k_test", "Geometry3K test, answers as expressions", "geometry3k", 601, "test"
    ).model_copy(update={"task": "geometry", "also": ()}),
)


def _source(repository: str, to: str, about: str, unpack: tuple[str, ...] = ()) -> Source:
    url = f"{{hub}}/datasets/{repository}"
    return Source((PlanItem(url, to, "repository", about, unpack=unpack),))


MATHVISTA = _source("AI4Math/MathVista", "mathvista", "MathVista")
MATHVERSE = _source("AI4Math/MathVerse", "mathverse", "MathVerse", ("images.zip",))
MATH_VISION = _source("MathLLMs/MathVision", "math_vision", "MATH-Vision")
GEOMETRY3K = _source("hiyouga/geometry3k", "geometry3k", "Geometry3K")

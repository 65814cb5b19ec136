"""Suites of visual mathematics: rows are choices or expressions, each scored by its own task."""

from __future__ import annotations

from functools import partial

from vlreward.data.sources import Source, on_hub
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


_suite = partial(Suite, task="choice", also=("geometry",), prompts=_PROMPTS)

SUITES = (
    _suite(
        name="mathvista_testmini",
        description="MathVista testmini: figures of every kind, numbers and choices",
        file="mathvista",
        split="testmini",
        fetch="mathvista",
        n=1000,
        references=_published(0.623, 0.682),
    ),
    _suite(
        name="mathverse_testmini",
        description="MathVerse testmini: geometry and functions, in six versions of each question",
        file="mathverse/testmini.json",
        images="mathverse/images",
        fetch="mathverse",
        n=3940,
    ),
    _suite(
        name="math_vision_test",
        description="MATH-Vision: competition problems with pictures",
        file="math_vision",
        split="test",
        fetch="math_vision",
        n=3040,
        references=_published(0.212, 0.251),
    ),
    Suite(
        name="geometry3k_test",
        task="geometry",
        description="Geometry3K test, answers as expressions",
        file="geometry3k",
        split="test",
        fetch="geometry3k",
        n=601,
        prompts=_PROMPTS,
    ),
)

MATHVISTA = Source((on_hub("AI4Math/MathVista", "mathvista", "MathVista"),))
MATHVERSE = Source((on_hub("AI4Math/MathVerse", "mathverse", "MathVerse", "images.zip"),))
MATH_VISION = Source((on_hub("MathLLMs/MathVision", "math_vision", "MATH-Vision"),))
GEOMETRY3K = Source((on_hub("hiyouga/geometry3k", "geometry3k", "Geometry3K"),))

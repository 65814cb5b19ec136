"""The built-in tasks: `rec`, `counting` and `geometry`, under each protocol.

`strict` is this project's protocol: the answer inside the last closed `<answer>`, one answer, one
box, continuous IoU. The others reproduce published code bit for bit, so that published and
recorded numbers can be compared with. A result always names its protocol.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vlreward.geometry import Box
from vlreward.judges import BoxJudge, MathJudge, PlainJudge, is_correct
from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou
from vlreward.metrics.counting import count_error, count_exact, count_soft, count_within_one
from vlreward.parsers.boxes import BoxParser
from vlreward.parsers.counts import CountParser
from vlreward.parsers.math import MathParser
from vlreward.parsers.tags import think_answer_structure
from vlreward.prompts import PRESETS
from vlreward.protocols import PUBLISHED
from vlreward.registry import Registry
from vlreward.spec import AnswerTerm, Method, TaskSpec, TextTerm
from vlreward.types import Completion, Parsed, ParseFailure

__all__ = ["TASKS", "get_task"]

_THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))


def _iou_above(threshold: float, a: Box, b: Box) -> float:
    return float(box_iou(a, b) > threshold)


def _mean_acc(a: Box, b: Box) -> float:
    iou = box_iou(a, b)
    return sum(iou > threshold for threshold in _THRESHOLDS) / len(_THRESHOLDS)


def _center_in(predicted: Box, gold: Box) -> float:
    x, y = predicted.center
    return float(gold.x1 <= x <= gold.x2 and gold.y1 <= y <= gold.y2)


# Rescaled from [-1, 1], [-1, 1] and [-1.5, 1] to [0, 1].
def _giou01(a: Box, b: Box) -> float:
    return (box_giou(a, b) + 1) / 2


def _diou01(a: Box, b: Box) -> float:
    return (box_diou(a, b) + 1) / 2


def _ciou01(a: Box, b: Box) -> float:
    return (box_ciou(a, b) + 1.5) / 2.5


def _format(completion: Completion, outcome: Parsed[Any] | ParseFailure) -> float:
    return float(isinstance(outcome, Parsed) and think_answer_structure(completion.text))


_FORMAT = TextTerm("format", _format, on_structure=1.0)

_REC = TaskSpec(
    name="rec",
    version="1",
    prompt=PRESETS["rec-r1"],
    parser=BoxParser(where="tag"),
    judge=BoxJudge(),
    terms=(AnswerTerm("iou", box_iou), _FORMAT),
    extra_terms=(
        AnswerTerm("iou50", partial(_iou_above, 0.5)),
        AnswerTerm("giou", _giou01),
        AnswerTerm("diou", _diou01),
        AnswerTerm("ciou", _ciou01),
    ),
    metrics=(
        *(AnswerTerm(f"acc@{t:g}", partial(_iou_above, t)) for t in (0.5, 0.75, 0.9)),
        AnswerTerm("acc@[.5:.95]", _mean_acc),
        AnswerTerm("iou", box_iou),
        AnswerTerm("center", _center_in),
    ),
)

_COUNTING = TaskSpec(
    name="counting",
    version="1",
    prompt=PRESETS["r1-v"],
    parser=CountParser(where="tag"),
    judge=PlainJudge(),
    terms=(AnswerTerm("exact", count_exact), _FORMAT),
    extra_terms=(AnswerTerm("soft", count_soft),),
    metrics=(
        AnswerTerm("acc", count_exact),
        AnswerTerm("within_1", count_within_one),
        AnswerTerm("mae", count_error, on_failure=None),
    ),
)

_GEOMETRY = TaskSpec(
    name="geometry",
    version="1",
    prompt=PRESETS["r1-v"],
    parser=MathParser(),
    judge=MathJudge(),
    terms=(AnswerTerm("correct", is_correct), _FORMAT),
    metrics=(AnswerTerm("acc", is_correct),),
)

TASKS: Registry[TaskSpec] = Registry("task", group="vlreward.tasks")
"""All tasks. A built-in one under another protocol or method than `strict` and `r1` is called
`task@protocol:method`; a plug-in registers its task under the plain name."""


def get_task(name: str, *, protocol: str = "strict", method: Method = "r1") -> TaskSpec:
    """A task under a protocol.

    Args:
        name: `rec`, `counting`, `geometry` or the name of a registered task.
        protocol: `strict`, or whose published rules to follow: `vlm-r1`, `paddlemix`, `r1-v`.
        method: `r1` for answers inside the answer tag, `baseline` for answers anywhere in the
            text, `train` for the reward of a published trainer.

    Raises:
        UnknownNameError: If there is no such task, or the task has no such protocol or method;
            names those that there are.
    """
    TASKS.get(name)
    return TASKS.get(_key(name, protocol, method))


def _key(name: str, protocol: str, method: str) -> str:
    return name if (protocol, method) == ("strict", "r1") else f"{name}@{protocol}:{method}"


def _register(spec: TaskSpec) -> None:
    TASKS.register(_key(spec.name, spec.protocol, spec.method), spec)


def _baseline(spec: TaskSpec, parser: object, prompt: str) -> TaskSpec:
    update = {"method": "baseline", "parser": parser, "prompt": PRESETS[prompt]}
    return spec.model_copy(update=update)


for _spec in (
    _REC,
    _baseline(_REC, BoxParser(where="whole"), "rec-baseline"),
    _COUNTING,
    _baseline(_COUNTING, CountParser(where="whole"), "r1-v"),
    _GEOMETRY,
    _baseline(_GEOMETRY, MathParser(), "r1-v"),
    *PUBLISHED,
):
    _register(_spec)

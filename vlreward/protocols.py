"""The tasks under published rules, so that published and recorded numbers can be reproduced.

| protocol | method | rule |
|---|---|---|
| `vlm-r1` | `r1`, `baseline` | VLM-R1's evaluation of REC |
| `vlm-r1` | `train` | VLM-R1's IoU reward; its format reward is not reproduced |
| `paddlemix` | `r1`, `baseline`, `train` | PaddleMIX r1_mllm, REC |
| `paddlemix`, `r1-v` | `r1`, `baseline` | R1-V's evaluation of counting, which PaddleMIX copied |
| `r1-v` | `r1`, `baseline` | R1-V's evaluation of geometry: math-verify on the whole output |
| `r1-v` | `train` | R1-V's accuracy and format rewards, counting and geometry |

PaddleMIX's evaluation of geometry compares a number with a text, is therefore always wrong, and is
not reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.geometry import Box
from vlreward.judges import CornersJudge, PlainJudge, is_correct, settled
from vlreward.metrics.compat import pixel_iou
from vlreward.metrics.counting import count_exact
from vlreward.parsers import compat
from vlreward.prompts import PRESETS
from vlreward.spec import AnswerTerm, Method, TaskSpec, TextTerm
from vlreward.types import Completion, Parsed, ParseFailure, Row, Sample
from vlreward.verify import Verdict

__all__ = ["PUBLISHED"]


@dataclass(frozen=True, slots=True)
class WholeOutputJudge:
    """R1-V's accuracy: math-verify on the whole completion, in bounded workers."""

    or_equal_text: bool = False
    """Also take equal texts inside the answer tags, as the training reward does."""

    def many(
        self, answers: Sequence[str], samples: Sequence[Sample | Row]
    ) -> list[Verdict | ParseFailure]:
        """A verdict for each completion."""
        from vlreward.verify import verify_whole_outputs

        pairs = [(str(sample.target), text) for text, sample in zip(answers, samples)]
        return [
            Verdict("correct", 1)
            if self.or_equal_text
            and not verdict.correct
            and compat.r1_v_answer_text(text) == compat.r1_v_answer_text(gold)
            else settled(verdict)
            for verdict, (gold, text) in zip(verify_whole_outputs(pairs), pairs)
        ]


def _pixel_iou(corners: compat.Corners, gold: Box) -> float:
    return pixel_iou(corners, tuple(gold))


def _above_half(corners: compat.Corners, gold: Box) -> float:
    return float(_pixel_iou(corners, gold) > 0.5)


def _whole_output(text: str) -> Parsed[str]:
    return Parsed(text, (0, len(text)))


def _paddlemix_format(completion: Completion, _outcome: Any) -> float:
    return float(compat.paddlemix_training_format(completion.text))


def _r1_v_format(completion: Completion, _outcome: Any) -> float:
    return float(compat.r1_v_training_format(completion.text))


def _rec(
    protocol: str,
    method: Method,
    parser: Any,
    prompt: str,
    terms: tuple[AnswerTerm | TextTerm, ...] = (AnswerTerm("iou50", _above_half),),
) -> TaskSpec:
    return TaskSpec(
        name="rec",
        version="1",
        protocol=protocol,
        method=method,
        prompt=PRESETS[prompt],
        parser=parser,
        judge=CornersJudge(),
        terms=terms,
        metrics=(AnswerTerm("acc@0.5", _above_half), AnswerTerm("iou", _pixel_iou)),
    )


def _r1_v(name: str, protocol: str, method: Method) -> TaskSpec:
    counts = name == "counting" and method != "train"
    correct = count_exact if counts else is_correct
    accuracy = AnswerTerm("accuracy", correct)
    return TaskSpec(
        name=name,
        version="1",
        protocol=protocol,
        method=method,
        prompt=PRESETS["r1-v-train" if method == "train" else "r1-v"],
        parser=compat.r1_v_count if counts else _whole_output,
        judge=PlainJudge() if counts else WholeOutputJudge(or_equal_text=method == "train"),
        terms=(accuracy, TextTerm("format", _r1_v_format)) if method == "train" else (accuracy,),
        metrics=(AnswerTerm("acc", correct),),
    )


PUBLISHED: tuple[TaskSpec, ...] = (
    _rec("vlm-r1", "r1", compat.vlm_r1_box, "rec-r1"),
    _rec("vlm-r1", "baseline", compat.vlm_r1_baseline_box, "rec-baseline-vlm-r1"),
    _rec(
        "vlm-r1",
        "train",
        compat.vlm_r1_training_box,
        "rec-r1",
        (AnswerTerm("iou", _pixel_iou),),
    ),
    _rec("paddlemix", "r1", compat.paddlemix_r1_box, "rec-r1"),
    _rec("paddlemix", "baseline", compat.paddlemix_baseline_box, "rec-baseline"),
    _rec(
        "paddlemix",
        "train",
        compat.paddlemix_training_box,
        "rec-r1",
        (AnswerTerm("iou50", _above_half), TextTerm("format", _paddlemix_format)),
    ),
    *(
        _r1_v("counting", protocol, method)
        for protocol in ("paddlemix", "r1-v")
        for method in ("r1", "baseline", "train")
    ),
    *(_r1_v("geometry", "r1-v", method) for method in ("r1", "baseline", "train")),
)
"""Every task under every published protocol and method."""

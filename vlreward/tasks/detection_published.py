"""Detection under published rules; the rules are in `detection_rules` and `visual_rft_rules`.

| protocol | method | rule |
|---|---|---|
| `vlm-r1` | `train`, `r1` | `od_ap`; more terms: `map`, `od_ap50`, `odLength`, `weighted_sum` |
| `visual-rft` | `train`, `r1` | IoU and confidence, after math-verify on the whole text |
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from vlreward.frames import Frame, convert
from vlreward.geometry import Box
from vlreward.judges import CornersJudge
from vlreward.metrics.labelled import Labelled
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.tasks import detection_rules as rules
from vlreward.tasks import visual_rft_rules
from vlreward.types import Parsed, ParseFailure, Row, Sample

__all__ = ["VisualRftJudge", "VlmR1Judge", "published", "published_boxes"]


@dataclass(frozen=True, slots=True)
class VlmR1Judge:
    """Scales what VLM-R1 reads to original pixels, where a sample declares another frame."""

    def many(
        self, answers: Sequence[rules.VlmR1Reading], samples: Sequence[Sample | Row]
    ) -> list[rules.VlmR1Reading]:
        """The readings, with corners in original pixels."""
        return [
            reading._replace(
                anywhere=_scaled(reading.anywhere, sample),
                in_answer=_scaled(reading.in_answer, sample),
                in_cleaned=_scaled(reading.in_cleaned, sample),
            )
            for reading, sample in zip(answers, samples)
        ]


@dataclass(frozen=True, slots=True)
class VisualRftJudge:
    """Scales what Visual-RFT reads to original pixels, after its math-verify on the whole text.

    There the gold is the text of a list, of which math-verify makes the second number of the first
    box: a box anywhere whose top edge is right may earn 1.
    """

    def many(self, answers: Sequence[str], samples: Sequence[Sample | Row]) -> list[VisualRft]:
        """What the rewards look at, for each completion."""
        from vlreward.verify import verify_whole_outputs

        pairs = [(_solution(sample), text) for text, sample in zip(answers, samples)]
        return [
            VisualRft(
                verdict.correct,
                None if items is None else _scaled(items, sample),
            )
            for verdict, text, sample in zip(verify_whole_outputs(pairs), answers, samples)
            for items in (visual_rft_rules.read_visual_rft(text),)
        ]

    def quick(self, answers: Sequence[str], samples: Sequence[Sample | Row]) -> list[None]:
        """Nothing: a worker process verifies."""
        return [None] * len(answers)


class VisualRft(NamedTuple):
    """What Visual-RFT's rewards look at."""

    verified: bool
    """Whether math-verify takes the whole text for the gold's."""
    items: tuple[rules.Item, ...] | None
    """The list that was read."""


def _solution(sample: Sample | Row) -> str:
    """The gold as Visual-RFT's files write it, in the frame of the answers."""
    frame = sample.frame or Frame.ORIGINAL_PX
    sizes = {"image_size": sample.image_size, "input_size": sample.input_size}
    boxes = [convert(box, Frame.ORIGINAL_PX, frame, **sizes) for box, _ in sample.target]
    rows = [{"Position": [round(v) for v in box], "Confidence": 1.0} for box in boxes]
    return f"<answer>{rows!r}</answer>" if rows else "<answer>No Objects</answer>"


def _scaled(items: Sequence[rules.Item], sample: Sample | Row) -> tuple[rules.Item, ...]:
    if sample.frame in (None, Frame.ORIGINAL_PX):
        return tuple(items)
    scaled = []
    for item in items:
        if item.corners is not None:
            x1, y1, x2, y2 = CornersJudge().many([item.corners], [sample])[0]
            item = item._replace(corners=(x1, y1, x2, y2))
        scaled.append(item)
    return tuple(scaled)


def _whole(text: str) -> Parsed[str] | ParseFailure:
    return rules.whole_output(text)


def _reading(text: str) -> Parsed[rules.VlmR1Reading] | ParseFailure:
    whole = rules.whole_output(text)
    if isinstance(whole, ParseFailure):
        return whole
    return Parsed(rules.read_vlm_r1(text), whole.span)


def _iou(answer: VisualRft, gold: Sequence[Labelled]) -> float:
    return 1.0 if answer.verified else visual_rft_rules.visual_rft_iou(answer.items, gold)


def _confidence(answer: VisualRft, gold: Sequence[Labelled]) -> float:
    return 1.0 if answer.verified else visual_rft_rules.visual_rft_confidence(answer.items, gold)


def published_boxes(judged: Any) -> list[Labelled] | None:
    """The boxes in what a judge of this module gives, as JSON gives it back; None for another's."""
    reading, visual = len(rules.VlmR1Reading._fields), len(VisualRft._fields)
    if len(judged) == reading and (judged[1] is None or isinstance(judged[1], str)):
        items = judged[2]  # of the answer tag
    elif len(judged) == visual and isinstance(judged[0], bool):
        items = judged[1] or ()
    else:
        return None
    found = []
    for corners, label, _ in items:
        with suppress(ValueError):  # published rules also score what is no box
            found.append((Box.from_sequence(corners or ()), label or ""))
    return found


def published(strict: TaskSpec) -> tuple[TaskSpec, ...]:
    """The published variants of the strict task."""
    od_ap = AnswerTerm("od_ap", rules.od_ap)
    others = (
        AnswerTerm("map", rules.vlm_r1_map),
        AnswerTerm("od_ap50", rules.od_ap50),
        AnswerTerm("odLength", rules.od_length),
        AnswerTerm("weighted_sum", rules.weighted_sum),
    )
    vlm_r1: dict[str, Any] = {
        "protocol": "vlm-r1",
        "parser": _reading,
        "judge": VlmR1Judge(),
        "terms": (od_ap,),
        "extra_terms": others,
        "metrics": (od_ap, *others),
        "figures": (),
    }
    rewards = (AnswerTerm("iou", _iou), AnswerTerm("confidence", _confidence))
    visual_rft: dict[str, Any] = {
        "protocol": "visual-rft",
        "parser": _whole,
        "judge": VisualRftJudge(),
        "terms": rewards,
        "extra_terms": (),
        "metrics": rewards,
        "figures": (),
    }
    return tuple(
        strict.model_copy(update={**update, "method": method})
        for update in (vlm_r1, visual_rft)
        for method in ("r1", "train")
    )

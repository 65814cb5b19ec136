"""Detection: every object of an image with its label, or that there is none, scored by F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vlreward.geometry import Box
from vlreward.judges import BoxJudge
from vlreward.metrics.labelled import (
    Labelled,
    detection_f1,
    detection_mean_f1,
    detection_precision,
    detection_recall,
)
from vlreward.parsers.boxes import BoxesParser, LabelledBox
from vlreward.prompts import PromptTemplate
from vlreward.task import FORMAT, AnswerTerm, Histogram, Recipe, Shape, TaskSpec
from vlreward.tasks.detection_gold import DetectionGold, plain_label
from vlreward.tasks.detection_published import published, published_boxes
from vlreward.tasks.detection_schemas import DETECTION_SCHEMAS
from vlreward.types import ParseFailure, Row, Sample

__all__ = ["DETECTION", "DetectionGold", "DetectionJudge"]


@dataclass(frozen=True, slots=True)
class DetectionJudge:
    """Puts labelled boxes into pixels of the original image."""

    clip: bool = False
    """Clip boxes to the frame. By default one that leaves it fails the answer, `out_of_frame`."""

    def many(
        self, answers: Sequence[Sequence[LabelledBox]], samples: Sequence[Sample | Row]
    ) -> list[tuple[Labelled, ...] | ParseFailure]:
        """Boxes with labels as the gold has them, or the first box's failure, for each answer.

        Raises:
            ValueError: If a sample declares no frame, or lacks a size that its frame needs.
        """
        return [self._one(answer, sample) for answer, sample in zip(answers, samples)]

    def _one(
        self, answer: Sequence[LabelledBox], sample: Sample | Row
    ) -> tuple[Labelled, ...] | ParseFailure:
        boxes = BoxJudge(self.clip).many([box for box, _ in answer], [sample] * len(answer))
        # Labels are the gold's where they are equal but for case and white space.
        known = {plain_label(label): label for _, label in reversed(sample.target)}
        found = []
        for box, (_, label) in zip(boxes, answer):
            if isinstance(box, ParseFailure):
                return box
            plain = "" if "" in known else plain_label(label or "")
            found.append((box, known.get(plain, plain)))
        return tuple(found)


def _map(predicted: Sequence[Labelled], gold: Sequence[Labelled]) -> float:
    from vlreward.metrics.coco import CocoBox, coco_ap

    if not gold:
        return float(not predicted)
    pair = [CocoBox(*box) for box in predicted], [CocoBox(*box) for box in gold]
    return coco_ap([pair]) or 0.0


def _shapes(value: Any) -> list[Shape]:
    """The boxes of a target or an answer; of what a published rule read, those that are boxes."""
    pairs = published_boxes(value)
    if pairs is None:
        pairs = [(Box.from_sequence(box), label) for box, label in value]
    return [Shape("box", tuple(map(float, box)), label) for box, label in pairs]


_TAIL = (
    "First output the thinking process in <think> </think> tags and then output the final answer "
    "in <answer> </answer> tags. "
)
R1_PROMPT = PromptTemplate(
    name="detection-r1",
    text="{question} " + _TAIL + "The final answer is a JSON list with one object "
    '{"bbox_2d": [x1, y1, x2, y2], "label": "name"} for each, in a ```json fence, or None if there '
    "is none.",
    source="this project; an answer in this form is read by VLM-R1's rules too",
)
BASELINE_PROMPT = PromptTemplate(
    name="detection-baseline",
    text='{question} Output a JSON list with one object {"bbox_2d": [x1, y1, x2, y2], "label": '
    '"name"} for each, or None if there is none.',
    answer_in="whole",
    source="this project",
)

_AT = (0.5, 0.75)
_STRICT = TaskSpec(
    name="detection",
    version="1",
    gold=DetectionGold,
    prompt=R1_PROMPT,
    parser=BoxesParser(where="tag"),
    judge=DetectionJudge(),
    terms=(AnswerTerm("f1", detection_f1), FORMAT),
    extra_terms=(
        AnswerTerm("precision", detection_precision),
        AnswerTerm("recall", detection_recall),
        *(AnswerTerm(f"f1@{t:g}", partial(detection_f1, threshold=t)) for t in _AT),
        AnswerTerm("f1@[.5:.95]", detection_mean_f1),
    ),
    metrics=(
        *(AnswerTerm(f"f1@{t:g}", partial(detection_f1, threshold=t)) for t in _AT),
        AnswerTerm("f1@[.5:.95]", detection_mean_f1),
        AnswerTerm("precision@0.5", partial(detection_precision, threshold=0.5)),
        AnswerTerm("recall@0.5", partial(detection_recall, threshold=0.5)),
        AnswerTerm("f1", detection_f1),
        AnswerTerm("map", _map),
    ),
    schemas=DETECTION_SCHEMAS,
    recipe=Recipe(max_completion_length=768),
    shapes=_shapes,
    figures=(Histogram("f1", "soft F1"),),
)
_BASELINE = _STRICT.model_copy(
    update={"method": "baseline", "parser": BoxesParser(where="whole"), "prompt": BASELINE_PROMPT}
)
DETECTION = _STRICT.model_copy(update={"variants": (_BASELINE, *published(_STRICT))})
"""Strict, with VLM-R1's and Visual-RFT's rules as variants."""

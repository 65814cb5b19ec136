"""Referring expression comprehension: one box for one expression, scored by IoU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

from vlreward._text import short
from vlreward.frames import Frame, to_original
from vlreward.geometry import Box, Size
from vlreward.golds import is_envelope, literal, untagged
from vlreward.judges import BoxJudge
from vlreward.metrics.boxes import box_ciou, box_diou, box_giou, box_iou
from vlreward.parsers.boxes import BoxParser
from vlreward.prompts import PromptTemplate
from vlreward.schema import (
    SENTENCE,
    Fields,
    Schema,
    expression_in,
    has_options,
    rest_of,
    row_id,
    row_size,
    text_at,
)
from vlreward.task import FORMAT, AccuracyBySize, AnswerTerm, Histogram, Recipe, Shape, TaskSpec
from vlreward.tasks.gold_boxes import as_written, box_under, corners_and_frame, leaves_image, only
from vlreward.tasks.rec_published import published
from vlreward.types import Gold, Sample

__all__ = ["REC", "BoxGold"]

_KEYS = ("box", "bbox_2d", "bbox", "solution", "Position", "position")
_THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))
_BLIND = {"centre-box": (0.25, 0.25, 0.75, 0.75), "whole-image": (0.0, 0.0, 1.0, 1.0)}


class BoxGold(Gold):
    """One axis-aligned box."""

    task: Literal["rec"] = "rec"
    """Task that this gold belongs to."""
    box: Box
    """Corners (x1, y1, x2, y2), x to the right and y down, in `frame`."""
    frame: Frame = Frame.ORIGINAL_PX
    """Coordinate frame of `box`."""

    located: ClassVar[bool] = True

    @classmethod
    def read(cls, value: Any, task: str = "rec") -> BoxGold:
        """Four numbers (x1, y1, x2, y2) in pixels of the original image.

        As a list, tuple, array, JSON or Python repr, alone, in a list with nothing else, or under
        one of the keys `box`, `bbox_2d`, `bbox`, `solution`, `Position`, beside which `frame` or
        `bbox_type` may name another frame; or as ms-swift's `objects` with one box.

        Raises:
            ValueError: If there are no such four numbers, or they are no box.
        """
        value = literal(value)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]  # a list of one detection
        if isinstance(value, dict) and isinstance(value.get("objects"), dict):
            value = {k: v for k, v in {**value, **value["objects"]}.items() if k != "objects"}
        value, frame = corners_and_frame(value)
        if isinstance(value, dict):
            found = [key for key in _KEYS if key in value]
            if len(found) != 1:
                raise ValueError(
                    f"expected a gold with one of the keys {', '.join(_KEYS)}, got "
                    f"{short(value, 120)}"
                )
            only(value, *_KEYS)
            value = box_under(found[0], value)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]  # the only box of ms-swift's objects
        if not isinstance(value, (list, tuple)):
            raise ValueError(
                f"expected four numbers (x1, y1, x2, y2) as gold box, got {short(value, 120)}"
            )
        return cls(box=value, **frame)

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """Lists and objects, as such or as JSON, of one box."""
        if isinstance(value, str) and value.startswith(("[", "{")):
            value = literal(value)
        if isinstance(value, (list, tuple)) and len(value) != 1:
            return bool(value) and not isinstance(value[0], (dict, list, tuple))
        if isinstance(value, (list, tuple)) and isinstance(value[0], dict):
            # One detection of several tasks' files, unless nothing but a box stands there.
            return len(value[0]) == 1 and "Position" not in value[0]
        return isinstance(value, (list, tuple, dict)) and not has_options(value)

    def target(self, image_size: Size | None, input_size: Size | None) -> Box:
        """The box in pixels of the original image."""
        if self.frame is Frame.ORIGINAL_PX:
            return self.box
        self.frame.check_sizes(image_size, input_size)
        return to_original(self.box, self.frame, image_size=image_size, input_size=input_size)

    def remark(self, image_size: Size, tolerance: float) -> str | None:
        """By how much the box leaves its image, if by more than the tolerance.

        Raises:
            ValueError: If it does not touch its image.
        """
        return leaves_image(self.box, self.frame, image_size, tolerance)

    def text(self) -> str:
        """The four numbers, in the gold's frame."""
        return f"[{', '.join(f'{round(v, 2):g}' for v in self.box)}]"

    def written(self, frame: Frame | None = None, *sizes: Any, **how: Any) -> str | None:
        """The box as JSON in a frame, within the image: published ones leave it by a pixel."""
        if frame is None:
            return None
        numbers = as_written(self.box, self.frame, frame, *sizes, **how)
        return f'{{"bbox_2d": {numbers}}}'


def _read_row(row: Mapping[str, Any]) -> Fields:
    caption = text_at(row, "normal_caption") if row.get("normal_caption") is not None else None
    question = text_at(row, "problem") if row.get("problem") is not None else None
    if question is None:
        if caption is None:
            raise ValueError("expected the key 'problem' or 'normal_caption', got neither")
        question = SENTENCE + caption
    used = ("id", "image", "problem", "normal_caption", "solution", "width", "height")
    return Fields(
        gold=row["solution"],
        question=question,
        expression=caption if caption is not None else expression_in(question),
        image=row["image"],
        id=row_id(row),
        image_size=row_size(row),
        metadata=rest_of(row, *used),
    )


def _is_box_row(row: Mapping[str, Any]) -> bool:
    if "normal_caption" in row:
        return True
    if "problem" not in row:
        return False
    try:
        value = untagged(row["solution"])
        return not is_envelope(value) and BoxGold.claims(value, typed=False)
    except ValueError:
        return False


def _controls(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """The middle half of each side of the image, and the whole image."""
    sizes = [sample.image_size for sample in samples if sample.image_size is not None]
    if len(sizes) < len(samples):
        return {}
    return {
        name: [str([x1 * w, y1 * h, x2 * w, y2 * h]) for w, h in sizes]
        for name, (x1, y1, x2, y2) in _BLIND.items()
    }


def _shapes(value: Any) -> list[Shape]:
    return [Shape("box", tuple(map(float, Box.from_sequence(value))))]


def _iou_above(threshold: float, a: Box, b: Box) -> float:
    return 1.0 if box_iou(a, b) > threshold else 0.0


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


R1_PROMPT = PromptTemplate(
    name="rec-r1",
    text="{question} First output the thinking process in <think> </think> tags and then "
    "output the final answer in <answer> </answer> tags. Output the final answer in JSON "
    "format.",
    source="VLM-R1 and PaddleMIX r1_mllm, training and evaluation (method r1)",
)

BASELINE_PROMPT = PromptTemplate(
    name="rec-baseline",
    text="Locate {expression}, output its bbox coordinates using JSON format.",
    answer_in="whole",
    source="PaddleMIX r1_mllm eval/test_rec.py (method baseline)",
)

FAMILY_PROMPTS = (
    PromptTemplate(
        name="qwen-vl",
        text="<ref>{expression}</ref><box>",
        answer_in="whole",
        source="Qwen-VL grounding evaluation; the image tag is the chat template's",
    ),
    PromptTemplate(
        name="qwen2-vl",
        text="Please provide the bounding box coordinate of the region this sentence "
        "describes: {expression}",
        answer_in="whole",
        source="Qwen2-VL grounding evaluation",
    ),
    PromptTemplate(
        name="qwen2.5-vl",
        text="Locate {expression} in this image and output the bbox coordinates in JSON format.",
        answer_in="whole",
        source="Qwen2.5-VL grounding evaluation",
    ),
    PromptTemplate(
        name="qwen3-vl",
        text='Locate every object that matches the description "{expression}" in the image. '
        "Report bbox coordinates in JSON format.",
        answer_in="whole",
        source="Qwen3-VL grounding evaluation",
    ),
    PromptTemplate(
        name="internvl",
        text="Please provide the bounding box coordinate of the region this sentence "
        "describes: <ref>{expression}</ref>",
        answer_in="whole",
        source="InternVL grounding evaluation",
    ),
)
"""How the families' own evaluations ask for a box."""

_STRICT = TaskSpec(
    name="rec",
    version="1",
    gold=BoxGold,
    prompt=R1_PROMPT,
    prompts=FAMILY_PROMPTS,
    parser=BoxParser(where="tag", corner_keys=False),
    judge=BoxJudge(),
    terms=(AnswerTerm("iou", box_iou), FORMAT),
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
    schemas=(Schema("rec", ("image", "solution"), _read_row, _is_box_row),),
    controls=_controls,
    recipe=Recipe(max_completion_length=256, max_pixels=None),
    shapes=_shapes,
    figures=(Histogram("iou", "IoU"), AccuracyBySize()),
)
_BASELINE = _STRICT.model_copy(
    update={
        "method": "baseline",
        "parser": BoxParser(where="whole", corner_keys=False),
        "prompt": BASELINE_PROMPT,
    }
)
REC = _STRICT.model_copy(update={"variants": (_BASELINE, *published(_STRICT, BASELINE_PROMPT))})
"""Strict, with VLM-R1's and PaddleMIX's rules as variants."""

"""The rules by which VLM-R1 rewards detection, bit for bit, flaws included.

They read a completion as its code does, in linear time, and compare it with the gold boxes. Where
the original raises, which ends its training, the reward here is 0.

Source: om-ai-lab/VLM-R1 `src/open-r1-multimodal/src/open_r1/grpo_jsonl.py` (`map_reward`,
`od_reward`, `odLength_reward`, `detection_score`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from vlreward.metrics.compat import pixel_iou
from vlreward.metrics.labelled import Labelled
from vlreward.parsers.tags import MAX_CHARS, too_long
from vlreward.types import Parsed, ParseFailure

__all__ = [
    "MAX_VALUE",
    "Item",
    "VlmR1Reading",
    "between",
    "four_numbers",
    "loads",
    "od_ap",
    "od_ap50",
    "od_length",
    "read_vlm_r1",
    "vlm_r1_map",
    "weighted_sum",
    "whole_output",
]

MAX_VALUE = 1e100
"""Larger numbers are read as none, so that products stay finite."""
_AFTER_SPACE = re.compile(r"(?<=\s)[\n]"), re.compile(r"(?<=\s)[\r]")
_AFTER_TEXT = re.compile(r"(?<!\s)[\n]"), re.compile(r"(?<!\s)[\r]")


class Item(NamedTuple):
    """One element of a list that a model wrote, which need be no box."""

    corners: tuple[float, float, float, float] | None
    """Four numbers; None if the element has none."""
    label: str | None
    """Its label; None if it has none."""
    score: float = 1.0
    """Its confidence."""


class VlmR1Reading(NamedTuple):
    """What VLM-R1's four rewards see in one completion."""

    anywhere: tuple[Item, ...]
    """The list in the last JSON fence of the whole text."""
    answer: str | None
    """The contents of the last `<answer>`; None without one."""
    in_answer: tuple[Item, ...]
    """The list in the last JSON fence of that."""
    cleaned: str
    """The last `<answer>` or the whole text, in lower case without line breaks."""
    in_cleaned: tuple[Item, ...]
    """The list in the first JSON fence of that."""


def whole_output(text: str) -> Parsed[str] | ParseFailure:
    """The text itself, unless it is longer than parsers read."""
    if len(text) > MAX_CHARS:
        return too_long(MAX_CHARS, len(text))
    return Parsed(text, (0, len(text)))


def read_vlm_r1(text: str) -> VlmR1Reading:
    """Read a completion as VLM-R1 does."""
    answers = between(text, "<answer>", "</answer>")
    answer = answers[-1].strip() if answers else None
    cleaned = _clean(text)
    return VlmR1Reading(
        _last_fence(text),
        answer,
        _last_fence(answer or ""),
        cleaned,
        _items(between(_clean(cleaned), "```json", "```")[:1]),
    )


def vlm_r1_map(reading: VlmR1Reading, gold: Sequence[Labelled]) -> float:
    """`map`: COCO's mAP of one image, of the last fence anywhere.

    Known flaws: boxes after the right ones and boxes of other labels cost nothing; where nothing is
    there, any text without a fence earns 1; a right answer without a fence earns 0.
    """
    return _map(reading.anywhere, gold)


def od_ap(reading: VlmR1Reading, gold: Sequence[Labelled]) -> float:
    """`od_ap`: as `map`, but of the last fence within the last `<answer>`."""
    return _od(reading, gold)


def od_ap50(reading: VlmR1Reading, gold: Sequence[Labelled]) -> float:
    """`od_ap50`: as `od_ap`, at an IoU of 0.5."""
    return _od(reading, gold, ious=(0.5,))


def od_length(reading: VlmR1Reading, gold: Sequence[Labelled]) -> float:
    """`odLength`: `od_ap` times n_gold / n_predicted where more is said than is there.

    Known flaw: duplicates are free as long as some gold box is left out.
    """
    n = len(reading.in_answer)
    return _od(reading, gold) * (1.0 if len(gold) >= n else len(gold) / n)


def weighted_sum(reading: VlmR1Reading, gold: Sequence[Labelled]) -> float:
    """`weighted_sum`: 0.7 of the mean IoU of a greedy matching and 0.3 of "completeness".

    Known flaws: 60 junk boxes cost 0.15; swapped labels earn 0.3; a box without a label takes that
    of the match before it (or raises, where it is the first).
    """
    if not gold:  # as the data writes it: None
        return float(reading.cleaned == "none")
    items = reading.in_cleaned
    if not items:
        return 0.0
    import numpy as np

    ious = np.array(
        [
            [pixel_iou(item.corners, box) if item.corners else 0.0 for box, _ in gold]
            for item in items
        ]
    )
    matched, right, said = 0, [], None
    while matched < min(ious.shape):
        row, column = divmod(int(ious.argmax()), len(gold))
        best = float(ious[row, column])
        if best < 0.5:
            break
        label = items[row].label
        said = said if label is None else label.lower()
        if said is None:
            return 0.0
        if said == gold[column][1].lower():
            right.append(best)
        matched += 1
        ious[row, :] = ious[:, column] = -1
    missed, false = (1 - matched / n for n in (len(gold), len(items)))
    position = sum(right) / len(gold)
    return (0.7 * position + 0.3 * (1.0 - (missed + false) / 2.0)) / (0.7 + 0.0 + 0.3)


def _od(
    reading: VlmR1Reading, gold: Sequence[Labelled], ious: tuple[float, ...] | None = None
) -> float:
    if reading.answer is None:
        return 0.0
    return _map(reading.in_answer, gold, ious)


def _map(
    items: Sequence[Item], gold: Sequence[Labelled], ious: tuple[float, ...] | None = None
) -> float:
    if not items or not gold:
        return float(not items and not gold)
    from vlreward.metrics.coco import CocoBox, coco_ap

    labels = {label for _, label in gold}
    there = [CocoBox(*box) for box in gold]
    found = [
        CocoBox(item.corners, item.label) for item in items if item.corners and item.label in labels
    ]
    if not found:
        return 0.0
    pair = [(found, there)]
    return (coco_ap(pair) if ious is None else coco_ap(pair, ious)) or 0.0


def _clean(text: str) -> str:
    answers = between(text, "<answer>", "</answer>")
    text = answers[-1] if answers else text
    for after_space, after_text in zip(_AFTER_SPACE, _AFTER_TEXT):
        text = after_text.sub(" ", after_space.sub("", text))
    return text.strip().rstrip(".").lower()


def _last_fence(text: str) -> tuple[Item, ...]:
    return _items(between(text, "```json", "```")[-1:])


def between(text: str, opening: str, closing: str) -> list[str]:
    """What `re.findall(opening + "(.*?)" + closing)` finds across lines, in linear time."""
    found = []
    start = text.find(opening)
    while start >= 0:
        start += len(opening)
        end = text.find(closing, start)
        if end < 0:
            break
        found.append(text[start:end])
        start = text.find(opening, end + len(closing))
    return found


def _items(fences: Sequence[str]) -> tuple[Item, ...]:
    found = loads(fences[0].strip()) if fences else None
    if not isinstance(found, (list, dict, str)):
        return ()
    items = []
    for element in found:  # the keys of an object and the letters of a text are elements there
        element = element if isinstance(element, dict) else {}
        label = element.get("label")
        corners = four_numbers(element.get("bbox_2d"))
        items.append(Item(corners, label if isinstance(label, str) else None))
    return tuple(items)


def loads(text: str) -> Any:
    """What a text holds as JSON; None if it holds none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def four_numbers(value: Any, exactly: bool = False) -> tuple[float, float, float, float] | None:
    """The first four elements of a list if they are numbers of moderate size, else None."""
    if not isinstance(value, list) or len(value) < 4 or (exactly and len(value) != 4):
        return None
    if not all(map(_is_number, value[:4])):
        return None
    x1, y1, x2, y2 = value[:4]
    return x1, y1, x2, y2


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and -MAX_VALUE < value < MAX_VALUE

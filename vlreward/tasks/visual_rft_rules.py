"""The rules by which Visual-RFT rewards detection, bit for bit, flaws included.

Where the original raises, the reward here is 0, as it is there.

Source: Liuziyu77/Visual-RFT `src/virft/src/open_r1/grpo.py` (`accuracy_reward_iou`,
`accuracy_reward_confidence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlreward.metrics.labelled import Labelled
from vlreward.tasks.detection_rules import MAX_VALUE, Item, between, four_numbers, loads

__all__ = ["read_visual_rft", "visual_rft_confidence", "visual_rft_iou"]


def read_visual_rft(text: str) -> tuple[Item, ...] | None:
    """Read a completion as Visual-RFT does; None if that gives no list of boxes.

    The answer must stand on one line. Equal positions count once. Known flaws: an apostrophe in a
    label makes the whole list unreadable, and so does "No Objects".
    """
    lines = (between(line, "<answer>", "</answer>") for line in text.split("\n"))
    answer = next((found[0] for found in lines if found), text).strip()
    answer = answer.replace("[[", "[").replace("]]", "]").replace("\n", "")
    answer = f"<answer>{answer}</answer>"
    start, end = answer.find("<answer>") + len("<answer>"), answer.find("</answer>")
    content = answer[start:end]
    if not content.endswith("]"):
        content = content.rsplit("},", 1)[0] + "}]"
    found = loads(content.replace("'", '"'))
    if not isinstance(found, list) or not found or type(found[0]) is not dict:
        return None
    items: dict[tuple[Any, ...], Item] = {}
    for element in found:
        if not isinstance(element, dict):
            return None
        position, score = element.get("Position"), element.get("Confidence")
        if not isinstance(score, (int, float)) or not abs(score) < MAX_VALUE:
            return None
        corners = four_numbers(position, exactly=True)
        try:
            items.setdefault(tuple(position or ()), Item(corners, None, float(score)))
        except TypeError:  # no sequence, or one of lists
            return None
    return tuple(items.values())


def visual_rft_iou(items: Sequence[Item] | None, gold: Sequence[Labelled]) -> float:
    """The IoU reward: IoUs over 0.5 of a greedy matching, over the longer list.

    Known flaws: labels are not read, and a box moved by a pixel is no duplicate.
    """
    ious = _confident_first(items or (), gold)
    if not ious or not gold:
        return 0.0
    return min(sum(iou for iou, _ in ious) / max(len(gold), len(ious)), 1.0)


def visual_rft_confidence(items: Sequence[Item] | None, gold: Sequence[Labelled]) -> float:
    """The confidence reward: the mean of c for a match and 1 - c for none.

    Known flaw: what is missing costs nothing, so one junk box with confidence 0 earns 1.
    """
    ious = _confident_first(items or (), gold)
    if not ious or not gold:
        return 0.0
    mean = sum(score if iou else 1 - score for iou, score in ious) / len(ious)
    return min(max(mean, 0.0), 1.0)


def _confident_first(items: Sequence[Item], gold: Sequence[Labelled]) -> list[tuple[float, float]]:
    """(IoU with its own gold box or 0, confidence) for each item, the most confident first."""
    free = dict(enumerate(box for box, _ in gold))
    results = []
    for item in sorted(items, key=lambda item: item.score, reverse=True):
        best, match = 0.0, -1
        if free and item.corners is None:
            return []  # the original raises
        for i, box in free.items():
            iou = _signed_iou(box, item.corners or ())
            if iou > best:
                best, match = iou, i
        if best > 0.5:
            del free[match]
        results.append((best if best > 0.5 else 0.0, item.score))
    return results


def _signed_iou(box: Sequence[float], other: Sequence[float]) -> float:
    """The IoU of numbers that need be no box; what overlaps nothing is 0."""
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[2], other[2]), min(box[3], other[3])
    if right <= left or bottom <= top:
        return 0.0
    inter = (right - left) * (bottom - top)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return inter / (areas - inter)

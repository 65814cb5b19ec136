"""The published rewards of detection: against their rules in other words, and their known flaws."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.test_coco import pycocotools_stats
from vlreward.geometry import Box
from vlreward.metrics.coco import CocoBox
from vlreward.metrics.labelled import Labelled, detection_f1
from vlreward.tasks import detection_rules as rules
from vlreward.tasks import visual_rft_rules as visual_rft

_CAT: Labelled = (Box(10, 10, 110, 110), "cat")
_DOG: Labelled = (Box(200, 10, 300, 110), "dog")
_GOLD = (_CAT, _DOG)


def _fence(boxes: Any) -> str:
    if isinstance(boxes, (list, tuple)):
        boxes = [
            {"bbox_2d": list(item[0]), "label": item[1]} if isinstance(item, tuple) else item
            for item in boxes
        ]
    return f"```json\n{json.dumps(boxes)}\n```"


def _answer(boxes: Any) -> str:
    return f"<think>looking</think><answer>{_fence(boxes)}</answer>"


_JUNK = [(Box(x, 400, x + 9, 420), "cat") for x in range(60)]
_REWARDS = {
    "map": rules.vlm_r1_map,
    "od_ap": rules.od_ap,
    "od_ap50": rules.od_ap50,
    "odLength": rules.od_length,
    "weighted_sum": rules.weighted_sum,
}


def _vlm_r1(name: str, text: str, gold: tuple[Labelled, ...] = _GOLD) -> float:
    return _REWARDS[name](rules.read_vlm_r1(text), gold)


@pytest.mark.parametrize("name", _REWARDS)
def test_a_right_answer_earns_one_and_a_missing_one_nothing(name: str) -> None:
    assert _vlm_r1(name, _answer(_GOLD)) == pytest.approx(1)
    assert _vlm_r1(name, "") == 0
    assert _vlm_r1(name, "<answer>None</answer>") == 0
    assert _vlm_r1(name, "<answer>None</answer>", ()) == 1
    assert _vlm_r1(name, _answer(_GOLD), ()) == 0


def test_flaw_junk_is_free_after_the_right_boxes() -> None:
    for name in ("map", "od_ap", "od_ap50"):
        assert _vlm_r1(name, _answer([*_GOLD, *_JUNK])) == pytest.approx(1)
        assert _vlm_r1(name, _answer([*_JUNK, *_GOLD])) == pytest.approx(0.51, abs=0.01)
    assert _vlm_r1("odLength", _answer([*_GOLD, *_JUNK])) == pytest.approx(2 / 62)
    assert _vlm_r1("weighted_sum", _answer([*_GOLD, *_JUNK])) == pytest.approx(0.85, abs=0.01)
    assert detection_f1([*_GOLD, *_JUNK], _GOLD) == pytest.approx(4 / 64)


def test_flaw_boxes_of_other_labels_are_free() -> None:
    others = [(box, "unicorn") for box, _ in _JUNK]
    assert _vlm_r1("map", _answer([*others, *_GOLD])) == pytest.approx(1)


def test_flaw_duplicates_are_free_while_a_box_is_missing() -> None:
    half = _vlm_r1("odLength", _answer([_CAT]))
    assert _vlm_r1("odLength", _answer([_CAT, _CAT])) == half == pytest.approx(0.5)
    assert detection_f1([_CAT, _CAT], _GOLD) < detection_f1([_CAT], _GOLD)


def test_flaw_nothing_is_there_and_anything_without_a_fence_is_right() -> None:
    for text in ("<answer>I cannot tell, [1, 2, 3, 4]</answer>", "<answer>[1, 2, 3, 4]</answer>"):
        assert _vlm_r1("od_ap", text, ()) == _vlm_r1("map", text, ()) == 1
        assert _vlm_r1("weighted_sum", text, ()) == 0


def test_flaw_a_right_answer_without_a_fence_is_wrong() -> None:
    bare = _answer(_GOLD).replace("```json", "").replace("```", "")
    assert {_vlm_r1(name, bare) for name in _REWARDS} == {0}


def test_flaw_swapped_labels_earn_the_completeness() -> None:
    swapped = _answer([(_CAT[0], "dog"), (_DOG[0], "cat")])
    assert _vlm_r1("weighted_sum", swapped) == pytest.approx(0.3)
    assert _vlm_r1("map", swapped) == 0


def test_flaw_a_box_without_a_label_takes_that_of_the_match_before() -> None:
    gold = (_CAT, (_DOG[0], "cat"))
    boxes = [{"bbox_2d": list(_CAT[0]), "label": "cat"}, {"bbox_2d": list(_DOG[0])}]
    assert _vlm_r1("weighted_sum", _answer(boxes), gold) == pytest.approx(1)
    assert _vlm_r1("weighted_sum", _answer(boxes[::-1]), gold) == 0  # it raises there
    assert _vlm_r1("map", _answer(boxes), gold) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param([], 0, id="an empty list"),
        pytest.param({"bbox_2d": [10, 10, 110, 110], "label": "cat"}, 0, id="no list"),
        pytest.param([1, None, "x", []], 0, id="no objects"),
        pytest.param([{"bbox_2d": [10, 10, 110], "label": "cat"}], 0, id="three numbers"),
        pytest.param([{"bbox_2d": "10, 10", "label": "cat"}], 0, id="a text"),
        pytest.param([{"bbox_2d": [10, 10, 110, 110, 7], "label": "cat"}], 0.5, id="five numbers"),
        pytest.param([{"bbox_2d": [1e200] * 4, "label": "cat"}, _CAT], 0.5, id="huge"),
    ],
)
def test_odd_lists(content: Any, expected: float) -> None:
    for name in ("map", "od_ap50"):
        assert _vlm_r1(name, _answer(content)) == pytest.approx(expected, abs=0.01)


_word = st.sampled_from(
    ["<answer>", "</answer>", "```json", "```", "```json[]```", "None", ".", "\n", " ", "\r", "x",
     _fence([_CAT]), _fence([_DOG, _CAT]), "```JSON [] ```", "<ANSWER>", "</ANSWER>"]
)  # fmt: skip
texts = st.lists(_word, max_size=12).map("".join)


@given(text=texts)
def test_fences_and_tags_are_those_that_the_published_patterns_find(text: str) -> None:
    reading = rules.read_vlm_r1(text)
    answers = re.findall("<answer>(.*?)</answer>", text, re.DOTALL)
    assert reading.answer == (answers[-1].strip() if answers else None)

    def labels(where: str, which: int) -> list[Any]:
        fences = re.findall("```json(.*?)```", where, re.DOTALL)
        try:
            return [item["label"] for item in json.loads(fences[which])]
        except (ValueError, IndexError):
            return []

    def cleaned(where: str) -> str:
        inside = re.findall("<answer>(.*?)</answer>", where, re.DOTALL)
        where = inside[-1] if inside else where
        for line_end in "\n\r":
            where = re.sub(rf"(?<=\s){line_end}", "", where)
            where = re.sub(rf"(?<!\s){line_end}", " ", where)
        return where.strip().rstrip(".").lower()

    assert [item.label for item in reading.anywhere] == labels(text, -1)
    assert [item.label for item in reading.in_answer] == labels(reading.answer or "", -1)
    assert reading.cleaned == cleaned(text)
    assert [item.label for item in reading.in_cleaned] == labels(cleaned(cleaned(text)), 0)


_side = st.integers(0, 40)
_boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w + 1, y + h + 1), _side, _side, _side, _side)
_labelled = st.lists(st.tuples(_boxes, st.sampled_from(["cat", "dog"])), min_size=1, max_size=5)


@given(predicted=_labelled, gold=_labelled)
def test_map_is_that_of_pycocotools(predicted: list[Labelled], gold: list[Labelled]) -> None:
    known = {label for _, label in gold}
    there, found = (
        [CocoBox((box.x1, box.y1, box.x2, box.y2), label) for box, label in side if label in known]
        for side in (gold, predicted)
    )
    stats = pycocotools_stats([(found, there)]) if found else [0, 0]
    answer = _answer(predicted)
    assert _vlm_r1("map", answer, tuple(gold)) == pytest.approx(stats[0], abs=1e-12)
    assert _vlm_r1("od_ap50", answer, tuple(gold)) == pytest.approx(stats[1], abs=1e-12)


def _positions(*boxes: tuple[list[int], float]) -> str:
    return f"<answer>{[{'Position': p, 'Confidence': c} for p, c in boxes]!r}</answer>"


def _visual_rft(text: str, gold: tuple[Labelled, ...] = _GOLD) -> tuple[float, float]:
    items = visual_rft.read_visual_rft(text)
    return visual_rft.visual_rft_iou(items, gold), visual_rft.visual_rft_confidence(items, gold)


_CAT_AT, _DOG_AT = [10, 10, 110, 110], [200, 10, 300, 110]


@pytest.mark.parametrize(
    ("text", "iou", "confidence"),
    [
        pytest.param(_positions((_CAT_AT, 0.9), (_DOG_AT, 0.7)), 1, 0.8, id="right"),
        pytest.param(_positions((_CAT_AT, 1.0)), 0.5, 1, id="recall is in the IoU reward alone"),
        pytest.param(_positions((_CAT_AT, 1.0), (_CAT_AT, 0.4)), 0.5, 1, id="equal boxes are one"),
        pytest.param(
            _positions((_CAT_AT, 1.0), ([11, 10, 111, 110], 0.4)), 0.5, 0.8,
            id="flaw: a duplicate moved by a pixel costs the IoU reward nothing here",
        ),
        pytest.param(_positions(([500, 500, 510, 510], 0)), 0, 1, id="flaw: junk, confidence 0"),
        pytest.param(
            "<answer>[{'Position': [10, 10, 110, 110], 'Confidence': 1, 'L': 'c's'}]</answer>",
            0, 0, id="flaw: an apostrophe",
        ),
        pytest.param("<answer>No Objects</answer>", 0, 0, id="flaw: no path for no objects"),
        pytest.param("<answer>[]</answer>", 0, 0, id="an empty list"),
        pytest.param(
            "[{'Position': [10, 10, 110, 110], 'Confidence': 1}, {'Position': [2", 0.5, 1,
            id="no tag, cut off: what is whole counts",
        ),
        pytest.param(
            "<answer>\n[{'Position': [10, 10, 110, 110], 'Confidence': 1}]\n</answer>", 0, 0,
            id="flaw: an answer over several lines",
        ),
        pytest.param(
            "<answer>[{'Position': [[10, 10, 110, 110]], 'Confidence': 1}]</answer>", 0.5, 1,
            id="double brackets",
        ),
        pytest.param(_positions((_CAT_AT, 2), (_DOG_AT, 2)), 1, 1, id="clipped to 1"),
        pytest.param(_positions(([1, 2, 3], 0.5)), 0, 0, id="three numbers"),
        pytest.param("<answer>[{'Position': 5, 'Confidence': 1}]</answer>", 0, 0, id="a number"),
        pytest.param("<answer>[{'Confidence': 1}]</answer>", 0, 0, id="no position"),
        pytest.param("<answer>[{'Position': [1, 2, 3, 4]}]</answer>", 0, 0, id="no confidence"),
        pytest.param("<answer>[1, 2]</answer>", 0, 0, id="no objects"),
        pytest.param("", 0, 0, id="nothing"),
    ],
)  # fmt: skip
def test_visual_rft(text: str, iou: float, confidence: float) -> None:
    assert _visual_rft(text) == pytest.approx((iou, confidence), abs=0.01)


def test_flaw_visual_rft_reads_no_labels() -> None:
    text = _positions((_CAT_AT, 1.0), (_DOG_AT, 1.0))
    assert _visual_rft(text, ((_CAT[0], "x"), (_DOG[0], "y"))) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "<answer>" * 16_000,
        "```json" * 18_000,
        "<answer>```json" * 8_000 + "```</answer>" * 100,
        "<answer>\n" * 14_000,
        _answer([(Box(x % 97, 0, x % 97 + 9, 9), "cat") for x in range(2_000)]),
        "```json" + "[" * 100_000 + "```",
        " \n" * 60_000,
    ],
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    start = time.thread_time()
    for name in _REWARDS:
        assert 0 <= _vlm_r1(name, text) <= 1
    assert 0 <= min(_visual_rft(text)) <= 1
    assert time.thread_time() - start < 20  # quadratic ways take minutes

"""COCO's average precision, digit for digit that of pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.metrics.coco import CocoBox, coco_ap

_Images = list[tuple[list[CocoBox], list[CocoBox]]]


def pycocotools_stats(images: _Images) -> list[float]:
    """`COCOeval.stats` of the same boxes."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = sorted({box.label for pair in images for boxes in pair for box in boxes})
    rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for image, pair in enumerate(images):
        for side, boxes in zip(rows, pair):
            for box in boxes:
                x1, y1, x2, y2 = box.corners
                side.append(
                    {
                        "id": len(side) + 1,
                        "image_id": image,
                        "category_id": labels.index(box.label),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": 0,
                        "score": box.score,
                    }
                )
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(len(images))],
            "categories": [{"id": i, "name": label} for i, label in enumerate(labels)],
            "annotations": rows[1],
        }
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(rows[0]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


_place = st.one_of(st.integers(0, 40), st.floats(0, 40, width=32))
_side = st.one_of(st.integers(1, 30), st.floats(0.25, 30, width=32))
_label = st.sampled_from(["cat", "dog", "unknown"])


@st.composite
def boxes(draw: st.DrawFn, scored: bool = False) -> CocoBox:
    x, y, width, height = draw(_place), draw(_place), draw(_side), draw(_side)
    score = draw(st.sampled_from([0.1, 0.5, 0.5, 0.9])) if scored else 1.0
    return CocoBox((x, y, x + width, y + height), draw(_label), score)


@st.composite
def jittered(draw: st.DrawFn, gold: list[CocoBox]) -> CocoBox:
    """A box near one of the gold, so that IoUs over 0.5 are common."""
    box = draw(st.sampled_from(gold))
    x1, y1, x2, y2 = box.corners
    dx, dy = draw(st.sampled_from([0, 0.5, 1, 3])), draw(st.sampled_from([0, 0.5, 2]))
    label = draw(st.sampled_from([box.label, box.label, "cat"]))
    score = draw(st.sampled_from([0.1, 0.5, 1.0]))
    return CocoBox((x1 + dx, y1 + dy, x2 + dx, y2 + dy), label, score)


@st.composite
def data_sets(draw: st.DrawFn) -> _Images:
    images = []
    for _ in range(draw(st.integers(1, 3))):
        gold = draw(st.lists(boxes(), min_size=1, max_size=6))
        near = draw(st.lists(jittered(gold), max_size=6))
        far = draw(st.lists(boxes(scored=True), max_size=4))
        images.append((draw(st.permutations([*near, *far])), gold))
    return images


@settings(max_examples=50)
@given(images=data_sets())
def test_equals_pycocotools(images: _Images) -> None:
    if not any(predicted for predicted, _ in images):
        assert coco_ap(images) == 0.0  # pycocotools cannot load a result without detections
        return
    stats = pycocotools_stats(images)
    assert coco_ap(images) == pytest.approx(stats[0], abs=1e-12)
    assert coco_ap(images, (0.5,)) == pytest.approx(stats[1], abs=1e-12)
    assert coco_ap(images, (0.75,)) == pytest.approx(stats[2], abs=1e-12)


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param((0.0, 0.0, 1e6, 1e6), id="too large to be a mistake"),
        pytest.param((5.0, 5.0, 2.0, 9.0), id="inverted: a negative area"),
        pytest.param((9.0, 9.0, 2.0, 2.0), id="inverted twice"),
        pytest.param((5.0, 5.0, 5.0, 9.0), id="no area"),
    ],
)
def test_odd_detections_count_as_they_do_there(corners: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = corners
    gold = [CocoBox((0, 0, 10, 10), "a"), CocoBox((20, 0, 30, 10), "a")]
    images: _Images = [([CocoBox((x1, y1, x2, y2), "a"), *gold], gold)]
    assert coco_ap(images) == pytest.approx(pycocotools_stats(images)[0], abs=1e-12)


def test_a_hundred_detections_of_a_label_count() -> None:
    gold = [CocoBox((0, 0, 10, 10), "a")]
    junk = [CocoBox((x, 50, x + 1, 51), "a") for x in range(100)]
    for predicted in ([*junk[:99], *gold], [*junk, *gold]):
        images: _Images = [(predicted, gold)]
        assert coco_ap(images) == pytest.approx(pycocotools_stats(images)[0], abs=1e-12)
    assert coco_ap([([*junk, *gold], gold)]) == 0


def test_without_gold_there_is_no_number() -> None:
    assert coco_ap([([CocoBox((0, 0, 1, 1), "a")], [])]) is None
    assert coco_ap([]) is None

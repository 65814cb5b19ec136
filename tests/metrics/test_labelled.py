"""F1 of labelled boxes: what must cost something costs something, and COCO counts the same hits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.geometry import Box
from vlreward.metrics.boxes import box_iou
from vlreward.metrics.labelled import (
    F1_THRESHOLDS,
    Labelled,
    detection_f1,
    detection_mean_f1,
    detection_precision,
    detection_recall,
)

_CAT: Labelled = (Box(10, 10, 50, 50), "cat")
_DOG: Labelled = (Box(60, 10, 90, 40), "dog")
_JUNK: Labelled = (Box(200, 200, 210, 210), "cat")

_side = st.integers(0, 30)
_boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), _side, _side, st.integers(1, 20), st.integers(1, 20)
)
labelled = st.lists(st.tuples(_boxes, st.sampled_from("ab")), max_size=5)


@pytest.mark.parametrize(
    ("predicted", "gold", "soft", "precision", "recall"),
    [
        pytest.param([], [], 1, 1, 1, id="nothing is there and nothing is said"),
        pytest.param([_CAT], [], 0, 0, 0, id="a box where nothing is"),
        pytest.param([], [_CAT], 0, 0, 0, id="nothing where a box is"),
        pytest.param([_CAT, _DOG], [_DOG, _CAT], 1, 1, 1, id="order does not matter"),
        pytest.param([_CAT], [_CAT, _DOG], 2 / 3, 1, 1 / 2, id="one is missing"),
        pytest.param([_CAT, _CAT], [_CAT], 2 / 3, 1 / 2, 1, id="a duplicate costs"),
        pytest.param([_CAT, _JUNK], [_CAT], 2 / 3, 1 / 2, 1, id="junk after the box costs"),
        pytest.param([_JUNK, _CAT], [_CAT], 2 / 3, 1 / 2, 1, id="junk before it costs as much"),
        pytest.param(
            [_CAT, (_JUNK[0], "unicorn")], [_CAT], 2 / 3, 1 / 2, 1, id="an unknown label costs"
        ),
        pytest.param(
            [(_CAT[0], "dog"), (_DOG[0], "cat")], [_CAT, _DOG], 0, 0, 0, id="labels swapped"
        ),
        pytest.param([(Box(10, 10, 50, 30), "cat")], [_CAT], 1 / 2, 1 / 2, 1 / 2, id="half of it"),
    ],
)
def test_cases(
    predicted: list[Labelled],
    gold: list[Labelled],
    soft: float,
    precision: float,
    recall: float,
) -> None:
    assert detection_f1(predicted, gold) == pytest.approx(soft)
    assert detection_precision(predicted, gold) == pytest.approx(precision)
    assert detection_recall(predicted, gold) == pytest.approx(recall)


def test_sixty_junk_boxes_leave_little() -> None:
    rng = random.Random(1)
    junk = [(Box(x, 300, x + 5, 310), rng.choice(("cat", "dog", "x"))) for x in range(60)]
    for answer in ([_CAT, _DOG, *junk], [*junk, _CAT, _DOG]):
        assert detection_f1(answer, [_CAT, _DOG]) == pytest.approx(4 / 64)


def test_the_matching_is_the_best_and_not_a_greedy_one() -> None:
    gold = [(Box(0, 0, 10, 10), "a"), (Box(4, 0, 14, 10), "a")]
    predicted = [(Box(2, 0, 12, 10), "a"), (Box(4, 0, 14, 10), "a")]
    # Greedy in the order of the list could give the first box to the second gold.
    expected = box_iou(predicted[0][0], gold[0][0]) + 1
    assert detection_f1(predicted, gold) == pytest.approx(2 * expected / 4)


@given(predicted=labelled, gold=labelled)
def test_f1_lies_between_and_thresholds_are_means(
    predicted: list[Labelled], gold: list[Labelled]
) -> None:
    for threshold in (None, 0.5, 0.75):
        f1 = detection_f1(predicted, gold, threshold)
        precision = detection_precision(predicted, gold, threshold)
        recall = detection_recall(predicted, gold, threshold)
        assert 0 <= f1 <= 1
        assert f1 == pytest.approx(detection_f1(gold, predicted, threshold))
        harmonic = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert f1 == pytest.approx(harmonic)
    each = [detection_f1(predicted, gold, threshold) for threshold in F1_THRESHOLDS]
    assert detection_mean_f1(predicted, gold) == pytest.approx(sum(each) / len(each))
    assert detection_f1(gold, gold) == 1


@given(predicted=labelled, gold=labelled, extra=st.tuples(_boxes, st.sampled_from("abz")))
def test_a_box_that_matches_nothing_new_never_pays(
    predicted: list[Labelled], gold: list[Labelled], extra: Labelled
) -> None:
    before, after = detection_recall(predicted, gold), detection_recall([*predicted, extra], gold)
    if predicted and gold and after == pytest.approx(before):
        assert detection_f1([*predicted, extra], gold) <= detection_f1(predicted, gold)

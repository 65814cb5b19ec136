"""Foreign values in messages: one line, bounded, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError, field_validator

from vlreward._text import first_problem, one_line, short


class _Inner(BaseModel):
    box: list[int] = Field(max_length=4)

    @field_validator("box")
    @classmethod
    def _ordered(cls, box: list[int]) -> list[int]:
        if box != sorted(box):
            raise ValueError("expected numbers in order")
        return box


class _Outer(BaseModel):
    gold: _Inner
    name: str = "x"


def _error(value: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate(value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"gold": {"box": [2, 1]}}, "gold.box: expected numbers in order, got [2, 1]"),
        ({"gold": {"box": [1, "x"]}}, "gold.box.1: Input should be a valid integer, unable to "
         "parse string as an integer, got 'x'"),
        ({}, "gold: Field required"),
        (7, "Input should be a valid dictionary or instance of _Outer, got 7"),
        ({"gold": {"box": []}, "name": 3, "x": 1}, "name: Input should be a valid string, got 3"),
    ],
)  # fmt: skip
def test_the_first_problem(value: object, said: str) -> None:
    assert first_problem(_error(value)) == said


def test_values_of_others_are_not_shown() -> None:
    error = _error({"gold": {"box": []}, "name": ["secret"]})
    said = first_problem(error, got=False, name=lambda field: f"VLREWARD_{field.upper()}")
    assert said == "VLREWARD_NAME: Input should be a valid string"


def test_what_has_no_repr_has_a_type() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert short(10**5000) == "<int>"
    assert short(nested) == "[[[[[...]]]]]"


class _Counting:
    seen = 0

    def __repr__(self) -> str:
        _Counting.seen += 1
        return "x"


@pytest.mark.parametrize("many", [list, tuple, lambda parts: dict(enumerate(parts)), set])
def test_of_a_large_value_the_beginning_alone_is_looked_at(many: Callable[[Any], object]) -> None:
    _Counting.seen = 0
    assert "x" in short([many(_Counting() for _ in range(10_000))], 100)
    assert _Counting.seen < 100
    assert short(["a" * 9_000_000], 20) == "['" + "a" * 17 + "…"


@given(st.text() | st.lists(st.text()), st.integers(1, 50))
def test_lengths_are_kept(value: object, n: int) -> None:
    assert len(short(value, n)) <= n
    line = one_line(str(value), n)
    assert len(line) <= n
    assert line.isprintable()

"""`PointParser`: points, clicks, tool calls, and the centres of boxes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.frames import x_first
from vlreward.parsers import Point, PointParser
from vlreward.types import FailureCode, Parsed, ParseFailure

_WHOLE = PointParser(where="whole")


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("[3, 4]", (3, 4)),
        ("(3, 4)", (3, 4)),
        ("3, 4", (3, 4)),
        ("3 4", (3, 4)),
        ("The button is at (3.5, 4).", (3.5, 4)),
        ("（３，４）", (3, 4)),
        ('{"point_2d": [3, 4], "label": "OK"}', (3, 4)),
        ('{"point": [3, 4]}', (3, 4)),
        ('{"coordinate": "3, 4"}', (3, 4)),
        ('{"coordinates": [3, 4]}', (3, 4)),
        ('{"x": 3, "y": 4}', (3, 4)),
        ('{"click": {"x": 3, "y": 4}}', (3, 4)),
        ("[[3, 4]]", (3, 4)),
        ("<point>3 4</point>", (3, 4)),
        ("<point>[3, 4]</point>", (3, 4)),
        ("<point>(3, 4)</point>", (3, 4)),
        ('<point x="3" y="4" alt="a sign of 5 to 6">a sign</point>', (3, 4)),
        ('<points x1="3" y1="4" alt="a sign">a sign</points>', (3, 4)),
        ("<|box_start|>(3,4)<|box_end|>", (3, 4)),
        ("<loc_3><loc_4>", (3, 4)),
        ("pyautogui.click(3, 4)", (3, 4)),
        ("pyautogui.click(x=0.3, y=0.4)", (0.3, 0.4)),
        ("click(start_box='(3,4)')", (3, 4)),
        ("click(start_box='<|box_start|>(3,4)<|box_end|>')", (3, 4)),
        ("click(start_box='[1, 2, 5, 6]')", (3, 4)),
        ("click(point='<point>3 4</point>')", (3, 4)),
        (
            '{"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [3, 4]}}',
            (3, 4),
        ),
        ("[1, 2, 5, 6]", (3, 4)),
        ('{"bbox_2d": [1, 2, 5, 6]}', (3, 4)),
        ('{"bbox_2d": [10, 20, 50, 60], "point_2d": [3, 4]}', (3, 4)),
        ("x: 3, y: 4", (3, 4)),
        ("[3, 4] that is (3.0, 4.0)", (3, 4)),
    ],
)
def test_a_point_is_read(text: str, point: tuple[float, float]) -> None:
    for parser, shown in (
        (_WHOLE, text),
        (PointParser(), f"<think>[9, 9]</think><answer>{text}</answer>"),
    ):
        result = parser(shown)
        assert isinstance(result, Parsed), result
        assert tuple(result.value) == point
        assert result.span is not None
        start, end = result.span
        assert 0 <= start < end <= len(shown)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", FailureCode.EMPTY_ANSWER),
        ("here", FailureCode.NO_POINT),
        ("[3, 4, 5]", FailureCode.NO_POINT),
        ('{"size": [3, 4]}', FailureCode.NO_POINT),
        (
            '{"si\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0ze": [3, 4], "%s": [3, 4]}'
            % ("\1" * 40),
            FailureCode.NO_POINT,
        ),
        ('{"label": "at [3, 4]"}', FailureCode.NO_POINT),
        ("[3, 4], [5, 6]", FailureCode.MULTIPLE_POINTS),
        ("[[3, 4], [5, 6]]", FailureCode.MULTIPLE_POINTS),
        ('<points x1="3" y1="4" x2="5" y2="6">two</points>', FailureCode.MULTIPLE_POINTS),
        ("[1, 2, 5, 6] [1, 2, 7, 8]", FailureCode.MULTIPLE_POINTS),
        ("[nan, 4]", FailureCode.BAD_NUMBER),
        ("[3, 1e999]", FailureCode.BAD_NUMBER),
        ("[3%, 4%]", FailureCode.BAD_NUMBER),
        ("[" * 40 + "3, 4", FailureCode.TOO_COMPLEX),
    ],
)
def test_anything_else_says_why(text: str, code: FailureCode) -> None:
    result = _WHOLE(text)
    assert isinstance(result, ParseFailure), result
    assert result.code is code
    assert 0 < len(result.detail) <= 200


def test_choices() -> None:
    assert PointParser(where="whole", several_points="first")("[3, 4] [5, 6]").value == (3, 4)  # type: ignore[union-attr]
    assert PointParser(where="whole", several_points="last")("[3, 4] [5, 6]").value == (5, 6)  # type: ignore[union-attr]
    alone = PointParser(where="whole", boxes=False)("[1, 2, 5, 6]")
    assert isinstance(alone, ParseFailure)
    assert "got 1 boxes" in alone.detail
    assert pickle.loads(pickle.dumps(_WHOLE)) == _WHOLE
    choice: Any = "best"
    with pytest.raises(ValueError, match="expected several_points to be one of"):
        PointParser(several_points=choice)


@pytest.mark.parametrize(
    ("text", "order", "point"),
    [
        ("[3, 4]", None, (3, 4)),
        ("[3, 4]", "yx", (4, 3)),
        ('{"x": 3, "y": 4}', "yx", (3, 4)),
        ('<point x="3" y="4">', "yx", (3, 4)),
        ('{"box_2d": [1, 2, 5, 6]}', "xy", (3, 4)),
        ('{"box_2d": [1, 2, 5, 6]}', "yx", (4, 3)),
        ('{"box_2d": [1, 2, 5, 6]}', None, None),
        ("<loc0003><loc0004>", None, None),
        ("<loc0003><loc0004>", "yx", (4, 3)),
    ],
)
def test_the_declared_order(text: str, order: Any, point: tuple[float, float] | None) -> None:
    result = _WHOLE(text)
    assert isinstance(result, Parsed)
    got = x_first(result.value, order)
    assert (got and tuple(got)) == point


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_whole_numbers_stay_whole(x: int, y: int) -> None:
    for text in (f"[{x}, {y}]", f"<point>{x} {y}</point>", f'{{"point_2d": [{x}, {y}]}}'):
        result = _WHOLE(text)
        assert isinstance(result, Parsed)
        assert result.value == Point(x, y)
        assert [type(v) for v in result.value] == [int, int]

"""Which part of a completion is the answer to a problem with a symbolic answer."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.parsers.final import last_boxed
from vlreward.parsers.math import MAX_ANSWER, MathParser
from vlreward.types import Parsed, ParseFailure


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<answer>60°</answer>", "60°"),
        ("<think>30 * 2</think>\n<answer> 60 </answer>", "60"),
        ("<answer>60</answer> as I said: <answer>60</answer>", "60"),
        ("<answer>60</answer> and then <answer>7", "60"),
        ("<answer>cut <answer>60</answer>", "60"),
        (r"<answer>So it is $\boxed{\frac{1}{2}}$.</answer>", r"\frac{1}{2}"),
        (r"<answer>\boxed{1} and \boxed{2}</answer>", r"\boxed{1} and \boxed{2}"),
        (r"\boxed{5} <answer>6</answer>", "6"),
        (r"It is \boxed{5}.", "5"),
        (r"\boxed{1}, no: \boxed{2}", "2"),
        (r"\boxed{\boxed{2}}", "2"),
        (r"\boxed{2", None),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\boxed {\sqrt{3}}", r"\sqrt{3}"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{a} } } {", "a"),
        (r"\mathboxed{3} \boxed{4}", "4"),
        ("<think>maybe <answer>5</answer></think><answer>6</answer>", "6"),
        ("<think>maybe <answer>5</answer></think> hm", None),
        (r"<think>\boxed{5}</think> hm", None),
        (r"<think>\boxed{5} and so on", None),
        (r"<think>x</think> \boxed{6}", "6"),
        ("<think>never closed <answer>6</answer>", "6"),
        ("the answer is 6", None),
        (r"<answer>6 \boxed{7}", None),
    ],
)
def test_extraction(text: str, value: str | None) -> None:
    found = MathParser()(text)
    if value is None:
        assert isinstance(found, ParseFailure)
        assert found.code.value == "no_answer"
        return
    assert isinstance(found, Parsed)
    assert found.value == value
    assert found.span is not None
    assert text[slice(*found.span)] == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_answer"),
        ("<answer> </answer>", "empty_answer"),
        (r"\boxed{ }", "empty_answer"),
        ("<answer>5</answer><answer>6</answer>", "multiple_answers"),
        (f"<answer>{'9' * 513}</answer>", "too_long"),
        (rf"\boxed{{{'9' * 513}}}", "too_long"),
    ],
)
def test_failures(text: str, code: str) -> None:
    found = MathParser()(text)
    assert isinstance(found, ParseFailure)
    assert found.code.value == code
    assert len(found.detail) <= 200


def test_the_cap_is_inclusive_and_counts_no_white_space() -> None:
    answer = "9" * MAX_ANSWER
    found = MathParser()(f"<answer>  {answer}  </answer>")
    assert isinstance(found, Parsed)
    assert found.value == answer


def test_several_answers() -> None:
    text = "<answer>5</answer> or <answer>6</answer>"
    first, last = MathParser(several="first")(text), MathParser(several="last")(text)
    assert isinstance(first, Parsed)
    assert isinstance(last, Parsed)
    assert (first.value, last.value) == ("5", "6")


def test_spans_after_thinking_point_into_the_whole_text() -> None:
    text = "<think>x</think><answer>5</answer><answer>6</answer>"
    found = MathParser()(text)
    assert isinstance(found, ParseFailure)
    assert found.span is not None
    assert text[slice(*found.span)] == "5"


def test_boxed_can_be_turned_off() -> None:
    found = MathParser(boxed="never")(r"\boxed{5}")
    assert isinstance(found, ParseFailure)
    assert found.code.value == "no_answer"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"several": "all"}, "several must be 'fail', 'first' or 'last', got 'all'"),
        ({"boxed": True}, "boxed must be 'fallback' or 'never', got True"),
    ],
)
def test_bad_options_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MathParser(**fields)


def test_a_parser_is_a_picklable_value() -> None:
    parser = MathParser(several="last")
    assert pickle.loads(pickle.dumps(parser)) == parser
    assert hash(parser) == hash(MathParser(several="last"))


_pieces = st.sampled_from(
    ["<answer>", "</answer>", "<think>", "</think>", "\\boxed{", "{", "}", "\\{", "\\", "5", " "]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_pieces | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_gives_a_value_or_a_failure(text: str) -> None:
    found = MathParser()(text)
    if isinstance(found, Parsed):
        assert found.span is not None
        assert text[slice(*found.span)] == found.value != ""
    else:
        assert found.code.value in (
            "no_answer", "empty_answer", "multiple_answers", "too_long", "too_complex",
        )  # fmt: skip


@pytest.mark.parametrize(
    "piece", ["\\boxed{", "<answer>", "</answer>", "{", "}", "\\{", "<think>", "</think>", "\\"]
)
def test_a_long_text_is_read_at_once(piece: str) -> None:
    """A scan that went back would take minutes here."""
    text = piece * 100_000 + "<answer>5</answer>" + piece * 3
    found = MathParser(several="last")(text)
    assert isinstance(found, (Parsed, ParseFailure))
    last_boxed(text)

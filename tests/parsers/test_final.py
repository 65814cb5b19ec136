"""Where a model says that its answer stands, and texts that would make a scan go back."""

from __future__ import annotations

import time

import pytest

from vlreward.parsers import ChoiceParser, CountParser
from vlreward.parsers.final import after_thinking, last_boxed, marked
from vlreward.parsers.math import MathParser
from vlreward.types import FailureCode, Parsed, ParseFailure


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("4", "4"),
        ("I think 4", "I think 4"),
        ("<think>3</think>4", "4"),
        ("3</think>4", "4"),
        ("<think>2</think>3<think>3</think>4", "4"),
        ("<think>3</think>4<think>5", "4"),
        ("<think>3", ""),
        ("4</think>", ""),
        ("◁think▷3◁/think▷4", "4"),
        ("◁think▷3", ""),
        ("3◁/think▷<think>5</think>4", "4"),
    ],
)
def test_what_is_no_thinking(text: str, rest: str) -> None:
    start, end = after_thinking(text)
    assert text[start:end] == rest


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{7}.", "7"),
        ("so \\fbox {7}.", "7"),
        ("\\boxed{7}, I say \\boxed{7 }", "7 "),
        ("<|begin_of_box|>7<|end_of_box|> of 8", "7"),
        ("<|begin_of_box|>$\\boxed{7}$<|end_of_box|>", "7"),
        ("<|begin_of_box|>3 <|begin_of_box|>7<|end_of_box|>", "7"),
        ("\\boxed{3} or \\boxed{7}", None),
        ("<|begin_of_box|>3<|end_of_box|><|begin_of_box|>7<|end_of_box|>", None),
        ("<|begin_of_box|>7<|end_of_box|>, so \\boxed{7}", "7"),
        ("\\boxed{<|begin_of_box|>7<|end_of_box|>}", "7"),
        ("<|begin_of_box|>7<|end_of_box|>, so \\boxed{3}", None),
        ("\\boxed{<|begin_of_box|>7<|end_of_box|> or 3}", None),
        ("<|begin_of_box|>7", None),
        ("\\boxed{7", None),
        ("\\boxed{ }7", None),
        ("7", None),
    ],
)
def test_what_is_marked(text: str, answer: str | None) -> None:
    start, end = marked(text, 0, len(text))
    assert text[start:end] == (text if answer is None else answer)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<think>3 or 4? <answer>4</answer>", None),
        ("<think>3</think>\n<think>5? <answer>4</answer>\n", None),
        ("<think>is it <answer>4</answer>? no", FailureCode.EMPTY_ANSWER),
        ("<think><answer>3</answer> or <answer>4</answer>", FailureCode.EMPTY_ANSWER),
        ("<think><answer>4</answer></answer>", FailureCode.EMPTY_ANSWER),
        ("<think>4</answer>", FailureCode.EMPTY_ANSWER),
    ],
)
def test_an_answer_ends_thinking_that_is_not_ended(text: str, code: FailureCode | None) -> None:
    """As two recorded models wrote it: `</think>` forgotten, the answer in its tag."""
    found = CountParser(where="whole")(text)
    if code is None:
        assert isinstance(found, Parsed)
        assert found.value == 4
        assert found.span is not None
        assert text[slice(*found.span)] == "4"
    else:
        assert isinstance(found, ParseFailure)
        assert found.code is code


def test_an_expression_is_marked_once() -> None:
    """Two equal boxes may be two quantities: x = 3 and y = 3."""
    parse = MathParser()
    text = "<answer>x=\\boxed{3}, y=\\boxed{3}</answer>"
    found = parse(text)
    assert isinstance(found, Parsed)
    assert found.value == text[8:-9]
    for said in (
        "It is <|begin_of_box|>60°<|end_of_box|>.",
        "<answer>so <|begin_of_box|>60°<|end_of_box|></answer>",
    ):
        found = parse(said)
        assert isinstance(found, Parsed)
        assert found.value == "60°"
    for said in ("<think><|begin_of_box|>60°<|end_of_box|>", "60°", "<|begin_of_box|>60°"):
        lost = parse(said)
        assert isinstance(lost, ParseFailure)
        assert lost.code is FailureCode.NO_ANSWER


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("<think>A? no. C? no.</think>\n\nB", ("B",)),
        ("A is red...</think>\n\n**B**", ("B",)),
        ("◁think▷A or C?◁/think▷B", ("B",)),
        ("<think>so A?</think>\nThe answer is <|begin_of_box|>B<|end_of_box|>", ("B",)),
        ("<think>hm</think><answer>B</answer>", ("B",)),
        ("Let us see.\nA is red.\nSo the answer is \\boxed{B}", ("B",)),
        ("The answer is not \\boxed{B}", ()),
    ],
)
def test_a_choice_in_a_whole_output(text: str, letters: tuple[str, ...]) -> None:
    found = ChoiceParser(where="whole")(text)
    assert isinstance(found, Parsed)
    assert found.value.letters == letters


@pytest.mark.parametrize(
    "piece",
    ["<think>", "</think>", "◁think▷", "<|begin_of_box|>", "<|end_of_box|>", "\\boxed{", "{", "}"],
)
def test_a_long_text_is_looked_at_once(piece: str) -> None:
    text = piece * (131_072 // len(piece))
    started = time.thread_time()
    marked(text, *after_thinking(text))
    last_boxed(text)
    assert time.thread_time() - started < 1

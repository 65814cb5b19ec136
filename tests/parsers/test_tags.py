"""Answer regions and the think/answer structure."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.parsers.boxes import BoxParser
from vlreward.parsers.tags import Several, answer_region, think_answer_structure
from vlreward.types import FailureCode, Parsed, ParseFailure

_PIECES = ["<answer>", "</answer>", "<think>", "</think>", "3", "4", " ", "\n", "<", "<answer", "x"]
_TEXTS = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join) | st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("<answer>3</answer>", "3"),
        ("<think>2</think>\n<answer> 3\n</answer>", "3"),
        ("<answer><answer>3</answer>", "3"),
        ("<answer>2<answer>3</answer>", "3"),
        ("<answer>3</answer></answer>", "3"),
        ("</answer><answer>3</answer>", "3"),
        ("<answer>3</answer><answer>", "3"),
        ("<answer>3</answer>4</answer>", "3"),
        ("<answer>3</answer> so <answer>\t3 </answer>", "3"),
        ("<answer><b>3</b></answer>", "<b>3</b>"),
        ("<ANSWER>2</ANSWER><answer>3</answer>", "3"),
        ("<answer id='1'>2</answer><answer>3</answer>", "3"),
        ("I use the <answer> tag.<answer>3</answer>", "3"),
    ],
)
def test_the_answer_is_the_content_of_the_only_closed_block(text: str, content: str) -> None:
    region = answer_region(text)
    assert isinstance(region, Parsed)
    assert region.value == content
    assert region.span is not None
    assert text[slice(*region.span)] == content


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", FailureCode.NO_ANSWER),
        ("3", FailureCode.NO_ANSWER),
        ("<answer>3", FailureCode.NO_ANSWER),
        ("3</answer>", FailureCode.NO_ANSWER),
        ("</answer><answer>", FailureCode.NO_ANSWER),
        ("<Answer>3</Answer>", FailureCode.NO_ANSWER),
        ("<answer >3</answer>", FailureCode.NO_ANSWER),
        ("<answer>3</ answer>", FailureCode.NO_ANSWER),
        ("<answer></answer>", FailureCode.EMPTY_ANSWER),
        ("<answer> \u3000\n</answer>", FailureCode.EMPTY_ANSWER),
        ("<answer>3</answer><answer>4</answer>", FailureCode.MULTIPLE_ANSWERS),
        ("<answer>3</answer><answer></answer><answer>4</answer>", FailureCode.MULTIPLE_ANSWERS),
        ("<answer> </answer><answer></answer>", FailureCode.EMPTY_ANSWER),
        ("<answer>4</answer>" * 2_000, FailureCode.TOO_COMPLEX),
    ],
)
def test_anything_else_is_a_failure_that_says_why(text: str, code: FailureCode) -> None:
    region = answer_region(text)
    assert isinstance(region, ParseFailure)
    assert region.code is code
    assert region.detail


@pytest.mark.parametrize(("several", "content"), [("first", "3"), ("last", "5")])
def test_the_policy_chooses_among_several(several: Several, content: str) -> None:
    text = "</answer><answer>3</answer><answer>4</answer><answer>5</answer><answer>"
    region = answer_region(text, several=several)
    assert isinstance(region, Parsed)
    assert region.value == content


def test_whole_is_the_whole_text_without_outer_white_space() -> None:
    assert answer_region(" <answer>3</answer> \n", "whole") == Parsed("<answer>3</answer>", (1, 19))
    empty = answer_region(" ", "whole")
    assert isinstance(empty, ParseFailure)
    assert empty.code is FailureCode.EMPTY_ANSWER


def _blocks(text: str) -> list[str]:
    """Contents of the closed blocks, by a pattern that states the definition."""
    pattern = r"<answer>((?:(?!<answer>|</answer>).)*)</answer>"
    return [content.strip() for content in re.findall(pattern, text, re.DOTALL)]


@given(_TEXTS, st.sampled_from(["fail", "first", "last"]))
def test_regions_agree_with_the_definition(text: str, several: Any) -> None:
    blocks = _blocks(text)
    region = answer_region(text, several=several)
    if not blocks:
        assert isinstance(region, ParseFailure)
        assert region.code is FailureCode.NO_ANSWER
    elif several == "fail" and len(set(blocks)) > 1:
        assert isinstance(region, ParseFailure)
        assert region.code is FailureCode.MULTIPLE_ANSWERS
    else:
        chosen = blocks[0 if several == "first" else -1]
        if isinstance(region, Parsed):
            assert region.value == chosen != ""
            assert region.span is not None
            assert text[slice(*region.span)] == chosen
        else:
            assert region.code is FailureCode.EMPTY_ANSWER
            assert chosen == ""


_STRUCTURE = re.compile(
    r"\s*<think>((?:(?!</?think>|</?answer>).)*)</think>"
    r"\s*<answer>((?:(?!</?think>|</?answer>).)*)</answer>\s*",
    re.DOTALL,
)


@given(
    _TEXTS
    | st.tuples(_TEXTS, _TEXTS, _TEXTS).map(
        lambda t: f"{t[0]}<think>{t[1]}</think>{t[2]}<answer>4</answer>"
    )
)
def test_structure_agrees_with_the_definition(text: str) -> None:
    assert think_answer_structure(text) == bool(_STRUCTURE.fullmatch(text))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("<think>a</think><answer>b</answer>", True),
        (" \n<think>a < b</think>\n\n<answer>{}</answer>\t", True),
        ("<think></think><answer></answer>", True),
        ("<think>a</think>x<answer>b</answer>", False),
        ("x<think>a</think><answer>b</answer>", False),
        ("<think>a</think><answer>b</answer>x", False),
        ("<answer>b</answer><think>a</think>", False),
        ("<think>a<answer>b</answer></think>", False),
        ("<think>a</think><answer>b</answer><answer>b</answer>", False),
        ("<think>a</think><think>a</think><answer>b</answer>", False),
        ("<think>a<answer>b</think>c</answer>", False),
        ("<think>a <answer></think><answer>b</answer>", False),
        ("<Think>a</Think><answer>b</answer>", False),
        ("", False),
    ],
)
def test_structure(text: str, holds: bool) -> None:
    assert think_answer_structure(text) is holds


_BOX = '{"bbox_2d": [1, 2, 30, 40], "label": "a man"}'


@pytest.mark.parametrize(
    ("text", "box"),
    [
        # A prompt that is echoed within a label, a thought, or both.
        (
            '<answer>{"bbox_2d": [1, 2, 30, 40], "label": "in <answer> </answer> tags."}</answer>',
            True,
        ),
        ('<answer>{"label": "<answer></answer>", "bbox_2d": [1, 2, 30, 40]}</answer>', True),
        (f"<think>in <answer> </answer> tags</think><answer>{_BOX}</answer>", True),
        (f"<think>i.e. <answer> answer here </answer></think><answer>{_BOX}</answer>", True),
        (f"<think><answer>your answer</answer></think><answer>{_BOX}</answer>", True),
        (f"<think><answer>...</answer></think><answer>{_BOX}</answer>", True),
        # An empty block beside a full one, before or after.
        (f"<answer></answer><answer>{_BOX}</answer>", True),
        (f"<answer>{_BOX}</answer><answer>\n</answer>", True),
        # The same box in two blocks, written differently.
        (f"<answer>{_BOX}</answer> so <answer>[1, 2, 30, 40]</answer>", True),
        (f"<answer>(1,2),(30,40)</answer><answer>{_BOX}</answer>", True),
        # Another box, or none, in another block.
        (f"<answer>{_BOX}</answer><answer>[1, 2, 30, 41]</answer>", False),
        (f"<answer>I do not know</answer><answer>{_BOX}</answer>", False),
        (f"<answer>{_BOX}</answer><answer>I do not know</answer>", False),
    ],
)
def test_blocks_that_are_no_answers(text: str, box: bool) -> None:
    result = BoxParser()(text)
    if box:
        assert isinstance(result, Parsed), result
        assert result.value == (1, 2, 30, 40)
    else:
        assert isinstance(result, ParseFailure), result
        assert result.code is FailureCode.MULTIPLE_ANSWERS


def test_many_blocks_are_not_read_to_see_whether_they_are_equal() -> None:
    blocks = "".join(f"<answer>[1, 2, 30, 40]{' .' * n}</answer>" for n in range(9))
    result = BoxParser()(blocks)
    assert isinstance(result, ParseFailure)
    assert result.code is FailureCode.MULTIPLE_ANSWERS

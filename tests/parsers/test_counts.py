"""`CountParser` and `whole_numbers` against a case table, other number readers, and properties."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.parsers.counts import CountParser
from vlreward.parsers.numbers import whole_numbers
from vlreward.types import FailureCode, Parsed, ParseFailure

_CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/parsers/counts.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", _CASES, ids=[case["comment"] for case in _CASES])
def test_case(case: dict[str, Any]) -> None:
    result = CountParser(**case.get("parser", {}))(case["text"])
    if "count" in case:
        assert isinstance(result, Parsed), result
        assert result.value == case["count"]
    else:
        assert isinstance(result, ParseFailure), result
        assert result.code == case["code"]
        assert 0 < len(result.detail) <= 200


def test_cases_are_many_and_distinct() -> None:
    assert len({case["comment"] for case in _CASES}) == len(_CASES) >= 60


def test_frozen_hashable_picklable() -> None:
    parser = CountParser(where="whole", several_numbers="first")
    assert pickle.loads(pickle.dumps(parser)) == parser
    assert hash(parser) == hash(CountParser(where="whole", several_numbers="first"))
    with pytest.raises(ValueError, match=r"expected several_numbers to be one of .*'best'"):
        CountParser(several_numbers="best")  # type: ignore[arg-type]


def _values(text: str) -> list[int | None]:
    return [number.value for number in whole_numbers(text)]


_ONES = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_ONES += ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"]
_ONES += ["eighteen", "nineteen"]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _english(n: int, join: str, hyphen: str) -> str:
    """The number in words, written the opposite way round from how it is read."""
    for scale, word in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if n >= scale:
            rest = _english(n % scale, join, hyphen) if n % scale else ""
            return f"{_english(n // scale, join, hyphen)} {word} {rest}".strip()
    if n >= 100:
        rest = _english(n % 100, join, hyphen) if n % 100 else ""
        return f"{_ONES[n // 100]} hundred{join}{rest}" if rest else f"{_ONES[n // 100]} hundred"
    if n >= 20:
        return _TENS[n // 10] + (hyphen + _ONES[n % 10] if n % 10 else "")
    return _ONES[n]


@given(
    st.integers(1, 999) | st.integers(1, 10**12 - 1),
    st.sampled_from([" ", " and "]),
    st.sampled_from(["-", " "]),
    st.sampled_from([str, str.title, str.upper]),
)
def test_english_words_are_read_as_written(n: int, join: str, hyphen: str, case: Any) -> None:
    words = case(_english(n, join, hyphen))
    assert _values(words) == [n]
    assert _values(f"There are {words} cars.") == [n]


def _chinese(n: int, formal: bool) -> str:
    digits = "零壹贰叁肆伍陆柒捌玖" if formal else "零一二三四五六七八九"
    units = ["", *("拾佰仟" if formal else "十百千")]

    def section(n: int) -> str:
        text, gap = "", False
        for place in (3, 2, 1, 0):
            digit = n // 10**place % 10
            if digit:
                text += ("零" if gap and text else "") + digits[digit] + units[place]
            gap = not digit
        return text

    text = ""
    for place, unit in ((10**8, "亿"), (10**4, "万"), (1, "")):
        part = n // place % 10**4
        if part:
            text += ("零" if text and part < 1000 else "") + section(part) + unit
    if 10 <= n < 20 and not formal:
        text = text[1:]
    return text


@given(st.integers(1, 99) | st.integers(1, 10**12 - 1), st.booleans())
def test_chinese_numerals_are_read_as_written(n: int, formal: bool) -> None:
    assert _values(_chinese(n, formal)) == [n]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("二百五", 250),
        ("三千六", 3600),
        ("一万二", 12000),
        ("两千零二十", 2020),
        ("十万零五", 100005),
    ],
)
def test_chinese_as_spoken(text: str, n: int) -> None:
    assert _values(text) == [n]


@given(st.integers(0, 10**15 - 1))
def test_digits_are_read_as_python_writes_them(n: int) -> None:
    wide = str(n).translate({48 + d: chr(0xFF10 + d) for d in range(10)})
    for text in (str(n), f"{n:,}", f"{n}.0", f"{n}.", f"+{n}", f"{n} cars", f"{n}个", wide):
        assert _values(text) == [n]
    assert _values(f"-{n + 1}") == [None]
    assert _values(f"{n}.5") == [None]


_PIECES = [
    *"0123456789.,+-*/^%=() \n:：，。个半十百千万亿零一二两三第共负点１４½eExX{}\\",
    *["one", "two", "twenty", "hundred", "thousand", "dozen", "and", "a", "half", "point", "minus"],
    *["<answer>", "</answer>", "items", "ſ", "İ", "K", "٤", "²", "or", "-"],
]
_hostile = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join) | st.text(max_size=40)
_parsers = st.builds(
    CountParser,
    where=st.sampled_from(["tag", "whole"]),
    several_answers=st.sampled_from(["fail", "first", "last"]),
    several_numbers=st.sampled_from(["fail", "first", "last"]),
)


@given(_parsers, _hostile, st.booleans())
def test_any_text_gives_a_count_or_a_failure(parser: CountParser, text: str, tagged: bool) -> None:
    text = f"<answer>{text}</answer>" if tagged else text
    result = parser(text)
    if result.span is not None:
        start, end = result.span
        assert 0 <= start <= end <= len(text)
    if isinstance(result, Parsed):
        assert result.span is not None
        assert isinstance(result.value, int)
        assert 0 <= result.value < 10**18
        assert _values(text[slice(*result.span)]) == [result.value]
    else:
        assert isinstance(result.code, FailureCode)
        assert len(result.detail) <= 200


def test_recorded_completions(shared_data: Path) -> None:
    files = sorted((shared_data / "recorded/counting").glob("*.json"))
    assert files
    parser = CountParser()
    for path in files:
        for row in json.loads(path.read_text("utf-8"))["results"]:
            result = parser(row["model_output"])
            if isinstance(row["extracted_answer"], int):
                assert isinstance(result, Parsed)
                assert result.value == row["extracted_answer"]


@pytest.mark.parametrize("n", range(1, 101))
def test_number_words_to_a_hundred(n: int) -> None:
    for text in (
        _english(n, " ", "-"),
        _english(n, " ", "-").capitalize() + " cars.",
        _chinese(n, False) + "个",
    ):
        result = CountParser()(f"<answer>{text}</answer>")
        assert isinstance(result, Parsed), (text, result)
        assert result.value == n
    for text in (
        f"not {_english(n, ' ', '-')}",
        f"more than {_english(n, ' ', '-')}",
        f"超过{_chinese(n, False)}个",
    ):
        result = CountParser()(f"<answer>{text}</answer>")
        assert isinstance(result, ParseFailure), (text, result)
        assert result.code == "bad_number"

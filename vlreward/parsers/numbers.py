"""Whole numbers in a text: digits, English number words, Chinese numerals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase
from typing import NamedTuple

__all__ = ["Number", "whole_numbers"]

_MAX_DIGITS = 15

# Full-width forms to the ASCII characters that they stand for, and ASCII letters to lower case, one
# to one so that spans stay.
_NARROW = str.maketrans(
    "０１２３４５６７８９．，－＋％／−" + ascii_uppercase, "0123456789.,-+%/-" + ascii_lowercase
)

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_WORDS: dict[str, tuple[str, int]] = {
    "zero": ("zero", 0),
    "hundred": ("hundred", 100),
    "dozen": ("dozen", 12),
    **{word: ("one", n) for n, word in enumerate(_ONES, 1)},
    **{word: ("teen", n) for n, word in enumerate(_TEENS, 10)},
    **{word: ("tens", 10 * n) for n, word in enumerate(_TENS, 2)},
    **{word: ("scale", n) for word, n in _SCALES.items()},
}
# Which kind of word may come next within one number, with "and" where it is said.
_FOLLOWS = {
    "": {"one", "teen", "tens", "hundred", "scale", "dozen", "zero"},
    "one": {"hundred", "scale", "dozen"},
    "teen": {"hundred", "scale", "dozen"},
    "tens": {"one", "hundred", "scale", "dozen"},
    "hundred": {"one", "teen", "tens", "scale"},
    "scale": {"one", "teen", "tens", "hundred"},
    "dozen": set(),
    "zero": set(),
}

_DIGITS = dict(zip("零〇一二三四五六七八九", (0, 0, *range(1, 10)))) | dict(
    zip("壹贰叁肆伍陆柒捌玖貳參陸两兩", (*range(1, 10), 2, 3, 6, 2, 2))
)
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN = "".join([*_DIGITS, *_UNITS, *_MYRIADS])
# Words that hold a numeral but state no number, and ordinals.
_NO_NUMERAL = re.compile(
    rf"第[{_HAN}]+|(?<!分)[统統唯之同]一(?![{_HAN}])"
    rf"|(?<![{_HAN}])(?:一[共起些样樣般定直下边邊旁旦切致同]|[万萬]一(?![{_HAN}])|十分|[三五]角|四周"
    r"|[三四五六八][边邊]形|百合)"
)

_WORD = rf"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?![a-z])"
_NUMBER = re.compile(
    rf"(?P<han>[负負]?[{_HAN}]+(?:(?:点|分之)[{_HAN}]+|[个個]?半(?!透))?)"
    r"|(?P<digits>(?:(?<![\w)\]])[-+])?(?:(?<![a-z_0-9])[0-9]|(?<![\w.])\.[0-9])[0-9.,]*"
    r"(?:e[-+]?[0-9]+)?)(?P<after>\s?[%‰°½⅓⅔¼¾]|[²³¹⁰⁴-⁹\d]|[a-z_])?"
    r"|(?P<words>(?<![a-z\-])(?=[bdefhmnostz])(?:(?:minus|negative|half)\s+(?:a\s+)?)?"
    rf"{_WORD}(?:(?:\s+(?:and\s+)?|-){_WORD})*(?!-[a-z])"
    rf"(?P<odd>\s+(?:point\s+{_WORD}(?:\s+{_WORD})*|and\s+a\s+half"
    r"|hal(?:f|ves)\b|thirds\b|quarters?\b))?)"
)
_PARTS = re.compile(r"[a-z]+")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?")
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")


class Number(NamedTuple):
    """A number that a text states."""

    value: int | None
    """None if it is negative, not whole, malformed or of more than 15 digits."""
    span: tuple[int, int]
    """Half-open character range in the text."""


def whole_numbers(text: str) -> Iterator[Number]:
    """Each number that the text states, in order, in time linear in the text.

    - Digits, also full-width: sign, thousands separators, a fraction or exponent (`4.0` and `4e0`
      are whole, `4.5` is not). Digits glued to Latin letters (`3D`, `2nd`, `x4`) are no number.
    - English words up to billions, `a dozen` as 12. Articles, ordinals, hyphenated adjectives
      (`four-door`) and `half` are no whole number.
    - Chinese numerals, simplified, traditional and formal, with colloquial endings (`一百五` is
      150); two bare digits (`三四个`) are two numbers. Words such as `一共` are no number.

    Example:
        >>> [n.value for n in whole_numbers("twenty-one cars, 1,234 boats and 十二 bikes")]
        [21, 1234, 12]
        >>> [n.value for n in whole_numbers("4.5")]
        [None]
    """
    if text.isascii():
        text = text.lower()
    else:
        text = text.translate(_NARROW)
        text = _NO_NUMERAL.sub(_blank, text)
    for match in _NUMBER.finditer(text):
        if match["digits"] is not None:
            yield from _from_digits(match)
        elif match["words"] is not None:
            yield from _from_words(match)
        elif match["han"] is not None:
            values = _from_han(match["han"])
            for n, value in enumerate(values):
                start, end = match.span()
                yield Number(value, (start + n, start + n + 1) if len(values) > 1 else (start, end))


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _from_digits(match: re.Match[str]) -> Iterator[Number]:
    after = match["after"]
    if after is not None and (after.isalpha() or after == "_"):
        return
    start = match.start()
    run = match["digits"].rstrip(".,")
    if after is not None:
        yield Number(None, match.span())
    elif "," not in run or _THOUSANDS.fullmatch(run):
        yield Number(_whole(run.replace(",", "")), (start, start + len(run)))
    else:
        for part in run.split(","):
            if part:
                yield Number(_whole(part), (start, start + len(part)))
            start += len(part) + 1


def _whole(number: str) -> int | None:
    if len(number) > 2 * _MAX_DIGITS or not _DECIMAL.fullmatch(number):
        return None
    value = float(number)
    return int(value) if value.is_integer() and 0 <= value < 10**_MAX_DIGITS else None


def _from_words(match: re.Match[str]) -> Iterator[Number]:
    words = [(part.group(), part.span()) for part in _PARTS.finditer(match["words"])]
    offset = match.start()
    if words[0][0] not in _WORDS or match["odd"]:
        yield Number(None, match.span())  # minus …, half a …, … point …, … and a half
        return
    kind, total, group, joined = "", 0, 0, False
    scale = 10**12
    first = last = words[0][1]
    for word, span in words:
        if word == "and":
            joined = True
            continue
        next_kind, value = _WORDS[word]
        fits = next_kind in _FOLLOWS[kind] and not (joined and kind not in ("hundred", "scale"))
        if fits and next_kind == "hundred" and group >= 100:
            fits = False
        if fits and next_kind == "scale" and value >= scale:
            fits = False
        if not fits:
            yield Number(total + group, (offset + first[0], offset + last[1]))
            total, group, scale, first = 0, 0, 10**12, span
        if next_kind in ("hundred", "dozen"):
            group = (group or 1) * value
        elif next_kind == "scale":
            total, group, scale = total + (group or 1) * value, 0, value
        else:
            group += value
        kind, last, joined = next_kind, span, False
    yield Number(total + group, (offset + first[0], offset + last[1]))


def _from_han(run: str) -> list[int | None]:
    if len(run) > 2 * _MAX_DIGITS or run[0] in "负負" or set(run) & set("点分半"):
        return [None]
    if all(char in _DIGITS for char in run):
        digits = [_DIGITS[char] for char in run]
        if len(digits) == 2 and 0 not in digits:
            return [*digits]
        return [int("".join(map(str, digits)))] if len(digits) <= _MAX_DIGITS else [None]
    return [_han_with_units(run)]


def _han_with_units(run: str) -> int | None:
    """Digits each followed by a unit, units falling within a myriad, myriads falling."""
    total, section, digit, unit, myriad = 0, 0, None, 10**4, 10**12
    for char in run:
        if char in _DIGITS:
            if digit:
                return None  # two digits in a row, as in 二三十, "twenty or thirty"
            digit = _DIGITS[char]
            if digit == 0:
                unit = 10  # what follows counts from the ones, or says its unit
        elif char in _UNITS:
            value = _UNITS[char]
            if section and value >= unit and unit != 10:
                return None
            section, digit, unit = section + (digit or 1) * value, None, value
        else:
            value = _MYRIADS[char]
            if value >= myriad or not (section or digit):
                return None
            total, section = total + (section + (digit or 0)) * value, 0
            digit, unit, myriad = None, value, value
    if digit and unit > 10 and run[-2] not in "零〇":
        digit *= unit // 10 if unit <= 1000 or run[-2] in _MYRIADS else 1
    return total + section + (digit or 0)

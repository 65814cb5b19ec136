"""Numbers in brackets that are not simply four with commas: points, corners, rows, other lists."""

from __future__ import annotations

import re

from vlreward.parsers._found import NUMBER, Found, S, Stated, read_numbers
from vlreward.types import FailureCode

__all__ = ["NUMBERS", "read_list"]

NUMBERS = rf"{S}([-+.0-9][-+.0-9eE]{{0,127}}){S}"
"""One number, a group; whether it is one is seen when it is read."""
_M = rf"{S}{NUMBER}{S}"
_PAIR = re.compile(rf"[\[(]{NUMBERS},{NUMBERS}[\])]")
_PLAIN_PAIR = rf"[\[(]{_M},{_M}[\])]"
_PAIRS = re.compile(rf"{_PLAIN_PAIR}(?:{S},{S}{_PLAIN_PAIR}){{0,1999}}")  # as many as tokens
_ATOM = (
    rf"""(?:"[^"\\]{{0,64}}"|'[^'\\]{{0,64}}'|{NUMBER}\s(?:px|pixels)"""
    r"""|[^\s,()\[\]{}"'<>:]{1,100})"""
)
_LIST = re.compile(rf"[\[(]{S}(?:{_ATOM}(?:{S},{S}{_ATOM}){{0,31}}(?:{S},)?{S})?[\])]")
_ATOMS = re.compile(_ATOM)
_NUMBERS = re.compile(NUMBER)
_SPACED = re.compile(rf"[\[(]{S}{NUMBER}(?:\s{{1,64}}{NUMBER}){{3}}{S}[\])]")
_ROWS = re.compile(rf"[\[(]{_M}(?:,{_M}){{3}}(?:;{_M}(?:,{_M}){{3}}){{1,63}}[\])]")
_SPECIAL = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
_CLOSER = {"[": "]", "(": ")"}


def read_list(found: Found, text: str, pos: int) -> int | None:
    """Note what the numbers in brackets at `pos` are; where they end, None if none are there.

    Raises:
        TooComplex: If the limit of work is reached.
    """
    found.count(4)
    end = found.end
    match = _PAIRS.match(text, pos, end)
    if match:
        return _pairs(found, text, match)
    match = _SPACED.match(text, pos, end) or _ROWS.match(text, pos, end)
    if match:
        numbers = _NUMBERS.findall(match.group())
        for first in range(0, len(numbers), 4):
            found.add_box(match.span(), numbers[first : first + 4])
        return match.end()
    match = _LIST.match(text, pos, end)
    if match and text[match.end() - 1] == _CLOSER[text[pos]]:
        _list(found, match.span(), _ATOMS.findall(match.group()[1:-1]))
        return match.end()
    return None


def _list(found: Found, span: tuple[int, int], atoms: list[str]) -> None:
    numeric = any(_like_a_number(atom) for atom in atoms)
    if len(atoms) == 4 and (numeric or found.role.kind == "box"):
        found.place(span, read_numbers(atoms), "written")
    elif len(atoms) == 2 and numeric:
        found.add_point(span, atoms)
    elif atoms and found.role.kind == "box":
        detail = found.under(len(atoms))
        found.boxes.append(Stated.wrong(span, FailureCode.NO_BOX, detail))
    elif numeric:
        found.note(found.under(len(atoms)))


def _pairs(found: Found, text: str, match: re.Match[str]) -> int:
    """Pairs in brackets: two are a box in parentheses or as the value of a box key."""
    stop = match.end()
    pairs = list(_PAIR.finditer(text, match.start(), stop))
    found.count(len(pairs))
    if len(pairs) == 2 and (text[match.start()] == "(" or found.role.kind == "box"):
        found.add_box(match.span(), [*pairs[0].groups(), *pairs[1].groups()])
    elif len(pairs) > 1 and found.role.kind == "box":
        detail = f"{len(pairs)} points under the key {found.key[:40]!r}"
        found.boxes.append(Stated.wrong(match.span(), FailureCode.NO_BOX, detail))
    else:
        for pair in pairs:
            found.add_point(pair.span(), pair.groups())
    return stop


def _like_a_number(atom: str) -> bool:
    """Whether it was meant as a number: digits come first, or it is a name of NaN or infinity."""
    atom = atom.strip("\"'")
    return (
        atom[:1].isdecimal() or atom.lstrip("+-.")[:1].isdecimal() or bool(_SPECIAL.fullmatch(atom))
    )

"""Boxes and points that no bracket or tag holds: corners in prose, named or naked numbers."""

from __future__ import annotations

import re

from vlreward.parsers._found import NUMBER, S, TooComplex, read_numbers
from vlreward.parsers._keys import key_meaning, named_box
from vlreward.parsers._scan import Scan
from vlreward.types import FailureCode, ParseFailure

__all__ = ["NOTHING", "read"]

_MAX_PROSE = 16_384  # characters; no answer in prose has more
_UNIT = r"(?:\s?px)?"
_SEP = rf"(?:{S},{S}|\s{{1,64}})"
_NAKED = re.compile(
    rf"({NUMBER}{_UNIT}){_SEP}({NUMBER}{_UNIT})(?:{_SEP}({NUMBER}{_UNIT}){_SEP}({NUMBER}{_UNIT}))?"
)
_PLACES = re.compile(
    r"(?P<tl>(?:top|upper)[- ]?left|左上)|(?P<br>(?:bottom|lower)[- ]?right|右下)"
    r"|(?P<other>(?:top|upper)[- ]?right|右上|(?:bottom|lower)[- ]?left|左下)"
    rf"|[\[(]{S}(?:x\s?[=:])?{S}(?P<x>{NUMBER}){S},{S}(?:y\s?[=:])?{S}(?P<y>{NUMBER}){S}[\])]",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s{0,8}(?:to|until|through|->|→|[-–—~至到])\s{0,8}", re.IGNORECASE)
_BETWEEN_NAMED = re.compile(r"\s{0,8}(?:,|;|and|to|->|→|[-–—~至到和])?\s{0,8}", re.IGNORECASE)
_NAMED = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_-]{0,15}(?:\{\\?[a-z0-9]{1,5}\})?)[*`\"']{0,3}\s{0,4}[=:]\s{0,4}[*`\"']{0,3}"
    rf"({NUMBER})"
)
_WIDE = re.compile("[０-９．，：；－＋（）［］｛｝＜＞【】]")
_NARROW = str.maketrans(
    "０１２３４５６７８９．，：；－＋（）［］｛｝＜＞【】",
    "0123456789.,:;-+()[]{}<>[]",
)
_SIZED = re.compile(r"\\(?:left|right)(?=[\[\](){}])")
_FENCE = r"(?:```(?:json|python)?\s{0,64}|\s{0,64}```)?"
NOTHING = re.compile(
    rf"{_FENCE}(?:\{{\s{{0,64}}[\"']?\w{{1,64}}[\"']?\s{{0,64}}:\s{{0,64}})?"
    r"[\"']?(?:null|none|\[\s{0,64}\]|\(\s{0,64}\)|\{\s{0,64}\}|not found|无|没有(?:目标|物体)?"
    r"|no (?:such )?(?:objects?|match(?:es)?|box(?:es)?|targets?)"
    r"(?: (?:found|detected|present|visible))?)"
    rf"[\"']?[.。]?\s{{0,64}}(?:\}}\s{{0,64}})?{_FENCE}",
    re.IGNORECASE,
)
"""An answer that says that there is nothing: `None`, an empty list ..., alone or under a key."""


def read(
    text: str, start: int, end: int, *, points: bool = False, corner_keys: bool = True
) -> Scan | ParseFailure:
    """Every box and point stated in text[start:end].

    Full-width digits and punctuation count as the plain ones. Where brackets and tags state none,
    corners in prose, named and naked numbers are looked for.

    Args:
        text: The completion.
        start: Where to begin.
        end: Where to stop.
        points: Whether a point is as good as a box; else prose is read where there is no box.
        corner_keys: Whether keys such as `top_left` name the corners of a box.

    Returns:
        What was found, or `too_complex` if there are more than 2,000 tokens or 32 levels of
        structure.
    """
    original = text
    if not text.isascii() and _WIDE.search(text, start, end):
        text = text[:start] + text[start:end].translate(_NARROW) + text[end:]
    if "\\right" in text:  # of LaTeX brackets
        text = _SIZED.sub(lambda found: " " * len(found.group()), text)
    scan = Scan(text, end, original, corner_keys)
    try:
        scan.run(start)
        if not scan.boxes and not (points and scan.points):
            _read_prose(scan, text, start, end)
    except TooComplex as error:
        return ParseFailure(FailureCode.TOO_COMPLEX, str(error), (start, end))
    return scan


def _read_prose(scan: Scan, text: str, start: int, end: int) -> None:
    """Add what naked numbers, corners in prose or numbers with names state."""
    if end - start > _MAX_PROSE:
        return
    naked = _NAKED.fullmatch(text, start, end)
    if naked:
        atoms = [group for group in naked.groups() if group is not None]
        (scan.add_box if len(atoms) == 4 else scan.add_point)(naked.span(), atoms)
        return
    if not _corners(scan, text, start, end):
        _named(scan, text, start, end)


def _corners(scan: Scan, text: str, start: int, end: int) -> bool:
    """Top left and bottom right by name, or two pairs alone with `to` between them."""
    corner = ""
    found: dict[str, re.Match[str]] = {}
    pairs: list[re.Match[str]] = []
    for match in _PLACES.finditer(text, start, end):
        scan.count(1)
        if match["x"] is None:
            corner = match.lastgroup or ""
            continue
        pairs.append(match)
        if corner:
            found.setdefault(corner, match)
            if corner == "br" and "tl" in found:
                _add_corners(scan, found["tl"], match)
                found = {}
            corner = ""
    if scan.boxes:
        return True
    if len(pairs) != 2:
        return False
    between = _BETWEEN_NAMED if all(map(_names_axes, pairs)) else _BETWEEN
    if between.fullmatch(text, pairs[0].end(), pairs[1].start()):
        _add_corners(scan, *pairs)
    return bool(scan.boxes)


def _names_axes(pair: re.Match[str]) -> bool:
    return "x" in pair.group().lower()


def _add_corners(scan: Scan, first: re.Match[str], last: re.Match[str]) -> None:
    named = _names_axes(first) and _names_axes(last)
    atoms = [first["x"], first["y"], last["x"], last["y"]]
    scan.add_box((first.start(), last.end()), atoms, "named" if named else "written")


def _named(scan: Scan, text: str, start: int, end: int) -> None:
    """`x1 = 100, y1 = 200, …`, `click(x=0.5, y=0.3)`."""
    parts: dict[str, float] = {}
    first = 0
    for match in _NAMED.finditer(text, start, end):
        scan.count(1)
        meaning = key_meaning(match[1])
        values = read_numbers([match[2]])
        if meaning.kind != "side" or isinstance(values, str):
            continue
        if meaning.name in parts:
            scan.add_named(parts, (first, match.start()))
            parts = {}
        first = first if parts else match.start()
        parts[meaning.name] = values[0]
        if named_box(parts):
            scan.add_named(parts, (first, match.end()))
            parts = {}
    if parts:
        scan.add_named(parts, (first, end))

"""Whether words around a number deny it, or make it a bound or an estimate."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["standing"]

_REACH = 48  # characters before and after a number that are looked at

_GAP = r"[\s*_`$\"'(:]{0,4}"
_FILLER = r"(?:(?:be|exactly|just|only|equal to|a total of|quite|really|in fact)\s+){0,2}"
_DENIED = re.compile(
    rf"(?:\b(?:not|never|no longer|cannot be|rather than|instead of)\s+{_FILLER}|n['’]t\s+{_FILLER}"
    rf"|!=|≠|\\neq?\b|不(?:是|等于|为|可能是|会是)|并?非|没有|而不是){_GAP}\Z",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    rf"(?:\b(?:(?:more|less|fewer|greater|larger|smaller|higher|lower)\s+than(?:\s+or\s+equal\s+to)?"
    r"|at\s+(?:the\s+)?(?:least|most|minimum|maximum)|up\s+to|over|above|under|below|beyond|exceed(?:s|ing)?"
    r"|minimum\s+of|maximum\s+of|about|around|approximately|approx\.?|roughly|nearly|almost|"
    r"circa|close\s+to|upwards?\s+of|between)\s+(?:a\s+total\s+of\s+)?"
    r"|(?:^|\s)[<>]=?|[≤≥≈~〜～≲≳]|\\(?:approx|geq?|leq?|sim|gt|lt)\b"
    r"|不[止到足]|(?:不?[超多少大小低高]|不?超)[过于]|不少于|至[少多]|最[多少]|大约|大概|约|(?<!附)[将接]?近"
    rf"|差不多|几乎|至多有|至少有){_GAP}\Z",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(
    rf"{_GAP}(?:\+(?!\s{{0,4}}\d)|\s?(?:or|and)\s+(?:more|so|fewer|less|above|below|up|higher|lower|greater)\b"
    r"|-?ish\b|\s?(?:plus|at\s+(?:the\s+)?(?:least|most))\b"
    r"|\s?[个個只隻辆輛人位名条條张張件台棵把本朵]?(?:以[上下内]|左右|上下|多(?![边邊角])|余|几|幾|来[个個只人位]))",
    re.IGNORECASE,
)

Standing = Literal["stated", "denied", "bounded"]


def standing(text: str, start: int, end: int) -> Standing:
    """How the words around text[start:end] let the number there stand.

    Example:
        >>> standing("there are 7", 10, 11), standing("not 7", 4, 5), standing("超过7个", 2, 3)
        ('stated', 'denied', 'bounded')
        >>> standing("7 or more", 0, 1)
        'bounded'
    """
    before = text[max(0, start - _REACH) : start]
    if _BOUNDED.search(before) or _OPEN_ENDED.match(text, end, end + _REACH):
        return "bounded"
    return "denied" if _DENIED.search(before) else "stated"

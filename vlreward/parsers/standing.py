r"""How the words around an answer let it stand: stated, denied, bounded, or beside another."""

from __future__ import annotations

import re
from typing import Literal

from vlreward.parsers.final import marked

__all__ = ["standing", "undisputed"]

_REACH = 48  # characters before and after a number that are looked at

_GAP = r"[\s*_`$\"'(:]{0,4}(?:\\boxed\s?\{[ (]{0,2}|<\|begin_of_box\|> ?)?"
_BEHIND = r"[\s*_`$\"'():}]{0,4}(?:<\|end_of_box\|> ?)?"
_FILLER = r"(?:(?:be|exactly|just|only|equal to|a total of|quite|really|in fact)\s+){0,2}"
_DENIED = re.compile(
    r"(?:(?:\b(?:not|never|no|no longer|cannot be|rather than|instead of|not a single)|n['’]t)"
    rf"\s+{_FILLER}"
    rf"|!=|≠|\\neq?\b|不(?:是|等于|为|可能是|会是)|并?非|没有|而不是){_GAP}\Z",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    rf"(?:\b(?:(?:more|less|fewer|greater|larger|smaller|higher|lower)\s+than(?:\s+or\s+equal\s+to)?"
    r"|at\s+(?:the\s+)?(?:least|most|minimum|maximum)|any\w+\s+but|other\s+than|except(?:\s+for)?"
    r"|excluding|besides|without|hardly|neither|nor|up\s+to|over|above|under|below|beyond|exceed(?:s|ing)?"
    r"|minimum\s+of|maximum\s+of|about|around|approximately|approx\.?|roughly|nearly|almost|"
    r"circa|close\s+to|upwards?\s+of|between)\s+(?:a\s+total\s+of\s+)?"
    r"|(?:^|\s)[<>]=?|[≤≥≈~〜～≲≳]|\\(?:approx|geq?|leq?|sim|gt|lt)\b"
    r"|不[止到足]|(?:不?[超多少大小低高]|不?超)[过于]|不少于|至[少多]|最[多少]|大约|大概|约|(?<!附)[将接]?近"
    rf"|差不多|几乎|至多有|至少有){_GAP}\Z",
    re.IGNORECASE,
)
_OPEN_ENDED = re.compile(
    rf"{_BEHIND}(?:\+(?!\s{{0,4}}\d)|\s?(?:or|and)\s+(?:more|so|fewer|less|above|below|up|higher|lower|greater)\b"
    r"|-?ish\b|\s?(?:plus|at\s+(?:the\s+)?(?:least|most))\b"
    r"|\s?[个個只隻辆輛人位名条條张張件台棵把本朵]?(?:以[上下内]|左右|上下|多(?![边邊角])|余|几|幾|来[个個只人位]))",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    rf"{_BEHIND}(?:(?:is|was|are|were)(?:n['’]t|\s+(?:not|wrong|incorrect|false|no)\b)|是?(?:不[对是正]|错))",
    re.IGNORECASE,
)
_ELSE_BEHIND = re.compile(rf"{_BEHIND}(?:,?\s?(?:or\b|/|或|还是)|[?？{{])", re.IGNORECASE)
_ELSE_BEFORE = re.compile(rf"(?:\b(?:or|either)|/|或者?|还是){_GAP}\Z", re.IGNORECASE)


def standing(text: str, start: int, end: int) -> Literal["stated", "denied", "bounded"]:
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
    denied = _DENIED.search(before) or _TAKEN_BACK.match(text, end, end + _REACH)
    return "denied" if denied else "stated"


def undisputed(
    text: str, start: int, end: int, *, repeated: bool = True, estimates: bool = False
) -> tuple[int, int]:
    r"""What `marked` finds, unless words around it take it back or name another; else all of it.

    Args:
        text: Any text.
        start: Where to begin.
        end: Where to stop.
        repeated: As for `marked`.
        estimates: Whether a bound or an estimate is as good as the thing itself.

    Example:
        >>> undisputed(r"so \boxed{7}", 0, 12), undisputed(r"\boxed{3} or 4", 0, 14)
        ((10, 11), (0, 14))
    """
    inner = marked(text, start, end, repeated=repeated)
    if inner != (start, end):
        before = text[max(start, inner[0] - _REACH) : inner[0]]
        how = standing(text[start:end], inner[0] - start, inner[1] - start)
        if (
            how == "denied"
            or (how == "bounded" and not estimates)
            or _ELSE_BEFORE.search(before)
            or _ELSE_BEHIND.match(text, inner[1], min(end, inner[1] + _REACH))
        ):
            return start, end
    return inner

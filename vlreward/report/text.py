"""Text of unknown origin, made safe to look at."""

from __future__ import annotations

import unicodedata

from markupsafe import Markup, escape

__all__ = ["percent", "plain", "points", "visible"]

_KEPT = "\n\t"
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(value: object) -> Markup:
    """HTML of a text in which characters that hide or reorder others are named instead.

    Control characters, bidirectional and other format characters, line separators and lone
    surrogates become `<span class="ctl">U+202E</span>`; everything else is escaped.

    Example:
        >>> visible("a<b")
        Markup('a&lt;b')
        >>> visible(chr(0x202E))
        Markup('<span class="ctl">U+202E</span>')
    """
    text = str(value)
    if text.isascii() and text.isprintable():
        return escape(text)
    named = Markup('<span class="ctl">{}</span>')
    return Markup("").join(
        named.format(_name(char)) if _hides(char) else escape(char) for char in text
    )


def plain(value: object) -> str:
    """Text in which such characters are named, for attributes and SVG, where no element can be.

    Example:
        >>> plain("<b>" + chr(0x202E))
        '<b>[U+202E]'
    """
    return "".join(f"[{_name(char)}]" if _hides(char) else char for char in str(value))


def _hides(char: str) -> bool:
    return char not in _KEPT and unicodedata.category(char) in _HIDDEN


def _name(char: str) -> str:
    return f"U+{ord(char):04X}"


def percent(share: float | None) -> str:
    """A share in percent with one decimal, e.g. `89.4 %`."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points with its sign, e.g. `+1.2`."""
    return f"{100 * difference:+.1f}".replace("-", "−")

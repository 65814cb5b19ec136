"""Text of unknown origin, made safe to look at."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from markupsafe import Markup, escape

__all__ = ["embed_json", "percent", "plain", "points", "shown", "visible"]

_LONGEST = 2_000

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


def shown(value: Any) -> str:
    """Any JSON value as text of bounded length; a text stands for itself."""
    text = value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _rounded(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() and abs(value) < 1e15 else round(value, 2)


_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def embed_json(value: Any) -> Markup:
    r"""JSON for a `<script type="application/json">` element: ASCII, without `<`, `>` and `&`.

    No text in it can end the element or open a comment, whatever it holds, and lone surrogates
    survive as escapes.

    Example:
        >>> embed_json({"a": "</script><!--"})
        Markup('{"a":"\\u003c/script\\u003e\\u003c!--"}')

    Raises:
        ValueError: If a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))

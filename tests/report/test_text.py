"""Text of unknown origin."""

from __future__ import annotations

import pytest

from vlreward.report.text import percent, plain, points, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & 'c'", "a &lt; b &amp; &#39;c&#39;"),
        ("é 漢\n\t", "é 漢\n\t"),
        ("\u202e", '<span class="ctl">U+202E</span>'),
        ("\ud800x", '<span class="ctl">U+D800</span>x'),
        ("\0<", '<span class="ctl">U+0000</span>&lt;'),
        ("\u2028", '<span class="ctl">U+2028</span>'),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert str(visible(text)) == shown


def test_plain_holds_no_markup_of_its_own() -> None:
    assert plain("a\u202eb\ud800") == "a[U+202E]b[U+D800]"


def test_numbers() -> None:
    assert (percent(0.894), percent(None)) == ("89.4 %", "–")
    assert (points(0.012), points(-0.5)) == ("+1.2", "−50.0")

"""Text of unknown origin."""

from __future__ import annotations

import json

import pytest

from vlreward.report.text import embed_json, percent, plain, points, shown, visible

HOSTILE = "</script><script>alert(1)</script><!-- & ' \" \u2028\u2029\u202e\ud800 \\u003c 😀\0"


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


def test_values_of_any_depth_are_shown_with_short_numbers() -> None:
    assert shown([{"box": [1.0, 2.34567], "label": "é"}]) == '[{"box": [1, 2.35], "label": "é"}]'
    assert len(shown("x" * 9_999)) == 2_001


def test_embedded_text_comes_back_and_cannot_leave_its_element() -> None:
    text = embed_json({HOSTILE: [HOSTILE]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == {HOSTILE: [HOSTILE]}


def test_numbers_that_json_has_not_are_never_embedded() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embed_json([float("nan")])

"""JSON that is read strictly and embedded safely."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlreward.report.errors import ReportError
from vlreward.report.jsonfile import embed_json, parse_json, read_lines

HOSTILE = "</script><script>alert(1)</script><!-- & ' \" \u2028\u2029\u202e\ud800 \\u003c 😀\0"


def test_embedded_text_comes_back_and_cannot_leave_its_element() -> None:
    text = embed_json({HOSTILE: [HOSTILE]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text) == {HOSTILE: [HOSTILE]}


def test_numbers_that_json_has_not_are_never_embedded() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embed_json([float("nan")])


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[-1e400]"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a finite number, got"):
        parse_json(text)


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 200_000)


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x\u2028y\u0085z"}\n\n{"a": "second"}\n', encoding="utf-8")
    assert read_lines(path) == [(1, {"a": "x\u2028y\u0085z"}), (3, {"a": "second"})]


def test_broken_rows_are_listed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + '{"cut": \n' * 12 + "[1]\n", encoding="utf-8")
    with pytest.raises(ReportError) as caught:
        read_lines(path)
    message = str(caught.value)
    assert message.startswith(f"13 broken rows in {path}:\n  {path}:2: ")
    assert message.count(f"{path}:") == 11  # the head line and ten rows
    assert "and 3 more" in message
    assert "vlreward rescore" in message


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ReportError, match=r"expected UTF-8 in .*rows\.jsonl, got byte 0xff"):
        read_lines(path)

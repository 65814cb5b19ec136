"""JSON files that are read strictly, whole or by rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlreward.data import load
from vlreward.data.errors import DataError
from vlreward.data.rows import RawRow, RowFile, read_json


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[-1e400]"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, text: str) -> None:
    whole, rows = tmp_path / "x.json", tmp_path / "x.jsonl"
    for path in (whole, rows):
        path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json: line 1: .*number"):
        read_json(whole)
    with pytest.raises(DataError, match=r"x\.jsonl: line 1: .*number"):
        list(RowFile(rows))


def test_deep_nesting_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[" * 200_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_json(path)


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x\u2028y\u0085z"}\n\n{"a": "second"}\n', encoding="utf-8")
    rows = [RawRow(1, {"a": "x\u2028y\u0085z"}, 1), RawRow(2, {"a": "second"}, 3)]
    assert list(RowFile(path)) == rows


def test_a_broken_line_is_named_with_its_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"cut": \n')
    with pytest.raises(DataError, match=r"rows\.jsonl: line 2, column 8: expected JSON"):
        list(RowFile(path))


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match=r"x\.json: line 1, byte 8: expected UTF-8, got 0xff"):
        read_json(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: cannot read it: No such file"):
        read_json(tmp_path / "gone")


def test_rows_under_a_key_are_results(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"accuracy": 50.0, "results": [{"a": 1}]}))
    with pytest.raises(DataError, match="a result file of an evaluation"):
        list(RowFile(path))


def test_a_bad_row_of_a_directory_is_named_with_its_file(tmp_path: Path) -> None:
    """Lines of which of the files was not said."""
    good, other = {"ask": "How many?", "n": 3}, {"q": "How many?", "count": 4}
    (tmp_path / "1.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(good) + "\n")
    for name, text in (("2.jsonl", json.dumps(other)), ("2.json", json.dumps([good, other]))):
        bad = tmp_path / name
        bad.write_text(text)
        with pytest.raises(DataError) as error:
            load(tmp_path, columns="gold=n,question=ask", task="counting")
        where = "2.jsonl, line 1" if name == "2.jsonl" else "2.json, row 2"
        assert f"\n  {where}: expected the keys n, ask of schema 'columns'" in str(error.value)
        assert "a .yaml mixture reads files each by its own columns" in str(error.value)
        bad.unlink()


def test_ids_of_coco_that_come_twice_are_refused(tmp_path: Path) -> None:
    """Of files that were merged: the annotations of both images were those of the last one."""
    whole: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "man"}, {"id": 1, "name": "dog"}],
    }
    path = tmp_path / "coco.json"
    for lists, message in (
        ({"categories": whole["categories"][:1]}, "image 2: expected an id of its own, got 1"),
        ({"images": whole["images"][:1]}, "category 1: expected one name, got 'man' and 'dog'"),
    ):
        path.write_text(json.dumps({**whole, **lists}))
        with pytest.raises(DataError, match=f"COCO's format: {message}"):
            list(RowFile(path))

"""Tables as data: what VLMEvalKit's files and spreadsheets of golds hold."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.bench.completions_file import read_recorded
from vlreward.cli import app
from vlreward.data import DataError, load
from vlreward.data.check import check_data
from vlreward.data.images import open_image
from vlreward.data.tables import TableRows
from vlreward.golds import unpack


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "PNG")
    return buffer.getvalue()


def _sheet(path: Path, *rows: list[Any]) -> Path:
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra xlsx")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_a_table_is_data_with_the_images_in_its_cells(tmp_path: Path) -> None:
    text = base64.b64encode(_png()).decode()
    path = tmp_path / "bench.tsv"
    path.write_text(f"index\timage\tquestion\tanswer\n1\t{text}\tHow many?\t3\n2\t{text}\tOf?\t4\n")
    data = load(path, task="counting")
    assert [sample.target for sample in data] == [3, 4]
    assert data.images is not None
    assert open_image(data.images.source(data[1].image or ""), where="2").size == (64, 48)
    assert data.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_empty_cell_is_no_value_and_no_missing_column(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    box = '"[10, 20, 30, 40]"'
    path.write_text(
        f"image,problem,solution,width,height\na.png,?,{box},,\na.png,?,{box},64.0,48.0\n"
    )
    data = load(path, task="rec")
    assert [sample.image_size for sample in data] == [None, (64, 48)]
    path.write_text("image,problem,solution\na.png,?,\na.png,?,3\n")
    with pytest.raises(DataError, match=r"line 2: gold: bad gold None"):
        load(path, task="counting")
    assert len(load(path, task="counting", on_bad_gold="skip")) == 1


def test_cells_of_a_spreadsheet_that_became_dates_are_no_golds(tmp_path: Path) -> None:
    head = ["image", "problem", "solution", "when"]
    path = _sheet(tmp_path / "a.xlsx", head, ["a.png", "?", datetime(2026, 1, 2)])
    with pytest.raises(DataError, match=r"line 2: gold: bad gold datetime"):
        load(path, task="geometry")
    path = _sheet(
        tmp_path / "b.xlsx", head, ["a.png", "?", 3.0, date(2026, 1, 2)], ["b.png", "?", 4]
    )
    packed = tmp_path / "out.jsonl"
    done = CliRunner().invoke(app, ["pack", str(path), str(packed), "--task", "counting"])
    assert done.exit_code == 0, done.output
    first, second = (json.loads(line) for line in packed.read_text().splitlines())
    assert (first["when"], second["when"]) == ("2026-01-02 00:00:00", None)
    assert unpack(first["ground_truth"], "counting").gold.text() == "3"


@pytest.mark.parametrize(("name", "mark"), [("x.csv", ","), ("x.tsv", "\t")])
def test_a_table_without_rows_is_refused(name: str, mark: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for text, message in ((f"image{mark}problem\n", "a header alone"), ("", "an empty file")):
        path.write_text(text)
        with pytest.raises(DataError, match=f"{name}: expected .*, got {message}"):
            list(TableRows(path))


def test_files_of_other_kinds_are_named_with_the_kinds_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"image": "a.png", "problem": "?", "solution": 3}\n'))
    with pytest.raises(DataError, match=r"gz: expected a file that ends in .*\.csv.*unpacked"):
        load(path)


def test_lines_that_are_the_parts_of_one_list_are_told_so(tmp_path: Path) -> None:
    """The check of such a file ended in a traceback."""
    path, rows = tmp_path / "rows.jsonl", [{"image": "a.png", "problem": "?", "solution": 3}]
    for text in (json.dumps(rows), json.dumps(rows, indent=1)):
        path.write_text(text)
        with pytest.raises(DataError, match=r"line 1.*if the file as a whole is JSON, name it"):
            load(path)
        (problem,) = check_data(path).problems
        assert "name it .json" in problem


def test_pixels_in_recorded_rows_are_no_name_of_an_image(tmp_path: Path) -> None:
    """Megabytes of base64 stood as the image's name in every file of the run."""
    text = base64.b64encode(_png() * 8).decode()
    row = {"id": 1, "gold": 3, "completion": "x", "image": text}
    for name, content in (
        ("x.jsonl", json.dumps(row)),
        ("x.json", json.dumps([row])),
        ("x.csv", ",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n"),
    ):
        (tmp_path / name).write_text(content)
        assert read_recorded(tmp_path / name, "counting").rows[0].sample.image is None

"""Images in every form in which rows have them."""

from __future__ import annotations

import base64
import io
import json
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.data import DataError, MissingImagesError, load
from vlreward.data.urls import image_cache

SIZE = (64, 48)


def _encoded(kind: str = "PNG", size: tuple[int, int] = SIZE) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (20, 130, 90)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my images").mkdir()
    (tmp_path / "my images" / "a.png").write_bytes(_encoded())
    return tmp_path


def _load(folder: Path, image: Any, suffix: str = "jsonl", **options: Any) -> Any:
    row = {"image": image, "problem": "How many?", "solution": "3"}
    rows = [row, {**row, "image": "my images/a.png"}]
    path = folder / f"x.{suffix}"
    lines = "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows)
    path.write_text(lines, encoding="utf-8")
    return load(path, task="counting", image_root=folder, **options)


def _text(kind: str) -> str:
    return base64.b64encode(_encoded(kind)).decode()


FORMS: dict[str, Any] = {
    "a path": "my images/a.png",
    "a list of one": ["my images/a.png"],
    "written on Windows": "my images\\a.png",
    "an object with a path": {"bytes": None, "path": "my images/a.png"},
    "an object with bytes in base64": {"bytes": _text("PNG"), "path": "a.png"},
    "base64 of a PNG": _text("PNG"),
    "base64 of a JPEG": _text("JPEG"),
    "base64 of a WebP": _text("WEBP"),
    "base64 of a BMP": _text("BMP"),
    "a data URI": f"data:image/png;base64,{_text('PNG')}",
    "OpenAI's image_url": {"type": "image_url", "image_url": {"url": "my images/a.png"}},
    "OpenAI's data URI": {"image_url": {"url": f"data:image/jpeg;base64,{_text('JPEG')}"}},
}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("form", FORMS)
def test_a_row_may_have_its_image_as(form: str, suffix: str, folder: Path) -> None:
    data = _load(folder, FORMS[form], suffix)
    again = pickle.loads(pickle.dumps(data))
    for found in (data, again):
        assert [found.open_image(sample).size for sample in found] == [SIZE, SIZE]


def test_a_file_uri_and_an_absolute_path(folder: Path) -> None:
    path = folder / "my images" / "a.png"
    for name in (path.as_uri(), str(path)):
        data = _load(folder, name)
        assert data.open_image(data[0]).size == SIZE
    rows = folder / "y.jsonl"
    row = {"image": str(path), "problem": "How many?", "solution": "3"}
    rows.write_text(json.dumps(row), encoding="utf-8")
    data = load(rows, task="counting")  # without an image root
    assert data.open_image(data[0]).size == SIZE


@pytest.mark.parametrize("bad", ["data:image/png;base64,@@@@", "data:image/png", {"path": 3}, [3]])
def test_what_is_no_image_names_the_row(bad: Any, folder: Path) -> None:
    def read() -> None:
        data = _load(folder, bad)
        data.open_image(data[0])

    with pytest.raises(DataError, match=r"line 1: |row 1|expected an image in base64"):
        read()


def test_boxes_in_images_that_stand_in_the_row(folder: Path) -> None:
    row = {"image": _text("PNG"), "problem": "Where?", "solution": [100, 200, 500, 700]}
    path = folder / "x.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    (sample,) = load(path, gold_frame="norm1000")
    assert (sample.image_size, tuple(sample.target)) == (SIZE, (6.4, 9.6, 32, 33.6))


def test_several_images_need_the_index_of_the_one_with_the_box(folder: Path) -> None:
    (folder / "b.png").write_bytes(_encoded(size=(200, 100)))
    names = ["my images/a.png", "b.png"]
    row = {"images": names, "problem": "Where?", "solution": [1, 2, 150, 90]}
    path = folder / "x.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match=r"which of the 2 images the gold lies in.*image_index"):
        load(path, image_root=folder)
    for beside in (
        {"image_index": 1},
        {"solution": {"bbox_2d": [1, 2, 150, 90], "image_index": 1}},
    ):
        path.write_text(json.dumps({**row, **beside}), encoding="utf-8")
        (sample,) = load(path, image_root=folder)
        assert (sample.image, sample.images, sample.image_size) == (
            "b.png",
            tuple(names),
            (200, 100),
        )
    # Objects in several images say nothing; of a count, or beside an index, they were refused.
    both = {"objects": {"bbox": [[1, 2, 3, 4]] * 2, "image_id": [0, 1]}}
    counted = {**row, **both, "solution": "3"}
    path.write_text(json.dumps(counted), encoding="utf-8")
    (sample,) = load(path, image_root=folder, task="counting")
    assert (sample.target, sample.images) == (3, tuple(names))
    path.write_text(json.dumps({**row, **both, **beside}), encoding="utf-8")
    assert load(path, image_root=folder)[0].image == "b.png"
    path.write_text(json.dumps({**row, **both}), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: objects: .*\[0, 1\]; .*'image_index'"):
        load(path, image_root=folder)
    path.write_text(json.dumps({**row, "image_index": 2}), encoding="utf-8")
    with pytest.raises(DataError, match="image_index: expected 0 to 1, got 2"):
        load(path, image_root=folder)
    (folder / "b.png").unlink()
    path.write_text(json.dumps({**row, "image_index": 0, "solution": "3"}), encoding="utf-8")
    with pytest.raises(MissingImagesError, match=r"b\.png"):
        load(path, image_root=folder, task="counting")


@pytest.mark.parametrize("size", [(900, 4), None])
def test_bad_images_can_be_left_out_and_are_counted(
    size: tuple[int, int] | None, folder: Path
) -> None:
    content = b"no image" if size is None else _encoded(size=size)
    (folder / "bad.png").write_bytes(content)
    assert len(_load(folder, "bad.png")) == 2
    data = _load(folder, "bad.png", on_bad_image="skip")
    assert data.ids == ("x/2",)
    assert [(p.row, p.kind) for p in data.provenance.skipped] == [(1, "bad_image")]


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    _Quiet.asked = []
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()
        thread.join()


def test_addresses_are_downloaded_once_if_that_is_allowed(folder: Path, server: str) -> None:
    address = f"{server}/my%20images/a.png"
    with pytest.raises(DataError, match=r"line 1: .*--allow-urls downloads it"):
        _load(folder, address)
    assert not _Quiet.asked
    for _ in range(2):
        data = _load(folder, address, allow_urls=True)
        assert data.open_image(data[0]).size == SIZE
    assert len(_Quiet.asked) == 1
    assert len(list(image_cache().iterdir())) == 1


def test_addresses_have_limits(folder: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingImagesError, match="HTTP 404"):
        _load(folder, f"{server}/none.png", allow_urls=True)
    data = _load(folder, f"{server}/none.png", allow_urls=True, on_missing="skip")
    assert data.ids == ("x/2",)
    monkeypatch.setattr("vlreward.data.urls._MAX_BYTES", 10)
    with pytest.raises(MissingImagesError, match="expected an image of at most"):
        _load(folder, f"{server}/my%20images/a.png", allow_urls=True)


@pytest.mark.parametrize("kind", ["bytes", "struct", "list of structs", "list of bytes", "path"])
def test_columns_of_parquet(kind: str, folder: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra data")
    import pyarrow.parquet as pq

    image: Any = {
        "bytes": _encoded(),
        "struct": {"bytes": _encoded(), "path": None},
        "list of structs": [{"bytes": _encoded(), "path": "a.png"}],
        "list of bytes": [_encoded()],
        "path": {"bytes": None, "path": "my images/a.png"},
    }[kind]
    rows = [{"image": image, "problem": "How many?", "solution": str(i)} for i in range(3)]
    path = folder / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    data = load(path, task="counting", image_root=folder)
    assert [data.open_image(sample).size for sample in data] == [SIZE] * 3
    nameless = pa.Table.from_pylist([{"image": image, "picture": _encoded(), "problem": "?"}])
    pq.write_table(nameless, path)
    with pytest.raises(DataError, match="the keys image, picture, problem"):
        load(path)

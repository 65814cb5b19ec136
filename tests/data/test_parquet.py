"""Parquet files read as they are: the same rows as `datasets` gives, and no more of the images."""

from __future__ import annotations

import os
import pickle
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets", reason="needs the extra data")
import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from vlreward.data import DataError, load, parquet
from vlreward.data.errors import MissingImagesError
from vlreward.data.hub import HubRows
from vlreward.data.parquet import ParquetRows

N = 60
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(n: int) -> bytes:
    return bytes([n]) * 1_000


def images(n: int) -> Any:
    """Bytes, a path beside bytes, a path alone, several, an empty list, none."""
    return (
        [{"bytes": picture(n), "path": None}],
        [{"bytes": picture(n), "path": f"{n}.png"}],
        [{"bytes": None, "path": f"{n}.png"}],
        [{"bytes": picture(n), "path": None}, {"bytes": picture(n + 1), "path": None}],
        [],
        None,
    )[n % 6]


COLUMNS: dict[str, tuple[pa.DataType, Any]] = {
    "lists of all kinds": (pa.list_(IMAGE), images),
    "lists with bytes": (pa.list_(IMAGE), lambda n: [{"bytes": picture(n), "path": None}]),
    "lists of paths": (pa.list_(IMAGE), lambda n: [{"bytes": None, "path": f"{n}.png"}]),
    "objects": (IMAGE, lambda n: {"bytes": picture(n), "path": f"{n}.png"}),
    "objects, some without": (
        IMAGE, lambda n: {"bytes": picture(n) if n % 3 else None, "path": "a" if n % 2 else None}
    ),
    "bytes": (pa.binary(), picture),
    "large bytes": (pa.large_binary(), lambda n: picture(n) if n % 4 else None),
    "lists of bytes": (pa.list_(pa.binary()), lambda n: [picture(n)] * (n % 3)),
    "no path beside": (pa.struct([("bytes", pa.binary())]), lambda n: {"bytes": picture(n)}),
}  # fmt: skip


def file(path: Path, kind: str, group: int) -> Path:
    type_, value = COLUMNS[kind]
    schema = pa.schema([("q", pa.string()), ("images", type_), ("n", pa.int64())])
    rows = [{"q": f"?{n}", "images": value(n), "n": n} for n in range(N)]
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=group)
    return path


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies of columns go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vlreward" / "parquet"


def made(copies: Path) -> int:
    return len(list(copies.iterdir())) if copies.is_dir() else 0


def never(*_: Any) -> Any:
    raise AssertionError("datasets would copy every row")


def copy(path: Path) -> HubRows:
    found = datasets.load_dataset(
        "parquet", data_files=str(path), cache_dir=str(path.parent / "hf")
    )
    return HubRows(path, found["train"])


def names_in(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [name for name in found if isinstance(name, str) and name.startswith("row:")]


def source(rows: Any, name: str) -> bytes | None:
    try:
        return bytes(rows.source(name))
    except MissingImagesError:
        return None


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("group", [7, N])
def test_rows_and_images_are_those_of_datasets(kind: str, group: int, tmp_path: Path) -> None:
    path = file(tmp_path / "x.parquet", kind, group)
    ours, theirs = ParquetRows(path, [path]), copy(path)
    read = list(ours)
    assert read == list(theirs)
    assert len(ours.sha256) == 64
    assert ours.sha256 == theirs.sha256
    assert ours.lacking == theirs.lacking
    ours._passed_over = -1e9  # no copy here
    places = [name for row in read for name in names_in(row.value["images"])]
    random.Random(0).shuffle(places)
    for name in places:
        found = source(ours, name)
        assert found == source(theirs, name)
        assert (found is None) == (name in ours.lacking)
    for number in (N, 1, 30, 31):
        assert ours.row(number) == theirs.row(number)


def test_bytes_are_read_for_no_row_whose_image_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path / "x.parquet", "lists with bytes", 20)
    rows = ParquetRows(path, [path])
    asked: list[Any] = []
    read = ParquetRows._read

    def watched(self: ParquetRows, group: int, columns: Any, size: int) -> Any:
        asked.append((group, columns))
        return read(self, group, columns, size)

    monkeypatch.setattr(ParquetRows, "_read", watched)
    (first, *_), batches = list(rows), list(asked)
    assert [group for group, _ in batches] == [0, 1, 2]
    assert all(not any(name.endswith("bytes") for name in names) for _, names in batches)
    rows.source(first.value["images"][0])
    assert asked[3:] == [(0, ["images"])]


def test_a_row_far_into_a_group_comes_from_one_copy(
    tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_FAR", 10_000)
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 2_000)
    path = file(tmp_path / "x.parquet", "bytes", N)
    for run in range(2):  # the second finds the copy of the first
        rows = ParquetRows(path, [path])
        names = [row.value["images"] for row in rows]
        for n in range(N):  # in order no row is far
            assert rows.source(names[n]) == picture(n)
        assert made(copies) == run
        for n in (50, 3, 59, 20):
            assert rows.source(names[n]) == picture(n)
        assert made(copies) == 1
    time.sleep(0.01)
    file(path, "lists with bytes", N)  # another file of that name is another copy
    rows = ParquetRows(path, [path])
    names = [row.value["images"][0] for row in rows]
    assert [rows.source(names[n]) for n in (50, 3)] == [picture(50), picture(3)]
    assert made(copies) == 2


def test_copies_that_nobody_opened_for_a_month_go_when_one_is_made(
    tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_FAR", -1)
    used, unused, new = (
        file(tmp_path / f"{name}.parquet", "bytes", N) for name in ("used", "unused", "new")
    )
    days = 86_400
    for path in (used, unused):
        ParquetRows(path, [path]).record(N - 1, "images")
    copies.joinpath(".killed.partial").write_bytes(b"x")  # as a kill leaves it
    for made_before in copies.iterdir():
        os.utime(made_before, (time.time() - 31 * days,) * 2)
    ParquetRows(used, [used]).record(N - 1, "images")
    assert made(copies) == 3
    (kept,) = (c for c in copies.iterdir() if c.stat().st_mtime > time.time() - days)
    ParquetRows(new, [new]).record(N - 1, "images")
    assert made(copies) == 2
    assert kept.is_file()
    held = ParquetRows(new, [new])
    held.record(N - 1, "images")
    for path in copies.iterdir():
        os.utime(path, (time.time() - 31 * days,) * 2)
    ParquetRows(unused, [unused]).record(N - 1, "images")
    assert made(copies) == 1
    assert held.record(3, "images") == {"images": picture(3)}  # who has it open may read on


def test_rows_in_any_order_come_from_one_copy_once_that_costs_less(
    tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 2_000)
    monkeypatch.setattr(parquet, "_KEPT_BATCHES", 1)
    path = file(tmp_path / "x.parquet", "bytes", 10)
    rows = ParquetRows(path, [path])
    names = [row.value["images"] for row in rows]
    for _ in range(5):
        assert [rows.source(name) for name in names] == [picture(n) for n in range(N)]
    assert not made(copies)
    order = random.Random(2).sample(range(N), N)
    for count, n in enumerate(order):
        assert rows.source(names[n]) == picture(n)
        assert count > 5 or not made(copies)  # not at once
    assert made(copies) == 1


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_copy_holds_what_the_file_holds(
    kind: str, tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path / "x.parquet", kind, 20)
    near, far = ParquetRows(path, [path]), ParquetRows(path, [path])
    monkeypatch.setattr(parquet, "_FAR", -1)
    copied = [far.record(n, c) for n in range(N) for c in ("", "images")]
    assert made(copies) == 2
    monkeypatch.setattr(parquet, "_FAR", 1 << 40)
    near._passed_over = -1e9
    assert copied == [near.record(n, c) for n in range(N) for c in ("", "images")]


def test_many_threads_and_another_process_may_open_images(tmp_path: Path) -> None:
    path = file(tmp_path / "x.parquet", "bytes", 7)
    rows = ParquetRows(path, [path])
    names = [row.value["images"] for row in rows]
    again = pickle.loads(pickle.dumps(rows))
    order = random.Random(1).sample(range(N), N)
    for one in (rows, again):
        one._passed_over = -1e9
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n, one=one: one.source(names[n]), order))
        assert found == [picture(n) for n in order]


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "middle"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    path = file(tmp_path / "x.parquet", "bytes", N)
    whole = path.read_bytes()
    middle = whole[:100] + b"\xff" * 400 + whole[500:]
    content = {"empty": b"", "text": b"{}", "cut": whole[:-9], "middle": middle}[damage]
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet: expected a (whole )?Parquet file"):
        list(ParquetRows(path, [path]))


def test_rows_of_verl_load_without_a_look_at_their_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"prompt": [{"role": "user", "content": f"<image>How many, {n}?"}],
         "images": [{"bytes": picture(n), "path": None}],
         "reward_model": {"style": "rule", "ground_truth": str(n)}}
        for n in range(9)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    opened: list[int] = []
    record = ParquetRows.record

    def watched(self: ParquetRows, index: int, column: str = "") -> dict[str, Any]:
        opened.append(index)
        return record(self, index, column)

    monkeypatch.setattr(ParquetRows, "record", watched)
    data = load(tmp_path / "x.parquet", task="counting")
    assert [sample.target for sample in data] == list(range(9))
    assert not opened
    assert data.image(data[4]) == picture(4)
    assert opened == [4]


def test_shards_of_a_directory_are_one_table_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load_dataset", never)
    monkeypatch.setattr(parquet, "_OPEN_FILES", 1)
    (tmp_path / "data").mkdir()
    starts = {"train-00000-of-00002": 0, "train-00001-of-00002": 5, "test-00000-of-00001": 90}
    for name, start in starts.items():
        rows = [
            {
                "problem": "How many?",
                "solution": str(n),
                "image": {"bytes": picture(n), "path": None},
            }
            for n in range(start, start + 5)
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / f"{name}.parquet")
    with pytest.raises(DataError, match="expected one split, got test, train: name one"):
        load(tmp_path, task="counting")
    with pytest.raises(DataError, match="no split 'dev'; there are test, train"):
        load(tmp_path, task="counting", split="dev")
    data = load(tmp_path, task="counting", split="train")
    assert [sample.target for sample in data] == list(range(10))
    for n in (7, 0, 9, 3):
        assert data.image(data[n]) == picture(n)
    assert len(load(tmp_path, task="counting", split="test")) == 5
    other = pa.Table.from_pylist([{"problem": "?", "answer": "3"}])
    pq.write_table(other, tmp_path / "data" / "train-00001-of-00002.parquet")
    with pytest.raises(DataError, match=r"00001-of-00002.parquet: expected the columns .*, got"):
        load(tmp_path, task="counting", split="train")


def test_a_row_without_its_image_is_still_found(tmp_path: Path) -> None:
    rows = [
        {"problem": "How many?", "solution": "3", "image": {"bytes": bytes_, "path": None}}
        for bytes_ in (b"png", None)
    ]
    schema = pa.schema([("problem", pa.string()), ("solution", pa.string()), ("image", IMAGE)])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "x.parquet")
    with pytest.raises(MissingImagesError, match="1 missing images"):
        load(tmp_path / "x.parquet", task="counting")
    assert len(load(tmp_path / "x.parquet", task="counting", on_missing="skip")) == 1

"""Data sets of the `datasets` library: on disk, as Parquet, by name."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.data import DataError, Dataset, MissingImagesError, load


@pytest.fixture
def hf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, with its cache in a temporary directory."""
    datasets = pytest.importorskip("datasets", reason="the library datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return datasets


def _png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (width, height, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def _clevr(hf: Any, rows: int = 5) -> Any:
    """Rows with the columns of CLEVR-70k, images embedded."""
    return hf.Dataset.from_dict(
        {
            "image": [{"bytes": _png(30 + i, 20), "path": f"c{i}.png"} for i in range(rows)],
            "problem": ["How many items are there?"] * rows,
            "solution": [f"<answer> {i} </answer>" for i in range(rows)],
        },
        features=hf.Features(
            {"image": hf.Image(), "problem": hf.Value("string"), "solution": hf.Value("string")}
        ),
    )


def _check(data: Dataset, rows: int = 5) -> None:
    assert data.provenance.schema == "problem-solution"
    assert [s.target for s in data] == list(range(rows))
    for index, sample in enumerate(data):
        assert data.open_image(sample).size == (30 + index, 20)
        assert data.image(sample) == _png(30 + index, 20)
    assert len(data.provenance.sha256) == 64


def test_saved_to_disk(hf: Any, tmp_path: Path) -> None:
    _clevr(hf).save_to_disk(str(tmp_path / "clevr"))
    data = load(tmp_path / "clevr", task="counting")
    assert data.name == "clevr"
    _check(data)


def test_rows_chosen_before_saving_keep_their_images(hf: Any, tmp_path: Path) -> None:
    shuffled = _clevr(hf, 9).select([4, 2, 7])
    shuffled.save_to_disk(str(tmp_path / "clevr"))
    data = load(tmp_path / "clevr", task="counting")
    assert [(s.target, data.open_image(s).width) for s in data] == [(4, 34), (2, 32), (7, 37)]


def test_subsets_keep_their_images(hf: Any, tmp_path: Path) -> None:
    _clevr(hf).save_to_disk(str(tmp_path / "clevr"))
    subset = load(tmp_path / "clevr", task="counting").select([3, 1], "two")
    assert [subset.open_image(s).width for s in subset] == [33, 31]


def test_splits(hf: Any, tmp_path: Path) -> None:
    both = hf.DatasetDict({"train": _clevr(hf), "test": _clevr(hf, 2)})
    both.save_to_disk(str(tmp_path / "clevr"))
    with pytest.raises(
        DataError, match=r"expected one split, got test, train: name one with --split"
    ):
        load(tmp_path / "clevr", task="counting")
    with pytest.raises(DataError, match=r"no split 'val'; there are test, train"):
        load(tmp_path / "clevr", task="counting", split="val")
    _check(load(tmp_path / "clevr", task="counting", split="test"), 2)


def test_a_parquet_file(hf: Any, tmp_path: Path) -> None:
    _clevr(hf).to_parquet(str(tmp_path / "clevr.parquet"))
    data = load(tmp_path / "clevr.parquet", task="counting")
    assert data.name == "clevr"
    _check(data)


def test_a_directory_of_parquet_files_as_downloaded(hf: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clevr_cogen_a_train" / "data"
    folder.mkdir(parents=True)
    _clevr(hf).to_parquet(str(folder / "train-00000-of-00001.parquet"))
    (folder.parent / "README.md").write_text("# CLEVR\n")
    _check(load(folder.parent, task="counting"))


def test_by_name(hf: Any, tmp_path: Path) -> None:
    # The library takes a local directory for a name, so its path through the hub loader is tried.
    folder = tmp_path / "owner" / "clevr"
    folder.mkdir(parents=True)
    _clevr(hf).to_parquet(str(folder / "train.parquet"))
    data = load(f"hf:{folder}", task="counting", split="train")
    assert data.name == "clevr"
    _check(data)


def test_a_name_that_does_not_exist(hf: Any) -> None:
    with pytest.raises(DataError, match="hf:owner/none: datasets cannot read it"):
        load("hf:owner/none")


def test_rows_that_name_files(hf: Any, tmp_path: Path) -> None:
    table = hf.Dataset.from_dict(
        {"image_path": ["a.png", "b.png"], "question": ["?"] * 2, "ground_truth": [3, 4]}
    )
    table.save_to_disk(str(tmp_path / "x"))
    (tmp_path / "a.png").write_bytes(_png(3, 4))
    with pytest.raises(MissingImagesError, match="row 2"):
        load(tmp_path / "x", image_root=tmp_path)
    data = load(tmp_path / "x", image_root=tmp_path, on_missing="skip", read_sizes=True)
    assert [(s.target, s.image_size) for s in data] == [(3, (3, 4))]


def test_sizes_of_embedded_images(hf: Any, tmp_path: Path) -> None:
    _clevr(hf).save_to_disk(str(tmp_path / "clevr"))
    data = load(tmp_path / "clevr", task="counting", read_sizes=True)
    assert [s.image_size for s in data] == [(30 + i, 20) for i in range(5)]


def test_bad_golds_name_the_row(hf: Any, tmp_path: Path) -> None:
    rows = {"image_path": ["a"] * 2500, "question": ["?"] * 2500, "ground_truth": [3] * 2499 + [-3]}
    hf.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "x"))
    with pytest.raises(DataError, match="row 2500: gold: "):
        load(tmp_path / "x")


def test_rows_without_an_image(hf: Any, tmp_path: Path) -> None:
    table = hf.Dataset.from_dict(
        {"image": [None, {"bytes": _png(3, 4), "path": None}], "problem": ["?"] * 2,
         "solution": ["1", "2"]},
        features=hf.Features(
            {"image": hf.Image(), "problem": hf.Value("string"), "solution": hf.Value("string")}
        ),
    )  # fmt: skip
    table.save_to_disk(str(tmp_path / "x"))
    with pytest.raises(DataError, match=r"row 1 has no image in 'image'"):
        load(tmp_path / "x", task="counting")


def test_equal_rows_have_equal_digests(hf: Any, tmp_path: Path) -> None:
    _clevr(hf).save_to_disk(str(tmp_path / "a"))
    _clevr(hf).to_parquet(str(tmp_path / "b.parquet"))
    _clevr(hf, 4).save_to_disk(str(tmp_path / "c"))
    a, b, c = (load(tmp_path / n, task="counting") for n in ("a", "b.parquet", "c"))
    assert a.provenance.sha256 == b.provenance.sha256 != c.provenance.sha256


class TestWithoutTheLibrary:
    @pytest.mark.parametrize("name", ["x.parquet", "x"])
    def test_the_error_names_the_extra(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        for library in ("datasets", "pyarrow"):
            monkeypatch.setitem(sys.modules, library, None)
        path = tmp_path / name
        path.write_bytes(b"") if path.suffix else path.mkdir()
        with pytest.raises(ImportError, match=r"pip install 'vlreward\[data\]'"):
            load(path)

    def test_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(ImportError, match=r"'hf:owner/name' needs .*vlreward\[data\]"):
            load("hf:owner/name")

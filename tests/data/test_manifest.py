"""Manifests: the same samples again, or a reason why not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vlreward.data import STANDARD_COUNTS, DataError, Dataset, Manifest, Sampler, load


def _write(path: Path, rows: int) -> Path:
    row = {"image_path": "a.png", "question": "How many?", "ground_truth": 3}
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(rows)))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load(_write(tmp_path / "x.jsonl", 40))


def test_the_chosen_ids_are_written_and_read_back(data: Dataset, tmp_path: Path) -> None:
    subset = Sampler(42).sample(data, 7)
    Manifest.of(subset).write(tmp_path / "m.json")
    again = Manifest.read(tmp_path / "m.json").apply(load(tmp_path / "x.jsonl"))
    assert (again.name, again.ids) == (subset.name, subset.ids)
    assert again.provenance == subset.provenance
    assert list(again) == list(subset)
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_what_a_manifest_says(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    Manifest.of(Sampler(42).sample(data, 3)).write(path)
    said = json.loads(path.read_text())
    assert said["name"] == "x[3@42]"
    assert said["sampling"] == "3@42"
    assert (said["rows"], said["count"], said["skipped"]) == (40, 3, 0)
    assert said["sha256"] == hashlib.sha256((tmp_path / "x.jsonl").read_bytes()).hexdigest()
    assert said["ids_sha256"] == hashlib.sha256("\n".join(said["ids"]).encode()).hexdigest()
    assert said["standard_count"] is None


def test_another_file_is_refused(data: Dataset, tmp_path: Path) -> None:
    manifest = Manifest.of(Sampler(42).sample(data, 3))
    with pytest.raises(DataError, match="use the file that the manifest was made of"):
        manifest.apply(load(_write(tmp_path / "x.jsonl", 41)))


def test_missing_ids_are_named(data: Dataset) -> None:
    manifest = Manifest.of(data)
    with pytest.raises(DataError, match=r"names 30 samples that the data set lacks: \['x/11'"):
        manifest.apply(data[:10])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"vlreward_manifest": 2}', "x"])
def test_files_that_are_no_manifests(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    with pytest.raises(DataError, match="expected a manifest of samples"):
        Manifest.read(path)


class TestStandardCounts:
    def test_a_file_with_another_count_is_remarked(self, tmp_path: Path) -> None:
        data = load(_write(tmp_path / "refcoco_val.jsonl", 5))
        assert data.provenance.remarks == (
            "refcoco_val has 10834 rows in the standard split, this file has 5",
        )
        manifest = Manifest.of(data)
        assert manifest.standard_count == 10834
        assert manifest.remarks == data.provenance.remarks

    def test_the_name_of_refcoco_plus(self, tmp_path: Path) -> None:
        data = load(_write(tmp_path / "refcoco+_val.jsonl", 5))
        assert "10758 rows" in data.provenance.remarks[0]

    def test_right_counts_and_other_names_are_not(self, tmp_path: Path) -> None:
        name = "superclevr_test200_counting_problems"
        assert load(_write(tmp_path / f"{name}.jsonl", 200)).provenance.remarks == ()
        assert load(_write(tmp_path / "refcoco_val_2000.jsonl", 5)).provenance.remarks == ()

    def test_the_published_counts(self, shared_data: Path) -> None:
        for name in ("superclevr_test200_counting_problems", "geoqa_test_prompts"):
            lines = (shared_data / "prompts" / f"{name}.jsonl").read_text().splitlines()
            assert len(lines) == STANDARD_COUNTS[name]

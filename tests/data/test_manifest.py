"""Manifests: which samples a run used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vlreward.data import STANDARD_COUNTS, Dataset, Manifest, Sampler, load


def _write(path: Path, rows: int) -> Path:
    row = {"image_path": "a.png", "question": "How many?", "ground_truth": 3}
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(rows)))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load(_write(tmp_path / "x.jsonl", 40))


def test_what_a_manifest_says(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    subset = Sampler(42).sample(data, 3)
    Manifest.of(subset).write(path)
    said = json.loads(path.read_text())
    assert [p.name for p in tmp_path.iterdir() if "m.json" in p.name] == ["m.json"]
    assert said["name"] == "x[3@42]"
    assert said["ids"] == list(subset.ids)
    assert said["sampling"] == "3@42"
    assert (said["rows"], said["count"], said["skipped"]) == (40, 3, 0)
    assert said["sha256"] == hashlib.sha256((tmp_path / "x.jsonl").read_bytes()).hexdigest()
    assert said["ids_sha256"] == hashlib.sha256("\n".join(said["ids"]).encode()).hexdigest()
    assert said["standard_count"] is None


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

    def test_a_suite_is_known_by_its_name_and_by_its_file(self) -> None:
        for name in ("superclevr_test200", "superclevr_test200_counting_problems"):
            assert STANDARD_COUNTS[name] == 200
        assert "test" not in STANDARD_COUNTS  # TallyQA's file, and that of many others

    def test_right_counts_and_other_names_are_not(self, tmp_path: Path) -> None:
        name = "superclevr_test200_counting_problems"
        assert load(_write(tmp_path / f"{name}.jsonl", 200)).provenance.remarks == ()
        assert load(_write(tmp_path / "refcoco_val_2000.jsonl", 5)).provenance.remarks == ()

    def test_the_published_counts(self, shared_data: Path) -> None:
        for name in ("superclevr_test200_counting_problems", "geoqa_test_prompts"):
            lines = (shared_data / "prompts" / f"{name}.jsonl").read_text().splitlines()
            assert len(lines) == STANDARD_COUNTS[name]

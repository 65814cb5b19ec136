"""Mixtures of data sets as YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.data import DataError, load, load_mixture


def _rows(path: Path, *golds: Any) -> None:
    rows = [{"image_path": f"{path.stem}.png", "question": "?", "ground_truth": g} for g in golds]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    _rows(tmp_path / "a.jsonl", *range(10))
    _rows(tmp_path / "sub" / "b.jsonl", *range(100, 140))
    path = tmp_path / "rec.yaml"
    path.write_text(
        "datasets:\n"
        "    - json_path: a.jsonl\n"
        "      sampling_strategy: end:2\n"
        "    - json_path: sub/b.jsonl\n"
        "      sampling_strategy: random:5%\n"
        "    - json_path: a.jsonl\n"
        "      sampling_strategy: first:95%\n"
    )
    return path


def test_parts_follow_one_another(mixture: Path) -> None:
    data = load(mixture)
    assert data.name == "rec"
    assert [s.target for s in data][:2] == [8, 9]
    assert [s.target for s in data][-1] == 9
    assert len(data) == 14
    assert data.provenance.schema == "mixture"
    assert [part.sampling for part in data.provenance.parts] == ["end:2", "5%@42", None]
    assert data.provenance.task == "counting"


def test_random_parts_follow_the_seed(mixture: Path) -> None:
    def chosen(**options: Any) -> list[str]:
        return [i for i in load_mixture(mixture, **options).ids if i.startswith("b/")]

    assert chosen(seed=1) == chosen(seed=1)
    assert chosen(seed=1) != chosen(seed=2)


def test_a_file_listed_twice_keeps_ids_apart(mixture: Path) -> None:
    assert load(mixture).ids[-3:] == ("a/8", "a/9@3", "a/10@3")


def test_relative_paths_start_from_the_root(mixture: Path, tmp_path: Path) -> None:
    moved = tmp_path / "configs" / "rec.yaml"
    moved.parent.mkdir()
    mixture.rename(moved)
    with pytest.raises(FileNotFoundError, match=r"configs/a\.jsonl"):
        load(moved)
    assert len(load_mixture(moved, root=tmp_path)) == 14


def test_parts_with_image_roots_of_their_own(tmp_path: Path) -> None:
    for name, size in (("a", (3, 4)), ("b", (5, 6))):
        _rows(tmp_path / f"{name}.jsonl", 1)
        (tmp_path / f"images_{name}").mkdir()
        Image.new("RGB", size).save(tmp_path / f"images_{name}" / f"{name}.png")
    path = tmp_path / "m.yaml"
    path.write_text(
        "datasets:\n"
        "  - {json_path: a.jsonl, image_root: images_a}\n"
        "  - {json_path: b.jsonl, image_root: images_b, task: counting}\n"
    )
    data = load(path)
    assert [data.open_image(s).size for s in data] == [(3, 4), (5, 6)]
    assert data.image(data[1]) == tmp_path / "images_b" / "b.png"


def test_tasks_may_differ(tmp_path: Path) -> None:
    _rows(tmp_path / "a.jsonl", 1)
    _rows(tmp_path / "b.jsonl", "145°")
    path = tmp_path / "m.yaml"
    path.write_text("datasets:\n- json_path: a.jsonl\n- json_path: b.jsonl\n")
    data = load(path)
    assert [s.task for s in data] == ["counting", "geometry"]
    assert data.provenance.task == "mixed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected 'datasets:' with a list"),
        ("datasets: 3", "expected 'datasets:' with a list"),
        ("datasets: []", "expected 'datasets:' with a list"),
        ("- a", "expected 'datasets:' with a list"),
        ("datasets: [3]", "entry 1: expected 'json_path: FILE', got 3"),
        ("datasets: [{path: a}]", "entry 1: expected 'json_path: FILE'"),
        ("datasets: [{json_path: a, samples: 3}]", r"unknown keys \['samples'\]; known: json_path"),
        ("datasets: [{json_path: a.jsonl, sampling_strategy: 'some:3'}]", "entry 1: .*'some:3'"),
        ("datasets: [", "expected YAML: "),
        ("!!python/object/apply:os.system ['true']", "expected YAML: "),
    ],
)
def test_bad_mixtures(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=expected) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_weights_and_conditions_of_entries(tmp_path: Path) -> None:
    _rows(tmp_path / "a.jsonl", *range(10))
    path = tmp_path / "x.yaml"

    def read(entry: str, **options: Any) -> list[Any]:
        path.write_text(f"datasets: [{{json_path: a.jsonl, {entry}}}]")
        return [s.target for s in load(path, **options)]

    assert read("weight: 2") == [*range(10), *range(10)]
    half = read("weight: 0.5")
    assert len(half) == 5
    assert read("weight: 0.5") == half
    assert len(read("weight: 1.2")) == 12
    assert read("where: ground_truth>=8") == [8, 9]
    assert read("where: [ground_truth>=2, ground_truth!=5], weight: 1") == [2, 3, 4, 6, 7, 8, 9]
    assert read("where: ground_truth=3", gold_frame="norm1000") == [3]
    for bad, message in (
        ("weight: 0", "entry 1: weight: expected a number above 0 and up to 100, got 0"),
        ("weights: 2", "unknown keys"),
        ("where: level>3", "--where: expected a column 'level', got no 'level' among"),
        ("where: ground_truth", "--where: expected COLUMN with one of"),
        ("where: ground_truth>99", "no row of 10 is left: 10 did not fit --where"),
        ("gold_frame: norm1000", "expected golds that lie in the image, got those of counting"),
    ):
        with pytest.raises(ValueError, match=message):
            read(bad)

"""The originals' subsets, checked against rows that their authors' runs recorded."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.data import DataError, Dataset, Provenance, Sampler, Strategy, load
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample

_VAL, _PLUS_VAL = 10834, 10758


def _dataset(name: str, rows: int) -> Dataset:
    samples = (Sample(id=str(i), gold=CountGold(count=i)) for i in range(rows))
    return Dataset(name, samples, Provenance(f"{name}.json", "rec", "0" * 64, rows, "counting"))


def _script(generator: random.Random, rows: int, number: int) -> list[int]:
    """What the evaluation scripts do with the rows of one data set, by the global generator."""
    data = list(range(rows))
    generator.shuffle(data)
    return data[:number]


class TestAgainstTheScripts:
    def test_per_dataset(self) -> None:
        sampler = Sampler(42)
        for rows in (_VAL, _PLUS_VAL):
            expected = _script(random.Random(42), rows, 500)
            chosen = sampler.sample(_dataset("x", rows), 500)
            assert [s.target for s in chosen] == expected

    def test_chained(self) -> None:
        sampler, generator = Sampler(42, "chained"), random.Random(42)
        for rows in (60, 41, 100):
            expected = _script(generator, rows, 30)
            assert [s.target for s in sampler.sample(_dataset("x", rows), 30)] == expected

    def test_chained_moves_on_where_all_rows_are_taken(self) -> None:
        sampler, generator = Sampler(42, "chained"), random.Random(42)
        for number in (None, 500):
            whole = _dataset("x", 60)
            assert sampler.sample(whole, number) is whole
            _script(generator, 60, 60)
        expected = _script(generator, 41, 5)
        assert [s.target for s in sampler.sample(_dataset("x", 41), 5)] == expected

    def test_the_global_generator_is_left_alone(self) -> None:
        before = random.getstate()
        Sampler(7).sample(_dataset("x", 60), 5)
        assert random.getstate() == before

    @given(seed=st.integers(0, 2**32), rows=st.integers(1, 50), number=st.integers(1, 60))
    def test_a_smaller_subset_starts_a_larger_one(self, seed: int, rows: int, number: int) -> None:
        order = Sampler(seed).order(rows)
        assert sorted(order) == list(range(rows))
        dataset = _dataset("x", rows)
        chosen = Sampler(seed).sample(dataset, number)
        if number < rows:
            assert [s.target for s in chosen] == order[:number]
        else:
            assert chosen is dataset


class TestAgainstRecordedRuns:
    """RefCOCO's files list images by falling id, so a right guess of the rows shows."""

    def test_500_of_seed_42_are_the_first_of_2000(self, shared_data: Path) -> None:
        rows = json.loads((shared_data / "annotations" / "refcoco_val_2000.json").read_text())
        for path in sorted((shared_data / "recorded" / "rec").glob("*refcoco_val*.json")):
            recorded = json.loads(path.read_text())["results"]
            assert [(r["question"], r["ground_truth"]) for r in recorded] == [
                (r["problem"], r["solution"]) for r in rows[:500]
            ], path.name

    @pytest.mark.parametrize(("rows_of_file", "right"), [(_VAL, True), (_VAL - 1, False)])
    def test_refcoco_val_is_shuffled_with_seed_42(
        self, shared_data: Path, rows_of_file: int, right: bool
    ) -> None:
        rows = json.loads((shared_data / "annotations" / "refcoco_val_2000.json").read_text())
        position = Sampler(42).order(rows_of_file)[: len(rows)]
        images = [row["image"] for _, row in sorted(zip(position, rows), key=lambda p: p[0])]
        assert (images == sorted(images, reverse=True)) is right

    def test_random_sample_is_not_what_was_used(self, shared_data: Path) -> None:
        rows = json.loads((shared_data / "annotations" / "refcoco_val_2000.json").read_text())
        position = random.Random(42).sample(range(_VAL), len(rows))
        images = [row["image"] for _, row in sorted(zip(position, rows), key=lambda p: p[0])]
        falling = sum(a >= b for a, b in itertools.pairwise(images))
        assert falling < 0.6 * len(images)

    @pytest.mark.parametrize(("chain", "right"), [((_VAL, _PLUS_VAL), True), ((_PLUS_VAL,), False)])
    def test_recorded_refcoco_plus_was_chained_after_refcoco(
        self, shared_data: Path, chain: tuple[int, ...], right: bool
    ) -> None:
        rows = json.loads((shared_data / "annotations" / "refcoco_val_2000.json").read_text())
        image_of = {tuple(row["solution"]): row["image"] for row in rows}
        name = "rec_results_refcocop_val_qwen2_5vl_3b_instruct_r1_100.json"
        recorded = json.loads((shared_data / "recorded" / "rec" / name).read_text())["results"]
        sampler = Sampler(42, "chained")
        for rows_of_file in chain:
            order = sampler.order(rows_of_file)
        found = sorted(
            (place, image_of[box])
            for place, row in zip(order, recorded)
            if (box := tuple(row["ground_truth"])) in image_of
        )
        images = [image for _, image in found]
        assert len(images) == 220
        assert (images == sorted(images, reverse=True)) is right


class TestNames:
    def test_a_subset_shows_in_the_name(self) -> None:
        sampler = Sampler(42)
        subset = sampler.sample(_dataset("refcoco_val", 600), 500)
        assert subset.name == "refcoco_val[500@42]"
        assert subset.provenance.sampling == "500@42"

    def test_chained_subsets_name_what_came_before(self) -> None:
        sampler = Sampler(7, "chained")
        names = [sampler.sample(_dataset(n, 60), 5).name for n in ("a", "b", "c")]
        assert names == ["a[5@7]", "b[5@7 after 60]", "c[5@7 after 60,60]"]

    def test_equal_names_are_equal_subsets(self) -> None:
        alone = Sampler(7).sample(_dataset("a", 60), 5)
        first = Sampler(7, "chained").sample(_dataset("a", 60), 5)
        assert (alone.name, alone.ids, alone.ids_sha256) == (
            first.name,
            first.ids,
            first.ids_sha256,
        )

    def test_a_slice_shows_in_the_name(self) -> None:
        dataset = _dataset("a", 60)
        assert dataset[:5].name == "a[0:5]"
        assert dataset[10:20:3].ids == ("10", "13", "16", "19")
        assert dataset[10:20:3].name == "a[10:20:3]"


class TestSkippedRows:
    def test_no_other_row_takes_the_place_of_a_skipped_one(self, tmp_path: Path) -> None:
        rows = [{"image_path": "a", "question": "?", "ground_truth": i} for i in range(100)]
        path = tmp_path / "x.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        whole = Sampler(1).sample(load(path), 20)
        victims = [whole.row_numbers[3], whole.row_numbers[11]]
        for number in victims:
            rows[number - 1]["ground_truth"] = -1
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        less = Sampler(1).sample(load(path, on_bad_gold="skip"), 20)
        expected = [n for n in whole.row_numbers if n not in victims]
        assert list(less.row_numbers) == expected
        assert len(less) == 18


class TestStrategies:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("all", list(range(10))),
            ("first:3", [0, 1, 2]),
            ("end:3", [7, 8, 9]),
            ("first:99", list(range(10))),
            ("first:25%", [0, 1, 2]),  # rounded up
            ("end:10%", [9]),
            ("end:0.5%", [9]),
        ],
    )
    def test_take(self, text: str, expected: list[int]) -> None:
        subset = Sampler(42).take(_dataset("x", 10), Strategy.parse(text))
        assert [s.target for s in subset] == expected
        assert subset.name == ("x" if len(expected) == 10 else f"x[{text}]")

    @pytest.mark.parametrize(
        ("text", "name"),
        [("random:3", "x[3@42]"), ("random:25%", "x[25%@42]"), ("25%", "x[25%@42]")],
    )
    def test_random(self, text: str, name: str) -> None:
        subset = Sampler(42).take(_dataset("x", 10), Strategy.parse(text))
        assert [s.target for s in subset] == _script(random.Random(42), 10, 3)
        assert subset.name == name

    @pytest.mark.parametrize(
        "text",
        ["", "first", "first:", "first:0", "first:-1", "random:1.5", "10", "last:5", "first:0%",
         "random:101%", "first:٣", "random: 5", "first:5 %", "first:1e3"],
    )  # fmt: skip
    def test_unknown_strategies(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"expected .*got"):
            Strategy.parse(text)

    @pytest.mark.parametrize("text", ["all", "first:3", "end:2.5%", "random:10%"])
    def test_text_round_trip(self, text: str) -> None:
        assert str(Strategy.parse(text)) == text


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="samples of 1 or more, got 0"):
        Sampler().sample(_dataset("x", 3), 0)
    with pytest.raises(ValueError, match="'per-dataset' or 'chained', got 'once'"):
        Sampler(1, "once")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="positions that differ"):
        _dataset("x", 3).select([1, 1], "double")
    with pytest.raises(DataError, match="positions that differ, got 0"):
        _dataset("x", 3).select([], "none")

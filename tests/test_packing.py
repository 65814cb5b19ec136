from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vlreward.answer_frames import AnswerFrames
from vlreward.cli import app
from vlreward.data import DataError
from vlreward.frames import FAMILIES, Frame
from vlreward.geometry import Size
from vlreward.golds import pack, unpack
from vlreward.packing import pack_file
from vlreward.tasks.rec import BoxGold
from vlreward.types import Sample

ROWS: dict[str, list[dict[str, Any]]] = {
    "rec": [
        {
            "image": f"{i}.png",
            "normal_caption": "a man.",
            "solution": [1.5, 2, 30 + i, 40],
            "width": 640,
            "height": 428,
        }
        for i in range(3)
    ],
    "counting": [{"image_path": "a.png", "question": "How many?", "ground_truth": 3}] * 2,
    "geometry": [{"image_path": "a.png", "question": "x?", "ground_truth": "145°"}] * 2,
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("task", ROWS)
def test_each_tasks_gold_comes_back_and_nothing_else_changes(task: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS[task])
    packed = pack_file(
        source,
        tmp_path / "out.jsonl",
        column="gold",
        frames=AnswerFrames(family=FAMILIES["qwen2.5-vl"]),
    )
    assert packed.tasks == {task: len(ROWS[task])}
    rows = read(packed.path)
    assert [{k: v for k, v in row.items() if k != "gold"} for row in rows] == ROWS[task]
    for row, original in zip(rows, ROWS[task]):
        envelope = unpack(row["gold"], "none of the tasks")
        assert envelope.gold.task == task
        raw = original.get("solution", original.get("ground_truth"))
        assert envelope.gold == unpack(raw, task).gold
        if task == "rec":
            assert envelope.frame is Frame.INPUT_PX
            assert (envelope.image_size, envelope.input_size) == ((640, 428), (644, 420))


def test_what_a_row_declares_of_answers_outweighs_the_family(tmp_path: Path) -> None:
    box = Sample(
        id="a",
        question="?",
        gold=BoxGold(box=(1, 2, 30, 40)),
        image="a.png",
        image_size=Size(640, 428),
        frame=Frame.NORM1000,
        axis_order="yx",
    )
    rows = [{"image": "a.png", "problem": "?", "solution": pack(box)}]
    source = write(tmp_path / "in.jsonl", rows)
    for frame, order in ((None, None), (Frame.NORM1, "xy")):
        packed = pack_file(
            source,
            tmp_path / "out.jsonl",
            frames=AnswerFrames(frame, order, FAMILIES["qwen2.5-vl"]),  # type: ignore[arg-type]
        )
        found = unpack(packed.example, "rec")
        assert (found.frame, found.axis_order) == (frame or box.frame, order or box.axis_order)


def test_it_is_said_where_it_is_assumed_how_large_an_image_is_shown(tmp_path: Path) -> None:
    row = {**ROWS["rec"][0], "width": 4000, "height": 3000}
    source, target = write(tmp_path / "in.jsonl", [row, *ROWS["rec"]]), tmp_path / "out.jsonl"
    command = ["pack", str(source), str(target), "--family", "qwen2.5-vl"]
    done = CliRunner().invoke(app, command)
    assert "warning: 1 rows have images of more than 401,408 pixels" in done.output
    done = CliRunner().invoke(app, [*command, "--max-pixels", "401408"])
    assert "401,408" not in done.output
    assert unpack(read(target)[0]["ground_truth"], "rec").input_size == (728, 532)


def test_a_json_list_and_a_nested_column(tmp_path: Path) -> None:
    rows = [{**row, "reward_model": {"style": "rule"}} for row in ROWS["geometry"]]
    source = tmp_path / "in.json"
    source.write_text(json.dumps(rows), encoding="utf-8")
    packed = pack_file(source, tmp_path / "out.jsonl", column="reward_model.ground_truth")
    for row in read(packed.path):
        assert row["reward_model"]["style"] == "rule"
        assert unpack(row["reward_model"]["ground_truth"], "x").gold.task == "geometry"


def test_sizes_from_the_images(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    row = {"image": "a.png", "normal_caption": "a man.", "solution": [1, 2, 30, 40]}
    source = write(tmp_path / "in.jsonl", [row])
    family = FAMILIES["qwen3-vl"]
    packed = pack_file(
        source, tmp_path / "out.jsonl", frames=AnswerFrames(family=family), image_root=tmp_path
    )
    envelope = unpack(packed.example, "rec")
    assert (envelope.frame, envelope.image_size) == (Frame.NORM1000, (300, 200))


BAD: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    (
        [{**ROWS["rec"][0], "solution": [9, 9, 1, 1]}],
        {"frames": AnswerFrames(Frame.NORM1)},
        r"line 1: .*x2",
    ),
    (ROWS["rec"], {}, r"row 1: nothing says in which frame.*\n  row 2: "),
    (
        [{"image": "a.png", "normal_caption": "a", "solution": [1, 2, 3, 4]}],
        {"frames": AnswerFrames(Frame.NORM1000)},
        r"row 1: expected image_size=.* in frame 'norm1000', got None.*--image-root",
    ),
    (
        ROWS["rec"],
        {"frames": AnswerFrames(Frame.INPUT_PX)},
        r"expected input_size=.* in frame 'input_px', got None.*--family",
    ),
    (
        ROWS["counting"],
        {"column": "ground_truth"},
        r"expected a new column.*\n  row 1: 'ground_truth' is there already",
    ),
    (ROWS["counting"], {"column": "question.gold"}, r"row 1: 'question': expected an object"),
]


@pytest.mark.parametrize(("rows", "options", "message"), BAD)
def test_errors_name_file_and_row_and_leave_no_file(
    rows: list[dict[str, Any]], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", rows)
    with pytest.raises(DataError, match=message) as caught:
        pack_file(source, tmp_path / "out.jsonl", **options)
    assert str(source) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("in.jsonl", "expected another file than the one that is read"),
        ("out.csv", "expected a name that ends in one of .jsonl, .ndjson, .parquet"),
        ("none/out.jsonl", "expected a directory to write into"),
    ],
)
def test_targets_that_cannot_be(target: str, message: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS["counting"])
    with pytest.raises(DataError, match=message):
        pack_file(source, tmp_path / target)


def test_a_source_that_is_not_there_is_not_one_of_a_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: expected a file, found no such file"):
        pack_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl")


def test_an_old_target_survives_a_failure(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS["counting"])
    (tmp_path / "out.jsonl").write_text("old")
    with pytest.raises(DataError):
        pack_file(source, tmp_path / "out.jsonl", column="ground_truth")
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_parquet_keeps_its_columns_and_loads_in_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra data")
    rows = [{**row, "reward_model": {"style": "rule"}} for row in ROWS["counting"]]
    source = tmp_path / "in.parquet"
    datasets.Dataset.from_list(rows).to_parquet(source)
    for column in ("envelope", "reward_model.ground_truth", "extra.gold"):
        target = tmp_path / f"{column}.parquet"
        pack_file(source, target, column=column)
        loaded = datasets.Dataset.from_parquet(str(target), cache_dir=str(tmp_path / "cache"))
        for row, original in zip(loaded, rows):
            value: Any = row
            for part in column.split("."):
                value = value[part]
            assert unpack(value, "x").gold.task == "counting"
            assert {k: row[k] for k in original if k != "reward_model"} == {
                k: v for k, v in original.items() if k != "reward_model"
            }
            assert row["reward_model"]["style"] == "rule"


def test_jsonl_to_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra data")
    source = write(tmp_path / "in.jsonl", ROWS["geometry"])
    pack_file(source, tmp_path / "out.parquet", column="gold")
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 2


def test_command(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS["rec"])
    run = CliRunner().invoke
    done = run(app, ["pack", str(source), str(tmp_path / "o.jsonl"), "--family", "qwen3-vl"])
    assert done.exit_code == 0, done.output
    assert "3 rows (3 rec) of schema rec, column 'ground_truth'" in done.output
    failed = run(app, ["pack", str(source), str(tmp_path / "p.jsonl")])
    assert failed.exit_code == 2
    assert "row 1: nothing says in which frame" in failed.output
    failed = run(app, ["pack", str(source), str(tmp_path / "p.jsonl"), "--family", "llama"])
    assert failed.exit_code == 2
    assert "expected the name of one model family, got 'llama'" in failed.output

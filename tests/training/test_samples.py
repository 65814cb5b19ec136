"""Which rows a run trains on and evaluates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.data import DataError, load
from vlreward.data.decoding import with_good_images
from vlreward.doctor import diagnose, read_observations
from vlreward.errors import OptionError
from vlreward.resizing import Resizing
from vlreward.training.arguments import Arguments
from vlreward.training.dry_run import data_text
from vlreward.training.samples import informative, load_both, load_samples, say_remarks

RESIZING = Resizing(28, 3136, 100_000)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    return _write(tmp_path / "train.jsonl", 20)


def _write(path: Path, n: int, **changes: Any) -> Path:
    row = {"images": ["a.png"], "problem": "<image>How many?", **changes}
    path.write_text("".join(json.dumps({**row, "answer": str(i)}) + "\n" for i in range(n)))
    return path


def _both(data: Path, **options: Any) -> list[Any]:
    return load_both("counting", Arguments(data=str(data), **options), seed=3)


def test_the_same_rows_are_never_trained_on_and_evaluated(rows: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(rows.read_bytes())
    for same in (rows, copy):
        with pytest.raises(DataError, match="got 20 that are both: give another file, --eval_spl"):
            _both(rows, eval_data=str(same))
    other = _write(tmp_path / "other.jsonl", 5)
    assert [len(d) for d in _both(rows, eval_data=str(other))] == [20, 5]


def test_copies_of_rows_are_noticed_where_they_are_evaluated(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file with the same questions was taken for other rows."""
    copied = rows.with_name("copied.jsonl")
    copied.write_text("\n".join(rows.read_text().splitlines()[:3]))
    say_remarks(_both(rows, eval_data=str(copied)))
    assert "3 of 3 rows for evaluation ask what a row for training asks" in capsys.readouterr().err
    elsewhere = tmp_path / "elsewhere"  # images of the same names are not the same
    shutil.copytree(rows.parent, elsewhere)
    say_remarks(_both(rows, eval_data=str(elsewhere / "copied.jsonl")))
    assert capsys.readouterr().err == ""
    words = [{"problem": f"{n} and {n}?", "answer": str(2 * n)} for n in range(3)]
    for name, some in (("train", words), ("held", words[1:])):  # without images it was a bug
        rows.with_name(f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    say_remarks([load(rows.with_name(f"{n}.jsonl"), task="counting") for n in ("train", "held")])
    assert "2 of 2 rows for evaluation ask" in capsys.readouterr().err


def test_parts_of_one_file_may_be_trained_on_and_evaluated(rows: Path, tmp_path: Path) -> None:
    def mixture(name: str, strategy: str) -> Path:
        path = tmp_path / name
        entry = f"{{json_path: {rows.name}, task: counting, sampling_strategy: '{strategy}'}}"
        path.write_text(f"datasets: [{entry}]")
        return path

    train = mixture("train.yaml", "first:90%")
    assert [len(d) for d in _both(train, eval_data=str(mixture("a.yaml", "end:10%")))] == [18, 2]
    with pytest.raises(DataError, match="got 3 that are both"):
        _both(train, eval_data=str(mixture("b.yaml", "end:5")))


def test_a_share_of_the_rows_is_kept_for_evaluation(rows: Path) -> None:
    train, held = _both(rows, val_split_ratio=0.2)
    assert (len(train), len(held)) == (16, 4)
    assert not set(train.ids) & set(held.ids)
    assert _both(rows, val_split_ratio=0.2)[1].ids == held.ids
    with pytest.raises(DataError, match="expected rows to train on, got 1"):
        _both(_write(rows.with_name("one.jsonl"), 1), val_split_ratio=0.5)


def test_the_split_for_evaluation_is_never_the_training_split(rows: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra data")
    table = datasets.load_dataset("json", data_files=str(rows), split="train")
    parts = datasets.DatasetDict({"train": table.select(range(12)), "test": table.select([12, 13])})
    parts.save_to_disk(str(tmp_path / "both"))
    options = {"image_root": str(tmp_path), "split": "train"}
    train, held = _both(tmp_path / "both", **options, eval_split="test")
    assert (len(train), [s.target for s in held]) == (12, [12, 13])
    with pytest.raises(DataError, match="got 12 that are both"):
        _both(tmp_path / "both", **options, eval_data=str(tmp_path / "both"))


def test_rows_with_bad_images_can_be_left_out(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (900, 4)).save(rows.with_name("thin.png"))
    rows.with_name("broken.png").write_bytes(b"no image")
    lines = rows.read_text().splitlines()
    for name in ("thin.png", "broken.png", "thin.png"):
        lines.append(lines[0].replace("a.png", name))
    rows.write_text("\n".join(lines))
    data = with_good_images(load_samples(str(rows), "counting", Arguments(data="")), RESIZING)
    assert len(data) == 20
    assert [problem.row for problem in data.provenance.skipped] == [21, 22, 23]
    say_remarks([data])
    assert "3 rows left out: bad image" in capsys.readouterr().err


def test_a_bad_image_whose_size_its_gold_needs_can_be_left_out(tmp_path: Path) -> None:
    """It was passed over, and the run ended in `expected image_size=(width, height), got None`."""
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    row = {"problem": "Where?", "solution": [100, 200, 500, 900]}
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({**row, "image": f"{name}.png"}) for name in "ab"))
    arguments = Arguments(data=str(path), gold_frame="norm1000")
    with pytest.raises(DataError, match=r"b\.png"):
        load_samples(str(path), "rec", arguments)
    arguments.on_bad_image = "skip"
    data = load_samples(str(path), "rec", arguments)
    assert [(p.row, p.kind) for p in data.provenance.skipped] == [(2, "bad_image")]
    assert [sample.target for sample in data] == [(64, 96, 320, 432)]


@pytest.mark.parametrize(
    ("boxes", "fit"),
    [
        ([0.1, 0.2, 0.5, 0.6], "--gold-frame norm1"),
        ([700, 200, 900, 950], "--gold-frame norm1000"),
        ([300, 200, 100, 90], "--gold-frame original_px:xywh"),
    ],
)
def test_golds_that_look_wrong_stop_the_run_and_name_the_option(
    tmp_path: Path, boxes: list[float], fit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    good = {"image": "a.png", "problem": "Where?", "solution": [10, 20, 300, 400]}
    path = tmp_path / "x.jsonl"
    lines = [good] * 150 + [{**good, "solution": boxes}]
    path.write_text("\n".join(json.dumps(row) for row in lines))
    arguments = Arguments(data=str(path), on_bad_gold="skip")
    data = load_samples(str(path), "rec", arguments)  # below 1 %
    say_remarks([data])
    assert fit in capsys.readouterr().err
    assert fit in data_text(data)
    path.write_text("\n".join(json.dumps(row) for row in [*lines, lines[-1]]))
    with pytest.raises(DataError) as caught:
        load_samples(str(path), "rec", arguments)
    assert "2 of 152 rows have golds that look wrong" in str(caught.value)
    assert fit in str(caught.value)
    assert "line 151: " in str(caught.value)
    arguments.on_suspicious = "keep"
    assert len(load_samples(str(path), "rec", arguments)) >= 150


def _traces(directory: Path, rows: list[dict[str, Any]]) -> Path:
    """Traces of two processes, which share groups; they were killed, and one went on."""
    directory.mkdir(parents=True)
    for rank in (0, 1):
        lines = [json.dumps(row) for row in rows[rank::2]]
        lines.insert(1 if rank else len(lines), '{"step": 3, "i')
        (directory / f"rank-{rank:05d}.jsonl").write_text("\n".join(lines))
    return directory


def test_easy_and_hard_questions_go_and_unseen_ones_stay(scenes_data: Path, tmp_path: Path) -> None:
    file = str(scenes_data / "counting.jsonl")
    samples = load_samples(file, "counting", Arguments(data=file))
    easy, hard, good, _ = [sample.id for sample in samples]
    rows = [{"step": 1, "id": easy, "value": 2.0}] * 4 + [{"step": 1, "id": hard, "value": 0}] * 4
    rows += [{"step": 2, "id": good, "value": v} for v in (1.0, 2.0)]
    # Another time all the same; and an evaluation, which has no groups.
    rows += [{"step": 9, "id": good, "value": 2.0}] * 2
    rows += [{"step": 1, "id": easy, "value": 0.0, "mode": "eval"}] * 2
    _traces(tmp_path / "run/traces", rows)
    for where in (tmp_path / "run", tmp_path / "run/traces"):
        said: list[str] = []
        left = informative(samples, str(where), said.append)
        assert [sample.id for sample in left] == [sample.id for sample in samples][2:]
        assert "without 2 that taught nothing" in left.name
        ends = ["rank-00000.jsonl: left out 1 torn line: line 8", "rank-00001.jsonl: left out 1 "]
        assert [end in text for end, text in zip(ends, said, strict=True)] == [True, True]


def test_the_doctor_says_of_the_same_questions_that_they_teach_nothing(
    scenes_data: Path, tmp_path: Path
) -> None:
    """It allowed for 1e-9 between the completions of one, and the choice of rows for 1e-6."""
    file = str(scenes_data / "counting.jsonl")
    samples = load_samples(file, "counting", Arguments(data=file))
    spread = {samples[0].id: 1e-7, samples[1].id: 1e-5}
    rows = [
        {"step": 1, "id": name, "completion": "", "terms": {}, "value": value}
        for name, far in spread.items()
        for value in (0.5, 0.5, 0.5 + far, 0.5 + far)
    ]
    _traces(tmp_path / "traces", rows)
    kept = informative(samples, str(tmp_path)).ids
    (flat,) = [f for f in diagnose(read_observations(tmp_path)) if f.name == "zero_std"]
    assert (flat.count, flat.of) == (1, 2)
    assert (samples[0].id in kept, samples[1].id in kept) == (False, True)


def test_without_traces_or_rows_there_is_an_error(scenes_data: Path, tmp_path: Path) -> None:
    file = str(scenes_data / "counting.jsonl")
    samples = load_samples(file, "counting", Arguments(data=file))
    with pytest.raises(OptionError, match=r"expected traces in .*, found no rank-"):
        informative(samples, str(tmp_path))
    _traces(tmp_path / "other", [{"step": 0, "id": "rec/1", "value": 1}])
    with pytest.raises(OptionError, match="its traces are of other rows than these"):
        informative(samples, str(tmp_path / "other"))
    every = [{"step": 0, "id": sample.id, "value": 1} for sample in samples for _ in range(2)]
    _traces(tmp_path / "traces", every)
    with pytest.raises(DataError, match="taught something, got none among 4"):
        informative(samples, str(tmp_path))

"""One table of declarations goes through every door that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from PIL import Image
from typer.testing import CliRunner

from vlreward.answer_frames import AnswerFrames
from vlreward.bench.cli import app as bench
from vlreward.bench.completions_file import read_recorded
from vlreward.bench.rescore import rescore
from vlreward.cli import app
from vlreward.data import DataError, load
from vlreward.data.check import check_data
from vlreward.doctor.observations import read_observations
from vlreward.errors import OptionError
from vlreward.families import FAMILIES
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import pack, unpack
from vlreward.packing import pack_file
from vlreward.resizing import Resizing
from vlreward.rewards import TaskReward
from vlreward.tasks.rec import BoxGold
from vlreward.training.preparing import rows_for
from vlreward.types import Sample

LIMITS = Resizing(28, 56 * 56, 401_408)


class Case(NamedTuple):
    """What is declared where, and what holds: frame and order, None where nothing is said."""

    row: tuple[str | None, str | None]
    option: tuple[str | None, str | None]
    family: str | None
    nearest: tuple[str | None, str | None]
    """Where rows tell how a model has written."""
    told: tuple[str | None, str | None]
    """Where options tell a model how to write."""


NONE = (None, None)
CASES = [
    Case(NONE, NONE, None, NONE, NONE),
    Case(("norm999", "yx"), NONE, None, ("norm999", "yx"), ("norm999", "yx")),
    Case(NONE, NONE, "gemini", ("norm1000", "yx"), ("norm1000", "yx")),
    Case(NONE, ("norm1", "xy"), "gemini", ("norm1", "xy"), ("norm1", "xy")),
    Case(NONE, ("norm1", None), "gemini", ("norm1", "yx"), ("norm1", "yx")),
    Case(("norm999", "xy"), NONE, "gemini", ("norm999", "xy"), ("norm999", "xy")),
    Case(("norm999", None), (None, "xy"), "gemini", ("norm999", "xy"), ("norm999", "xy")),
    Case(("norm999", "xy"), ("norm1", "yx"), "gemini", ("norm999", "xy"), ("norm1", "yx")),
    Case(("norm999", None), ("norm1", "yx"), None, ("norm999", "yx"), ("norm1", "yx")),
    Case(NONE, NONE, "qwen2.5-vl", ("input_px", "xy"), ("input_px", "xy")),
    Case(("original_px", None), NONE, "qwen2.5-vl", ("original_px", "xy"), ("original_px", "xy")),
]


def _given(case: Case) -> dict[str, Any]:
    frame, order = case.option
    family = None if case.family is None else FAMILIES[case.family]
    return {"frame": Frame(frame) if frame else None, "axis_order": order, "family": family}


def _frames(case: Case) -> AnswerFrames:
    return AnswerFrames(**_given(case))


def _rows(case: Case, folder: Path, **more: Any) -> Path:
    """A file of one row whose envelope says what the row does."""
    Image.new("RGB", (640, 428)).save(folder / "a.png")
    sample = Sample(
        id="a",
        gold=BoxGold(box=(10, 20, 300, 400)),
        image_size=Size(640, 428),
        frame=case.row[0],
        axis_order=case.row[1],
    )
    row = {"id": "a", "image": "a.png", "problem": "?", "solution": pack(sample), **more}
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


def _said(frame: Any, order: Any) -> tuple[Any, Any]:
    return None if frame is None else Frame(frame).value, order


def _reward(case: Case, folder: Path, as_columns: bool) -> tuple[Any, Any]:
    row = json.loads(_rows(case, folder).read_text())
    solution, columns = row["solution"], {}
    if as_columns:
        solution, columns = [10, 20, 300, 400], {"frame": case.row[0], "axis_order": case.row[1]}
    reward = TaskReward("rec", **_given(case))
    given = {"image_size": (640, 428), **columns}
    if case.nearest == NONE:
        with pytest.raises(ValueError, match="is not declared"):
            reward._golds.row(solution, given)
        return NONE
    found = reward._golds.row(solution, given)
    assert found is not None
    return _said(found.frame, found.axis_order)


def _packed(case: Case, folder: Path) -> tuple[Any, Any]:
    source = _rows(case, folder)
    if case.told == NONE:
        with pytest.raises(DataError, match="nothing says in which frame"):
            pack_file(source, folder / "out.jsonl", frames=_frames(case))
        return NONE
    packed = pack_file(source, folder / "out.jsonl", frames=_frames(case))
    envelope = unpack(packed.example, "rec")
    return _said(envelope.frame, envelope.axis_order)


def _trained(case: Case, folder: Path) -> tuple[Any, Any]:
    data = load(_rows(case, folder), image_root=folder)
    frame, order = case.option
    arguments: Any = SimpleNamespace(prompt=None, frame=frame, axis_order=order)
    family, reward = case.family or "nobody's", TaskReward("rec")
    if case.told == NONE:
        unknown = (
            r"1 rows .* row 1, do not say .* \"nobody's\" models is not known: declare --frame"
        )
        with pytest.raises(OptionError, match=unknown):
            rows_for(data, arguments, [reward], LIMITS, family)
        return NONE
    rows = rows_for(data, arguments, [reward], LIMITS, family)
    return rows[0]["frame"], rows[0]["axis_order"]


def _checked(case: Case, folder: Path) -> tuple[Any, Any]:
    found = check_data(_rows(case, folder), image_root=folder, frames=_frames(case))
    said = found.facts["frame of answers"]
    frame, _, order = said.partition(", ")
    return (None if "--family shows it" in said else frame), "yx" if order else None


def _recorded(case: Case, folder: Path, with_data: bool) -> tuple[Any, Any]:
    path = _rows(case, folder, completion="<answer>[1, 2, 3, 4]</answer>")
    golds = None
    if with_data:
        golds = {s.id: s for s in load(path, image_root=folder)}
        path = folder / "said.jsonl"
        path.write_text(json.dumps({"id": "a", "completion": "x"}) + "\n")
    file = read_recorded(path, "rec", golds=golds, frames=_frames(case))
    if file.frame_declared_by == "default":
        assert file.frame is Frame.ORIGINAL_PX
        return None, file.rows[0].sample.axis_order
    return _said(file.frame, file.rows[0].sample.axis_order)


def _diagnosed(case: Case, folder: Path) -> tuple[Any, Any]:
    row = {"completion": "x", "terms": {}, "step": 1, "task": "rec", "answer": [1, 2, 30, 40]}
    path = folder / "rank-00000.jsonl"
    path.write_text(json.dumps({**row, "frame": case.row[0], "axis_order": case.row[1]}) + "\n")
    (found,) = read_observations(path, frames=_frames(case))
    return found.frame, "yx" if found.box == (2, 1, 40, 30) else None


DOORS: dict[str, tuple[Callable[..., tuple[Any, Any]], str]] = {
    "a reward's columns": (lambda c, f: _reward(c, f, True), "nearest"),
    "a reward's envelopes": (lambda c, f: _reward(c, f, False), "nearest"),
    "a trace": (_diagnosed, "nearest"),
    "recorded completions": (lambda c, f: _recorded(c, f, False), "nearest"),
    "recorded completions with data": (lambda c, f: _recorded(c, f, True), "nearest"),
    "packing": (_packed, "told"),
    "training": (_trained, "told"),
    "a check of data": (_checked, "told"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case[:3])))
def test_the_nearest_declaration_holds_at_every_door(door: str, case: Case, tmp_path: Path) -> None:
    read, rule = DOORS[door]
    frame, order = getattr(case, rule)
    found = read(case, tmp_path)
    if door in ("a check of data", "a trace") and order == "xy":
        order = None  # not worth a word there
    assert found == (frame, order)


def test_limits_need_a_family_that_resizes() -> None:
    for family in (None, FAMILIES["internvl"]):
        with pytest.raises(OptionError, match="need a --family that resizes by them"):
            AnswerFrames.of_options(None, None, family, max_pixels=401_408)
    with pytest.raises(OptionError, match="expected 784 <= min_pixels <= max_pixels"):
        AnswerFrames.of_options(None, None, FAMILIES["qwen2.5-vl"], max_pixels=3)


def test_a_smallest_area_alone_declares_no_largest() -> None:
    frames = AnswerFrames.of_options(None, None, FAMILIES["qwen2.5-vl"], min_pixels=200_704)
    assert frames.seen(None, Size(280, 280)) == (448, 448)
    assert frames.assumes(None, frames.seen(None, Size(1120, 1120)))
    assert not frames.assumes(Size(1120, 1120), Size(1120, 1120))


def _large(folder: Path) -> Path:
    """Two answers about images of 4000 x 3000 pixels, drawn at 728 x 532, and a small one."""
    box = {"completion": "<answer>[72.8, 53.2, 364, 266]</answer>", "gold": [400, 300, 2000, 1500]}
    rows = [{"id": i, **box, "width": 4000, "height": 3000} for i in range(2)]
    small = {"completion": "<answer>[28, 28, 56, 56]</answer>", "gold": [28, 28, 56, 56]}
    rows.append({"id": 2, **small, "width": 280, "height": 280})
    path = folder / "said.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_recorded_completions_say_how_large_images_are_taken_to_be_shown(tmp_path: Path) -> None:
    """The family's own limit was taken without a word: all large boxes were wrong."""
    command = ["refcoco_val", "-c", str(_large(tmp_path)), "--family", "qwen2.5-vl"]

    def run(name: str, *more: str) -> tuple[str, dict[str, Any]]:
        out = tmp_path / name
        done = CliRunner().invoke(bench, [*command, "-o", str(out), *more], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stderr, json.loads((out / "results.json").read_text())["results"]["refcoco_val"]

    said, entry = run("assumed")
    assert said.startswith("warning: 2 rows have images of more than 401,408 pixels, taken to be")
    assert "give --max-pixels if the model has another limit" in said
    assert any("401,408" in note for note in entry["notes"])
    assert entry["resizing"] == {"factor": 28, "min_pixels": 3136, "max_pixels": 12_845_056}
    assert entry["acc"] == pytest.approx(1 / 3)
    config = (tmp_path / "assumed" / "config.yaml").read_text().splitlines()
    assert config[0].startswith("# refcoco_val: images as seen: {'factor': 28, 'min_pixels': 3136")
    said, entry = run("declared", "--max-pixels", "401408")
    assert said == ""
    assert not any("401,408" in note for note in entry["notes"])
    assert entry["resizing"] == {"factor": 28, "min_pixels": 3136, "max_pixels": 401_408}
    assert entry["acc"] == 1
    assert "max-pixels: 401408" in (tmp_path / "declared" / "config.yaml").read_text()
    (again,) = rescore(tmp_path / "declared")
    assert again.provenance["resizing"]["max_pixels"] == 401_408


@pytest.mark.parametrize(
    ("lost", "message"),
    [("frame", "'0' says no frame of its answer: --frame"), ("input_size", "expected input_size=")],
)
def test_rescoring_says_what_a_row_lacks(lost: str, message: str, tmp_path: Path) -> None:
    """Rows of a run that somebody changed ended it in a traceback."""
    command = ["refcoco_val", "-c", str(_large(tmp_path)), "--family", "qwen2.5-vl"]
    out = tmp_path / "out"
    CliRunner().invoke(bench, [*command, "-o", str(out)], catch_exceptions=False)
    path = out / "samples_refcoco_val.jsonl"
    rows = [{**json.loads(line), lost: None} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=f"'refcoco_val' cannot be read: {message}"):
        rescore(out)
    (again,) = rescore(out, frame=Frame.ORIGINAL_PX)
    assert again.frame is Frame.ORIGINAL_PX
    path.write_text(
        "".join(json.dumps({**row, "completion": "", "span": None}) + "\n" for row in rows)
    )
    assert rescore(out)[0].report.n == 3  # nobody answered


def test_doctor_says_it_too(tmp_path: Path) -> None:
    command = ["doctor", str(_large(tmp_path)), "--task", "rec", "--family", "qwen2.5-vl"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).stderr
    assert "warning: said.jsonl: 2 rows have images of more than 401,408 pixels" in said
    done = CliRunner().invoke(app, [*command, "--max-pixels", "401408"], catch_exceptions=False)
    assert "401,408" not in done.stderr
    assert done.exit_code == 0


def test_nothing_is_said_where_no_coordinate_rests_on_it(tmp_path: Path) -> None:
    path = _large(tmp_path)
    for family, frame in (("qwen3-vl", None), ("qwen2.5-vl", Frame.NORM1000)):
        file = read_recorded(path, "rec", frames=AnswerFrames(frame, family=FAMILIES[family]))
        assert (file.assumed, file.resizing) == (0, None)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**r, "input_size": [728, 532]}) + "\n" for r in rows))
    file = read_recorded(path, "rec", frames=AnswerFrames(family=FAMILIES["qwen2.5-vl"]))
    assert (file.assumed, file.resizing) == (0, None)

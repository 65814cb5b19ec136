"""From options to samples, rewards and reward functions."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.data import DataError
from vlreward.errors import OptionError, UserError
from vlreward.frames import Frame
from vlreward.prompts import get_prompt
from vlreward.registry import UnknownNameError
from vlreward.resizing import Resizing
from vlreward.tasks import get_task
from vlreward.training import preparing
from vlreward.training.arguments import Arguments, Options
from vlreward.training.preparing import Run, prepare_run, rows_for
from vlreward.training.reward_options import task_rewards
from vlreward.training.rewards import term_rewards
from vlreward.training.samples import load_samples, tasks_of
from vlreward.training.traces import TraceFile
from vlreward.verify import shutdown

RESIZING = Resizing(28, 56 * 56, 401_408)


def _arguments(data: Path, **more: Any) -> Arguments:
    return Arguments(data=str(data), image_root=str(data.parent), **more)


def test_a_mixture_has_the_tasks_of_its_parts(scenes_data: Path) -> None:
    file = scenes_data / "mixture.yaml"
    samples = load_samples(str(file), "mixture", _arguments(file))
    assert tasks_of(samples.provenance) == {"rec", "counting", "geometry"}
    assert len(samples) == 12


def test_rows_of_another_task_are_refused(scenes_data: Path) -> None:
    file = scenes_data / "mixture.yaml"
    with pytest.raises(DataError) as caught:
        load_samples(str(file), "rec", _arguments(file))
    text = str(caught.value)
    assert "expected rows of the task 'rec', got counting, geometry, rec" in text
    assert "start with 'mixture' instead of 'rec'" in text


def test_images_lie_beside_their_file_unless_told_otherwise(
    scenes_data: Path, tmp_path: Path
) -> None:
    file = str(scenes_data / "rec.jsonl")
    samples = load_samples(file, "rec", Arguments(data=file))
    assert Path(str(samples.image(samples[0]))).is_file()
    with pytest.raises(DataError, match="expected every image to exist"):
        load_samples(file, "rec", Arguments(data=file, image_root=str(tmp_path)))


def test_terms_and_weights_of_the_options_reach_the_functions(tmp_path: Path) -> None:
    arguments = Arguments(
        data="d", terms=["rec.giou", "rec.format"], weights=["rec.format=0.5"], on_timeout="none"
    )
    traces = TraceFile(str(tmp_path), 3)
    functions = term_rewards(task_rewards(arguments, ["counting", "rec"]), traces=traces)
    assert [(f.__name__, f.weight) for f in functions] == [
        *(("counting_exact", 1.0), ("counting_format", 1.0)),
        *(("rec_giou", 1.0), ("rec_format", 0.5)),
    ]
    first = functions[0].shared
    assert first.traces == traces
    assert first.reward.on_timeout == "none"
    copies = pickle.loads(pickle.dumps(functions))
    assert [f.__name__ for f in copies] == [f.__name__ for f in functions]
    assert copies[2].shared is copies[3].shared


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"terms": ["counting.exact"]}, OptionError, "expected TASK.TERM with a task of the data"),
        ({"weights": ["iou"]}, OptionError, "--weights: expected TERM=NUMBER, got 'iou='"),
        ({"terms": ["iuo"]}, UnknownNameError, "did you mean 'iou'"),
        (
            {"weights": ["giou=1"]},
            OptionError,
            "of the terms iou, format, got giou=1.0: name 'giou'",
        ),
        ({"weights": ["iou=inf"]}, OptionError, "--weights: expected TERM=NUMBER, got 'iou=inf'"),
        ({"protocol": "stricd"}, UnknownNameError, "unknown protocol of task 'rec' 'stricd"),
    ],
)
def test_options_that_do_not_fit_name_themselves(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        task_rewards(Arguments(data="d", **options), ["rec"])


def test_there_is_one_weight_for_each_function_from_one_option() -> None:
    arguments = Arguments(data="d")
    message = r"--reward_weights: expected 2 numbers, for rec_iou, rec_format; got \[1\]"
    with pytest.raises(OptionError, match=message):
        task_rewards(arguments, ["rec"], [1])
    both = Arguments(data="d", weights=["iou=2"])
    with pytest.raises(OptionError, match="--weights and --reward_weights both say what terms"):
        task_rewards(both, ["rec"], [1, 1])
    (reward,) = task_rewards(arguments, ["rec"], [2, 0])
    assert [term.weight for term in reward.spec.terms] == [2, 0]


def test_columns_take_the_prompt_and_frame_of_the_options(scenes_data: Path) -> None:
    file = scenes_data / "rec.jsonl"
    arguments = _arguments(file)
    samples = load_samples(str(file), "rec", arguments)
    rewards = task_rewards(arguments, ["rec"])
    plain = rows_for(samples, arguments, rewards, RESIZING, "qwen2_5_vl")
    assert plain.prompts == {"rec": get_task("rec").prompt}
    assert plain.frames.frame_of(Frame.NORM1) is Frame.NORM1
    arguments = _arguments(file, prompt="qwen2.5-vl", frame="norm1000")
    other = rows_for(samples, arguments, rewards, RESIZING, "qwen2_5_vl")
    assert other.prompts == {"rec": get_prompt("qwen2.5-vl")}
    assert other.frames.frame_of(Frame.NORM1) is Frame.NORM1000
    assert (other.frames.order_of(None), other.frames.order_of("yx")) == ("xy", "yx")
    gemini = rows_for(samples, _arguments(file), rewards, RESIZING, "gemini")
    assert (gemini.frames.frame_of(None), gemini.frames.order_of(None)) == (Frame.NORM1000, "yx")
    arguments = _arguments(file, axis_order="yx")
    declared = rows_for(samples, arguments, rewards, RESIZING, "qwen2_5_vl")
    assert declared.frames.order_of("xy") == "yx"
    unknown = _arguments(file, prompt="rec-r2")
    with pytest.raises(UnknownNameError, match="did you mean 'rec-r1'"):
        rows_for(samples, unknown, rewards, RESIZING, "qwen2_5_vl")


def test_a_verifier_that_cannot_start_is_found_before_the_first_step(
    scenes_data: Path, training_options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ended at the first answer that needed it; the dry run said that all was well."""
    (tmp_path / "math_verify.py").write_text("raise ModuleNotFoundError('No module math_verify')")
    monkeypatch.syspath_prepend(tmp_path)
    shutdown()  # workers that are up already have what they need
    options = Options(
        "geometry",
        Arguments(data=str(scenes_data / "geometry.jsonl"), image_root=str(scenes_data)),
        training_options(tmp_path / "out"),
    )
    given: Any = (options, None, None, RESIZING)
    places: Any = {"model_type": "qwen2_vl", "rank": 0, "local_rank": 0, "questions": 1}
    try:
        with pytest.raises(
            UserError, match=r"'geometry' cannot be compared.*No module math_verify"
        ):
            prepare_run(*given, **places)
    finally:
        monkeypatch.undo()
        shutdown()
    assert prepare_run(*given, **places).terms


@pytest.mark.parametrize("local_rank", [0, 1])
def test_every_process_keeps_the_same_rows(
    local_rank: int, training_options: Any, tmp_path: Path
) -> None:
    """Only the first one looked into images for sizes, and alone left out what lies beside them."""
    Image.new("RGB", (60, 60)).save(tmp_path / "i.png")
    boxes = [[1, 2, 30, 40], [100, 100, 120, 120], [5, 5, 20, 20]]
    rows = [{"image": "i.png", "problem": "the cup", "solution": box} for box in boxes]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    given: Any = {"on_bad_gold": "skip", "on_suspicious": "keep"}
    options = Options(
        "rec", _arguments(tmp_path / "x.json", **given), training_options(tmp_path / "out")
    )
    places: Any = {"model_type": "qwen2_vl", "rank": local_rank, "questions": 1}
    run = prepare_run(options, None, None, RESIZING, local_rank=local_rank, **places)
    assert list(run.samples.row_numbers) == [1, 3]
    assert [sample.image_size for sample in run.samples] == [(60, 60)] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rewards": ["json:no_such_reward"]}, "no_such_reward"),
        ({"prompt": "rec-r2"}, "did you mean 'rec-r1'"),
        ({"frame": "pixels"}, "--frame: expected one of"),
        ({"on_bad_image": "skip", "check_images": "none"}, "got --check-images none: give --check"),
    ],
)
def test_what_needs_no_data_is_refused_before_they_are_read(
    given: dict[str, Any], message: str, training_options: Any, tmp_path: Path
) -> None:
    """Some of it was found when every image had been decoded."""
    arguments = _arguments(tmp_path / "no such file.json", **given)
    options = Options("rec", arguments, training_options(tmp_path / "out"))
    places: Any = {"model_type": "qwen2_vl", "rank": 0, "local_rank": 0, "questions": 1}
    with pytest.raises(UserError, match=message):
        prepare_run(options, None, None, RESIZING, **places)


def test_terms_that_do_not_exist_are_refused_before_images_are_decoded(
    training_options: Any, scenes_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    monkeypatch.setattr(preparing, "with_good_images", lambda *args: looked.append(args))
    given: Any = {"terms": ["iuo"], "on_bad_image": "skip"}
    arguments = _arguments(scenes_data / "rec.jsonl", **given)
    options = Options("rec", arguments, training_options(tmp_path / "out"))
    places: Any = {"model_type": "qwen2_vl", "rank": 0, "local_rank": 0, "questions": 1}
    with pytest.raises(UserError, match="did you mean 'iou'"):
        prepare_run(options, None, None, RESIZING, **places)
    assert not looked


def test_rewards_that_are_given_belong_to_the_run() -> None:
    """A model card left them out."""

    def even(completions: list[str], **columns: Any) -> list[float]:
        return [1.0 for _ in completions]

    nothing: dict[str, Any] = {field.name: None for field in fields(Run)}
    run = Run(**{**nothing, "terms": [], "extra": []})
    functions, weights = run.with_rewards([even]).rewards()
    assert ([f.__name__ for f in functions], weights) == (["even"], [1.0])
    assert [reward.function for reward in run.with_rewards([even]).extra] == [even]
    assert run.rewards() == ([], [])


def test_the_metric_of_the_best_model_is_one_that_there_will_be(
    scenes_data: Path, training_options: Callable[..., Any], tmp_path: Path
) -> None:
    """A run ended in a KeyError at its first checkpoint."""
    arguments = _arguments(scenes_data / "rec.jsonl", val_split_ratio=0.5)
    more = {"metric_for_best_model": "eval_loss", "eval_strategy": "steps"}
    options = Options("rec", arguments, training_options(tmp_path / "out", **more))
    places: Any = {"model_type": "qwen2_vl", "rank": 0, "local_rank": 0, "questions": 1}
    with pytest.raises(OptionError, match=r"reward or TASK/METRIC .* rec; got 'loss'"):
        prepare_run(options, None, None, RESIZING, **places)


def test_rows_without_coordinates_need_no_frame(
    training_options: Any, scenes_data: Path, tmp_path: Path
) -> None:
    """A family that is not known was refused, whatever the rows."""
    options = Options(
        "counting", _arguments(scenes_data / "counting.jsonl"), training_options("out")
    )
    places: Any = {"model_type": "nobodys_vl", "rank": 0, "local_rank": 0, "questions": 1}
    assert prepare_run(options, None, None, RESIZING, **places).rows[0]["frame"] is None

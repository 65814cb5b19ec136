from __future__ import annotations

import pytest

from vlreward.frames import Frame
from vlreward.integrations import Scorer, Settings


def test_environment_with_every_field() -> None:
    settings = Settings.from_environment(
        {
            "VLREWARD_TASK": "rec",
            "VLREWARD_FRAME": "norm1000",
            "VLREWARD_FAMILY": "Qwen/Qwen3-VL-4B-Instruct",
            "VLREWARD_PROTOCOL": "strict",
            "VLREWARD_WEIGHTS": " iou = 2, rec.format=0.5 ,",
            "VLREWARD_CLIP": "1",
            "VLREWARD_DEADLINE": "2.5",
            "PATH": "/bin",
        }
    )
    assert settings == Settings(
        task="rec",
        frame=Frame.NORM1000,
        family="qwen3-vl",
        weights={"iou": 2.0, "rec.format": 0.5},
        clip=True,
        deadline=2.5,
    )


def test_empty_variables_are_not_set() -> None:
    assert Settings.from_environment({"VLREWARD_FRAME": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FRAME", "pixels", r"VLREWARD_FRAME: expected one of original_px.*got 'pixels'"),
        ("FAMILY", "llama", r"VLREWARD_FAMILY: expected the name of one model family, got 'llama'"),
        ("WEIGHTS", "iou", r"VLREWARD_WEIGHTS: expected term=weight pairs.*got 'iou'"),
        ("WEIGHTS", "iou=x", r"VLREWARD_WEIGHTS: expected term=weight pairs"),
        ("WEIGHTS", "iou=1,iou=2", r"VLREWARD_WEIGHTS: expected each term once, got 'iou' again"),
        ("WEIGHTS", "iou=nan", r"VLREWARD_WEIGHTS: expected term=weight pairs.*got 'iou=nan'"),
        ("CLIP", "perhaps", r"VLREWARD_CLIP: .*bool.*got 'perhaps'"),
        ("DEADLINE", "0", r"VLREWARD_DEADLINE: .*greater than 0.*got '0'"),
        (
            "FAMLIY",
            "qwen3-vl",
            r"unknown setting 'VLREWARD_FAMLIY'; did you mean 'VLREWARD_FAMILY'",
        ),
    ],
)
def test_bad_environment_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.from_environment({f"VLREWARD_{name}": value})


def test_a_trainers_own_arguments_are_ignored_and_misspelt_options_are_not() -> None:
    settings = Settings()
    assert settings.updated({"reward_router_address": "x", "frame": None}) is settings
    with pytest.raises(ValueError, match=r"unknown setting 'weigths'; did you mean 'weights'\?"):
        settings.updated({"weigths": {}})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"protocol": "deepseek"}, r"no task has the protocol 'deepseek'.*Known: "),
        ({"weights": {"iuo": 1}}, r"unknown term 'iuo'; did you mean 'iou'\?"),
        ({"weights": {"counting.iou": 1}}, r"unknown term 'counting.iou'"),
        ({"task": "segmentation"}, r"unknown task 'segmentation'"),
        (
            {"task": "counting", "protocol": "vlm-r1"},
            r"protocol of task 'counting' 'vlm-r1'",
        ),
    ],
)
def test_settings_that_fit_no_task_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scorer(Settings().updated(fields))

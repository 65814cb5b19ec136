"""What is known of a model by its configuration and the names of its parameters."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.training.models import answer_frames, freeze_vision


@pytest.mark.parametrize(
    ("model_type", "declared", "frame"),
    [
        ("qwen2_vl", None, Frame.NORM1000),
        ("qwen2_5_vl", None, Frame.INPUT_PX),
        ("qwen2_5_vl", "norm1", Frame.NORM1),
        ("llava", "original_px", Frame.ORIGINAL_PX),
    ],
)
def test_a_declared_frame_wins_over_that_of_the_family(
    model_type: str, declared: str | None, frame: Frame
) -> None:
    assert answer_frames(model_type, declared).frame_of(None) is frame


def test_frames_are_not_guessed() -> None:
    with pytest.raises(OptionError, match=r"--frame: expected one of original_px, .*, got 'feet'"):
        answer_frames("qwen2_vl", "feet")
    assert answer_frames("llava").frame_of(None) is None
    assert answer_frames("llava").frame_of(Frame.NORM1) is Frame.NORM1


class Model:
    def __init__(self, *names: str) -> None:
        self.frozen: list[str] = []
        self.parameters = {
            name: SimpleNamespace(
                shape=(2, 3), requires_grad_=lambda _, name=name: self.frozen.append(name)
            )
            for name in names
        }

    def named_parameters(self) -> Any:
        return self.parameters.items()


def test_the_vision_tower_is_found_by_its_name() -> None:
    names = ("model.visual.merger.mlp.0.weight", "visual.blocks.0.norm.weight")
    model = Model("model.language_model.embed.weight", *names, "model.visualizer.weight")
    assert freeze_vision(model) == 12
    assert model.frozen == list(names)
    with pytest.raises(ValueError, match=re.escape("expected a part called 'visual'")):
        freeze_vision(Model("model.weight"))

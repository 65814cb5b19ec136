"""What has to be known about a model before it trains: frame, sizes, and what is its vision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vlreward.answer_frames import AnswerFrames
from vlreward.errors import OptionError
from vlreward.families import family_of
from vlreward.frames import AxisOrder, Frame

__all__ = ["ModelSize", "answer_frames", "freeze_vision", "is_vision"]


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Numbers of parameters, and what decides how much memory generation takes."""

    parameters: int
    """All parameters."""
    vision: int
    """Those of the vision tower, its merger included."""
    adapter: int
    """Those of a LoRA adapter of rank 1 on the language model; 0 where there are no adapters."""
    layers: int
    """Layers of the language model."""
    hidden: int
    """Width of the language model."""
    intermediate: int
    """Width inside the MLPs of the language model."""
    cache_per_token: int
    """Numbers in the key-value cache for each token."""
    vocabulary: int
    """Tokens of the vocabulary."""


def answer_frames(
    model_type: str, frame: str | None = None, axis_order: str | None = None
) -> AnswerFrames:
    """How a model is to write coordinates: what is declared by hand wins over rows and family.

    Args:
        model_type: The `model_type` of its configuration, which names the family, if it is known.
        frame: A frame that is declared by hand.
        axis_order: An order of the axes that is declared by hand.

    Raises:
        OptionError: If the frame is unknown.
    """
    if frame is not None and frame not in list(Frame):
        raise OptionError(f"--frame: expected one of {', '.join(Frame)}, got {frame!r}")
    try:
        family = family_of(model_type)
    except ValueError:
        family = None
    order: AxisOrder | None = None if axis_order is None else "yx" if axis_order == "yx" else "xy"
    return AnswerFrames(Frame(frame) if frame else None, order, family, over_rows=True)


def is_vision(name: str) -> bool:
    """Whether a parameter of that name belongs to the vision tower, its merger included."""
    return "visual" in name.split(".")


def freeze_vision(model: Any) -> int:
    """Exclude the vision tower of a model of torch or Paddle from training.

    Returns:
        The number of parameters frozen.

    Raises:
        ValueError: If the model has no part called `visual`, as Qwen-VL models do.
    """
    found = [parameter for name, parameter in model.named_parameters() if is_vision(name)]
    if not found:
        raise ValueError(
            f"expected a part called 'visual' to freeze in {type(model).__name__}, found none"
        )
    for parameter in found:
        if hasattr(parameter, "stop_gradient"):
            parameter.stop_gradient = True
        else:
            parameter.requires_grad_(False)
    return sum(math.prod(parameter.shape) for parameter in found)

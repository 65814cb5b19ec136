"""The size that a model sees; against transformers' processors in `tests/backends/trl`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlreward.geometry import Size
from vlreward.training.arguments import OptionError
from vlreward.training.resizing import Resizing

RESIZING = Resizing(28, 56 * 56, 401_408)


def test_sides_are_multiples_and_a_second_time_changes_nothing() -> None:
    assert RESIZING.size(Size(640, 428)) == Size(644, 420)  # the example of Qwen2-VL's authors
    for size in (Size(2000, 20), Size(29, 5000), Size(5, 5)):
        seen = RESIZING.size(size)
        assert (seen.width % 28, seen.height % 28) == (0, 0)
        assert RESIZING.size(seen) == seen


def test_an_image_of_the_right_size_is_left_alone() -> None:
    image = Image.new("RGB", (56, 84))
    assert RESIZING.apply(image) is image
    assert RESIZING.apply(Image.new("RGB", (57, 90))).size == (56, 84)


class Processor:
    """Sees everything at 56 x 84 pixels."""

    patch_size = 14

    def __call__(self, *, images: list[Any], return_tensors: str) -> dict[str, Any]:
        assert (len(images), return_tensors) == (1, "np")
        return {"image_grid_thw": np.array([[1, 6, 4]])}


def test_a_processor_that_resizes_again_is_noticed() -> None:
    RESIZING.check(Processor(), Image.new("RGB", (56, 84)), tensors="np")
    message = r"Processor resizes an image of \(84, 56\) to \(56, 84\); expected it to stay"
    with pytest.raises(ValueError, match=message):
        RESIZING.check(Processor(), Image.new("RGB", (84, 56)), tensors="np")


@pytest.mark.parametrize("limits", [(783, 1000), (2000, 1000)])
def test_limits_that_leave_no_size_are_an_error_of_the_options(limits: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="expected 784 <= min_pixels <= max_pixels, got"):
        Resizing(28, *limits)

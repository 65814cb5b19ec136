"""Images at their final size, against the processors of transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import noise
from vlreward.geometry import Size
from vlreward.resizing import Resizing
from vlreward_trl.processing import load as load_processor


def _sizes() -> list[tuple[int, int]]:
    odd = [(w, h) for w in (27, 57, 100, 333, 640, 1023) for h in (29, 84, 250, 427, 1024)]
    return [*odd, (2000, 20), (20, 2000), (29, 5000)]


_TORCHVISION = importlib.util.find_spec("torchvision") is not None


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
def test_the_processor_leaves_a_resized_image_alone(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    """Against the processors of transformers, for sizes around every limit."""
    processor, resizing = load_processor(str(checkpoint(family)), max_pixels=200_704)
    images = processor.image_processor
    for size in _sizes():
        if max(size) > 200 * min(size):
            with pytest.raises(ValueError, match="aspect ratio"):
                resizing.size(Size(*size))
            continue
        image = resizing.apply(Image.new("RGB", size))
        grid = images(images=[image], return_tensors="pt")["image_grid_thw"][0]
        patch = images.patch_size
        assert (int(grid[2]) * patch, int(grid[1]) * patch) == image.size, size
        resizing.check(images, image, tensors="pt")


def test_resizing_equals_the_processor_pixel_by_pixel(checkpoint: Callable[[str], Path]) -> None:

    processor, resizing = load_processor(str(checkpoint("qwen2.5-vl")), max_pixels=200_704)
    image = noise((333, 250), 80).convert("RGB")
    ours = processor.image_processor(images=[resizing.apply(image)], return_tensors="pt")
    own = processor.image_processor(images=[image], return_tensors="pt")
    # Torchvision rounds in other places than Pillow; of 255 levels, one.
    apart = (ours["pixel_values"] - own["pixel_values"]).abs().max().item()
    most = 1 / 255 / min(processor.image_processor.image_std) if _TORCHVISION else 0.0
    assert apart <= most * 1.01


def test_a_processor_that_resizes_again_is_noticed(checkpoint: Callable[[str], Path]) -> None:
    processor, _ = load_processor(str(checkpoint("qwen2.5-vl")), max_pixels=200_704)
    with pytest.raises(ValueError, match="expected it to stay as it is"):
        Resizing(28, 784, 10**7).check(
            processor.image_processor, Image.new("RGB", (840, 840)), tensors="pt"
        )

"""The size that a model sees; against transformers' processors in `tests/backends/trl`."""

from __future__ import annotations

import base64
import io
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pictures import noise
from vlreward.data.images import open_image
from vlreward.engines._pictures import encode
from vlreward.errors import OptionError
from vlreward.frames import FAMILIES, ModelFamily
from vlreward.geometry import Size
from vlreward.resizing import Resizing

RESIZING = Resizing(28, 56 * 56, 401_408)


def test_sides_are_multiples_and_a_second_time_changes_nothing() -> None:
    assert RESIZING.size(Size(640, 428)) == Size(644, 420)  # the example of Qwen2-VL's authors
    for size in (Size(2000, 20), Size(29, 5000), Size(5, 5)):
        seen = RESIZING.size(size)
        assert (seen.width % 28, seen.height % 28) == (0, 0)
        assert RESIZING.size(seen) == seen


def test_an_image_that_only_the_processor_would_refuse_is_refused_at_once() -> None:
    """5625 x 41 becomes 5628 x 28, at which the processor would stop the whole batch."""
    message = "expected an aspect ratio of at most 200, got width=5628, height=28"
    with pytest.raises(ValueError, match=message):
        Resizing(28, 56 * 56, 12_845_056).size(Size(5625, 41))
    with pytest.raises(ValueError, match=message):
        FAMILIES["qwen2.5-vl"].input_size(Size(5625, 41))
    assert RESIZING.size(Size(5625, 42)) != Size(5625, 42)


def test_an_image_of_the_right_size_is_left_alone() -> None:
    image = Image.new("RGB", (56, 84))
    assert RESIZING.apply(image) is image
    assert RESIZING.apply(Image.new("RGB", (57, 90))).size == (56, 84)


@pytest.mark.parametrize(
    "processor",
    [
        SimpleNamespace(patch_size=14, merge_size=2),
        SimpleNamespace(patch_size=14, merge_size=2, size={"height": 336, "width": 336}),
        # Limits of sides under the same keys.
        SimpleNamespace(patch_size=14, merge_size=2, size={"shortest_edge": 1, "longest_edge": 4}),
        SimpleNamespace(size={"shortest_edge": 3136, "longest_edge": 12_845_056}),
    ],
)
def test_processors_that_resize_otherwise_have_no_resizing(processor: Any) -> None:
    assert Resizing.of(processor) is None


def test_limits_are_read_from_a_processor_and_set_on_it() -> None:
    size = {"shortest_edge": 3136, "longest_edge": 12_845_056}
    processor = SimpleNamespace(patch_size=14, merge_size=2, size=size, max_pixels=12_845_056)
    assert Resizing.of(processor) == Resizing(28, 3136, 12_845_056)
    limited = Resizing.of(processor, max_pixels=401_408)
    assert limited == Resizing(28, 3136, 401_408)
    limited.limit(processor)
    assert processor.size == {"shortest_edge": 3136, "longest_edge": 401_408}
    assert processor.max_pixels == 401_408
    assert not hasattr(processor, "min_pixels")
    with pytest.raises(OptionError, match="expected 784 <= min_pixels <= max_pixels"):
        Resizing.of(processor, max_pixels=3000)


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


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.factor], ids=lambda f: f.name)
def test_what_a_family_resizes_to_stays_as_it_is(family: ModelFamily) -> None:
    image = noise((101, 67), 80).convert("RGB")
    resizing = family.resizing()
    assert resizing is not None
    once = resizing.apply(image)
    assert once.size == family.input_size(Size(101, 67))
    assert once.tobytes() == image.resize(once.size, Image.Resampling.BICUBIC).tobytes()
    assert resizing.apply(once) is once
    with pytest.raises(OptionError, match="min_pixels <= max_pixels"):
        family.resizing(min_pixels=2_000_000, max_pixels=1_000_000)


@pytest.mark.torch
@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
def test_the_processor_of_transformers_sees_the_same_pixels(shared_data: Path, family: str) -> None:
    name = "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl"
    module = pytest.importorskip(name, reason="transformers is not installed")
    resizing = FAMILIES[family].resizing()
    assert resizing is not None
    processor = module.Qwen2VLImageProcessorPil(
        min_pixels=resizing.min_pixels,
        max_pixels=resizing.max_pixels,
        patch_size=resizing.factor // 2,
        merge_size=2,
    )
    assert Resizing.of(processor) == resizing
    for folder in ("coco", "superclevr"):
        image = open_image(next((shared_data / "images" / folder).iterdir()))
        theirs, ours = (processor(i, return_tensors="np") for i in (image, resizing.apply(image)))
        assert (theirs["image_grid_thw"] == ours["image_grid_thw"]).all()
        assert (theirs["pixel_values"] == ours["pixel_values"]).all()


def _sides(number: int) -> list[Size]:
    """Sizes of every kind: around the factors and the limits below, and as images come."""
    draw = random.Random(number)
    found = [Size(28, 28), Size(27, 400), Size(56, 56), Size(640, 480), Size(640, 428)]
    found += [Size(3000, 20), Size(20, 3000), Size(400, 392), Size(399, 393), Size(10, 10)]
    for _ in range(30):
        found.append(Size(draw.randint(20, 900), draw.randint(20, 900)))
    return found


@pytest.mark.torch
@pytest.mark.parametrize("wider", [1, 4], ids=["the same limits", "wider limits"])
@pytest.mark.parametrize(
    ("family", "module", "name"),
    [
        ("qwen2-vl", "qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil"),
        ("qwen2.5-vl", "qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil"),
        ("qwen3-vl", "qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil"),
        ("glm-v", "glm4v.image_processing_pil_glm4v", "Glm4vImageProcessorPil"),
    ],
)
def test_a_server_comes_to_the_size_of_the_frame_whichever_way_an_image_is_sent(
    family: str, module: str, name: str, wider: int
) -> None:
    found = pytest.importorskip(
        f"transformers.models.{module}", reason="transformers is not installed"
    )
    known = FAMILIES[family]
    assert known.factor is not None
    resizing = Resizing(known.factor, 4 * known.factor**2, 200 * known.factor**2)
    frames = 2 if family == "glm-v" else 1  # its processor counts an image as two frames
    processor = getattr(found, name)(
        size={
            "shortest_edge": frames * resizing.min_pixels // wider,
            "longest_edge": frames * resizing.max_pixels * wider,
        },
        patch_size=known.factor // 2,
        merge_size=2,
    )
    sent = Counter[bool]()
    for number, size in enumerate(_sides(known.factor)):
        file = io.BytesIO()
        noise(size, 50).convert("RGB").save(file, "JPEG")
        picture = encode(file.getvalue(), resizing)
        with Image.open(io.BytesIO(base64.b64decode(picture.base64))) as image:
            grid = processor(images=[image], return_tensors="np")["image_grid_thw"][0]
        seen = Size(int(grid[2]) * known.factor // 2, int(grid[1]) * known.factor // 2)
        assert seen == picture.input_size == resizing.size(size), (number, size)
        sent[picture.kind == "image/jpeg"] += 1
    assert min(sent[True], sent[False]) > 5, "both ways are taken"

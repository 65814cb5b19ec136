"""Images prepared once beside transformers' own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from vlreward_trl.arguments import parse
from vlreward_trl.images import image_key, prepared_once
from vlreward_trl.preparing import prepare
from vlreward_trl.processing import load
from vlreward_trl.training import build_trainer


def _images(order: str) -> list[Any]:
    """Copies of images by name, of three sizes; the two of `a` and `b` differ in one pixel."""
    noise = torch.Generator().manual_seed(0)
    made = {}
    for name, (width, height) in {"a": (112, 84), "c": (84, 112), "d": (168, 196)}.items():
        values = torch.randint(0, 255, (height, width, 3), generator=noise, dtype=torch.uint8)
        made[name] = Image.fromarray(values.numpy())
    made["b"] = made["a"].copy()
    made["b"].putpixel((3, 5), (0, 0, 0))
    return [made[name].copy() for name in order]


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
def test_equal_images_are_prepared_once_and_give_the_same(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    """In the two calls that TRL makes, as flat lists and as lists of each prompt's images."""
    processor, _ = load(str(checkpoint(family)))
    images = _images("aabadcc")
    rows = [[images[0]], [images[1], images[2]], *([image] for image in images[3:])]
    one = "<|vision_start|><|image_pad|><|vision_end|>"
    texts = [one * len(row) + " how many?" for row in rows]
    talks = [
        [{"role": "user", "content": [*({"type": "image", "image": i} for i in row)]}]
        for row in rows
    ]

    def made() -> list[Any]:
        plain = processor.apply_chat_template(
            talks, add_generation_prompt=True, tokenize=True, return_dict=True
        )
        tensors = processor(images=rows, text=texts, padding=True, return_tensors="pt")
        return [plain, tensors, processor.image_processor(images, return_tensors="pt")]

    expected = made()
    count: list[int] = []
    inner = processor.image_processor._preprocess

    def counted(images: Any, *args: Any, **kwargs: Any) -> Any:
        count.append(len(images))
        return inner(images, *args, **kwargs)

    processor.image_processor._preprocess = counted
    with prepared_once(processor.image_processor):
        found = made()
    assert count == [4]  # of 21
    for mine, theirs in zip(found, expected):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            if name in ("pixel_values", "image_grid_thw"):
                assert torch.equal(mine[name], torch.as_tensor(value))
            else:
                assert list(map(list, mine[name])) == list(map(list, value))
    del processor.image_processor._preprocess
    assert "preprocess" not in vars(processor.image_processor)


def test_other_settings_are_prepared_anew(checkpoint: Callable[[str], Path]) -> None:
    processor, _ = load(str(checkpoint("qwen2-vl")))
    image = _images("d")
    with prepared_once(processor.image_processor):
        whole = processor.image_processor(image, return_tensors="pt")
        small = processor.image_processor(image, return_tensors="pt", do_normalize=False)
    assert not torch.equal(whole["pixel_values"], small["pixel_values"])


def test_images_of_other_kinds_equal_nothing_but_themselves() -> None:
    flat = Image.new("RGB", (4, 2), "red")
    assert image_key(flat) == image_key(flat.copy())
    assert image_key(flat) != image_key(flat.resize((2, 4)))
    palette = flat.convert("P")
    assert image_key(palette) == image_key(palette) != image_key(palette.copy())


def test_a_step_prepares_the_images_of_its_questions(
    argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    trainer = build_trainer(prepare(parse(argv("rec", "qwen2-vl", "--output_dir", tmp_path))))
    processor = trainer.processing_class.image_processor
    count: list[int] = []
    inner = processor._preprocess

    def counted(images: Any, *args: Any, **kwargs: Any) -> Any:
        count.append(len(images))
        return inner(images, *args, **kwargs)

    processor._preprocess = counted
    trainer.train_dataset = trainer.train_dataset.select(range(2))
    try:
        trainer.train()
    finally:
        del processor._preprocess
    assert sum(count) <= 2  # of 8 completions, twice

"""A tokenizer and an image processor for the tiny checkpoints, and data to train them on."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.tiny import SPECIAL, word_tokenizer

_SPECIAL = (*SPECIAL[:5], "<unk>", *SPECIAL[5:])
"""At the ids that `make_fixtures.py` gives them."""
VOCAB = 96
_BOXES = ("[0, 0, 8, 8]", "[0, 0, 16, 16]", "[4, 4, 16, 12]")
ANSWERS = tuple(
    f"<think>so</think><answer>{answer}</answer>"
    for answer in (*range(6), *(f'{{"bbox_2d": {box}}}' for box in _BOXES), "30°", r"2\sqrt{3}")
)
"""Completions that are one token each, so that an untrained model answers rightly now and then."""
_TEMPLATE = (
    "{%- for message in messages -%}<|im_start|> {{ message['role'] }} "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|> {% elif 'text' in part %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)


def write_processor(path: Path) -> Path:
    """Write the tokenizer's and the image processor's files beside a tiny checkpoint."""
    words = [*_SPECIAL, *ANSWERS, "how", "many", "where", "user", "assistant"]
    words += [f"w{i}" for i in range(VOCAB - len(words))]
    word_tokenizer(words, _TEMPLATE).save_pretrained(path)
    settings = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "merge_size": 2,
        "patch_size": 4,
        "temporal_patch_size": 2,
        "min_pixels": 64,
        "max_pixels": 512,
    }
    (path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return path


def write_data(path: Path, task: str, count: int = 8) -> Path:
    """Write images of several sizes and rows that ask about them; returns the file of rows."""
    images = path / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        size = (20 + 6 * (i % 3), 16 + 10 * (i % 2))
        name = f"{task}{i}.png"
        Image.new("RGB", size, (40 * i % 256, 90, 200)).save(images / name)
        if task == "rec":
            rows.append(
                {
                    "image": name,
                    "problem": "where",
                    "normal_caption": "w1",
                    "solution": [0, 0, 10, 10],
                    "width": size[0],
                    "height": size[1],
                }
            )
        else:
            truth = i % 6 if task == "counting" else "30°"
            rows.append({"image_path": name, "question": "how many", "ground_truth": truth})
    file = path / (f"{task}.json" if task == "rec" else f"{task}.jsonl")
    if task == "rec":
        file.write_text(json.dumps(rows), encoding="utf-8")
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_held_out(path: Path, count: int = 3) -> Path:
    """Counting questions about other images than `write_data` has, which lie beside them."""
    file = write_data(path / "held", "counting", count)
    (path / "images").mkdir(exist_ok=True)
    for image in (path / "held" / "images").iterdir():
        image.rename(path / "images" / f"held-{image.name}")
    rows = file.read_text(encoding="utf-8").replace('"counting', '"held-counting')
    file.write_text(rows, encoding="utf-8")
    return file

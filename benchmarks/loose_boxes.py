"""The packaged `sft` model with a habit that a reward can undo: seven of ten boxes are loose.

    python benchmarks/loose_boxes.py OUT [--loose 0.7] [--steps 150]

It still finds the object, but the boxes that it was taught last are 1.7 times too wide and high, so
that they overlap what they should by about a third. Beside the `half` model, which takes one object
for another, it tells whether a recipe cannot improve boxes or a model cannot see better.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText

from vlreward.engines.processor import load_processor
from vlreward.geometry import Size
from vlreward.scenes import Scene, scenes
from vlreward.tasks import get_task

ROOT = Path(__file__).resolve().parent.parent
SFT = ROOT / "vlreward/data/tiny_vlm/sft"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--loose", type=float, default=0.7, help="share of boxes")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-4)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = load_processor(SFT)
    model = AutoModelForImageTextToText.from_pretrained(SFT, dtype=torch.float32).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.0)
    draw = random.Random(0)
    # Scenes beyond those that training takes.
    rows = iter(scenes("rec", "train", options.steps * options.batch, start=100_000))
    for step in range(options.steps):
        batch = [next(rows) for _ in range(options.batch)]
        loss = model(**_tokens(processor, batch, draw, options.loose).to(device)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 25 == 0 or step == options.steps - 1:
            print(json.dumps({"step": step, "loss": round(loss.item(), 4)}), flush=True)
    shutil.copytree(SFT, options.out, dirs_exist_ok=True)
    save_file(
        {name: value.bfloat16() for name, value in model.state_dict().items()},
        options.out / "model.safetensors",
        metadata={"format": "pt"},
    )


def _tokens(processor: Any, batch: list[Scene], draw: random.Random, share: float) -> Any:
    """Prompts and answers as tokens; only answers count in the loss."""
    template = get_task("rec").prompt
    prompts, texts = [], []
    for scene in batch:
        sample = scene.to_sample()
        size = sample.input_size
        assert size is not None
        messages = template.render(sample)
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
        answer = scene.worked_answer(size)
        prompts.append(prompt)
        texts.append(prompt + (loosened(answer, size) if draw.random() < share else answer))
    images = [scene.image for scene in batch]
    end = processor.tokenizer.eos_token
    whole = processor(
        text=[text + end for text in texts],
        images=images, padding=True, padding_side="right", return_tensors="pt",
    )  # fmt: skip
    asked = processor(text=prompts, images=images)["input_ids"]
    labels = whole["input_ids"].masked_fill(whole["attention_mask"] == 0, -100)
    for row, ids in zip(labels, asked):
        row[: len(ids)] = -100
    whole["labels"] = labels
    return whole


def loosened(answer: str, size: Size) -> str:
    """The answer with a box 1.7 times as wide and as high about its centre, inside the image."""

    def grown(match: re.Match[str]) -> str:
        x1, y1, x2, y2 = map(int, match.groups())
        dx, dy = round(0.35 * (x2 - x1)), round(0.35 * (y2 - y1))
        left, top = max(0, x1 - dx), max(0, y1 - dy)
        return f"[{left}, {top}, {min(size.width, x2 + dx)}, {min(size.height, y2 + dy)}]"

    return re.sub(r"\[(\d+), (\d+), (\d+), (\d+)\]", grown, answer)


if __name__ == "__main__":
    main()

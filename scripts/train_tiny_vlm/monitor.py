"""Greedy answers of a checkpoint by stock transformers, and how many of them are literally right.

This is the curve of the training log. What is reported is measured by the project's own strict
protocol; for these answers the two agree except where the same quantity is written differently.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch

from vlreward.frames import smart_resize
from vlreward.prompts import PRESETS
from vlreward.scenes import TASKS, Level, Scene, scenes

__all__ = ["PROMPTS", "accuracies", "greedy", "is_right"]

PROMPTS = {"rec": "rec-r1", "counting": "r1-v", "geometry": "r1-v"}
"""Prompt preset of each task."""


def greedy(
    model: Any,
    processor: Any,
    items: Sequence[Scene],
    *,
    batch: int = 256,
    max_new_tokens: int = 96,
    **options: Any,
) -> list[str]:
    """Completions of scenes, decoded without special tokens."""
    found: list[str] = []
    for at in range(0, len(items), batch):
        part = items[at : at + batch]
        texts = []
        for scene in part:
            question = PRESETS[PROMPTS[scene.task]].text.replace("{question}", scene.question)
            content = [{"type": "image"}, {"type": "text", "text": question}]
            message = [{"role": "user", "content": content}]
            texts.append(processor.apply_chat_template(message, add_generation_prompt=True))
        inputs = processor(
            text=texts, images=[[s.image] for s in part], padding=True, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=max_new_tokens, **options)
        found += processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return found


def is_right(scene: Scene, text: str) -> bool:
    """Whether the last closed answer is the gold, letter for letter, or a box with IoU > 0.5."""
    head, closed, _ = text.rpartition("</answer>")
    answer = head.rpartition("<answer>")[2]
    if not closed:
        return False
    if scene.task != "rec":
        return answer == str(scene.gold)
    try:
        box = json.loads(answer)["bbox_2d"]
        x1, y1, x2, y2 = (float(v) for v in box)
    except (ValueError, TypeError, KeyError):
        return False
    seen = smart_resize(scene.size)
    gold = cast("tuple[int, int, int, int]", scene.gold)
    wide, high = scene.width / seen.width, scene.height / seen.height
    a = (x1 * wide, y1 * high, x2 * wide, y2 * high)
    width, height = (min(a[i + 2], gold[i + 2]) - max(a[i], gold[i]) for i in (0, 1))
    if width <= 0 or height <= 0:
        return False
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (a, gold)]
    return width * height / (sum(areas) - width * height) > 0.5


def accuracies(
    model: Any,
    processor: Any,
    split: str,
    n: int,
    *,
    levels: Iterable[Level | None] = (None,),
    batch: int = 256,
) -> dict[str, float]:
    """Share of right greedy answers by task, or by task and level."""
    found: dict[str, float] = {}
    for task in TASKS:
        for level in levels:
            items = list(scenes(task, split, n, level=level))
            texts = greedy(model, processor, items, batch=batch)
            name = task if level is None else f"{task}/{level}"
            found[name] = sum(map(is_right, items, texts)) / n
    return found

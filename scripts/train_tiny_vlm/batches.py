"""Batches of packed training rows, drawn on as many processes as there are cores to spare."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerFast

from vlreward.frames import smart_resize
from vlreward.geometry import Size
from vlreward.prompts import PRESETS
from vlreward.scenes import LEVELS, Level, Scene, Split, make_scene, more_questions
from vlreward.scenes.shapes import COLOURS, SHAPES

__all__ = ["SIZE_GROUPS", "Mix", "PackedBatches", "prompt_and_answer"]

PATCH, MERGE = 14, 2
SIZE_GROUPS: tuple[tuple[Size, ...], ...] = (
    (Size(112, 112), Size(120, 120)),
    (Size(128, 96),),
    (Size(100, 150),),
    (Size(160, 120),),
)
"""Original sizes that resize to the same (width, height), so that a batch has one."""
_ROOM = {"objects": 416, "figures": 176}
"""Longest row in tokens, so that padding stays small; questions that do not fit are dropped."""
_GROUP_WEIGHTS = (5, 2, 2, 2)

_THINK = ("rec-r1", "r1-v", "r1-v-train")
_DIRECT = ("rec-baseline", "rec-baseline-vlm-r1", "qwen2.5-vl")


@dataclass(frozen=True)
class Mix:
    """Shares of what is trained on."""

    batch: int = 256
    """Pictures with objects in a batch; with figures twice as many."""
    questions: int = 8
    """Questions on a picture with objects."""
    geometry: float = 0.35
    """Share of batches with figures."""
    instructed: float = 0.7
    """Share of questions with the instruction of a preset; without one, more fit in a row."""
    glance: float = 0.0
    """Share of counting answers that name no places: `<think>at a glance</think>`."""
    unclosed: float = 0.0
    """Share of answers whose last tag is missing."""


def prompt_and_answer(
    scene: Scene, rng: random.Random, mix: Mix, input_size: Size
) -> tuple[str, str]:
    """What the user says and what the model should say.

    The instruction is one of the published presets. Presets that ask for the bare answer get it,
    without tags; all others, and no instruction, get thinking and answer.
    """
    if scene.task == "rec" and rng.random() < 0.2 * mix.instructed:
        text = PRESETS[rng.choice(_DIRECT)].text
        answer = scene.worked_answer(input_size).split("<answer>")[1].removesuffix("</answer>")
    else:
        text = "{question}"
        if rng.random() < mix.instructed:
            text = PRESETS["rec-r1" if scene.task == "rec" else rng.choice(_THINK[1:])].text
        answer = scene.worked_answer(input_size)
        if scene.task == "counting" and rng.random() < mix.glance:
            answer = f"<think>at a glance</think><answer>{scene.gold}</answer>"
        if rng.random() < mix.unclosed:
            answer = answer.removesuffix("</answer>")
    prompt = text.replace("{question}", scene.question)
    return prompt.replace("{expression}", scene.expression or ""), answer


class PackedBatches(IterableDataset[dict[str, Any]]):  # type: ignore[misc]
    """An endless stream of batches of the training split.

    Fields: `patches` uint8 (B, N, 588); `grid` (rows, columns) of patches; `ids`, `segments`,
    `positions`, `labels` (B, L), label t being what follows token t, -100 where nothing is
    learnt; `image_start`; and with objects `aux` float (B, N, 7): presence, kind, size, box in
    shares of 168 pixels, for the patch that holds an object's centre.

    On several GPUs, each `rank` draws other scenes into batches of the same shape.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, mix: Mix, seed: int = 0, rank: int = 0
    ) -> None:
        self.tokenizer, self.mix, self.seed, self.rank = tokenizer, mix, seed, rank

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        torch.set_num_threads(1)
        batch = number
        while True:
            yield self.batch(batch)
            batch += workers

    def batch(self, number: int) -> dict[str, Any]:
        """Batch `number` of the stream that the seed stands for."""
        rng = random.Random(self.seed << 40 | number)
        figures = rng.random() < self.mix.geometry
        sizes = rng.choices(SIZE_GROUPS, _GROUP_WEIGHTS)[0]
        count = self.mix.batch * (2 if figures else 1)
        rng = random.Random((self.seed << 40 | number) << 8 | self.rank + 1)
        input_size = smart_resize(sizes[0])
        drawn: list[Scene] = []
        rows: list[list[tuple[str, str]]] = []
        for _ in range(count):
            level: Level = rng.choices(LEVELS, (2, 3, 4))[0]
            task = "geometry" if figures else rng.choice(("rec", "counting"))
            scene = make_scene(
                task,  # type: ignore[arg-type]
                Split.TRAIN,
                rng.randrange(1 << 32),
                level,
                size=rng.choice(sizes),
            )
            drawn.append(scene)
            others = more_questions(scene, 2 if figures else self.mix.questions - 1)
            pairs = [
                prompt_and_answer(item, rng, self.mix, input_size) for item in (scene, *others)
            ]
            rows.append(list(dict.fromkeys(pairs)))
        room = _ROOM["figures" if figures else "objects"]
        batch = self.pack(drawn, rows, input_size, room)
        if not figures:
            batch["aux"] = torch.from_numpy(np.stack([_aux(s, input_size) for s in drawn]))
        return batch

    def pack(
        self,
        drawn: list[Scene],
        rows: list[list[tuple[str, str]]],
        input_size: Size,
        room: int,
    ) -> dict[str, Any]:
        """A batch of pictures with the pairs of prompt and answer of each.

        Args:
            drawn: Scenes whose images resize to `input_size`.
            rows: Prompts and answers for each of them.
            input_size: (width, height) in pixels as the model sees them.
            room: Longest row in tokens; later pairs that do not fit are dropped.
        """
        encode = self.tokenizer.backend_tokenizer.encode
        across, down = input_size.width // (PATCH * MERGE), input_size.height // (PATCH * MERGE)
        image = "<|image_pad|>" * (across * down)
        prefix = encode(f"<|im_start|>user\n<|vision_start|>{image}<|vision_end|>").ids
        start = prefix.index(self.tokenizer.convert_tokens_to_ids("<|image_pad|>"))
        after = len(prefix) - across * down + max(across, down)
        packed = []
        for pairs in rows:
            segments: list[tuple[list[int], list[int]]] = []
            used = len(prefix)
            for prompt, answer in pairs:
                ask = encode(f"{prompt}<|im_end|>\n<|im_start|>assistant\n").ids
                say = encode(f"{answer}<|im_end|>").ids
                if not segments or used + len(ask) + len(say) <= room:
                    segments.append((ask, say))
                    used += len(ask) + len(say)
            packed.append(segments)
        longest = max(sum(len(a) + len(b) for a, b in segments) for segments in packed)
        length = -(-(len(prefix) + longest) // 16) * 16
        shape = (len(rows), length)
        ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        segment_of, labels = np.full(shape, -1, np.int64), np.full(shape, -100, np.int64)
        ids[:, : len(prefix)], segment_of[:, : len(prefix)] = prefix, 0
        positions[:, : len(prefix)] = [
            *range(start),
            *[0] * (across * down),
            *range(start + max(across, down), after),
        ]
        for row, segments in enumerate(packed):
            at = len(prefix)
            for number, (ask, say) in enumerate(segments, start=1):
                tokens = ask + say
                end = at + len(tokens)
                ids[row, at:end] = tokens
                segment_of[row, at:end] = number
                positions[row, at:end] = range(after, after + len(tokens))
                labels[row, at + len(ask) - 1 : end - 1] = say
                at = end
        found: dict[str, Any] = {
            "ids": torch.from_numpy(ids),
            "positions": torch.from_numpy(positions),
            "segments": torch.from_numpy(segment_of),
            "labels": torch.from_numpy(labels),
        }
        found["image_start"] = start
        found["patches"] = torch.from_numpy(np.stack([_patches(s, input_size) for s in drawn]))
        found["grid"] = (input_size.height // PATCH, input_size.width // PATCH)
        return found


def _patches(scene: Scene, size: Size) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image

    pixels = scene.pixels()
    if scene.size != size:
        image = Image.fromarray(pixels).resize((size.width, size.height), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
    step = PATCH * MERGE
    down, across = size.height // step, size.width // step
    blocks = pixels.reshape(down, MERGE, PATCH, across, MERGE, PATCH, 3)
    return blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(down * across * MERGE**2, -1)


def _aux(scene: Scene, size: Size) -> np.ndarray[Any, np.dtype[np.float32]]:
    across = size.width // (PATCH * MERGE)
    count = (size.width // PATCH) * (size.height // PATCH)
    found = np.zeros((count, 7), np.float32)
    scale = np.array([size.width / scene.width, size.height / scene.height] * 2)
    colours = list(COLOURS)
    for item in scene.objects:
        box = np.array(item.box) * scale
        column, row = int((box[0] + box[2]) / 2 / PATCH), int((box[1] + box[3]) / 2 / PATCH)
        block = (row // MERGE) * across + column // MERGE
        patch = block * MERGE**2 + (row % MERGE) * MERGE + column % MERGE
        kind = colours.index(item.colour) * len(SHAPES) + SHAPES.index(item.shape)
        found[patch, :3] = 1, kind, int(item.size == "large")
        found[patch, 3:] = box / 168
    return found

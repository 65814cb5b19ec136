"""The packaged checkpoints: stock files, stock classes, and answers that earn their accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
)

from tests.tiny import PACKAGED
from vlreward.engines.processor import load_processor
from vlreward.frames import smart_resize
from vlreward.scenes import LEVELS, SIZES, TASKS, Scene, make_scene, scenes
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.types import Completion, Score

pytestmark = pytest.mark.torch

NAMES = ("sft", "half")
METRICS = {"rec": "acc@0.5", "counting": "acc", "geometry": "acc"}
BARS = {"rec": 0.90, "counting": 0.85, "geometry": 0.90}
MANY = 36


class Answerer:
    """A checkpoint with its processor, answering greedily."""

    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        path = PACKAGED / name
        self.model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32).eval()
        self.processor = load_processor(path)

    def __call__(self, items: Sequence[Scene], images: Sequence[Any] | None = None) -> list[str]:
        texts = []
        for scene in items:
            messages = get_task(scene.task).prompt.render(scene.to_sample())
            texts.append(self.processor.apply_chat_template(messages, add_generation_prompt=True))
        inputs = self.processor(
            text=texts,
            images=[[image] for image in images or [scene.image for scene in items]],
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            out = self.model.generate(**inputs)
        found: list[str] = self.processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return found


@pytest.fixture(scope="module")
def sft() -> Answerer:
    return Answerer("sft")


@pytest.fixture(scope="module")
def half() -> Answerer:
    return Answerer("half")


def _scores(items: Sequence[Scene], texts: Sequence[str]) -> list[Score]:
    samples = [scene.to_sample() for scene in items]
    return score_batch(get_task(items[0].task), [Completion(text) for text in texts], samples)


def _accuracy(items: Sequence[Scene], texts: Sequence[str]) -> float:
    metric = METRICS[items[0].task]
    return sum(score.metrics[metric] for score in _scores(items, texts)) / len(items)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_takes_at_most_eight_megabytes(name: str) -> None:
    sizes = {path.name: path.stat().st_size for path in (PACKAGED / name).iterdir()}
    assert 6e6 < sum(sizes.values()) <= 8e6
    assert set(sizes) == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "video_preprocessor_config.json",
    }


@pytest.mark.parametrize("name", NAMES)
def test_stock_classes_load_it_in_bfloat16(name: str) -> None:
    path = PACKAGED / name
    model, info = AutoModelForImageTextToText.from_pretrained(path, output_loading_info=True)
    assert type(model) is Qwen2_5_VLForConditionalGeneration
    assert model.dtype is torch.bfloat16
    assert not any(info.values()), info
    processor = load_processor(path)
    assert isinstance(processor, ProcessorMixin)
    assert type(processor).__name__ == "Qwen2_5_VLProcessor"
    assert len(processor.tokenizer) == model.config.text_config.vocab_size
    assert processor.image_token_id == model.config.image_token_id


def test_the_image_processor_sees_what_smart_resize_says(sft: Answerer) -> None:
    size = sft.processor.image_processor.size
    limits = {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    assert limits == {"min_pixels": 56 * 56, "max_pixels": 168 * 168}
    for scene in (s for s in scenes("rec", "test", 9) if s.size in SIZES["hard"]):
        seen = smart_resize(scene.size)
        assert smart_resize(scene.size, **limits) == seen
        grid = sft.processor.image_processor(scene.image)["image_grid_thw"]
        assert [int(v) * 14 for v in grid[0][1:]] == [seen.height, seen.width]


@given(text=st.text())
def test_every_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = _tokenizer()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


_CACHE: list[Any] = []


def _tokenizer() -> Any:
    if not _CACHE:
        _CACHE.append(AutoTokenizer.from_pretrained(PACKAGED / "sft"))
    return _CACHE[0]


def test_numbers_tags_and_words_are_single_tokens() -> None:
    tokenizer = _tokenizer()
    for piece in [*map(str, range(256)), "<think>", "</answer>", " red", "\\frac{", "°"]:
        assert len(tokenizer.encode(piece)) == 1, piece
    assert tokenizer.decode(tokenizer.encode("<answer>4</answer>"), skip_special_tokens=True) == (
        "<answer>4</answer>"
    )


@pytest.mark.parametrize("task", TASKS)
def test_held_out_accuracy_under_the_strict_protocol(sft: Answerer, task: str) -> None:
    items = list(scenes(task, "test", MANY))  # type: ignore[arg-type]
    texts = sft(items)
    scores = _scores(items, texts)
    assert sum(s.metrics[METRICS[task]] for s in scores) / MANY >= BARS[task]
    assert all(s.terms["format"] == 1 for s in scores)
    assert all(s.failure is None for s in scores)


@pytest.mark.parametrize("task", TASKS)
def test_answers_come_from_the_picture(sft: Answerer, task: str) -> None:
    """The same questions about pictures of other scenes of the same level are answered wrong."""
    items = list(scenes(task, "test", MANY))  # type: ignore[arg-type]
    others = [s.image for s in items[len(LEVELS) :] + items[: len(LEVELS)]]
    assert _accuracy(items, sft(items, others)) < 0.45


def test_greedy_answers_are_the_recorded_ones(sft: Answerer, root: Path) -> None:
    """The same file is the reference of the paddleformers test."""
    cases = json.loads((root / "tests" / "cases" / "tiny_vlm_greedy.json").read_text("utf-8"))
    for task in TASKS:
        rows = [row for row in cases["rows"] if row["task"] == task]
        items = [make_scene(task, "test", row["index"], row["level"]) for row in rows]
        assert sft(items) == [row["completion"] for row in rows]


def test_a_batch_answers_as_one_by_one(sft: Answerer) -> None:
    """Left padding and images of several sizes change nothing."""
    items = list(scenes("rec", "test", 6))
    assert len({scene.size for scene in items}) > 1
    assert sft(items) == [sft([scene])[0] for scene in items]


def test_the_half_trained_checkpoint_leaves_room(sft: Answerer, half: Answerer) -> None:
    for task in ("rec", "counting"):
        items = list(scenes(task, "test", MANY))
        low, high = _accuracy(items, half(items)), _accuracy(items, sft(items))
        assert 0.15 < low < 0.75
        assert high - low > 0.15

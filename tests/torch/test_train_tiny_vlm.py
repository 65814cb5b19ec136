"""The training code computes what stock transformers computes, on packed rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from transformers import AutoModelForImageTextToText

from scripts.train_tiny_vlm.batches import SIZE_GROUPS, Mix, PackedBatches, prompt_and_answer
from scripts.train_tiny_vlm.model import Trainee, build_model, save, widen
from scripts.train_tiny_vlm.tokenizer import build_tokenizer
from tests.tiny import PACKAGED
from vlreward.engines.processor import load_processor
from vlreward.frames import smart_resize
from vlreward.geometry import Size
from vlreward.scenes import TASKS, make_scene

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()


@pytest.fixture(scope="module")
def saved(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("checkpoint")
    save(build_model(tokenizer, layers=2, vision_layers=2), tokenizer, path)
    return path


def test_the_tokenizer_is_the_packaged_one(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    packaged = (PACKAGED / "sft/tokenizer.json").read_bytes()
    assert (tmp_path / "tokenizer.json").read_bytes() == packaged


@pytest.mark.parametrize(
    ("task", "size"), [("rec", (160, 120)), ("geometry", (100, 150)), ("counting", (112, 112))]
)
def test_packed_loss_equals_the_loss_of_each_question_alone(
    tokenizer: Any, saved: Path, task: str, size: tuple[int, int]
) -> None:
    model = AutoModelForImageTextToText.from_pretrained(saved, dtype=torch.float32).eval()
    processor = load_processor(saved)
    scene = make_scene(task, "train", 5, "hard", size=Size(*size))  # type: ignore[arg-type]
    seen = smart_resize(scene.size)
    pairs = [("Another question?", "<think>x</think>"), (scene.question, scene.worked_answer(seen))]

    stream = PackedBatches(tokenizer, Mix())
    batch = stream.pack([scene], [pairs], seen, 400)
    batch["labels"][batch["segments"] == 1] = -100
    with torch.no_grad():
        packed = Trainee(model).eval()(batch)["text"]

    content = [{"type": "image"}, {"type": "text", "text": scene.question}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    inputs = processor(
        text=[f"{prompt}{pairs[1][1]}<|im_end|>"], images=[scene.image], return_tensors="pt"
    )
    asked = processor(text=[prompt], images=[scene.image], return_tensors="pt")["input_ids"]
    labels = inputs["input_ids"].clone()
    labels[:, : asked.shape[1]] = -100
    with torch.no_grad():
        alone = model(**inputs, labels=labels).loss
    assert float(packed) == pytest.approx(float(alone), rel=1e-5)


def test_one_step_lowers_the_loss(tokenizer: Any) -> None:
    torch.manual_seed(0)
    trainee = Trainee(build_model(tokenizer, layers=1, vision_layers=1))
    stream = PackedBatches(tokenizer, Mix(batch=2, questions=3, geometry=0.0))
    batch = stream.batch(0)
    assert set(batch) >= {"aux", "patches", "ids", "labels", "positions", "segments"}
    optimiser = torch.optim.AdamW(trainee.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        found = trainee(batch)
        optimiser.zero_grad()
        (found["text"] + found["aux"]).backward()
        optimiser.step()
        losses.append([found["text"].item(), found["aux"].item()])
    assert losses[-1][0] < losses[0][0]
    assert losses[-1][1] < losses[0][1]


def test_widened_heads_compute_the_same(tokenizer: Any) -> None:
    torch.manual_seed(0)
    few = Trainee(build_model(tokenizer, layers=2, vision_layers=1, kv_heads=2)).eval()
    many = Trainee(build_model(tokenizer, layers=2, vision_layers=1, kv_heads=6)).eval()
    many.load_state_dict(widen(few.state_dict(), many.state_dict()))
    batch = PackedBatches(tokenizer, Mix(batch=2, questions=3)).batch(1)
    with torch.no_grad():
        assert float(many(batch)["text"]) == pytest.approx(float(few(batch)["text"]), rel=1e-6)


def test_batches_are_reproducible_and_of_the_training_split(tokenizer: Any) -> None:
    first, again, rank = (PackedBatches(tokenizer, Mix(batch=2), 0, r).batch(3) for r in (0, 0, 1))
    assert torch.equal(first["ids"], again["ids"])
    assert torch.equal(first["patches"], again["patches"])
    assert first["grid"] == rank["grid"]
    assert not torch.equal(first["patches"], rank["patches"])
    for group in SIZE_GROUPS:
        assert len({smart_resize(size) for size in group}) == 1


@pytest.mark.parametrize("task", TASKS)
def test_prompts_that_ask_for_thinking_get_it(task: str) -> None:
    scene = make_scene(task, "train", 3)  # type: ignore[arg-type]
    rng = random.Random(1)
    thinking, bare = 0, 0
    for _ in range(200):
        prompt, answer = prompt_and_answer(scene, rng, Mix(), smart_resize(scene.size))
        if "<think>" in prompt or prompt == scene.question:
            thinking += 1
            assert answer.startswith("<think>")
            assert answer.endswith("</answer>")
        else:
            bare += 1
            assert answer.startswith('{"bbox_2d": [')
    assert thinking > 100
    assert (bare > 0) == (task == "rec")

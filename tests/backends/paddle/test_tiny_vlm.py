"""The packaged checkpoint on paddleformers: the same greedy answers as on transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from tests.tiny import PACKAGED
from vlreward.scenes import make_scene
from vlreward_paddle.modeling import load_model
from vlreward_paddle.rollout import Prompt, Sampling, generate


def test_greedy_answers_equal_those_of_transformers(root: Path, tmp_path: Path) -> None:
    """Eighteen scenes of the three tasks in one left-padded batch of images of several sizes."""
    # A copy: paddleformers writes a metadata file beside the weights that it loads.
    path = Path(shutil.copytree(PACKAGED / "sft", tmp_path / "sft"))
    cases = json.loads((root / "tests" / "cases" / "tiny_vlm_greedy.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(path)
    processor = Qwen2VLImageProcessor.from_pretrained(path)
    prompts = []
    for row in cases["rows"]:
        image = make_scene(row["task"], "test", row["index"], row["level"]).image
        seen = processor([image], return_tensors="np")
        count = int(seen["image_grid_thw"].prod()) // 4
        text = row["prompt"].replace("<|image_pad|>", "<|image_pad|>" * count)
        prompts.append(Prompt(tokenizer.encode(text), seen["pixel_values"], seen["image_grid_thw"]))
    assert len(prompts) == 18
    eos = tuple(tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>"))
    sampling = Sampling(max_tokens=96, temperature=0, eos_ids=eos, pad_id=eos[1])
    found = generate(load_model(path), prompts, sampling)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in found]
    assert texts == [row["completion"] for row in cases["rows"]]

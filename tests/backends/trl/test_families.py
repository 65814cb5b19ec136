"""The random models of benchmarks/tiny_families.py are configured as published ones are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText


def test_a_random_qwen3_vl_says_all_that_vllm_reads(tmp_path: Path, root: Path) -> None:
    """transformers interleaves the positions' frequencies unasked, vLLM only where told."""
    script = root / "benchmarks/tiny_families.py"
    subprocess.run([sys.executable, str(script), str(tmp_path), "qwen3-vl"], check=True, cwd=root)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    text, vision = config["text_config"], config["vision_config"]
    rope = text["rope_parameters"]
    assert rope["mrope_interleaved"] is True
    assert rope["rope_type"] == "default"
    section = rope["mrope_section"]
    assert sum(section) == text["head_dim"] // 2
    # Time has what rows and columns leave, as in the published 24, 20, 20 of 64.
    places = torch.arange(text["head_dim"] // 2)
    rows = places[1 : 3 * section[1] : 3]
    columns = places[2 : 3 * section[2] : 3]
    assert [len(places) - len(rows) - len(columns), len(rows), len(columns)] == section
    assert max(vision["deepstack_visual_indexes"]) < vision["depth"]
    assert vision["num_position_embeddings"] == int(vision["num_position_embeddings"] ** 0.5) ** 2
    assert vision["out_hidden_size"] == text["hidden_size"]
    assert text["tie_word_embeddings"] is config["tie_word_embeddings"]
    _, found = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]

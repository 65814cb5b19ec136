"""Write a model of Qwen2.5-VL-3B's shape with random weights, for memory and time at real size.

python benchmarks/random_model.py DIR [--small]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/backends/trl"))
write_checkpoint = importlib.import_module("tiny").write_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="directory of the model")
    parser.add_argument("--small", action="store_true", help="a tiny one, to try scripts with")
    options = parser.parse_args()
    if options.small:
        write_checkpoint(options.path, "qwen2.5-vl")
    else:
        write_3b(options.path)


def write_3b(path: Path) -> None:
    """A Qwen2.5-VL-3B with random weights in bfloat16, with the tiny tokenizer."""
    import torch
    import transformers

    small = write_checkpoint(path, "qwen2.5-vl", max_pixels=12_845_056)
    config = transformers.AutoConfig.from_pretrained(small)
    text, vision = config.text_config, config.vision_config
    # https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/config.json
    for name, value in {
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "max_position_embeddings": 128_000,
        "layer_types": ["full_attention"] * 36,
        "tie_word_embeddings": True,
    }.items():
        setattr(text, name, value)
    text.rope_parameters = {
        "rope_type": "default",
        "rope_theta": 1_000_000.0,
        "mrope_section": [16, 24, 24],
    }
    for name, value in {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 2048,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }.items():
        setattr(vision, name, value)
    config.tie_word_embeddings = True
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    model.save_pretrained(path, max_shard_size="20GB")
    print(f"{sum(p.numel() for p in model.parameters()) / 1e9:.3f} B parameters", flush=True)


if __name__ == "__main__":
    main()

"""Write a model of Qwen2.5-VL-3B's shape with random weights, for memory and time at real size.

python benchmarks/random_model.py DIR [--small]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/backends/trl"))
tiny = importlib.import_module("tiny")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="directory of the model")
    parser.add_argument("--small", action="store_true", help="a tiny one, to try scripts with")
    options = parser.parse_args()
    if options.small:
        tiny.write_checkpoint(options.path, "qwen2.5-vl")
    else:
        write_3b(options.path)


def write_3b(path: Path) -> None:
    """A Qwen2.5-VL-3B with random weights in bfloat16, with the tiny tokenizer."""
    import torch
    import transformers

    small = tiny.write_checkpoint(path, "qwen2.5-vl", max_pixels=12_845_056)
    config = transformers.AutoConfig.from_pretrained(small)
    for part in ("text_config", "vision_config"):
        for name, value in tiny.QWEN25_3B[part].items():
            setattr(getattr(config, part), name, value)
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

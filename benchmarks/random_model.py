"""Write a model of Qwen2.5-VL-3B's shape with random weights, for memory and time at real size.

python benchmarks/random_model.py DIR [--small]
"""

from __future__ import annotations

import argparse
import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path

SHAPE = Path(__file__).resolve().parent.parent / "tests/cases/qwen2_5_vl_3b.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="directory of the model")
    parser.add_argument("--small", action="store_true", help="a tiny one, to try scripts with")
    options = parser.parse_args()
    with as_file(files("vlreward.data") / "tiny_vlm" / "half") as packaged:
        shutil.copytree(packaged, options.path, dirs_exist_ok=True)
    if not options.small:
        write_3b(options.path)


def write_3b(path: Path) -> None:
    """Put a Qwen2.5-VL-3B with random weights in bfloat16 in place of the packaged model."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(path)
    for part, values in json.loads(SHAPE.read_text(encoding="utf-8"))["config"].items():
        for name, value in values.items() if isinstance(values, dict) else ((part, values),):
            setattr(getattr(config, part) if isinstance(values, dict) else config, name, value)
    settings = path / "preprocessor_config.json"
    images = json.loads(settings.read_text(encoding="utf-8"))
    images["size"] = {**images["size"], "longest_edge": 12_845_056}
    settings.write_text(json.dumps(images, indent=2), encoding="utf-8")
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    model.save_pretrained(path, max_shard_size="20GB")
    print(f"{sum(p.numel() for p in model.parameters()) / 1e9:.3f} B parameters", flush=True)


if __name__ == "__main__":
    main()

"""Models of the packaged one's size with random weights, of the families that have none packaged.

python benchmarks/tiny_families.py DIR {qwen2-vl,qwen3-vl}
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

__all__ = ["write"]


def write(path: Path, family: str) -> None:
    """Write a model whose text layers and tokens are those of the packaged Qwen2.5-VL."""
    import torch
    import transformers

    with as_file(files("vlreward.data") / "tiny_vlm" / "half") as packaged:
        shutil.copytree(packaged, path, dirs_exist_ok=True)
    (path / "model.safetensors").unlink()
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    kind = {"qwen2-vl": "Qwen2VL", "qwen3-vl": "Qwen3VL"}[family]
    text: dict[str, Any] = {**config["text_config"], "model_type": f"{_snake(kind)}_text"}
    vision: dict[str, Any] = {"depth": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
    patch = 14
    if family == "qwen2-vl":
        vision |= {"embed_dim": 128, "hidden_size": 192, "num_heads": 4, "mlp_ratio": 3}
    else:
        patch = 16
        text["head_dim"] = 32
        # As published; transformers interleaves without being told, vLLM does not.
        rope = {"mrope_interleaved": True, "mrope_section": [6, 5, 5]}
        text["rope_parameters"] = {**text["rope_parameters"], **rope}
        vision |= {
            "hidden_size": 128, "intermediate_size": 384, "num_heads": 4, "out_hidden_size": 192,
            "num_position_embeddings": 576, "deepstack_visual_indexes": [0, 2],
        }  # fmt: skip
    ids = {key: value for key, value in config.items() if key.endswith("_token_id")}
    made = getattr(transformers, f"{kind}Config")(
        text_config=text,
        vision_config={**vision, "patch_size": patch},
        tie_word_embeddings=config["tie_word_embeddings"],
        **ids,
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(made)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)  # so that answers depend on images
    generation = path / "generation_config.json"
    kept = generation.read_text(encoding="utf-8") if generation.is_file() else None
    model.to(torch.bfloat16).save_pretrained(path)
    if kept is not None:
        generation.write_text(kept, encoding="utf-8")
    videos = path / "video_preprocessor_config.json"
    settings = json.loads(videos.read_text(encoding="utf-8"))
    settings |= {"patch_size": patch, "processor_class": f"{kind}Processor"}
    if family == "qwen3-vl":
        settings["video_processor_type"] = "Qwen3VLVideoProcessor"
    videos.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    for name in ("preprocessor_config.json", "processor_config.json", "tokenizer_config.json"):
        file = path / name
        if not file.is_file():
            continue
        settings = json.loads(file.read_text(encoding="utf-8"))
        for part in (settings, settings.get("image_processor", {})):
            if "processor_class" in part or name == "preprocessor_config.json":
                settings["processor_class"] = f"{kind}Processor"
            if "patch_size" in part:
                part["patch_size"] = patch
        file.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _snake(kind: str) -> str:
    return {"Qwen2VL": "qwen2_vl", "Qwen3VL": "qwen3_vl"}[kind]


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])

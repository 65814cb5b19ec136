"""A training step of many ranks, rehearsed on one GPU as its rank 0.

    python benchmarks/rehearse.py --world 8 --model 3b --out FILE
    torchrun --nproc_per_node 2 benchmarks/rehearse.py --world 2 --model 3b --out FILE

The first form is rank 0 of a process group whose other ranks are not there
(`torch.testing._internal.distributed.fake_pg`): memory and computation are those of one of N GPUs.
Communication is copies of this rank's own part, for a GPU multiplies garbage and zeros faster. The
second form is real, with the same code, to compare with. The trainer is the shipped one with the
shipped configuration of accelerate and the recipe's batch; completions are random tokens of full
length, so generation is not in it, and the model has random weights.

The first step warms up, and the last is profiled (`parts.py`): its kernels but those of
communication are what a rehearsal and a real run have in common. `rehearsals.py` runs many at once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
from pathlib import Path
from typing import Any

import yaml
from parts import Parts
from trl_gpu import large_images

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "backends/trl/configs"
SHAPE = ROOT / "tests/cases/qwen2_5_vl_3b.json"
# Besides the 3B model, whose shape the tests have from its published configuration.
SHAPES: dict[str, dict[str, Any]] = {
    "2b": {
        "family": "qwen2-vl",
        "text_config": {
            "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
            "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
        },
        "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16},
        "tie_word_embeddings": True,
    },
    "7b": {
        "family": "qwen2.5-vl",
        "text_config": {
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        },
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
            "out_hidden_size": 3584, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
        },
        "tie_word_embeddings": False,
    },
}  # fmt: skip
MODELS = ("tiny", "2b", "3b", "7b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", type=int, default=8, help="ranks")
    parser.add_argument("--model", choices=MODELS, default="3b")
    parser.add_argument("--strategy", choices=("fsdp2", "multi_node_fsdp2"), default="fsdp2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4, help="three at least")
    parser.add_argument("--prompts", type=int, default=16, help="questions of a step")
    parser.add_argument("--per-device", type=int, default=16, help="completions of a pass")
    parser.add_argument("--beta", default="0.04")
    parser.add_argument(
        "--reference",
        choices=("layers", "whole"),
        default="layers",
        help="the reference model sharded as shipped, or as one piece, which is TRL 1.16's way",
    )
    parser.add_argument("--trainer", nargs="*", default=[], help="more options, without dashes")
    options = parser.parse_args()
    if options.steps < 3:
        parser.error(f"expected --steps of 3 at least, got {options.steps}")
    import torch

    real = int(os.environ.get("WORLD_SIZE", "1")) > 1
    os.environ.update(environment(options.strategy))
    if not torch.cuda.is_available():
        os.environ.update(ACCELERATE_USE_CPU="true", ACCELERATE_TORCH_DEVICE="cpu")
        shard_on_cpu()
    if not real:
        pretend(options.world)
    found = rehearse(options, real)
    if int(os.environ["RANK"]) == 0:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(found), flush=True)


def environment(strategy: str) -> dict[str, str]:
    """What `accelerate launch --config_file` makes of a shipped configuration."""
    config = yaml.safe_load((CONFIGS / f"{strategy}.yaml").read_text(encoding="utf-8"))
    flags = {name.upper(): str(value) for name, value in config["fsdp_config"].items()}
    precision = str(config["mixed_precision"])
    return {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_MIXED_PRECISION": precision, **flags}


def pretend(world: int) -> None:
    """Become rank 0 of so many, of which there are no others."""
    import torch
    from torch.distributed.fsdp._fully_shard import _fsdp_collectives as fsdp
    from torch.testing._internal.distributed.fake_pg import FakeStore

    os.environ.update(
        {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)},
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT="29499",
    )
    torch.distributed.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    fsdp.DefaultAllGather.__call__ = _gathered
    fsdp.DefaultReduceScatter.__call__ = _reduced


def _gathered(
    self: Any, output_tensor: Any, input_tensor: Any, group: Any, async_op: bool = False
) -> None:
    """All parts are this rank's, which stands in the output already."""
    for part in output_tensor.chunk(group.size())[1:]:
        part.copy_(input_tensor)


def _reduced(
    self: Any, output_tensor: Any, input_tensor: Any, group: Any, op: Any, async_op: bool = False
) -> None:
    """All ranks' gradients are this rank's, so that their mean is."""
    output_tensor.copy_(input_tensor[: output_tensor.numel()])


def shard_on_cpu() -> None:
    """accelerate shards on accelerators alone; make it take this for one, to try things out."""
    from accelerate import DistributedType, PartialState

    plain = PartialState.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self._shared_state["distributed_type"] = DistributedType.MULTI_GPU

    PartialState.__init__ = init


def rehearse(options: argparse.Namespace, real: bool) -> dict[str, Any]:
    """Train some steps; seconds of their parts, and the memory that they took at most."""
    import torch
    from torch.distributed.fsdp import FSDPModule
    from trl.models.utils import prepare_fsdp
    from trl.trainer import grpo_trainer

    from vlreward_trl import watching
    from vlreward_trl.arguments import parse
    from vlreward_trl.preparing import prepare
    from vlreward_trl.training import build_trainer

    work = options.out.parent / f"rehearse_{options.model}_{options.world}_{os.environ['RANK']}"
    model = _config(options.model, work / "model")
    data = large_images(work, 48)
    local = options.prompts * 8 // options.world
    per_device = min(options.per_device, local)
    cuda = torch.cuda.is_available()
    argv = [
        *("rec", "--model", str(model), "--data", str(data), "--image-root", str(work)),
        *("--output_dir", str(work / "out"), "--max_steps", str(options.steps)),
        *("--per_device_train_batch_size", str(per_device), "--beta", options.beta),
        *("--gradient_accumulation_steps", str(local // per_device), "--save_strategy", "no"),
        *("--disable_tqdm", "true", "--dataloader_num_workers", "0", "--check_images", "none"),
        *("--max_logp_difference", "0", "--traces", "false"),
        *(("--max_completion_length", "8") if options.model == "tiny" else ()),
        *(word if index % 2 else f"--{word}" for index, word in enumerate(options.trainer)),
    ]
    grpo_trainer.create_model_from_path = _random_model
    if options.reference == "whole":
        watching._sharded = prepare_fsdp
    run = prepare(parse(argv))
    trainer = build_trainer(run)
    if not real:
        _answer_alone(trainer, options.world)
    parts = _watched(trainer)
    trainer.train()
    parts.enter(None)
    reference = trainer.ref_model or torch.nn.Identity()  # none without beta
    logged = next(entry for entry in reversed(trainer.state.log_history) if "loss" in entry)
    return {
        "model": options.model,
        "world": options.world,
        "real": real,
        "strategy": options.strategy,
        "reference": options.reference,
        "reference_pieces": sum(isinstance(m, FSDPModule) for m in reference.modules()),
        "beta": float(options.beta),
        "completions_per_rank": local,
        "completions_per_pass": per_device,
        "tokens": {"image": 391, "completion": run.options.training.max_completion_length},
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "seconds": _medians(parts.seconds[1:-1]),
        "device": {part: _rounded(kinds, 1) for part, kinds in parts.device.items()},
        "last_step": {name: logged[name] for name in ("loss", "grad_norm", "kl") if name in logged},
        "peak_gib": round(torch.cuda.max_memory_allocated() / 1024**3, 2) if cuda else None,
        "peak_reserved_gib": round(torch.cuda.max_memory_reserved() / 1024**3, 2) if cuda else None,
        "gpu": torch.cuda.get_device_name(0) if cuda else None,
        "torch": torch.__version__,
        "fast_vision": run.options.arguments.fast_vision,
        "options": options.trainer,
    }


def _watched(trainer: Any) -> Parts:
    """Random completions in place of generated ones; and what each part of a step takes."""
    import torch

    parts = Parts()
    tokenizer = trainer.processing_class.tokenizer
    words = tokenizer("<think> the 1 2 3 </answer>")["input_ids"]
    draw = random.Random(0)

    def generated(prompt_ids: list[Any], *args: Any) -> tuple[list[list[int]], Any]:
        length = trainer.max_completion_length
        trainer._sampled = None
        ids = [draw.choices(words, k=length) for _ in prompt_ids]
        return ids, [[-math.log(trainer.model.config.text_config.vocab_size)] * length for _ in ids]

    def rewarded(*args: Any, **kwargs: Any) -> Any:
        # Those of random tokens are all 0, and so would be all gradients.
        return torch.rand_like(rewards(*args, **kwargs))

    def scored(model: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():  # of a pass, which is a part already
            return score(model, *args, **kwargs)
        part = "reference" if model is trainer.ref_model else "scoring"
        return parts.within(part, score)(model, *args, **kwargs)

    def step(*args: Any, **kwargs: Any) -> Any:
        number = trainer.state.global_step
        if number == len(parts.seconds) == 1:
            _reset_peak()
        parts.step(number, number == trainer.args.max_steps - 1)
        parts.enter("passes")
        found = pass_(*args, **kwargs)
        parts.enter("optimizer")
        return found

    trainer._generate_single_turn = generated
    rewards = trainer._calculate_rewards
    trainer._calculate_rewards = rewarded
    # As vLLM's are, completions are scored by the model before it learns from them.
    trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    score = trainer._get_per_token_logps_and_entropies
    trainer._get_per_token_logps_and_entropies = scored
    name = "_generate_and_score_completions"
    setattr(trainer, name, parts.within("preparing", getattr(trainer, name)))
    pass_ = trainer.training_step
    trainer.training_step = step
    return parts


def _medians(steps: list[dict[str, float]]) -> dict[str, float]:
    """Of each part of a step, and of the whole."""
    rows = [{**step, "step": sum(step.values())} for step in steps]
    return _rounded({part: statistics.median(row[part] for row in rows) for part in rows[0]}, 3)


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def _reset_peak() -> None:
    """Whole models were in memory before they were sharded."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _answer_alone(trainer: Any, world: int) -> None:
    """In place of what others would say, what this rank says, as often as there are ranks."""
    import torch
    from trl.trainer import grpo_trainer

    def gather(value: Any) -> Any:
        return torch.cat([value.reshape(1) if value.ndim == 0 else value] * world)

    trainer.accelerator.gather = grpo_trainer.gather = gather
    grpo_trainer.gather_object = lambda values: list(values) * world


def _random_model(path: str, **kwargs: Any) -> Any:
    """A model of a directory's configuration, whose weights are whatever memory held."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.initialization import no_init_weights

    device = f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"
    config = AutoConfig.from_pretrained(path)
    with torch.device(device), no_init_weights():
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.02)
    model.tie_weights()
    model.name_or_path = model.config._name_or_path = path
    return model


def _config(name: str, path: Path) -> Path:
    """A directory with a processor and a configuration, but no weights."""
    import shutil
    from importlib.resources import as_file, files

    with as_file(files("vlreward.data") / "tiny_vlm" / "half") as packaged:
        shutil.copytree(packaged, path, dirs_exist_ok=True)
    (path / "model.safetensors").unlink(missing_ok=True)
    if name == "tiny":
        return path
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    shape = SHAPES.get(name) or json.loads(SHAPE.read_text(encoding="utf-8"))["config"]
    text, vision = shape["text_config"], shape["vision_config"]
    if shape.get("family") == "qwen2-vl":
        config |= {"model_type": "qwen2_vl", "architectures": ["Qwen2VLForConditionalGeneration"]}
        config["text_config"]["model_type"] = "qwen2_vl_text"
        kept = ("patch_size", "spatial_merge_size", "temporal_patch_size", "in_channels")
        config["vision_config"] = {
            "model_type": "qwen2_vl_vision", "mlp_ratio": 4,
            **{key: config["vision_config"][key] for key in kept if key in config["vision_config"]},
        }  # fmt: skip
    layers = text["num_hidden_layers"]
    config["text_config"] |= {
        **text,
        "head_dim": text["hidden_size"] // text["num_attention_heads"],
        "max_position_embeddings": 32768,
        "max_window_layers": layers,
        "layer_types": ["full_attention"] * layers,
        "tie_word_embeddings": shape["tie_word_embeddings"],
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]
        },
    }  # fmt: skip
    config["vision_config"] |= vision
    config["tie_word_embeddings"] = shape["tie_word_embeddings"]
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = path / "preprocessor_config.json"
    images = json.loads(settings.read_text(encoding="utf-8"))
    images["size"] = {**images["size"], "longest_edge": 12_845_056}
    settings.write_text(json.dumps(images), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()

"""One training step of a 3B shape in several ways, in turn in one run, on the same questions.

    accelerate launch --config_file backends/trl/configs/fsdp2.yaml --num_processes 2 \
        benchmarks/step_variants.py MODEL DATA IMAGES OUT [--vllm] [option ...]

Each way runs its first step to warm up and a second that counts. Times are those of the first rank,
which waits for its GPU at their ends. Before the first step the loss of one pass is computed in the
plain way and in the shipped one. With `--profile`, `profile_*.json` in $PROFILES holds what torch's
profiler saw of one forward and backward pass of both; that takes minutes for the plain one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from transformers import TrainerCallback

from vlreward_trl import vision
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer

# In this order: what may run out of memory comes last.
_SHIPPED = {"share": True, "pack": True, "group": True}
WAYS: dict[str, dict[str, bool]] = {
    "warm up": _SHIPPED,
    "shipped": _SHIPPED,
    "plain": {},
    "one encoding alone": {"share": True, "group": True},
    "no loop alone": {"pack": True},
    "shipped, completions scored in one pass": {**_SHIPPED, "score": True},
    "shipped, weights kept between passes": {**_SHIPPED, "keep": True},
    "shipped, no checkpointing": {**_SHIPPED, "whole": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "data", "images", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--vllm", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--seconds", type=float, default=420, help="no new way after so many")
    options, more = parser.parse_known_args()
    started = time.time()
    vllm = (
        "--use_vllm",
        "true",
        "--vllm_mode",
        "colocate",
        "--vllm_gpu_memory_utilization",
        "0.25",
    )
    run = prepare(
        parse(
            [
                *("rec", "--model", str(options.model), "--data", str(options.data)),
                *("--image-root", str(options.images), "--output_dir", f"{options.out}.d"),
                *("--per_device_train_batch_size", "16", "--save_strategy", "no"),
                *("--max_steps", str(2 * len(options.ways)), "--disable_tqdm", "true"),
                *("--dataloader_num_workers", "2", "--check_images", "none"),
                *("--vllm_max_model_length", "1024"),
                *(vllm if options.vllm else ()),
                *more,
            ]
        )
    )
    trainer = build_trainer(run)
    document = {
        "what": f"128 completions of {run.options.training.max_completion_length} tokens, "
        "640x480 images, FSDP2, beta 0.04, Qwen2.5-VL-3B's shape, random weights",
        "machine": _machine(),
        "arguments": [*more, *(vllm if options.vllm else ())],
    }
    trainer.add_callback(Ways(trainer, options, document, started + options.seconds))
    trainer.train()


class Ways(TrainerCallback):  # type: ignore[misc]
    """Changes the trainer's ways between steps, and notes what each step took."""

    def __init__(
        self, trainer: Any, options: argparse.Namespace, document: dict[str, Any], until: float
    ) -> None:
        self.trainer, self.names, self.until = trainer, options.ways, until
        self.out: Path = options.out
        self.profiled: bool = options.profile
        self.document = document
        self.found: dict[str, dict[str, Any]] = {}
        self.losses: dict[str, float] = {}
        self.parts: dict[str, float] = {}
        self.way: dict[str, bool] = {}
        self.profile: str | None = None
        self.models = [m for m in (trainer.model, trainer.ref_model) if m is not None]
        self.towers = [
            (module, module.get_image_features)
            for model in self.models
            for module in model.modules()
            if "visual" in module._modules and hasattr(type(module), "get_image_features")
        ]
        trainer._generate_single_turn = self._timed("generation", trainer._generate_single_turn)
        plain = trainer._get_per_token_logps_and_entropies
        trainer._get_per_token_logps_and_entropies = self._scored(plain)
        self._grouped = trainer._shuffled_groups
        trainer._shuffled_groups = self._ordered
        trainer.training_step = self._passed(trainer.training_step)
        if trainer.use_vllm:
            sync = trainer.vllm_generation.sync_weights
            trainer.vllm_generation.sync_weights = self._timed("weights to vLLM", sync)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Choose the way of this step."""
        name = self.names[state.global_step // 2]
        self.way = WAYS[name]
        vision_name = vision.ATTENTION if self.way.get("pack") else "sdpa"
        for module, shared in self.towers:
            plain = MethodType(type(module).get_image_features, module)
            module.get_image_features = shared if self.way.get("share") else plain
            module.visual.config._attn_implementation = vision_name
        for model in self.models:
            for module in model.modules():
                if hasattr(module, "set_reshard_after_forward"):
                    module.set_reshard_after_forward(not self.way.get("keep"), recurse=False)
        model = self.trainer.model
        if self.way.get("whole"):
            model.gradient_checkpointing_disable()
        elif state.global_step:
            model.gradient_checkpointing_enable(args.gradient_checkpointing_kwargs or {})
        self.parts.clear()
        seen = self.profiled and name in ("plain", "shipped") and state.global_step % 2 == 0
        self.profile = name if seen else None
        _wait()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the second step of each way."""
        _wait()
        seconds = time.perf_counter() - self.started
        name = self.names[(state.global_step - 1) // 2]
        self.found[name] = {
            "seconds": round(seconds, 2),
            "parts": {part: round(value, 2) for part, value in self.parts.items()},
            "peak_gib": _gib("allocated"),
            "peak_reserved_gib": _gib("reserved"),
        }
        if args.process_index == 0:
            print(name, json.dumps(self.found[name]), flush=True)
            document = {**self.document, "loss": self.losses, "ways": self.found}
            self.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        late = torch.tensor(float(time.time() > self.until), device=args.device)
        if torch.distributed.is_initialized():
            torch.distributed.broadcast(late, 0)
        control.should_training_stop |= bool(late.item())

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            _wait()
            started = time.perf_counter()
            found = function(*args, **kwargs)
            _wait()
            self.parts[name] = self.parts.get(name, 0) + time.perf_counter() - started
            return found

        return timed

    def _scored(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def scored(model: Any, ids: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if torch.is_grad_enabled():
                return function(model, ids, *args, **kwargs)
            if self.way.get("score"):
                kwargs["batch_size"] = len(ids)
            part = "scoring by the reference" if model is self.trainer.ref_model else "scoring"
            return self._timed(part, function)(model, ids, *args, **kwargs)

        return scored

    def _ordered(self, batch: dict[str, Any]) -> dict[str, Any]:
        from trl.trainer.utils import shuffle_sequence_dict

        way = self._grouped if self.way.get("group") else shuffle_sequence_dict
        ordered: dict[str, Any] = way(batch)
        return ordered

    def _passed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        loss = self.trainer.compute_loss

        def compared(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.losses:
                self.losses = {"plain": 0.0}
                for name in ("plain", "shipped"):
                    for module, shared in self.towers:
                        plain = MethodType(type(module).get_image_features, module)
                        module.get_image_features = shared if name == "shipped" else plain
                        module.visual.config._attn_implementation = (
                            vision.ATTENTION if name == "shipped" else "sdpa"
                        )
                    with torch.no_grad():
                        self.losses[name] = loss(model, inputs).item()
            return self._timed("forward", loss)(model, inputs, *args, **kwargs)

        self.trainer.compute_loss = compared

        def passed(*args: Any, **kwargs: Any) -> Any:
            name, self.profile = self.profile, None
            generated = self.trainer._step % self.trainer.args.steps_per_generation == 0
            if name is None or generated:
                self.profile = name
                return self._timed("generation, scoring and passes", function)(*args, **kwargs)
            from torch.profiler import ProfilerActivity, profile

            with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
                found = function(*args, **kwargs)
                _wait()
            if self.trainer.args.process_index == 0:
                self._write(name, seen)
            return found

        return passed

    def _write(self, name: str, seen: Any) -> None:
        kinds = sorted(seen.key_averages(), key=lambda row: -row.self_device_time_total)
        rows = [
            {
                "name": row.key[:120],
                "calls": row.count,
                "gpu_ms": round(row.self_device_time_total / 1000, 2),
                "cpu_ms": round(row.self_cpu_time_total / 1000, 2),
            }
            for row in kinds
        ]
        busiest = sorted(rows, key=lambda row: -row["cpu_ms"])[:15]
        total = {key: round(sum(row[key] for row in rows), 1) for key in ("gpu_ms", "cpu_ms")}
        path = Path(os.environ.get("PROFILES", ".")) / f"profile_{name}.json"
        document = {"total": total, "by_gpu": rows[:25], "by_cpu": busiest}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _gib(kind: str) -> float | None:
    if not torch.cuda.is_available():
        return None
    peak: float = getattr(torch.cuda, f"max_memory_{kind}")()
    return round(peak / 1024**3, 2)


def _machine() -> dict[str, Any]:
    import accelerate
    import transformers
    import trl

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {m.__name__: m.__version__ for m in (torch, transformers, trl, accelerate)}
    try:
        import vllm

        versions["vllm"] = vllm.__version__
    except ImportError:
        pass
    return {"gpus": names, "versions": versions}


if __name__ == "__main__":
    main()

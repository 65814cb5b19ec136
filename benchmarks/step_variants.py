"""One training step of a 3B shape in several ways, in turn in one run, on the same questions.

    accelerate launch --config_file backends/trl/configs/fsdp2.yaml --num_processes 2 \
        benchmarks/step_variants.py MODEL DATA IMAGES OUT [--vllm] [--ways NAME ...] [option ...]

MODEL is what `random_model.py` writes, or any other, DATA and IMAGES are rows of referring
expressions and their images; where DATA is not there, 64 scenes of 640x480 are written. Each way
(`step_ways.py`) runs its first step to warm up, and those after it count: `seconds` is their
median, parts and memory are the last one's; with `--steps 1` the first one counts, which finds no
memory kept for it. Times are those of the first rank, which waits for its GPU at their ends. On the
questions of the first pass, loss and log-probabilities of each way are set beside the plain one's.
With `--profile`, `profile_*.json` in $PROFILES holds what torch's profiler saw of one forward and
backward pass of the plain way and the shipped one; that takes minutes for the plain one.

What a way cannot change within a run is an option of the trainer, and a run of its own:

    ... --ways "warm up" shipped --per_device_train_batch_size 32 --gradient_accumulation_steps 2
    accelerate launch --mixed_precision no ... --ways shipped --bf16 false --dtype bfloat16

The latter has master weights and AdamW's state in bfloat16: it shows time and memory, but loses
updates that are small beside the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from step_ways import WAYS, Switches
from transformers import TrainerCallback
from trl_gpu import large_images

from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer

_VLLM = [
    *("--use_vllm", "true", "--vllm_mode", "colocate", "--vllm_gpu_memory_utilization", "0.25"),
    *("--vllm_max_model_length", "1024"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "data", "images", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--vllm", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument(
        "--steps", type=int, default=2, help="of each way, the first of which warms up"
    )
    parser.add_argument("--seconds", type=float, default=420, help="no new way after so many")
    options, more = parser.parse_known_args()
    started = time.time()
    if find_spec("liger_kernel") is None:
        options.ways = [name for name in options.ways if "liger" not in WAYS[name]]
        print("liger_kernel is not installed: ways with it are left out", flush=True)
    if not options.vllm:
        sent = ("before, a question asked once", "before, weights sent in one call")
        options.ways = [n for n in options.ways if n not in sent and "rounded" not in n]
    _written(options.data, options.images)
    argv = [
        *("rec", "--model", str(options.model), "--data", str(options.data)),
        *("--image-root", str(options.images), "--output_dir", f"{options.out}.d"),
        *("--per_device_train_batch_size", "16", "--save_strategy", "no", "--logging_steps", "1"),
        *("--max_steps", str(options.steps * len(options.ways)), "--disable_tqdm", "true"),
        *("--dataloader_num_workers", "2", "--check_images", "none"),
        *(_VLLM if options.vllm else ()),
        *more,
    ]
    trainer = build_trainer(prepare(parse(argv)))
    args = trainer.args
    document = {
        "what": f"{args.generation_batch_size} completions of {args.max_completion_length} tokens "
        f"a step, {args.per_device_train_batch_size} in a pass, beta {args.beta}",
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "dtype": str(next(iter(trainer.model.parameters())).dtype),
        "machine": _machine(),
        "arguments": argv,
    }
    trainer.add_callback(Ways(trainer, options, document, started + options.seconds))
    trainer.train()


def _written(data: Path, images: Path) -> None:
    """Rows and images of this benchmark, unless there are some: by the first process here."""
    if data.is_file():
        return
    if os.environ.get("LOCAL_RANK", "0") == "0":
        images.mkdir(parents=True, exist_ok=True)
        large_images(images, 64).replace(data)
    while not data.is_file():
        time.sleep(0.2)


class Ways(TrainerCallback):  # type: ignore[misc]
    """Changes the trainer's ways between steps, and notes what each step took."""

    def __init__(
        self, trainer: Any, options: argparse.Namespace, document: dict[str, Any], until: float
    ) -> None:
        self.trainer, self.names, self.until = trainer, options.ways, until
        self.out: Path = options.out
        self.profiled: bool = options.profile
        self.steps: int = options.steps
        self.document = document
        self.found: dict[str, dict[str, Any]] = {}
        self.seconds: dict[str, list[float]] = {}
        self.first: dict[str, dict[str, float]] = {}
        self.parts: dict[str, float] = {}
        self.profile: str | None = None
        self.switches = Switches(trainer)
        trainer._generate_single_turn = self._timed("generation", trainer._generate_single_turn)
        images = trainer.processing_class.image_processor
        images.preprocess = self._timed("images", images.preprocess)
        self._logps: torch.Tensor | None = None
        plain = trainer._get_per_token_logps_and_entropies
        trainer._get_per_token_logps_and_entropies = self._scored(plain)
        trainer.training_step = self._passed(trainer.training_step)
        trainer.accelerator.backward = self._timed("backward", trainer.accelerator.backward)
        if trainer.use_vllm:
            sync = trainer.vllm_generation.sync_weights
            trainer.vllm_generation.sync_weights = self._timed("weights to vLLM", sync)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Choose the way of this step."""
        name = self.names[state.global_step // self.steps]
        self.switches.step(WAYS[name])
        self.parts.clear()
        seen = (
            self.profiled and name in ("plain", "shipped") and state.global_step % self.steps == 0
        )
        self.profile = name if seen else None
        _wait()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note what a step took; the last one of each way stays."""
        _wait()
        seconds = time.perf_counter() - self.started
        name = self.names[(state.global_step - 1) // self.steps]
        steps = self.seconds.setdefault(name, [])
        steps.append(round(seconds, 2))
        self.found[name] = {
            "seconds": round(statistics.median(steps[1:] or steps), 2),
            "seconds_of_each_step": steps.copy(),
            "parts": {part: round(value, 2) for part, value in self.parts.items()},
            "peak_gib": _gib("allocated"),
            "peak_reserved_gib": _gib("reserved"),
        }
        late = torch.tensor(float(time.time() > self.until), device=args.device)
        if torch.distributed.is_initialized():
            torch.distributed.broadcast(late, 0)
        control.should_training_stop |= bool(late.item())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Add what the trainer says of the step; write everything so far."""
        name = self.names[(state.global_step - 1) // self.steps]
        if args.process_index != 0 or "loss" not in (logs or {}):
            return
        kept = ("loss", "grad_norm", "kl", "entropy", "sampling/sampling_logp_difference/mean")
        self.found[name]["logs"] = {key: logs[key] for key in kept if key in logs}
        print(name, json.dumps(self.found[name]), flush=True)
        document = {**self.document, "first_pass": self.first, "ways": self.found}
        self.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

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
        def scored(model: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.is_grad_enabled() or "batch_size" not in kwargs:
                found = function(model, *args, **kwargs)
                self._logps = found[0].detach()
                return found
            part = "scoring by the reference" if model is self.trainer.ref_model else "scoring"
            return self._timed(part, function)(model, *args, **kwargs)

        return scored

    def _passed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        loss = self.trainer.compute_loss

        def compared(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.first:
                self._compare(loss, model, inputs)
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

    def _compare(self, loss: Callable[..., Any], model: Any, inputs: Any) -> None:
        """What the ways that compute differently make of one pass, beside the plain one."""
        names = ["plain", "before", "shipped"]
        if "shipped, liger" in self.names:
            names.append("shipped, liger")
        mask = inputs["completion_mask"].bool()
        plain: torch.Tensor | None = None
        for name in names:
            self.switches.forward(WAYS[name])
            with torch.no_grad():
                value = loss(model, inputs).item()
            assert self._logps is not None
            logps = self._logps[mask].float()
            plain = logps if plain is None else plain
            self.first[name] = {
                "loss": value,
                "logp_mean": logps.mean().item(),
                "logp_difference_mean": (logps - plain).abs().mean().item(),
                "logp_difference_max": (logps - plain).abs().max().item(),
            }
        self.switches.forward(WAYS[self.names[0]])

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

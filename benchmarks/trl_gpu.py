"""Training runs of the TRL backend on GPUs, started by the scripts that users start.

    python benchmarks/trl_gpu.py --out DIR [--gpus 8] [--only learn scale real deepspeed] [--small]

learn   counting and REC from the packaged half-trained model with DDP and FSDP2 (and ZeRO-2 where
        deepspeed is installed), side by side: rewards, and the held-out accuracy before and after
        by vlreward-bench. A run in two halves beside a whole one shows that it resumes.
scale   the same global batch on 1, 2, 4, ... GPUs: samples a second and efficiency.
real    a model of Qwen2.5-VL-3B's shape with random weights on images of COCO's size: tokens a
        second, memory of each GPU, shares of generation and of the rewards.
deepspeed  a few steps of each script with ZeRO-2 and ZeRO-3, beside FSDP2, all at once: rewards,
        distance from the reference at the first step, and held-out accuracy of what was saved.
        DeepSpeed's wheel, built with DS_BUILD_OPS=0, does: the optimizer is PyTorch's.

Each part writes DIR/trl_gpu_PART.json, again after every run; a run that fails is recorded there
with the end of its log, and the others go on. `--small` is for trying the script itself on CPUs:
torchrun in place of accelerate, and everything short.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "backends/trl/scripts"
HALF = ROOT / "vlreward/data/tiny_vlm/half"
SUITES = {
    "rec": "scenes_rec_test",
    "counting": "scenes_count_test",
    "geometry": "scenes_geometry_test",
}
PARTS = ("learn", "scale", "real", "deepspeed")
# What `accelerate launch` does with one machine, for CPUs: it would run one process there.
CPU_LAUNCHER = """#!/usr/bin/env bash
while [ "$1" != -m ]; do [ "$1" = --num_processes ] && n=$2; shift; done
exec {python} -m torch.distributed.run --master_port $MASTER_PORT --nproc_per_node $n "$@" --use_cpu
"""
ACCELERATE = """#!/usr/bin/env bash
exec {python} -m accelerate.commands.accelerate_cli "$@"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100, help="optimizer steps of `learn`")
    parser.add_argument("--deadline", type=float, default=1800, help="seconds for everything")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--runs", nargs="*", help="names of single runs; all of them if not given")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    bench = Bench(options)
    for part in options.only:
        getattr(bench, part)()


@dataclass
class Run:
    """One start of a script."""

    name: str
    task: str
    strategy: str
    gpus: int
    prompts: int
    """Questions of a step, over all GPUs."""
    per_gpu: int
    """Completions of a pass on one GPU."""
    arguments: list[str] = field(default_factory=list)
    model: Path = HALF
    data: Path | None = None
    """The rows; those of the task if None."""
    output: Path | None = None
    """Where the model goes, if the run does not decide that by its name."""
    environment: dict[str, str] = field(default_factory=dict)
    """More of it, such as the GPUs that are seen."""


class Bench:
    """The parts, and what they share: data, models, the way a script is started."""

    prefix = "trl_gpu"

    def __init__(self, options: argparse.Namespace) -> None:
        self.out: Path = options.out.resolve()
        self.gpus: int = options.gpus
        self.small: bool = options.small
        self.only: list[str] | None = options.runs
        self.steps: int = 4 if self.small else options.steps
        self.ends = time.time() + options.deadline
        self.work: Path = self.out / "work"
        self.bin = self._launcher("bin", CPU_LAUNCHER if self.small else ACCELERATE)
        self._ports = itertools.count(int(os.environ.get("MASTER_PORT", "29601")))
        from vlreward.scenes import export_scenes

        for task in SUITES:
            export_scenes(task, self.work / "data", 32 if self.small else 4096)  # type: ignore[arg-type]

    def learn(self) -> None:
        """Does the reward rise, and the held-out accuracy with it?"""
        strategies = ["ddp", "fsdp2", *self._zero2()]
        prompts = 2 * self.gpus if self.small else 32
        rate = {"counting": "1e-4", "rec": "5e-5"}
        report: dict[str, Any] = {"machine": machine(), "held_out_before": {}, "runs": {}}
        runs = [
            Run(
                f"{task}_{strategy}", task, strategy, self.gpus, prompts,
                prompts * 8 // self.gpus, self._tiny(self.steps, rate[task]),
            )
            for task in rate for strategy in strategies
        ]  # fmt: skip
        halves = self.work / "halves"
        saving = ["--save_strategy", "steps", "--save_steps", "2"]
        resume = ["--resume_from_checkpoint", "last"]
        first, second, whole = (
            Run(
                name, "counting", "fsdp2", self.gpus, self.gpus, 8,
                [*self._tiny(steps, "1e-4"), *more], output=output,
            )
            for name, steps, more, output in (
                ("first_half", 2, saving, halves),
                ("second_half", 4, [*saving, *resume], halves),
                ("whole", 4, [], None),
            )
        )  # fmt: skip

        def trained(run: Run) -> None:
            found = report["runs"][run.name] = self._start(run)
            if "step_seconds" in found:
                found["held_out_after"] = self._held_out(run.task, self._output(run))
            self._write("learn", report)

        def resumed() -> None:
            report["runs"] |= {run.name: self._start(run) for run in (first, second)}

        def before(task: str) -> None:
            report["held_out_before"][task] = self._held_out(task, HALF)

        with ThreadPoolExecutor(1 if self.small else 16) as pool:
            jobs = [pool.submit(trained, run) for run in (*runs, whole)]
            jobs += [pool.submit(resumed), *(pool.submit(before, task) for task in rate)]
            for job in jobs:
                job.result()
        self._write("learn", report)

    def scale(self) -> None:
        """Samples a second with the same global batch, and how much each GPU adds."""
        report: dict[str, Any] = {"machine": machine(), "runs": {}}
        prompts = 2 * self.gpus if self.small else 64
        number, base = 1, None
        while number <= self.gpus:
            found = self._start(
                Run(
                    f"counting_{number}", "counting", "ddp", number, prompts,
                    prompts * 8 // number, self._tiny(3 if self.small else 12, "1e-4"),
                )
            )  # fmt: skip
            if "step_seconds" in found:
                base = base or found["samples_per_second"]
                found["efficiency"] = round(found["samples_per_second"] / base / number, 3)
            report["runs"][f"counting_{number}"] = found
            self._write("scale", report)
            number *= 2

    def real(self) -> None:
        """Memory, time and tokens of a model of real size, five steps of each strategy."""
        report: dict[str, Any] = {"machine": machine(), "runs": {}}
        model = self.work / "real"
        self._real_model(model)
        data = large_images(self.work / "large", 64)
        arguments = [
            *("--max_steps", "2" if self.small else "5", "--save_strategy", "no"),
            *("--dataloader_num_workers", "2", "--disable_tqdm", "true"),
            *(("--max_completion_length", "8") if self.small else ()),
        ]
        base = None
        for strategy, gpus in (
            *((("ddp", 1), ("fsdp2", self.gpus), ("ddp", self.gpus))),
            *((strategy, self.gpus) for strategy in self._zero2()),
        ):
            name = f"rec_3b_{strategy}_{gpus}"
            found = self._start(
                Run(name, "rec", strategy, gpus, self.gpus, 8, arguments, model, data), memory=True
            )
            if "step_seconds" in found:
                base = base or found["samples_per_second"]
                found["efficiency"] = round(found["samples_per_second"] / base / gpus, 3)
            report["runs"][name] = found
            self._write("real", report)

    def deepspeed(self) -> None:
        """Do the three scripts run with DeepSpeed, and as with FSDP2?"""
        report: dict[str, Any] = {"machine": machine(), "runs": {}}
        if not importlib.util.find_spec("deepspeed"):
            self._write("deepspeed", report | {"not_run": "deepspeed is not installed"})
            return
        report["machine"]["versions"]["deepspeed"] = importlib.metadata.version("deepspeed")
        strategies = ["zero2", "zero3", *([] if self.small else ["fsdp2"])]  # not on a CPU
        arguments = self._tiny(2 if self.small else 6, "1e-4", beta="0.04")
        environment = {}
        if self.small:
            arguments += ["--bf16", "true"]
            bins = (self._launcher("bin_deepspeed", ACCELERATE), Path(sys.executable).parent)
            path = ":".join(map(str, (*bins, os.environ["PATH"])))
            environment = {"DS_ACCELERATOR": "cpu", "PATH": path}
        prompts = self.gpus * (1 if self.small else 4)

        def one(task: str, strategy: str) -> None:
            run = Run(f"{task}_{strategy}", task, strategy, self.gpus, prompts, 8, arguments)
            run.environment = environment
            found = self._start(run)
            if "step_seconds" in found:
                found["held_out_after"] = self._held_out(task, self._output(run))
            report["runs"][run.name] = found
            self._write("deepspeed", report)

        with ThreadPoolExecutor(1 if self.small else 9) as pool:
            jobs = [pool.submit(one, task, way) for task in SUITES for way in strategies]
            for job in jobs:
                job.result()

    def _launcher(self, name: str, text: str) -> Path:
        """A directory whose `accelerate` is this."""
        launcher = self.work / name / "accelerate"
        launcher.parent.mkdir(parents=True, exist_ok=True)
        launcher.write_text(text.format(python=sys.executable), encoding="utf-8")
        launcher.chmod(0o755)
        return launcher.parent

    def _tiny(self, steps: int, rate: str, beta: str = "0.0") -> list[str]:
        return [
            *("--max_steps", str(steps), "--learning_rate", rate, "--beta", beta),
            *("--lr_scheduler_type", "constant", "--max_completion_length", "96"),
            *("--gradient_checkpointing", "false", "--save_strategy", "no"),
            *("--dataloader_num_workers", "2", "--disable_tqdm", "true"),
        ]

    def _zero2(self) -> list[str]:
        return ["zero2"] if importlib.util.find_spec("deepspeed") and not self.small else []

    def _output(self, run: Run) -> Path:
        return run.output or self.work / "runs" / run.name

    def _environment(self, **more: str) -> dict[str, str]:
        paths = [str(ROOT), str(ROOT / "backends/trl"), os.environ.get("PYTHONPATH", "")]
        return os.environ | {
            "PYTHONPATH": ":".join(filter(None, paths)),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1" if self.small else "2",
            **more,
        }

    def _start(self, run: Run, memory: bool = False) -> dict[str, Any]:
        """Start a script and read what its trainer logged."""
        if self.only is not None and run.name not in self.only:
            return {"not_run": "not asked for"}
        output = self._output(run)
        data = self.work / "data"
        chosen = {
            "GPUS": str(run.gpus),
            "STRATEGY": run.strategy,
            "BATCH_SIZE": str(run.prompts),
            "COMPLETIONS_PER_DEVICE": str(run.per_gpu),
        }
        command = ["bash", str(SCRIPTS / f"run_grpo_{run.task}.sh"), *run.arguments]
        environment = (
            self._environment(
                **chosen,
                MODEL=str(run.model),
                DATA=str(run.data or data / f"{run.task}.jsonl"),
                IMAGE_ROOT=str(run.data.parent if run.data else data),
                OUTPUT_DIR=str(output),
                MASTER_PORT=str(next(self._ports)),
            )
            | run.environment
        )
        print(f"== {run.name}", flush=True)
        started = time.time()
        with GpuMemory(memory) as gpu_memory:
            failed = self._process(run.name, command, environment)
        shown = " ".join([*(f"{k}={v}" for k, v in chosen.items()), *command[:1]])
        shown += f" backends/trl/scripts/run_grpo_{run.task}.sh {' '.join(run.arguments)}"
        found: dict[str, Any] = {"command": shown, "seconds": round(time.time() - started, 1)}
        if failed is not None:
            return found | {"failed": failed}
        state = json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))
        logs = [entry for entry in state["log_history"] if "reward" in entry]
        found |= summary(logs, run.prompts * 8)
        if memory:
            found["nvidia_smi_peak_gib"] = gpu_memory.peak_gib
        print(run.name, json.dumps({k: v for k, v in found.items() if not _long(v)}), flush=True)
        return found

    def _process(self, name: str, command: list[str], environment: dict[str, str]) -> str | None:
        """Run a command; None, or the end of its log if it failed."""
        log = self.work / f"{name}.log"
        with open(log, "wb") as file:
            try:
                code: int | str = subprocess.run(
                    command, env=environment, cwd=self.work, stdout=file, stderr=subprocess.STDOUT,
                    timeout=max(1, self.ends - time.time()),
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                code = "the time was up"
        if code == 0:
            return None
        end = log.read_text(encoding="utf-8", errors="replace")[-2500:]
        print(f"{name} failed ({code}): {end}", flush=True)
        return f"{code}: {end}"

    def _held_out(self, task: str, model: Path, drawn: Sequence[str] = ()) -> float | str:
        """Accuracy on 300 held-out scenes, greedy unless drawn otherwise, strict protocol."""
        name = f"{task}_{model.name}{'_drawn' * bool(drawn)}"
        out = self.work / "held_out" / name
        command = [
            *(sys.executable, "-m", "vlreward.bench.cli", SUITES[task], "--out", str(out)),
            *("--model", str(model), "--family", "qwen2.5-vl", "--dtype", "float32"),
            *("--sample-num", "6" if self.small else "300", "--batch-size", "100"),
            *("--max-tokens", "96", *drawn),
        ]
        failed = self._process(f"held_out_{name}", command, self._environment())
        if failed is not None:
            return failed
        (result,) = json.loads((out / "results.json").read_text())["results"].values()
        accuracy: float = result["acc"]
        return accuracy

    def _write(self, part: str, report: dict[str, Any]) -> None:
        path = self.out / f"{self.prefix}_{part}.json"
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    def _real_model(self, path: Path) -> None:
        """In a process of its own, which gives the GPU's memory back; kept if it is there."""
        if (path / "model.safetensors").is_file():
            return
        script = [sys.executable, str(ROOT / "benchmarks/random_model.py"), str(path)]
        size = ["--small"] if self.small else []
        subprocess.run([*script, *size], env=self._environment(), check=True)


def large_images(directory: Path, number: int) -> Path:
    """REC rows whose images are as large as COCO's."""
    from vlreward.scenes import scenes

    directory.mkdir(exist_ok=True)
    rows = []
    for scene in scenes("rec", "train", number, level="hard"):
        scene.image.resize((640, 480)).save(directory / f"{scene.id}.png")
        gold: Any = scene.gold
        scale = (640 / scene.width, 480 / scene.height) * 2
        row: dict[str, Any] = {"image": f"{scene.id}.png", "problem": scene.question}
        row |= {"normal_caption": scene.expression}
        rows.append(row | {"solution": [value * s for value, s in zip(gold, scale)]})
    path = directory / "rec.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class GpuMemory:
    """The most memory that nvidia-smi showed for each GPU while a block ran, in GiB."""

    def __init__(self, active: bool) -> None:
        self.active = active and bool(_nvidia_smi())
        self.peak_gib: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> GpuMemory:
        if self.active:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self.active:
            self._thread.join()

    def _poll(self) -> None:
        while not self._done.wait(1):
            now = _nvidia_smi()
            self.peak_gib = [max(pair) for pair in zip(now, self.peak_gib or now)]


def _nvidia_smi() -> list[float]:
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return []
    return [round(float(line) / 1024, 2) for line in lines.split()]


_RATIO = "sampling/importance_sampling_ratio/mean"


def summary(logs: list[dict[str, Any]], completions: int) -> dict[str, Any]:
    """Figures of a run, medians over its steps but the first two, which warm up."""
    late = logs[min(2, len(logs) - 1) :]

    def median(name: str) -> float:
        return float(statistics.median(entry.get(name, 0.0) for entry in late))

    rewards = [round(entry["reward"], 4) for entry in logs]
    in_rewards = [sum(v for k, v in e.items() if _is_reward_time(k)) for e in late]
    step = median("step_time")
    tenth = max(1, len(logs) // 10)
    return {
        "steps": len(logs),
        "completions_per_step": completions,
        "step_seconds": round(step, 4),
        "samples_per_second": round(completions / step, 2),
        "generated_tokens_per_second": round(
            median("completions/mean_length") * completions / step, 1
        ),
        "generation_share_of_step": round(median("seconds/generation") / step, 4),
        "rewards_share_of_step": round(statistics.median(in_rewards) / step, 6),
        "peak_memory_gib": round(max(entry.get("memory/peak_gib", 0.0) for entry in logs), 2),
        "kl_first_step": logs[0].get("kl"),
        **{
            f"logp_difference_{kind}": [round(e[name], 5) for e in logs[:4] if name in e]
            for kind in ("mean", "max")
            for name in (f"sampling/sampling_logp_difference/{kind}",)
        },
        "importance_ratio_mean": [round(e[_RATIO], 5) for e in logs[:4] if _RATIO in e],
        "reward_first_tenth": round(statistics.mean(rewards[:tenth]), 4),
        "reward_last_tenth": round(statistics.mean(rewards[-tenth:]), 4),
        "rewards": rewards,
        "losses": [entry["loss"] for entry in logs],
    }


def _is_reward_time(name: str) -> bool:
    return name.startswith("seconds/") and name.endswith("_reward")


def _long(value: object) -> bool:
    return isinstance(value, list) and len(value) > 8


def machine() -> dict[str, Any]:
    """The GPUs and the libraries."""
    import accelerate
    import torch
    import transformers
    import trl

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {m.__name__: m.__version__ for m in (torch, transformers, trl, accelerate)}
    if importlib.util.find_spec("vllm"):
        versions["vllm"] = importlib.metadata.version("vllm")
    return {"gpus": names or "none", "cores": os.cpu_count(), "versions": versions}


if __name__ == "__main__":
    main()

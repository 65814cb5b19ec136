"""Training runs of the TRL backend on GPUs: rewards, step times, memory, share of the rewards.

    python benchmarks/trl_gpu.py --out DIR [--gpus 2] [--small]

Starts every run as a process of its own (`accelerate launch` for several GPUs), one after the
other, and writes DIR/trl_gpu.json after each. `--small` shortens everything to what a CPU can do,
with torchrun in place of accelerate, to try the script itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "backends/trl/configs"
_LIMIT = 180  # seconds that one run may take
TINY_VLM = ROOT / "vlreward/data/tiny_vlm/sft"


def main() -> None:
    """Orchestrate, or with `worker` be one of the processes."""
    if sys.argv[1:2] == ["worker"]:
        worker(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--deadline", type=float, default=400, help="seconds for everything")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", nargs="*")
    Suite(parser.parse_args()).run()


@dataclass(frozen=True)
class Plan:
    """One run."""

    name: str
    strategy: str
    processes: int
    argv: list[str]
    device: int = 0


class Suite:
    """All runs, in the order of what matters most."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.small: bool = options.small
        self.work = Path(options.out) / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.started = time.time()
        self._port = 29600
        self.results: dict[str, Any] = {"runs": {}}

    def run(self) -> None:
        """Data, models, runs; a run that fails is recorded and the others go on."""
        sys.path.insert(0, str(ROOT / "tests/backends/trl"))
        self._data()
        local = TINY_VLM
        if self.small or not TINY_VLM.is_dir():
            # An untrained model whose answers are single tokens: far to go, and quick.
            write_checkpoint = importlib.import_module("tiny").write_checkpoint
            local = write_checkpoint(self.work / "local", "qwen2.5-vl", hidden=96)
        self.results["machine"] = _machine()
        steps = 4 if self.small else self.options.steps
        gpus = self.options.gpus
        tasks = ("rec", "counting", "geometry")
        mixture = ["mixture", "--data", str(self.work / "mixture.yaml")]
        long, short = self._fast(local, steps), self._fast(local, 4)
        packaged = self._fast(TINY_VLM, steps)
        every_two = ("--save_strategy", "steps", "--save_steps", "2")
        resumed = [*mixture, *short, *every_two, "--output_dir", str(self.work / "resumed")]
        # Runs of the tiny model side by side, each chain in order; then those of real size alone.
        waves: list[list[list[Plan]]] = [
            [
                [Plan("ddp_mixture", "ddp", gpus, [*mixture, *long])],
                [Plan("fsdp2_mixture", "fsdp2", gpus, [*mixture, *long])],
                [
                    Plan("fsdp2_4_steps", "fsdp2", gpus, [*mixture, *short]),
                    Plan("fsdp2_2_steps", "fsdp2", gpus, [*resumed, "--max_steps", "2"]),
                    Plan(
                        "fsdp2_2_resumed",
                        "fsdp2",
                        gpus,
                        [*resumed, "--resume_from_checkpoint", "last"],
                    ),
                ],
                [Plan("single_mixture", "single", 1, [*mixture, *long])],
                *(
                    [
                        Plan(
                            f"packaged_{task}",
                            "single",
                            1,
                            [task, "--data", str(self.work / f"{task}.jsonl"), *packaged],
                            device=number % gpus,
                        )
                    ]
                    for number, task in enumerate(tasks)
                    if TINY_VLM.is_dir() and not self.small
                ),
            ]
        ]
        real = self.work / "real"
        for name, strategy, processes in (
            ("single_3b", "single", 1),
            ("fsdp2_3b", "fsdp2", gpus),
            ("ddp_3b", "ddp", gpus),
        ):
            waves.append([[Plan(name, strategy, processes, self._slow(real))]])
        if self.small:
            waves = [[chain] for wave in waves for chain in wave]
        with ThreadPoolExecutor(8) as pool:
            writing = pool.submit(self._real_model, real)
            for wave in waves:
                if wave is waves[-3]:
                    writing.result()
                for done in [pool.submit(self._chain, chain) for chain in wave]:
                    done.result()
                self._write()
        self._load_saved()
        self._write()
        shutil.rmtree(self.work)

    def _chain(self, plans: list[Plan]) -> None:
        for plan in plans:
            if self.options.only and plan.name not in self.options.only:
                continue
            left = self.options.deadline - (time.time() - self.started)
            if left < 20:
                self.results["runs"][plan.name] = {"not_run": "the time was up"}
                continue
            self.results["runs"][plan.name] = self._one(plan, min(left, _LIMIT))

    def _write(self) -> None:
        path = Path(self.options.out) / "trl_gpu.json"
        path.write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")

    def _one(self, plan: Plan, limit: float) -> dict[str, Any]:
        name, strategy, processes = plan.name, plan.strategy, plan.processes
        job = self.work / f"{name}.job.json"
        result = self.work / f"{name}.result.json"
        argv = plan.argv
        if "--output_dir" not in argv:
            argv = [*argv, "--output_dir", str(self.work / name)]
        job.write_text(json.dumps({"argv": argv, "out": str(result)}), encoding="utf-8")
        script = [str(Path(__file__).resolve()), "worker", str(job)]
        self._port += 1
        command = [sys.executable, *script]
        if processes > 1 and self.small:
            port = ("--master_port", str(self._port))
            command = [*_TORCHRUN, *port, "--nproc_per_node", str(processes), *script]
        elif processes > 1:
            config = ["--config_file", str(CONFIGS / f"{strategy}.yaml")]
            config += ["--main_process_port", str(self._port)]
            command = [sys.executable, "-m", "accelerate.commands.launch", *config]
            command += ["--num_processes", str(processes), *script]
        paths = [str(ROOT), str(ROOT / "backends/trl"), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": ":".join(filter(None, paths))}
        environment |= {"OMP_NUM_THREADS": "1" if self.small else "2"}
        if processes == 1:
            environment |= {"CUDA_VISIBLE_DEVICES": str(plan.device)}
        print(f"== {name}: {strategy}, {processes} process(es)", flush=True)
        started = time.time()
        with open(self.work / f"{name}.log", "wb") as log:
            try:
                code = subprocess.run(
                    command, env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=limit
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        seconds = time.time() - started
        text = (self.work / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        if code != 0 or not result.is_file():
            print(text[-3000:], flush=True)
            return {"failed": code, "seconds": seconds, "log": text[-2000:]}
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        found |= {"strategy": strategy, "seconds": round(seconds, 1)}
        shown = {k: v for k, v in found.items() if k not in ("rewards", "losses", "command")}
        print(name, json.dumps(shown), flush=True)
        return found

    def _load_saved(self) -> None:
        """Stock `AutoProcessor` and `from_pretrained` read what a run has saved."""
        for name in ("ddp_mixture", "fsdp2_mixture", "resumed"):
            path = self.work / name
            if not (path / "config.json").is_file():
                continue
            code = (
                "import sys, torch, transformers as t; p = sys.argv[1];"
                "m, info = t.AutoModelForImageTextToText.from_pretrained(p,"
                " output_loading_info=True);"
                "assert not info['missing_keys'] and not info['unexpected_keys'], info;"
                "print(type(m).__name__, end=' ');"
                "print(type(t.AutoProcessor.from_pretrained(p)).__name__)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code, str(path)], capture_output=True, text=True
            )
            last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
            self.results[f"loads_{name}"] = last[-1] if last else ""
            print("loads", name, self.results[f"loads_{name}"], flush=True)

    def _data(self) -> None:
        from vlreward.data.scenes import scenes

        images = self.work / "images"
        images.mkdir(exist_ok=True)
        entries = []
        for task in ("rec", "counting", "geometry"):
            rows: list[dict[str, Any]] = []
            level: Any = None if self.small else "hard"
            for scene in scenes(task, "train", 24 if self.small else 512, level=level):
                scene.image.save(images / f"{scene.id}.png")
                image = f"{scene.id}.png"
                if task == "rec":
                    rows.append(
                        {
                            "image": image,
                            "problem": scene.question,
                            "normal_caption": scene.expression,
                            "solution": scene.gold,
                        }
                    )
                else:
                    rows.append(
                        {
                            "image_path": image,
                            "question": scene.question,
                            "ground_truth": scene.gold,
                        }
                    )
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (self.work / f"{task}.jsonl").write_text(text, encoding="utf-8")
            entries.append(f"  - {{json_path: {task}.jsonl, task: {task}}}\n")
        (self.work / "mixture.yaml").write_text("datasets:\n" + "".join(entries), encoding="utf-8")
        rows = []
        for scene in scenes("rec", "train", 64, level="hard"):
            # As large as a COCO image.
            large = scene.image.resize((640, 480))
            large.save(images / f"large-{scene.id}.png")
            sides = (640 / scene.width, 480 / scene.height) * 2
            gold: Any = scene.gold
            box = [v * s for v, s in zip(gold, sides)]
            rows.append(
                {
                    "image": f"large-{scene.id}.png",
                    "problem": scene.question,
                    "normal_caption": scene.expression,
                    "solution": box,
                }
            )
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.work / "large.jsonl").write_text(text, encoding="utf-8")

    def _real_model(self, path: Path) -> None:
        """Random weights in the shape of Qwen2.5-VL-3B, or smaller with `--small`."""
        if self.small:
            write_checkpoint = importlib.import_module("tiny").write_checkpoint

            write_checkpoint(path, "qwen2.5-vl")
            return
        code = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); import trl_gpu;"
        code += f"trl_gpu.write_3b({str(path)!r})"
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    def _fast(self, model: Path, steps: int) -> list[str]:
        trained = model == TINY_VLM
        return [
            *("--model", str(model), "--image-root", str(self.work / "images")),
            *("--max_steps", str(steps), "--num_generations", "8", "--save_strategy", "no"),
            *("--per_device_train_batch_size", "8" if self.small else "64"),
            *("--gradient_accumulation_steps", "1", "--dataloader_num_workers", "2"),
            *("--max_completion_length", "96" if trained else "1"),
            *("--learning_rate", "1e-4" if trained else "3e-3"),
            *("--lr_scheduler_type", "constant", "--disable_tqdm", "true"),
            # Hot enough that the packaged model, which was trained on such scenes, errs.
            *("--temperature", "1.5" if trained else "1"),
        ]

    def _slow(self, model: Path) -> list[str]:
        return [
            *("rec", "--data", str(self.work / "large.jsonl"), "--model", str(model)),
            *("--image-root", str(self.work / "images"), "--save_strategy", "no"),
            *("--max_steps", "2" if self.small else "4", "--num_generations", "8"),
            *("--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "1"),
            *("--max_completion_length", "8" if self.small else "256"),
            *("--dataloader_num_workers", "2", "--disable_tqdm", "true"),
        ]


_TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


def write_3b(path: str) -> None:
    """A Qwen2.5-VL-3B with random weights in bfloat16, with the tiny tokenizer."""
    sys.path.insert(0, str(ROOT / "tests/backends/trl"))
    import torch
    import transformers

    write_checkpoint = importlib.import_module("tiny").write_checkpoint

    small = write_checkpoint(Path(path), "qwen2.5-vl", max_pixels=12_845_056)
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


def worker(job: dict[str, Any]) -> None:
    """One process of one run; the first one writes the result."""
    import torch

    from vlreward_trl.arguments import parse
    from vlreward_trl.dry_run import estimate_for
    from vlreward_trl.preparing import prepare
    from vlreward_trl.training import train

    started = time.time()
    run = prepare(parse(job["argv"]))
    expected = estimate_for(run)[1].total
    trainer = train(run)
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    arguments = trainer.args
    if arguments.process_index != 0:
        return
    logs = [entry for entry in trainer.state.log_history if "reward" in entry]
    # The first steps compile kernels and fill caches.
    late = logs[min(2, len(logs) - 1) :]
    step = statistics.median(entry["step_time"] for entry in late)
    in_rewards = statistics.median(
        sum(v for k, v in entry.items() if k.startswith("seconds/")) for entry in late
    )
    completions = arguments.generation_batch_size
    tokens = statistics.median(entry["completions/mean_length"] for entry in late) * completions
    tenth = max(1, len(logs) // 10)
    rewards = [round(entry["reward"], 4) for entry in logs]
    result = {
        "world_size": arguments.world_size,
        "bf16": arguments.bf16,
        "distributed_type": str(arguments.distributed_state.distributed_type),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "steps": len(logs),
        "completions_per_step": completions,
        "step_seconds": round(step, 4),
        "generated_tokens_per_second": round(tokens / step, 1),
        "all_tokens_per_second": round(
            (late[-1]["num_tokens"] - logs[0]["num_tokens"]) / max(1, len(logs) - 1) / step,
            1,
        ),
        "rewards_share_of_step": round(in_rewards / step, 6),
        "rewards_ms": round(1000 * in_rewards, 3),
        "peak_memory_gib": round(peak / 1024**3, 2),
        "estimated_memory_gib": round(expected / 1024**3, 2),
        "reward_first_tenth": round(statistics.mean(rewards[:tenth]), 4),
        "reward_last_tenth": round(statistics.mean(rewards[-tenth:]), 4),
        "zero_std_share_last": logs[-1]["frac_reward_zero_std"],
        "truncated_share_last": logs[-1]["completions/clipped_ratio"],
        "process_seconds": round(time.time() - started, 1),
        "rewards": rewards,
        "losses": [entry["loss"] for entry in logs],
        "command": ["vlreward-train-trl", *job["argv"]],
    }
    Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")


def _machine() -> dict[str, Any]:
    import accelerate
    import torch
    import transformers
    import trl

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = {m.__name__: m.__version__ for m in (torch, transformers, trl, accelerate)}
    return {"gpus": names, "versions": versions, "date": time.strftime("%Y-%m-%d")}


if __name__ == "__main__":
    main()

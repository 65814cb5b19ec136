"""GRPO with vLLM on GPUs, started by the scripts that users start.

    python benchmarks/trl_vllm.py --out DIR --only right learn rec engines [--gpus 2 3]

right    every way to generate, a few steps each of the packaged `half` model: the reward of the
         first step, and how far the sampler's log-probabilities are from the model's.
learn    counting and geometry with vLLM and with transformers, three seeds each: held-out accuracy
         before and after.
pace     counting with both, one run after the other and nothing beside: the time that each takes.
rec      referring expressions from two models that fail in different ways, three seeds each:
         held-out accuracy, greedy and at temperature 1.
engines  the engines `vllm` and `openai` (a server of vLLM) beside `hf`: equal completions.

Each part writes DIR/trl_vllm_PART.json, again after every run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trl_gpu import HALF, ROOT, SUITES, Bench, Run, machine

VLLM = [
    *("--use_vllm", "true", "--vllm_mode", "colocate", "--vllm_gpu_memory_utilization", "0.08"),
    *("--vllm_max_model_length", "512"),
]
SERVER = ["--use_vllm", "true", "--vllm_mode", "server", "--vllm_server_port"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpus", nargs="*", default=["0", "1"], help="two or four of them")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--deadline", type=float, default=540, help="seconds for everything")
    parts = ["right", "learn", "pace", "rec", "engines"]
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    parser.add_argument("--prompts", type=int, default=32, help="questions of a step of `learn`")
    parser.add_argument("--names", nargs="*", help="runs of `right`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    options.runs = None
    ids = options.gpus
    options.gpus = min(2, len(ids))
    bench = VLLMBench(options, ids)
    for part in options.only:
        getattr(bench, part)()


class VLLMBench(Bench):
    """The parts; `ids` are the GPUs, used in pairs or alone."""

    prefix = "trl_vllm"

    def __init__(self, options: argparse.Namespace, ids: list[str]) -> None:
        super().__init__(options)
        self.ids, self.names, self.seeds = ids, options.names, options.seeds
        self.at_once: int = options.at_once
        self.prompts: int = options.prompts
        self._together = self._hook("together", _TOGETHER)
        self._report = threading.Lock()

    def right(self) -> None:
        """Every way to generate, beside transformers."""
        report: dict[str, Any] = {"machine": machine(), "runs": {}}
        lora = ["--use_peft", "--lora_r", "16", "--lora_alpha", "32", "--learning_rate", "1e-3"]
        sleep = ["--vllm_enable_sleep_mode", "true"]
        runs = {
            "transformers, one GPU": (1, "ddp", [], HALF),
            "colocated, one GPU": (1, "ddp", VLLM, HALF),
            "colocated, one GPU, sleep mode": (1, "ddp", [*VLLM, *sleep], HALF),
            "colocated, one GPU, LoRA": (1, "ddp", [*VLLM, *lora], HALF),
            "colocated, DDP": (2, "ddp", VLLM, HALF),
            "colocated, FSDP2": (2, "fsdp2", VLLM, HALF),
            "colocated, FSDP2, LoRA": (2, "fsdp2", [*VLLM, *lora], HALF),
            "colocated, FSDP2, float32": (2, "fsdp2", [*VLLM, "--bf16", "false"], HALF),
            "colocated, Qwen2-VL": (1, "ddp", VLLM, self.work / "qwen2-vl"),
            "colocated, Qwen3-VL": (1, "ddp", VLLM, self.work / "qwen3-vl"),
            "server, one GPU": (1, "ddp", SERVER, HALF),
            "server, FSDP2": (2, "fsdp2", SERVER, HALF),
            "colocated as TRL 1.16 has it": (1, "ddp", VLLM, HALF),
        }
        for family in ("qwen2-vl", "qwen3-vl"):
            script = str(ROOT / "benchmarks/tiny_families.py")
            command = [sys.executable, script, str(self.work / family), family]
            self._process(f"write_{family}", command, self._environment())
        unmended = self._hook("unmended", _TOGETHER + _UNMENDED)

        def one(index: int, name: str) -> None:
            gpus, strategy, more, model = runs[name]
            more = [*self._tiny(4, "1e-4"), *more]
            seen = self._seen(index, gpus)
            environment = {"CUDA_VISIBLE_DEVICES": seen, "PYTHONPATH": self._together}
            short = name.replace(", ", "_").replace(" ", "_")
            run = Run(short, "counting", strategy, gpus, 8, 64 // gpus, more, model)
            run.environment = environment
            if "as TRL" in name:
                environment["PYTHONPATH"] = unmended
            if name.startswith("server"):
                port = 8100 + 10 * index
                run.arguments += [str(port), "--vllm_group_port", str(port + 1)]
                # The last of two GPUs: weights go from the first to it.
                other = self._seen(index, 2).split(",")[-1]
                serving = ["--gpu_memory_utilization", "0.08", "--max_model_len", "512"]
                with self._served(model, port, other, serving, trl=True):
                    found = self._start(run)
            else:
                found = self._start(run)
            with self._report:
                report["runs"][name] = found
                self._write("right", report)

        chosen = [name for name in runs if not self.names or name in self.names]
        self._all([(one, index, name) for index, name in enumerate(chosen)])

    def learn(self) -> None:
        """Held-out accuracy with both ways to generate."""
        report: dict[str, Any] = {"machine": machine(), "held_out_before": {}, "runs": {}}

        def one(index: int, task: str, way: str, seed: int) -> None:
            run = self._learner(index, task, way, seed)
            run.environment["PYTHONPATH"] = self._together
            found = self._start(run)
            if "step_seconds" in found:
                found["held_out_after"] = self._held_out(task, self._output(run))
            with self._report:
                report["runs"][run.name] = found
                self._write("learn", report)

        def before(task: str) -> None:
            report["held_out_before"][task] = self._held_out(task, HALF)

        runs = [
            (task, way, seed)
            for seed in range(self.seeds)
            for task in ("counting", "geometry")
            for way in ("vllm", "transformers")
        ]
        jobs: list[Any] = [(one, index // 2, *run) for index, run in enumerate(runs)]
        self._all([(before, "counting"), (before, "geometry"), *jobs])

    def pace(self) -> None:
        """Both ways to generate, each alone on the machine, vLLM with and without what it kept."""
        report: dict[str, Any] = {"machine": machine(), "runs": {}}
        for name, way in (("transformers", ""), ("vllm", "vllm"), ("vllm again", "vllm")):
            run = self._learner(0, "counting", way, 0)
            run.name = f"pace_{name}".replace(" ", "_")
            report["runs"][name] = self._start(run)
            self._write("pace", report)

    def _learner(self, index: int, task: str, way: str, seed: int) -> Run:
        more = [*self._tiny(self.steps, "1e-4"), "--seed", str(seed)]
        more += [*("--freeze_vision", "true"), *(VLLM if way == "vllm" else ())]
        each = self.prompts * 8 // self.gpus
        run = Run(f"{task}_{way}_{seed}", task, "ddp", self.gpus, self.prompts, each, more)
        run.environment = {"CUDA_VISIBLE_DEVICES": self._seen(index, self.gpus)}
        return run

    def rec(self) -> None:
        """Referring expressions, one GPU a run, from two models that fail in different ways.

        `half` takes one object for another, `loose` (`loose_boxes.py`) finds it and draws its box
        too large; see docs/gpu.md.
        """
        report: dict[str, Any] = {"machine": machine(), "held_out_before": {}, "runs": {}}
        starts = {"half": HALF, "loose": self.work / "loose"}
        script = [sys.executable, str(ROOT / "benchmarks/loose_boxes.py"), str(starts["loose"])]
        small = ["--steps", "2", "--batch", "4"] if self.small else []
        if failed := self._process("loose", [*script, *small], self._environment()):
            raise SystemExit(failed)

        def both(model: Path) -> dict[str, Any]:
            drawn = ("--samples", "4", "--temperature", "1")
            return {
                "greedy": self._held_out("rec", model),
                "temperature 1": self._held_out("rec", model, drawn),
            }

        def before(name: str) -> None:
            report["held_out_before"][name] = both(starts[name])

        def one(index: int, name: str, seed: int) -> None:
            more = [*self._tiny(self.steps, "5e-5"), "--seed", str(seed)]
            run = Run(f"rec_{name}_{seed}", "rec", "ddp", 1, 32, 256, more, starts[name])
            run.environment = {"CUDA_VISIBLE_DEVICES": self.ids[index % len(self.ids)]}
            found = self._start(run)
            if "step_seconds" in found:
                found["held_out_after"] = both(self._output(run))
            with self._report:
                report["runs"][f"{name}, seed {seed}"] = found
                self._write("rec", report)

        runs = [(name, seed) for seed in range(self.seeds) for name in starts]
        jobs: list[Any] = [(one, index, *run) for index, run in enumerate(runs)]
        self._all([*((before, name) for name in starts), *jobs])

    def engines(self) -> None:
        """The same questions to each engine, float32."""
        report: dict[str, Any] = {"machine": machine(), "suites": {}}
        gpu = self.ids[-1]
        model = ROOT / "vlreward/data/tiny_vlm/sft"
        number = "6" if self.small else "500"
        small = {"gpu_memory_utilization": 0.15, "max_model_len": 1024}
        port = 8300
        engines: dict[str, list[str]] = {
            "hf": ["--model", str(model), "--dtype", "float32", "--batch-size", "100"],
            "vllm": [
                *("--model", str(model), "--dtype", "float32"),
                *("--engine-options", json.dumps(small)),
            ],
            "openai": ["--base-url", f"http://localhost:{port}/v1", "--concurrency", "128"],
        }
        serving = ["--dtype", "float32", "--max-model-len", "1024"]
        serving += ["--gpu-memory-utilization", "0.15", "--served-model-name", "sft"]
        with self._served(model, port, gpu, serving):
            for name, words in engines.items():
                out = self.work / "engines" / name
                command = [
                    *(sys.executable, "-m", "vlreward.bench.cli", *SUITES.values()),
                    *("--out", str(out), "--engine", name, *words, "--family", "qwen2.5-vl"),
                    *("--sample-num", number, "--max-tokens", "96"),
                ]
                started = time.time()
                environment = self._environment(CUDA_VISIBLE_DEVICES=gpu)
                failed = self._process(f"engine_{name}", command, environment)
                seconds = round(time.time() - started, 1)
                report["suites"][name] = {"seconds_with_start": seconds, "failed": failed}
                if failed is None:
                    report["suites"][name] |= _answers(out, self.work / "engines/hf")
                self._write("engines", report)

    def _hook(self, name: str, text: str) -> str:
        """A PYTHONPATH with which every Python that starts runs this first."""
        directory = self.work / name
        directory.mkdir(exist_ok=True)
        (directory / "sitecustomize.py").write_text(text, encoding="utf-8")
        return f"{directory}:{self._environment()['PYTHONPATH']}"

    def _seen(self, index: int, gpus: int) -> str:
        """GPUs of a run: a pair of neighbours, or one."""
        if gpus == 1:
            return self.ids[index % len(self.ids)]
        pair = index % (len(self.ids) // 2) * 2
        return ",".join(self.ids[pair : pair + 2])

    def _all(self, jobs: list[Any]) -> None:
        with ThreadPoolExecutor(self.at_once) as pool:
            for job in [pool.submit(*job) for job in jobs]:
                job.result()

    @contextmanager
    def _served(
        self, model: Path, port: int, gpu: str, more: list[str], *, trl: bool = False
    ) -> Iterator[None]:
        """A server of vLLM while the block runs."""
        command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(model)]
        if trl:
            command = [sys.executable, "-m", "trl.cli.main", "vllm-serve", "--model", str(model)]
        log = open(self.work / f"server_{port}.log", "wb")  # noqa: SIM115
        server = subprocess.Popen(
            [*command, "--port", str(port), *more],
            env=self._environment(CUDA_VISIBLE_DEVICES=gpu),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.work,
        )
        try:
            until = time.time() + 150
            while time.time() < until and server.poll() is None:
                try:
                    urllib.request.urlopen(f"http://localhost:{port}/health", timeout=2).read()
                    break
                except OSError:
                    time.sleep(1)
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
            log.close()


# vLLM measures what is left for its cache, and ends if another program gives memory back meanwhile.
_TOGETHER = """\
import functools
import sys
from importlib.abc import MetaPathFinder


class Together(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "vlreward_trl.training":
            import trl.generation.vllm_generation as vllm
            if hasattr(vllm, "LLM"):
                vllm.LLM = functools.partial(vllm.LLM, kv_cache_memory_bytes=2**29)
        return None


sys.meta_path.insert(0, Together())
"""
_UNMENDED = """

class Unmended(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "vlreward_trl.training":
            import vlreward_trl.generation
            vlreward_trl.generation.mend_prompts = lambda *args: None
        return None


sys.meta_path.insert(0, Unmended())
"""


def _answers(out: Path, other: Path) -> dict[str, Any]:
    """Accuracy of each suite, seconds of its questions, and completions equal to another's."""
    results = json.loads((out / "results.json").read_text())["results"]
    found: dict[str, Any] = {}
    for path in sorted(out.glob("samples_*.jsonl")):
        suite = path.stem.removeprefix("samples_")
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        theirs = other / path.name
        lines = theirs.read_text(encoding="utf-8").splitlines() if theirs.is_file() else []
        known = {row["id"]: row["completion"] for row in map(json.loads, lines)}
        equal = sum(known.get(row["id"]) == row["completion"] for row in rows)
        found[suite] = {"questions": len(rows), "equal_to_hf": equal}
        record = (out / f"run_{suite.rpartition('-')[0]}.jsonl").read_text(encoding="utf-8")
        spent = sum(map(float, re.findall(r'"seconds": ?([0-9.]+)', record)))
        name, _, number = suite.rpartition("-")
        acc = results.get(f"{name}[{number}]", {}).get("acc")
        found[suite] |= {"acc": acc, "seconds_of_generations": round(spent, 2)}
    return found


if __name__ == "__main__":
    os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()

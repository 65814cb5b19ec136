"""Rehearsals of many ranks at once, one a GPU, and real runs beside them: see `rehearse.py`.

    python benchmarks/rehearsals.py --gpus 0 1 2 3 --out FILE \
        --runs 3b:2:real 3b:2 3b:4:real 3b:4 2b:8 3b:8 3b:8:whole 7b:8 7b:16:multi_node_fsdp2

A run is MODEL:RANKS and, in any order, a configuration of accelerate, `whole` (the reference model
as TRL 1.16 shards it) and `real` (so many processes on as many GPUs). Runs wait for free GPUs in
the order given. `validation` in FILE, which is written again after every run, sets real runs beside
rehearsals of the same thing: rehearsed figures divided by real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trl_gpu import ROOT, machine

COMPUTE = "compute_ms_without_communication"
RUNS = [
    "3b:2:real", "3b:2", "7b:8", "3b:8", "3b:8:whole", "2b:8", "7b:16:multi_node_fsdp2",
    "3b:16:multi_node_fsdp2",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", nargs="+", default=["0"], help="their ids; on a CPU, places")
    parser.add_argument("--runs", nargs="+", default=RUNS, help="MODEL:RANKS[:WORD ...]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=float, default=240, help="seconds of a run")
    parser.add_argument("--more", nargs="*", default=[], help="options of rehearse, without dashes")
    Rehearsals(parser.parse_args()).all()


class Rehearsals:
    """The runs, and the GPUs that are free."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.free: list[str] = list(options.gpus)
        self.turn = threading.Condition()
        self.found: dict[str, dict[str, Any]] = {}
        self.machine = machine()
        self.work = options.out.resolve().with_suffix("")
        self.work.mkdir(parents=True, exist_ok=True)
        if most := [run for run in options.runs if _gpus(run) > len(self.free)]:
            raise SystemExit(f"expected runs that fit {len(self.free)} GPUs, got {most!r}")

    def all(self) -> None:
        """Run everything. Threads start in order, and each waits for GPUs before the next does."""
        with ThreadPoolExecutor(len(self.free)) as pool:
            for job in [pool.submit(self._one, run, self._taken(run)) for run in self.options.runs]:
                job.result()

    def _taken(self, run: str) -> list[str]:
        with self.turn:
            self.turn.wait_for(lambda: len(self.free) >= _gpus(run))
            return [self.free.pop(0) for _ in range(_gpus(run))]

    def _one(self, run: str, gpus: list[str]) -> None:
        model, world, *words = run.split(":")
        name = run.replace(":", "_")
        out = self.work / f"{name}.json"
        command = [sys.executable]
        if "real" in words:
            port = str(29700 + self.options.runs.index(run))
            command += ["-m", "torch.distributed.run", "--nproc_per_node", world]
            command += ["--master_port", port]
        command += [str(ROOT / "benchmarks/rehearse.py"), "--model", model, "--world", world]
        command += ["--out", str(out), *(["--reference", "whole"] if "whole" in words else [])]
        for strategy in set(words) - {"real", "whole"}:
            command += ["--strategy", strategy]
        command += [w if i % 2 else f"--{w}" for i, w in enumerate(self.options.more)]
        paths = [str(ROOT), str(ROOT / "backends/trl"), os.environ.get("PYTHONPATH", "")]
        environment = {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "PYTHONPATH": ":".join(paths)}
        log = self.work / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, env=os.environ | environment, stdout=file, stderr=subprocess.STDOUT
            )
            try:
                code: int | str = process.wait(self.options.limit)
            except subprocess.TimeoutExpired:
                code = "the time was up"
                process.terminate()  # torchrun ends its workers
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        if code == 0:
            found = json.loads(out.read_text(encoding="utf-8"))
        else:
            end = log.read_text(encoding="utf-8", errors="replace")[-1500:]
            found = {"failed": f"{code}: {end}"}
        print(run, json.dumps(found), flush=True)
        with self.turn:
            self.free += gpus
            self.found[run] = found
            self._write()
            self.turn.notify_all()

    def _write(self) -> None:
        document = {
            "what": "training steps of the recipe's batch (16 questions, 8 completions of 256 "
            "tokens, 391 image tokens) as rank 0 of a fake process group; real: as many processes "
            "on as many GPUs. Peak memory from the second step on; device: the last step's, "
            "profiled, in milliseconds; seconds: medians of the steps between, with other runs on "
            "the machine's other GPUs",
            "machine": self.machine,
            "command": f"python benchmarks/rehearsals.py --runs {' '.join(self.options.runs)}",
            "validation": _validated(self.found),
            "runs": self.found,
        }
        self.options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _gpus(run: str) -> int:
    return int(run.split(":")[1]) if run.endswith(":real") or ":real:" in run else 1


def _validated(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What rehearsals gave, as shares of what real runs of the same did."""
    pairs = {}
    for name, real in found.items():
        rehearsed = found.get(":".join(word for word in name.split(":") if word != "real"), {})
        if rehearsed is real or "failed" in real or not rehearsed or "failed" in rehearsed:
            continue
        shares = {
            part: round(rehearsed["device"][part][COMPUTE] / kinds[COMPUTE], 4)
            for part, kinds in real["device"].items()
        }
        runs = (rehearsed, real)
        totals = [sum(part[COMPUTE] for part in run["device"].values()) for run in runs]
        pairs[name] = {
            "compute_of_real": {"step": round(totals[0] / totals[1], 4), **shares},
            "peak_gib": {"rehearsed": rehearsed["peak_gib"], "real": real["peak_gib"]},
        }
    return pairs


if __name__ == "__main__":
    main()

"""Runs of the command line: resumption, and a step of each sharding."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import paddle

from vlreward_paddle.self_test.checks import Check, LeftOut

__all__ = ["run_checks_of"]

SECONDS = 240
"""Longest time of a run."""


class Runs:
    """Short runs on scenes, from one checkpoint; each is made once.

    Args:
        model: The checkpoint that they train.
        directory: Where everything goes.
    """

    def __init__(self, model: Path, directory: Path) -> None:
        self.model = model
        self.directory = directory
        self._weights: dict[str, dict[str, np.ndarray]] = {}

    def weights(self, name: str, *options: str, processes: int = 1) -> dict[str, np.ndarray]:
        """What a run's weights are in the end.

        Raises:
            RuntimeError: If it fails or takes too long; has what it said last.
        """
        if name not in self._weights:
            self._train(name, options, processes)
            self._weights[name] = _read(self.directory / name)
        return self._weights[name]

    def _train(self, name: str, options: tuple[str, ...], processes: int) -> None:
        from vlreward.scenes import TASKS, export_scenes

        output = self.directory / name
        rows = export_scenes(TASKS[0], self.directory, 16, level="easy")
        words = [
            *(TASKS[0], "--model", str(self.model), "--data", str(rows)),
            *("--image_root", str(self.directory), "--output_dir", str(output)),
            *("--num_generations", "4", "--per_device_train_batch_size", "4"),
            *("--gradient_accumulation_steps", "2", "--max_completion_length", "24"),
            *("--learning_rate", "1e-3", "--lr_scheduler_type", "constant", "--beta", "0.04"),
            *("--warmup_ratio", "0", "--save_strategy", "no", "--report_to", "none"),
            *options,
        ]
        command = [sys.executable, "-W", "ignore", "-m"]
        if processes > 1:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command += ["paddle.distributed.launch", "--master", f"127.0.0.1:{port}"]
            command += ["--nproc_per_node", str(processes), "--log_dir", str(output / "logs")]
            command += [str(Path(__file__).parent.parent / "__main__.py")]
        else:
            command.append("vlreward_paddle")
        fixed = {"FLAGS_cudnn_deterministic": "1", "FLAGS_embedding_deterministic": "1"}
        try:
            done = subprocess.run(
                [*command, *words],
                env={**os.environ, **fixed},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"expected an end within {SECONDS} seconds, got none") from error
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            said = [line for line in lines if "rror:" in line] or lines or ["nothing"]
            tail = "\n".join(lines[-30:])
            raise RuntimeError(f"exit code {done.returncode}: {said[-1].strip()}\n{tail}")


def run_checks_of(model: Path, directory: Path) -> Iterator[Check]:
    """The checks that train a checkpoint, on as many of this machine's devices as they need."""
    runs = Runs(model, directory)
    gpus = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
    yield Check("resumed run beside one that went on", partial(_resumed, runs), 1e-2, "movement")
    for sharding in ("stage1", "stage2"):
        name = f"a step of {sharding} beside data parallel"
        yield Check(name, partial(_sharded, runs, sharding, gpus), 1e-2, "movement")


def _resumed(runs: Runs) -> float:
    start = _read(runs.model)
    saving = ("--save_strategy", "steps", "--save_steps", "1", "--save_total_limit", "2")
    whole = runs.weights("whole", "--max_steps", "2", *saving)
    checkpoint = str(runs.directory / "whole" / "checkpoint-1")
    resumed = runs.weights("resumed", "--max_steps", "2", "--resume_from_checkpoint", checkpoint)
    return _missed(start, whole, resumed)


def _sharded(runs: Runs, sharding: str, gpus: int) -> float:
    if gpus == 1:
        raise LeftOut("needs two GPUs, and sees one")
    if sharding == "stage2" and not gpus:
        raise LeftOut("Paddle has it for GPUs alone")
    start = _read(runs.model)
    plain = runs.weights("data-parallel", "--max_steps", "1", processes=2)
    options = ("--max_steps", "1", "--sharding", sharding, "--sharding_parallel_degree", "2")
    return _missed(start, plain, runs.weights(sharding, *options, processes=2))


def _missed(
    start: dict[str, np.ndarray], expected: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> float:
    """The distance of weights, as a share of how far they had moved."""
    moved = sum(float(((expected[n] - start[n]) ** 2).sum()) for n in expected)
    if not moved:
        raise RuntimeError("expected weights that training moved, got those it started with")
    missed = sum(float(((found[n] - expected[n]) ** 2).sum()) for n in expected)
    return float((missed / moved) ** 0.5)


def _read(directory: Path) -> dict[str, np.ndarray]:
    import ml_dtypes  # noqa: F401  (numpy then knows bfloat16)
    from safetensors.numpy import load_file

    found: dict[str, np.ndarray] = {}
    for file in sorted(directory.glob("*.safetensors")):
        found |= {name: value.astype(np.float64) for name, value in load_file(file).items()}
    return found

"""Checkpoints and data that the tests of the TRL backend share."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Models this small lose more to threads than they gain, and processes that share cores far more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_HERE = Path(__file__).resolve().parent
_MISSING = [name for name in ("torch", "transformers", "trl") if not importlib.util.find_spec(name)]
if _MISSING:
    collect_ignore_glob = ["test_*.py"]
else:
    # Not an installed package's directory where the checkout itself is tested.
    sys.path.insert(0, str(_HERE.parents[2] / "backends" / "trl"))

    if importlib.util.find_spec("torchvision"):
        import torch

        if torch.version.cuda is None:
            # The wheel on PyPI wants CUDA, and cannot be imported without its operators, of which
            # processors use none.
            for name in ("nms", "qnms"):
                torch.library.define(
                    f"torchvision::{name}",
                    "(Tensor dets, Tensor scores, float threshold) -> Tensor",
                )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not collected is not passed over in silence."""
    if _MISSING:
        reason = f"{', '.join(_MISSING)} not installed"
        terminalreporter.write_line(f"not collected: {_HERE.parent.name}/{_HERE.name}: {reason}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need torch; what other libraries warn of is not theirs to mend."""
    for item in items:
        if str(item.path).startswith(f"{_HERE}/"):
            item.add_marker(pytest.mark.torch)
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of a tiny checkpoint of a family, written once."""
    from tests.tiny import write_answers

    root = tmp_path_factory.mktemp("checkpoints")

    def path_of(family: str) -> Path:
        path = root / family
        if not path.is_dir():
            write_answers(path, family)
        return path

    return path_of


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Finds a port for a launcher on this machine."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def python(root: Path) -> Callable[..., None]:
    """Runs Python on this checkout, with one thread."""

    def run(*words: object, timeout: float = 300) -> None:
        path = f"{root}{os.pathsep}{root / 'backends/trl'}"
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout[:3000] + done.stdout[-3000:]

    return run


@pytest.fixture(scope="session")
def torchrun(python: Callable[..., None], free_port: Callable[[], int]) -> Callable[..., None]:
    """Runs a script beside the tests in several processes: `torchrun(2, "worker.py", FILE)`."""

    def run(processes: int, script: str, *words: object, timeout: float = 300) -> None:
        launcher = ("-m", "torch.distributed.run", "--nproc_per_node", processes)
        place = ("--master_port", free_port(), _HERE / script)
        python(*launcher, *place, *words, timeout=timeout)

    return run


@pytest.fixture(scope="session")
def scenes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`rec.jsonl`, `counting.jsonl`, `geometry.jsonl`, each with a `TASK_held_out.jsonl` beside it,
    `mixture.yaml` and `images/`.

    The images have five different sizes; see `vlreward.scenes`.
    """
    from vlreward.scenes import scenes

    root = tmp_path_factory.mktemp("scenes")
    (root / "images").mkdir()
    entries = []
    for task in ("rec", "counting", "geometry"):
        for split, name, count in (("train", task, 15), ("validation", f"{task}_held_out", 7)):
            rows = [_row(root / "images", scene) for scene in scenes(task, split, count)]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (root / f"{name}.jsonl").write_text(text, encoding="utf-8")
        entries.append(f"  - {{json_path: {task}.jsonl, task: {task}}}\n")
    (root / "mixture.yaml").write_text("datasets:\n" + "".join(entries), encoding="utf-8")
    return root


def _row(images: Path, scene: Any) -> dict[str, Any]:
    """A scene as a row, its image written."""
    name = f"{scene.id}.png"
    scene.image.save(images / name)
    if scene.expression is None:
        return {"image_path": name, "question": scene.question, "ground_truth": scene.gold}
    return {
        "image": name,
        "problem": scene.question,
        "normal_caption": scene.expression,
        "solution": list(scene.gold),
    }


@pytest.fixture(scope="session")
def argv(checkpoint: Callable[[str], Path], scenes_data: Path) -> Callable[..., list[str]]:
    """A command line for a quick run of a task: `argv("rec", "qwen2-vl", "--use_peft", beta=0)`."""

    def make(task: str, family: str, *more: object, **options: object) -> list[str]:
        suffix = "yaml" if task == "mixture" else "jsonl"
        return [
            task,
            *("--model", str(checkpoint(family))),
            *("--data", str(scenes_data / f"{task}.{suffix}")),
            *("--image-root", str(scenes_data / "images")),
            *("--max_steps", "1", "--num_generations", "4", "--max_completion_length", "2"),
            *("--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "1"),
            *("--dataloader_num_workers", "0", "--learning_rate", "1e-2"),
            *("--save_strategy", "no", "--disable_tqdm", "true"),
            *map(str, more),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        ]

    return make

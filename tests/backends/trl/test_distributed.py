"""Two processes on CPUs through gloo, started by torchrun as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

TASKS = ("rec", "counting", "geometry", "mixture")


@pytest.fixture(scope="module")
def runs(
    argv: Callable[..., list[str]],
    scenes_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    torchrun: Callable[..., None],
) -> tuple[Path, dict[str, Any]]:
    """Several runs one after the other in one pair of processes, which take long to start."""
    out = tmp_path_factory.mktemp("ddp")
    saving = ("--save_strategy", "steps", "--save_steps", "6", "--lr_scheduler_type", "constant")
    small = ("--per_device_train_batch_size", "4")
    jobs = {}
    for index, task in enumerate(TASKS):
        family = ("qwen2-vl", "qwen2.5-vl")[index % 2]
        jobs[task] = argv(task, family, *small, "--max_steps", "2")
    long = argv("mixture", "qwen2.5-vl", *small, *saving, "--save_total_limit", "3")
    jobs["twelve"] = [*long, "--max_steps", "12"]
    jobs["six"] = [*long, "--max_steps", "6", "--output_dir", str(out / "six")]
    jobs["six_more"] = [
        *(*long, "--max_steps", "12", "--output_dir", str(out / "six")),
        *("--resume_from_checkpoint", "last"),
    ]
    jobs["lora"] = argv("rec", "qwen2-vl", *small, "--use_peft", "--max_steps", "2")
    jobs["evaluated"] = argv(
        *("counting", "qwen2.5-vl", *small),
        max_steps=1,
        per_device_eval_batch_size=2,
        eval_data=scenes_data / "counting_held_out.jsonl",
    )
    for name, line in jobs.items():
        if "--output_dir" not in line:
            line += ["--output_dir", str(out / name)]
    listed = [{"argv": line, "out": str(out / f"{name}.json")} for name, line in jobs.items()]
    (out / "jobs.json").write_text(json.dumps(listed), encoding="utf-8")
    torchrun(2, "worker.py", out / "jobs.json")
    found = {name: json.loads((out / f"{name}.json").read_text(encoding="utf-8")) for name in jobs}
    return out, found


def test_there_are_two_processes_with_the_same_weights(
    runs: tuple[Path, dict[str, Any]],
) -> None:
    """`accelerate launch --cpu` would have started two processes that do not know each other."""
    for name, run in runs[1].items():
        assert (run["world_size"], run["backend"]) == (2, "gloo"), name
        assert run["checksums"][0] == run["checksums"][1], name


@pytest.mark.parametrize("task", TASKS)
def test_each_task_trains(task: str, runs: tuple[Path, dict[str, Any]]) -> None:
    out, found = runs
    logs = [entry for entry in found[task]["log"] if "reward" in entry]
    assert [entry["step"] for entry in logs] == [1, 2]
    tasks = ("counting", "geometry", "rec") if task == "mixture" else (task,)
    assert {name.partition("_")[0] for name in found[task]["rewards"]} == set(tasks)
    steps = []
    for rank in range(2):
        path = out / task / "traces" / f"rank-{rank:05d}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert {row["task"] for row in rows} <= set(tasks)
        steps += [row["step"] for row in rows]
    # Four completions of each of two processes in each of two steps.
    assert sorted(steps) == [0] * 8 + [1] * 8


def test_six_and_six_steps_are_twelve(runs: tuple[Path, dict[str, Any]]) -> None:
    out, found = runs
    keys = ("step", "loss", "reward", "grad_norm", "kl", "num_tokens")
    straight, resumed = (
        [[e[k] for k in keys] for e in found[name]["log"] if "reward" in e]
        for name in ("twelve", "six_more")
    )
    assert straight == resumed
    assert len(straight) == 12
    ours, theirs = (load_file(out / name / "model.safetensors") for name in ("twelve", "six"))
    assert all((ours[name] == theirs[name]).all() for name in ours)
    for rank in range(2):
        traces = [
            (out / name / "traces" / f"rank-{rank:05d}.jsonl").read_bytes()
            for name in ("twelve", "six")
        ]
        assert traces[0] == traces[1]


def test_two_processes_evaluate_each_row_once(runs: tuple[Path, dict[str, Any]]) -> None:
    """Seven rows in batches of two: one fills up, is answered twice, and counted once."""
    out, found = runs
    (start, end) = [e for e in found["evaluated"]["log"] if "eval_acc" in e]
    assert (start["step"], end["step"]) == (0, 1)
    answered: list[str] = []
    rewards: dict[str, float] = {}
    for rank in range(2):
        path = out / "evaluated" / "traces" / f"rank-{rank:05d}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        mine = [row for row in rows if row["mode"] == "eval" and row["step"] == 0]
        answered += [row["id"] for row in mine]
        rewards |= {row["id"]: row["value"] for row in mine}
    assert (len(answered), len(rewards)) == (8, 7)
    assert start["eval_reward"] == pytest.approx(sum(rewards.values()) / 7)


def test_lora_trains_adapters_alone(runs: tuple[Path, dict[str, Any]]) -> None:
    out, found = runs
    assert found["lora"]["trained"] < found["rec"]["trained"]
    assert (out / "lora" / "adapter_model.safetensors").is_file()


def test_the_verifier_answers_in_every_process(runs: tuple[Path, dict[str, Any]]) -> None:
    """Pairs that the exact tier leaves to worker processes, asked inside both processes."""
    for run in runs[1].values():
        assert run["verified"] == [[1.0, 0.0], [1.0, 0.0]]

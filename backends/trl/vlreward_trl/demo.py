"""`vlreward-train-demo`: GRPO from a half-trained packaged model, measured before and after."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlreward.command_line import Command, Version
from vlreward.errors import OptionError
from vlreward.files import replacing
from vlreward.scenes import TASKS
from vlreward.tasks.counting import COUNTING

if TYPE_CHECKING:
    from vlreward.bench.evaluate import Evaluation

__all__ = ["app", "demo"]

_CURVES = {
    "completion length (tokens)": "completions/mean_length",
    "entropy": "entropy",
    "KL to the start": "kl",
    "groups without spread": "frac_reward_zero_std",
    "truncated completions": "completions/clipped_ratio",
}

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
def demo(
    task: Annotated[
        str, typer.Option(help=f"{', '.join(TASKS[:-1])} or {TASKS[-1]}.")
    ] = COUNTING.name,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for everything.")] = Path(
        "vlreward-train-demo"
    ),
    steps: Annotated[int, typer.Option(help="Optimizer steps.", min=1)] = 60,
    prompts: Annotated[int, typer.Option(help="Questions of one step.", min=1)] = 8,
    generations: Annotated[int, typer.Option(help="Completions of one question.", min=2)] = 8,
    learning_rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-4,
    eval_samples: Annotated[int, typer.Option(help="Held-out scenes.", min=3)] = 150,
    eval_every: Annotated[
        int,
        typer.Option(help="Measure the held-out accuracy every so many steps, for a curve.", min=0),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the data and of the sampling.")] = 0,
    shuffle_rewards: Annotated[
        bool,
        typer.Option(
            "--shuffle-rewards", help="A control that must fail: rewards of a batch change places."
        ),
    ] = False,
    version: Version = False,
) -> tuple[float, float]:
    """Train the packaged half-trained Qwen2.5-VL with GRPO on synthetic scenes.

    The defaults suit two CPU cores; a GPU is used where there is one, and goes further with more \
steps and prompts. The held-out accuracy is measured before and after by vlreward-bench; the \
report shows both runs, the samples that were fixed and broken, and the training curves.
    """
    from importlib.resources import as_file, files

    from vlreward.registry import unknown_name
    from vlreward.report import write_report
    from vlreward.scenes import export_scenes

    if task not in TASKS:
        raise unknown_name("task", task, TASKS)
    if not 0 < learning_rate < 1:
        raise OptionError(f"--learning-rate: expected a number in (0, 1), got {learning_rate!r}")
    for name in ("torch", "trl"):
        if find_spec(name) is None:
            raise ImportError(
                f"the training demo needs {name!r}, which is not installed: pip install "
                "'vlreward[trl]', or '.[trl]' in a checkout"
            )
    import torch

    torch.set_num_threads(1)  # a model this small loses more to threads than it gains
    out.mkdir(parents=True, exist_ok=True)
    start = seed * 1_000_000
    data = export_scenes(task, out / "data", steps * prompts, start=start)
    with as_file(files("vlreward.data") / "tiny_vlm" / "half") as half:
        before = _held_out(task, half, out / "before", eval_samples)
        log = _train(
            [
                task,
                *("--model", str(half)),
                *("--data", str(data)),
                *("--image-root", str(data.parent)),
                *("--output_dir", str(out / "model"), "--overwrite_output_dir"),
                *("--max_steps", str(steps)),
                *("--per_device_train_batch_size", str(prompts * generations)),
                *("--num_generations", str(generations)),
                *("--gradient_accumulation_steps", "1"),
                *("--max_completion_length", "96"),
                *("--learning_rate", str(learning_rate)),
                *("--lr_scheduler_type", "constant"),
                *("--beta", "0.0"),
                *("--gradient_checkpointing", "false"),
                *("--freeze_vision", "true"),
                *("--dataloader_num_workers", "0"),
                *("--seed", str(seed)),
                *_saving(eval_every, steps),
            ],
            _shuffled(seed) if shuffle_rewards else None,
        )
    after = _held_out(task, out / "model", out / "after", eval_samples)
    held_out = {0: before.report.acc, steps: after.report.acc}
    for step in range(eval_every, steps, eval_every) if eval_every else ():
        checkpoint = out / "model" / f"checkpoint-{step}"
        found = _held_out(task, checkpoint, out / "during" / str(step), eval_samples)
        held_out[step] = found.report.acc
    title = f"GRPO on {task}, {steps} steps" + (", rewards shuffled" if shuffle_rewards else "")
    notes = [
        f"{prompts} questions x {generations} completions a step, learning rate "
        f"{learning_rate:g}, seed {seed}, {_device()}",
        f"held-out accuracy {before.report.acc:.3f} before, {after.report.acc:.3f} after, "
        f"{eval_samples} scenes",
    ]
    _write_curves(out / "after" / "training.json", title, notes, log, held_out)
    page = write_report([out / "before", out / "after"], out / "report.html", title=title)
    print(f"\nheld-out accuracy: {before.report.acc:.1%} before, {after.report.acc:.1%} after")
    print(f"report: {page}")
    return before.report.acc, after.report.acc


def _saving(every: int, steps: int) -> tuple[str, ...]:
    """Options that keep the model of every so many steps; none of them if 0."""
    if not every:
        return ("--save_strategy", "no")
    return (
        *("--save_strategy", "steps", "--save_steps", str(every)),
        *("--save_total_limit", str(steps), "--save_only_model", "true"),
    )


def _suite(task: str) -> str:
    """The suite of the task's test scenes, which are drawn instead of read from a file."""
    from vlreward.suite import SUITES

    suites = map(SUITES.get, SUITES)
    return next(suite.name for suite in suites if suite.task == task and suite.file is None)


def _held_out(task: str, model: Path, out: Path, n: int) -> Evaluation:
    from vlreward.bench.command import run_command
    from vlreward.bench.options import RunOptions

    (evaluation,) = run_command(RunOptions.packaged([_suite(task)], model, out, n))
    return evaluation


def _train(argv: Sequence[str], wrap: Callable[[Any], Any] | None) -> list[dict[str, Any]]:
    from vlreward_trl.arguments import parse
    from vlreward_trl.preparing import prepare
    from vlreward_trl.training import train

    run = prepare(parse(argv))
    if wrap is not None:
        run = dataclasses.replace(run, terms=[wrap(reward) for reward in run.terms])
    log: list[dict[str, Any]] = train(run).state.log_history
    return log


def _shuffled(seed: int) -> Callable[[Any], Any]:
    """Rewards that no longer belong to the completion that earned them."""

    def wrap(reward: Any) -> Any:
        rng = random.Random(seed)

        def shuffled(*args: Any, **columns: Any) -> list[float | None]:
            values: list[float | None] = list(reward(*args, **columns))
            rng.shuffle(values)
            return values

        shuffled.__name__ = f"{reward.__name__}_shuffled"
        shuffled.weight = reward.weight  # type: ignore[attr-defined]
        shuffled.shared = reward.shared  # type: ignore[attr-defined]
        return shuffled

    return wrap


def _write_curves(
    path: Path,
    title: str,
    notes: list[str],
    log: list[dict[str, Any]],
    held_out: dict[int, float],
) -> None:
    rows = {row["step"]: row for row in log if "reward" in row}
    first = next(iter(rows.values()), {})
    terms = [k for k in first if k.startswith("rewards/") and k.endswith("/mean")]
    names = {"reward": "reward"} | {key.split("/")[1]: key for key in terms} | _CURVES
    steps = sorted(rows.keys() | held_out.keys())
    document = {
        "title": title,
        "steps": steps,
        "curves": {"held-out accuracy": [held_out.get(step) for step in steps]}
        | {
            shown: [rows.get(step, {}).get(key) for step in steps]
            for shown, key in names.items()
            if any(key in row for row in rows.values())
        },
        "notes": notes,
    }
    with replacing(path) as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    sys.exit(app())

"""What a person sees of a run: a line for each step that is logged, and the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from vlreward._text import duration
from vlreward.errors import UserError
from vlreward.suite import SUITES
from vlreward.training.preparing import Run
from vlreward.training.traces import TraceFile

__all__ = [
    "Progress",
    "bench_commands",
    "changes",
    "closing",
    "eval_line",
    "reward_change",
    "step_line",
]


class Progress:
    """Prints a line for each step that is logged, and one for each evaluation.

    To be mixed into the `TrainerCallback` of a trainer.

    Args:
        traces: The traces of this process; what a resumed run writes again is dropped from them.
    """

    def __init__(self, traces: TraceFile | None = None) -> None:
        self._traces = traces
        self._began = time.monotonic()
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note where and when the steps begin; called once by each process."""
        self._began, self._first = time.monotonic(), state.global_step
        if self._traces is not None:
            self._traces.resume(state.global_step, args.world_size)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Print what was logged, in the first process.

        Raises:
            UserError: If the loss or its gradient is no number any more, before a checkpoint of
                such weights takes the place of a good one.
        """
        if not getattr(args, "fp16", False):  # which leaves out such steps, and goes on
            _check_finite(state.global_step, logs or {})
        if not logs or not state.is_world_process_zero:
            return
        if "eval_acc" in logs:
            print(eval_line(state.global_step, logs), flush=True)
        elif "reward" in logs:
            done = state.global_step - self._first
            spent = time.monotonic() - self._began
            left = spent / done * (state.max_steps - state.global_step) if done else None
            print(step_line(state.global_step, state.max_steps, logs, left), flush=True)


def _check_finite(step: int, logs: Mapping[str, Any]) -> None:
    for name in ("loss", "grad_norm"):
        value = logs.get(name)
        if isinstance(value, float) and not isfinite(value):
            raise UserError(
                f"step {step}: {name} is {value}, and with it the weights. Checkpoints are those "
                "from before: go on from one by --resume DIR/checkpoint-N, with a lower "
                "--learning_rate or --max_grad_norm, and look at the last steps and `vlreward "
                "doctor` for what grew"
            )


def step_line(step: int, total: int, logs: Mapping[str, Any], seconds_left: float | None) -> str:
    """One line of a training step.

    Args:
        step: The step.
        total: Steps of the run.
        logs: What the trainer logged of it.
        seconds_left: Estimated time to the end, if known.
    """
    terms = {
        name[8:-5]: value
        for name, value in logs.items()
        if name.startswith("rewards/") and name.endswith("/mean") and value is not None
    }
    parts = [f"step {step:>{len(str(total))}}/{total}", f"reward {_number(logs['reward'])}"]
    parts += [f"{name} {_number(value)}" for name, value in terms.items()]
    if logs.get("frac_reward_zero_std"):
        parts.append(f"groups without spread {logs['frac_reward_zero_std']:.0%}")
    if logs.get("completions/mean_length") is not None:
        parts.append(f"{logs['completions/mean_length']:.0f} tokens")
    if seconds_left is not None:
        parts.append(f"left {duration(seconds_left)}")
    return "  ".join(parts)


def eval_line(step: int, logs: Mapping[str, Any]) -> str:
    """One line of an evaluation, from what the trainer logged of it."""
    shown = {
        name[5:]: value
        for name, value in logs.items()
        if name.startswith("eval_") and isinstance(value, (int, float))
    }
    named = [f"acc {shown['acc']:.1%}"]
    named += [f"{n} {v:.3g}" for n, v in shown.items() if "/" in n and not n.startswith("seconds")]
    return f"evaluation at step {step}: " + "  ".join(named)


def reward_change(history: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """The mean reward of the first and of the last tenth of the logged steps; None without any."""
    rewards = [row["reward"] for row in history if row.get("reward") is not None]
    if not rewards:
        return None
    window = max(1, len(rewards) // 10)
    return sum(rewards[:window]) / window, sum(rewards[-window:]) / window


def changes(state: Any) -> dict[str, str]:
    """How reward and held-out accuracy changed, by what a trainer's state has logged of them."""
    found = {}
    change = reward_change(state.log_history)
    if change is not None:
        found["reward while sampling"] = f"{_number(change[0])} -> {_number(change[1])}"
    evaluated = [(row["eval_acc"], row["step"]) for row in state.log_history if "eval_acc" in row]
    if evaluated:
        text = " -> ".join(f"{acc:.1%} at step {n}" for acc, n in (evaluated[0], evaluated[-1]))
        trained = [pair for pair in evaluated if pair[1] > 0]
        if trained:
            best, step = max(trained, key=lambda pair: (pair[0], -pair[1]))
            text += f", best {best:.1%} at step {step}"
        found["held out, greedy"] = text
    return found


def closing(run: Run, state: Any, *, engine: str | None = None) -> str:
    """What a run says at its end: what changed, where the model is, and how to measure it.

    Args:
        run: The run.
        state: The trainer's state at the end.
        engine: The benchmark's engine for the model; None for its default.
    """
    out = run.start.output_dir
    lines = [f"done: {state.global_step} steps, the model is in {out}"]
    lines += [f"{title}: {text}" for title, text in changes(state).items()]
    if kept := getattr(state, "best_model_checkpoint", None):
        lines.append(f"the best is kept in {kept}")
    if run.traces is not None:
        lines.append(f"what the rewards saw: vlreward doctor {out}/traces")
    lines += [f"measure it: {command}" for command in bench_commands(run, out, engine)]
    return "\n".join(lines)


def bench_commands(run: Run, model: Path, engine: str | None = None) -> list[str]:
    """A command for each task that measures a model, on scenes that need no data where the task
    has them."""
    every = [SUITES.get(name) for name in SUITES]
    found = []
    for task in dict.fromkeys(reward.spec.name for reward in run.task_rewards):
        suites = sorted((s for s in every if s.task == task), key=lambda s: s.file is not None)
        if suites:
            chosen = "" if engine is None else f" --engine {engine}"
            found.append(f"vlreward-bench {suites[0].name}{chosen} --model {model}")
    return found


def _number(value: float) -> str:
    return f"{value:.3f}"

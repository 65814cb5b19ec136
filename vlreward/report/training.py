"""The curves of a training run: from the `trainer_state.json` that either backend writes, or from
the `training.json` beside a benchmark run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vlreward._text import first_problem
from vlreward.data.errors import DataError
from vlreward.data.rows import read_json
from vlreward.report.svg import Figure, line_chart

__all__ = ["TrainingCurves", "curve_figures", "load_curves", "read_training", "state_files"]

_FILE = "trainer_state.json"
_FIRST = (
    "eval_", "reward", "rewards/", "answered", "reward_std", "frac_reward_zero_std",
    "completions/mean_length", "completions/clipped_ratio", "kl", "entropy", "loss", "grad_norm",
    "learning_rate",
)  # fmt: skip
_NO_CURVES = ("step", "epoch", "total_flos", "num_tokens")
_SHOWN_ROWS = 40
_DRAWN = 400


class TrainingCurves(BaseModel):
    """What a training run logged, step by step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    """What was trained, on what."""
    steps: list[int] = Field(min_length=1)
    """Optimizer steps, increasing."""
    curves: dict[str, list[float | None]]
    """Values by name, one for each step; None where nothing was logged."""
    notes: list[str] = Field(default_factory=list)
    """How it was trained: hardware, settings, seed."""

    @model_validator(mode="after")
    def _lengths_and_order(self) -> TrainingCurves:
        for name, values in self.curves.items():
            if len(values) != len(self.steps):
                raise ValueError(
                    f"expected {len(self.steps)} values in curve {name!r}, got {len(values)}"
                )
        if any(b <= a for a, b in zip(self.steps, self.steps[1:])):
            raise ValueError("expected increasing steps")
        return self


def load_curves(run_dir: Path) -> TrainingCurves | None:
    """The training curves of a run directory; None if it has none.

    Raises:
        DataError: If the file is broken.
    """
    path = run_dir / "training.json"
    if not path.is_file():
        return None
    try:
        return TrainingCurves.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError(first_problem(error), path=path) from None


def state_files(directory: Path) -> list[Path]:
    """The states that a training directory holds, the one that counts first.

    That of the directory itself, which the trainer writes at its end, or of its latest checkpoint.
    """
    found = [p for p in directory.glob(f"checkpoint-*/{_FILE}") if _number(p) is not None]
    return [
        path
        for path in (directory / _FILE, *sorted(found, key=lambda p: _number(p) or 0, reverse=True))
        if path.is_file()
    ]


def _number(path: Path) -> int | None:
    digits = path.parent.name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def read_training(directory: Path) -> TrainingCurves | None:
    """The curves of a training run, the most telling first; None if it has none yet.

    Raises:
        DataError: If the file is broken.
    """
    states = [_state(path) for path in state_files(directory)[:2]]
    state = max(states, key=lambda state: state["global_step"], default=None)
    if state is None:
        return None
    rows: dict[int, dict[str, float]] = {}
    for logged in state["log_history"]:
        if not any(key.startswith("train_") for key in logged):  # what the end sums up
            rows.setdefault(int(logged["step"]), {}).update(_numbers(logged))
    if not rows:
        return None
    steps = sorted(rows)
    names = list(dict.fromkeys(name for step in steps for name in rows[step]))
    curves = {name: [rows[step].get(name) for step in steps] for name in sorted(names, key=_place)}
    return TrainingCurves(
        title=directory.resolve().name, steps=steps, curves=curves, notes=_notes(state)
    )


def _place(name: str) -> int:
    fits = (i for i, first in enumerate(_FIRST) if name == first or _inside(name, first))
    return next(fits, len(_FIRST))


def _inside(name: str, group: str) -> bool:
    if group == "rewards/":
        return name.startswith(group) and name.endswith("/mean")
    if "seconds/" in name:
        return False
    return name.startswith(group) and (group.endswith("_") or name.startswith(f"{group}/"))


def _numbers(logged: dict[str, Any]) -> dict[str, float]:
    return {
        str(key): float(value)
        for key, value in logged.items()
        if key not in _NO_CURVES
        and isinstance(value, (int, float))
        and math.isfinite(value)
        and not key.endswith(("_runtime", "_per_second"))
    }


def _state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_bytes())
        history = state["log_history"]
        state["global_step"] = int(state["global_step"])
        if not all(type(row["step"]) is int for row in history):
            raise TypeError("a step that is no number")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"expected a trainer's state with global_step and log_history: {error!r}", path=path
        ) from None
    return dict(state)


def _notes(state: dict[str, Any]) -> list[str]:
    done, wanted = state["global_step"], state.get("max_steps")
    notes = []
    if isinstance(wanted, int) and 0 < done < wanted:
        notes.append(f"not finished, or stopped: step {done} of {wanted} at the last checkpoint")
    best = state.get("best_model_checkpoint")
    if isinstance(best, str) and isinstance(state.get("best_metric"), (int, float)):
        # The last part alone, since directories differ by machine.
        notes.append(
            f"best: {state['best_metric']:.4g} at {best.replace(chr(92), '/').rpartition('/')[2]}"
        )
    return notes


def curve_figures(curves: TrainingCurves) -> list[Figure]:
    """One figure for each curve, with its moving mean over a tenth of the steps."""
    figures = []
    for name, values in curves.curves.items():
        points = [(s, v) for s, v in zip(curves.steps, values) if v is not None]
        if not points:
            continue
        window = max(1, len(points) // 10)
        smooth = _moving_mean(points, window)
        first, last = smooth[0][1], smooth[-1][1]
        smoothing = f"; the line is the mean over {window} steps, dots are single steps."
        figures.append(
            Figure(
                name,
                line_chart(
                    _thinned(points, _DRAWN),
                    _thinned(smooth, _DRAWN),
                    label=f"{name} over {len(points)} steps, from {first:.3g} to {last:.3g}",
                    x_title="step",
                ),
                ("step", name),
                [(str(step), f"{value:.4g}") for step, value in _thinned(points, _SHOWN_ROWS)],
                f"From {first:.3g} to {last:.3g}" + (smoothing if window > 1 else "."),
            )
        )
    return figures


def _moving_mean(points: Sequence[tuple[int, float]], window: int) -> list[tuple[int, float]]:
    sums = list(accumulate((value for _, value in points), initial=0.0))
    return [
        (step, (sums[i + 1] - sums[max(0, i + 1 - window)]) / min(i + 1, window))
        for i, (step, _) in enumerate(points)
    ]


def _thinned(points: Sequence[tuple[int, float]], most: int) -> Sequence[tuple[int, float]]:
    """At most so many of the points, the last one among them."""
    stride = -(-len(points) // most)
    return points[(len(points) - 1) % stride :: stride]

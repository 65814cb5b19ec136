"""The curves of a training run, from the `trainer_state.json` that either backend writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from vlreward.data.errors import DataError
from vlreward.report.curves import TrainingCurves

__all__ = ["read_training", "state_files"]

_FILE = "trainer_state.json"
_FIRST = (
    "eval_", "reward", "rewards/", "answered", "reward_std", "frac_reward_zero_std",
    "completions/mean_length", "completions/clipped_ratio", "kl", "entropy", "loss", "grad_norm",
    "learning_rate",
)  # fmt: skip
_NO_CURVES = ("step", "epoch", "total_flos", "num_tokens")


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

"""What is kept of a run's numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlreward.files import replacing
from vlreward_paddle.shim import TrainerCallback

__all__ = ["STATE_FILE", "KeepState"]

STATE_FILE = "trainer_state.json"
"""What was logged, in the form of transformers' file of that name; the library's is a pickle."""


class KeepState(TrainerCallback):  # type: ignore[misc]
    """Writes `STATE_FILE` at every checkpoint and at the end; a resumed run goes on with it."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take over what was logged up to the checkpoint."""
        path = Path(args.output_dir) / STATE_FILE
        if state.global_step and path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))["log_history"]
            self.history = [row for row in known if row["step"] <= state.global_step]

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Keep the numbers."""
        # JSON has no infinity, which a norm in float16 may be.
        numbers = {
            k: v
            for k, v in (logs or {}).items()
            if isinstance(v, (int, float)) and math.isfinite(v)
        }
        if numbers.keys() - {"global_save_step", *_MACHINE}:
            kept = {k: v for k, v in numbers.items() if k not in _MACHINE}
            self.history.append({**kept, "step": state.global_step})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by every process; the first one writes."""
        if state.is_world_process_zero:
            with replacing(Path(args.output_dir) / STATE_FILE) as file:
                json.dump(vars(self.as_state(state)), file, indent=1)
                file.write("\n")

    on_evaluate = on_train_end = on_save

    def evaluated_at(self) -> int | None:
        """The step of the last evaluation."""
        steps = [row["step"] for row in self.history if "eval_acc" in row]
        return steps[-1] if steps else None

    def as_state(self, state: Any) -> SimpleNamespace:
        """The trainer's state with all that was logged, which the library's own forgets."""
        names = ("global_step", "max_steps", "best_metric", "best_model_checkpoint")
        content = {name: getattr(state, name) for name in names}
        return SimpleNamespace(**content, log_history=self.history)


_MACHINE = ("cpu_used_memory", "cpu_available_memory", "progress_or_epoch", "global_step")

"""What a person sees of a run: a line that keeps its place, and at the end what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from vlreward._text import duration
from vlreward.suite import SUITES

__all__ = ["ProgressLine", "closing"]


class ProgressLine:
    """Writes a line for each step that is logged, over the last one where a terminal shows it.

    To be mixed into the `TrainerCallback` of a trainer.

    Args:
        stream: Where to; by default the standard error.
        clock: Seconds that only grow.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.rewards: list[float] = []
        self._begun = (0, 0.0)
        self._width = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time is counted from here; a resumed run has steps that cost none."""
        self._begun = (state.global_step, self.clock())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Show a step, or what an evaluation found."""
        if not state.is_world_process_zero or not logs:
            return
        if "reward" in logs:
            self.rewards.append(float(logs["reward"]))
            self._show(self._line(state, logs))
        elif found := [f"{k[5:]} {v:.4g}" for k, v in logs.items() if _is_result(k, v)]:
            self._show(f"evaluation at step {state.global_step}: " + "  ".join(found))
            self._end()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the last line where it is."""
        self._end()

    def change(self) -> str:
        """How the reward moved, from the first tenth of the steps to the last; empty without."""
        part = max(1, len(self.rewards) // 10)
        if len(self.rewards) < 2:
            return ""
        first, last = (sum(x) / part for x in (self.rewards[:part], self.rewards[-part:]))
        return f"reward {first:.3f} -> {last:.3f} (means of {part} steps at both ends)"

    def _line(self, state: Any, logs: Mapping[str, Any]) -> str:
        first, started = self._begun
        each = (self.clock() - started) / max(1, state.global_step - first)
        parts = [f"step {state.global_step}/{state.max_steps}", f"reward {logs['reward']:.3f}"]
        for name, value in logs.items():
            if name.startswith("rewards/") and name.endswith("/mean"):
                parts.append(f"{name[8:-5]} {value:.3f}")
        for name, shown in (
            ("completions/mean_length", "tokens {:.0f}"),
            ("completions/clipped_ratio", "cut {:.0%}"),
            ("kl", "kl {:.3g}"),
            ("grad_norm", "gradient {:.3g}"),
        ):
            if name in logs:
                parts.append(shown.format(float(logs[name])))
        left = max(0, state.max_steps - state.global_step) * each
        return "  ".join([*parts, f"{each:.1f} s a step", f"{duration(left)} left"])

    def _show(self, line: str) -> None:
        if self.stream.isatty():
            self.stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def _end(self) -> None:
        if self._width:
            self.stream.write("\n")
            self._width = 0


def _is_result(name: str, value: Any) -> bool:
    hidden = ("runtime", "per_second")
    return name.startswith("eval_") and not name.endswith(hidden) and isinstance(value, float)


def closing(task: str, output_dir: str, *, change: str = "", engine: str = "hf") -> str:
    """Where the model is, how the reward moved, and the command that measures it.

    Args:
        task: The task that it was trained on.
        output_dir: Directory of the model.
        change: What `ProgressLine.change` says.
        engine: Name of the engine that runs it.

    Example:
        >>> print(closing("mixture", "out", change="reward 1.100 -> 1.400"))
        model in out; reward 1.100 -> 1.400
        measure it: vlreward-bench SUITE --engine hf --model out
    """
    suites = [name for name in SUITES if SUITES.get(name).task == task]
    # Scenes are drawn, every other suite has files that must be fetched first.
    drawn = [name for name in suites if name.startswith("scenes_")]
    suite = (drawn or suites or ["SUITE"])[0]
    return (
        f"model in {output_dir}{'; ' if change else ''}{change}\n"
        f"measure it: vlreward-bench {suite} --engine {engine} --model {output_dir}"
    )

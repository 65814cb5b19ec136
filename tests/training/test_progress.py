"""One line for each step, and how the reward moved."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.training.progress import ProgressLine, closing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: Any, steps: int = 4, first: int = 0) -> ProgressLine:
    """Two seconds a step, a reward that rises by a tenth each."""
    now = [100.0]
    line = ProgressLine(stream, clock=lambda: now[0])
    state = SimpleNamespace(global_step=first, max_steps=20, is_world_process_zero=True)
    line.on_train_begin(None, state, None)
    for step in range(first + 1, first + steps + 1):
        now[0] += 2
        state.global_step = step
        logs = {
            "loss": 0.1,
            "reward": step / 10,
            "rewards/counting_exact/mean": 0.5,
            "rewards/counting_exact/std": 0.1,
            "completions/mean_length": 41.6,
            "grad_norm": 1.4878,
        }
        line.on_log(None, state, None, logs)
    line.on_log(None, state, None, {"eval_acc": 0.6167, "eval_runtime": 3.5, "epoch": 1.0})
    line.on_train_end(None, state, None)
    return line


def test_a_line_for_each_step_with_the_time_that_is_left() -> None:
    stream = io.StringIO()
    line = run(stream, first=10)
    shown = stream.getvalue().splitlines()
    assert shown[0] == (
        "step 11/20  reward 1.100  counting_exact 0.500  tokens 42  gradient 1.49  2.0 s a step  "
        "18 s left"
    )
    assert len(shown) == 5
    assert shown[-1] == "evaluation at step 14: acc 0.6167"
    assert line.change() == "reward 1.100 -> 1.400 (means of 1 steps at both ends)"


def test_a_terminal_keeps_one_line() -> None:
    stream = Terminal()
    run(stream)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 2
    assert lines[0].count("\r") == 5
    assert not lines[1]


@pytest.mark.parametrize("logs", [None, {}, {"train_runtime": 3.0}])
def test_other_logs_and_other_processes_say_nothing(logs: Any) -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    state = SimpleNamespace(global_step=1, max_steps=2, is_world_process_zero=True)
    line.on_log(None, state, None, logs)
    state.is_world_process_zero = False
    line.on_log(None, state, None, {"reward": 1.0})
    assert stream.getvalue() == ""
    assert line.change() == ""


def test_the_last_lines_name_a_suite_that_needs_no_files() -> None:
    text = closing("counting", "out/x", engine="paddle")
    assert text.splitlines()[1] == (
        "measure it: vlreward-bench scenes_count_test --engine paddle --model out/x"
    )
    assert text.startswith("model in out/x\n")

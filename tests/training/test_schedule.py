"""How many steps a run has."""

from __future__ import annotations

import math

import pytest

from vlreward.errors import OptionError
from vlreward.training.schedule import Schedule


def test_fewer_rows_than_a_step_takes_are_an_error() -> None:
    """It would train nothing, and save the model as it was."""
    with pytest.raises(OptionError, match=r"d\.jsonl: expected at least 16 rows.*got 15: nothing"):
        Schedule("d.jsonl", 15, 16, 1, 500, 3)
    assert Schedule("d.jsonl", 16, 16, 1, 500, 3).steps_per_epoch == 1


@pytest.mark.parametrize("rows", [16, 40, 100])
@pytest.mark.parametrize(("questions", "steps_per_batch"), [(8, 1), (5, 2), (16, 4)])
def test_steps_are_those_of_trl_s_sampler(rows: int, questions: int, steps_per_batch: int) -> None:
    """Whole batches of questions, each used `steps_per_batch` times."""
    schedule = Schedule("d", rows, questions, steps_per_batch, 0, 2)
    batches = [range(rows)[i : i + questions] for i in range(0, rows, questions)]
    whole = [batch for batch in batches if len(batch) == questions]
    assert schedule.steps_per_epoch == len(whole) * steps_per_batch
    assert schedule.total == 2 * len(whole) * steps_per_batch
    assert schedule.dropped == rows - sum(map(len, whole))


def test_the_line_says_epochs_and_what_is_left_over() -> None:
    text = Schedule("d", 20, 16, 1, 5, math.nan).text()
    assert (
        text == "5 steps of 16 questions = 5 epochs of 20 rows, 4 of them left over in each epoch"
    )
    assert (
        Schedule("d", 32, 16, 1, 0, 1.5).text() == "3 steps of 16 questions = 1.5 epochs of 32 rows"
    )

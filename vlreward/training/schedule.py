"""How many steps a run has, counted before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from vlreward.errors import OptionError

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """What an epoch and a run are made of.

    Raises:
        OptionError: If there are fewer rows than one batch of questions takes: nothing would be
            trained, and the model as it was would be saved for a result.
    """

    path: str
    """Where the rows come from, for the error."""
    rows: int
    """Rows of the training data."""
    questions: int
    """Questions for which completions are sampled together, over all processes."""
    steps_per_batch: float
    """Optimizer steps that are made with them."""
    max_steps: int
    """Steps of the run; 0 or less where the epochs count."""
    epochs: float
    """Epochs of the run, where `max_steps` does not count."""

    def __post_init__(self) -> None:
        if self.rows < self.questions:
            raise OptionError(
                f"{self.path}: expected at least {self.questions} rows, as many questions as one "
                f"step takes, got {self.rows}: nothing would be trained. Give more rows, or take "
                "fewer questions a step: completions of a step / --num_generations, with "
                "completions = --per_device_train_batch_size * --gradient_accumulation_steps * "
                "processes"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch, at least 1."""
        return max(1, int(self.rows // self.questions * self.steps_per_batch))

    @property
    def dropped(self) -> int:
        """Rows of an epoch that make up no whole batch; others in each epoch."""
        return self.rows % self.questions

    @property
    def total(self) -> int:
        """Optimizer steps of the run."""
        if self.max_steps > 0:
            return self.max_steps
        return max(1, int(-(-self.steps_per_epoch * self.epochs // 1)))

    def text(self) -> str:
        """One line for people."""
        left = f", {self.dropped} of them left over in each epoch" if self.dropped else ""
        return (
            f"{self.total} steps of {self.questions} questions = "
            f"{self.total / self.steps_per_epoch:.3g} epochs of {self.rows} rows{left}"
        )

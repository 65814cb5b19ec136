"""Which rows each process takes at each step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from dataclasses import KW_ONLY, dataclass

__all__ = ["GroupSampler"]


@dataclass
class GroupSampler:
    """Draws questions and deals each one's group of completions to the processes.

    One item is one optimizer step of one process: `batch_size` indices. The items of all
    processes at one step, joined by rank, are whole groups: each index `num_generations` times in
    a row. A group may lie on two processes. A step's questions come back for `num_iterations`
    steps, and then the next ones come. Every pass over the data has its own order, the same for
    all processes; questions that do not fill a step at the end of a pass are left out of it.

    Raises:
        ValueError: If the processes' completions are no whole groups, or there are not enough
            questions for one step.

    Example:
        >>> first = GroupSampler(range(9), 2, batch_size=3, steps=2, rank=0, world_size=2, seed=1)
        >>> second = GroupSampler(range(9), 2, batch_size=3, steps=2, rank=1, world_size=2, seed=1)
        >>> [a + b for a, b in zip(first, second)]
        [[2, 2, 5, 5, 8, 8], [4, 4, 3, 3, 6, 6]]
    """

    data: Sized
    """What has a length."""
    num_generations: int
    """Completions of a question."""
    _: KW_ONLY
    batch_size: int
    """Completions of one process at one optimizer step."""
    steps: int
    """Number of items, i.e. of optimizer steps."""
    num_iterations: int = 1
    """Steps that share their questions."""
    rank: int = 0
    """Number of this process."""
    world_size: int = 1
    """Number of processes."""
    seed: int = 0
    """Seed of the order."""
    shuffle: bool = True
    """Whether to draw at random."""

    def __post_init__(self) -> None:
        total = self.batch_size * self.world_size
        if total % self.num_generations:
            raise ValueError(
                f"expected per_device_train_batch_size * gradient_accumulation_steps * processes = "
                f"{total} completions of a step to be a multiple of num_generations="
                f"{self.num_generations}"
            )
        self.questions = total // self.num_generations
        self.size = len(self.data)
        if self.size < self.questions:
            raise ValueError(
                f"expected at least {self.questions} rows, as one step takes so many questions, "
                f"got {self.size}"
            )

    @property
    def steps_per_pass(self) -> int:
        """Optimizer steps in which every row is asked once."""
        return self.size // self.questions * self.num_iterations

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        start = self.rank * self.batch_size
        for step in range(self.steps):
            within = step % self.steps_per_pass
            if within == 0:
                order = self._order(step // self.steps_per_pass)
            first = within // self.num_iterations * self.questions
            chosen = order[first : first + self.questions]
            dealt = [index for index in chosen for _ in range(self.num_generations)]
            yield dealt[start : start + self.batch_size]

    def _order(self, number: int) -> list[int]:
        order = list(range(self.size))
        if self.shuffle:
            random.Random(f"{self.seed} {number}").shuffle(order)
        return order

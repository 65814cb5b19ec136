"""Seeds of scenes, and how training, validation and test are kept apart.

Two things separate the splits. Their seeds differ, because the split is part of the seed. And
each possible picture belongs to exactly one split, decided by a checksum of what is drawn: a
generator draws again until it holds a picture of its own split. So no test picture can turn up in
training, not even by chance.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

__all__ = ["LEVELS", "MORE_TASKS", "TASKS", "Level", "SceneSeed", "Split", "TaskName"]

TaskName = Literal["rec", "counting", "geometry", "detection", "pointing"]
Level = Literal["easy", "medium", "hard"]

TASKS: tuple[TaskName, ...] = get_args(TaskName)[:3]
"""The tasks that the packaged model learns, by their names in `vlreward.tasks`."""
MORE_TASKS: tuple[TaskName, ...] = get_args(TaskName)[3:]
"""Further tasks, for evaluation and for other models."""
LEVELS: tuple[Level, ...] = get_args(Level)
"""The levels of difficulty, in order."""

_EVERY_TASK = (*TASKS, *MORE_TASKS)
_INDEX_BITS = 32
_ATTEMPT_BITS = 16
_BUCKETS = 8


class Split(str, Enum):
    """A part of all scenes."""

    TRAIN = "train"
    """Six of eight possible pictures."""
    VALIDATION = "validation"
    """One of eight, for choosing between models."""
    TEST = "test"
    """One of eight, for reporting."""

    __str__ = str.__str__

    def owns(self, content: object) -> bool:
        """Whether a picture belongs to this split.

        Args:
            content: What is drawn, as nested tuples of strings and whole numbers.
        """
        bucket = zlib.crc32(repr(content).encode()) % _BUCKETS
        return self is _OWNER.get(bucket, Split.TRAIN)


_OWNER = {6: Split.VALIDATION, 7: Split.TEST}


@dataclass(frozen=True, slots=True)
class SceneSeed:
    """What a scene is drawn from. Equal seeds give equal scenes."""

    task: TaskName
    """Task of the scene's question."""
    split: Split
    """Split that the scene belongs to."""
    level: Level
    """Difficulty."""
    index: int
    """Which of the scenes with this task, split and level: 0 to 2^32 - 1."""

    def __post_init__(self) -> None:
        if self.task not in _EVERY_TASK:
            raise ValueError(
                f"expected task to be one of {', '.join(_EVERY_TASK)}, got {self.task!r}"
            )
        if self.level not in LEVELS:
            raise ValueError(f"expected level to be one of {', '.join(LEVELS)}, got {self.level!r}")
        if not isinstance(self.index, int) or not 0 <= self.index < 1 << _INDEX_BITS:
            raise ValueError(
                f"expected index to be a whole number from 0 to 2^{_INDEX_BITS} - 1, "
                f"got {self.index!r}"
            )

    @property
    def value(self) -> int:
        """The seed as one number, different for every seed."""
        group = (_EVERY_TASK.index(self.task) * len(LEVELS) + LEVELS.index(self.level)) * len(Split)
        return (group + list(Split).index(self.split)) << _INDEX_BITS | self.index

    def generators(self) -> Iterator[random.Random]:
        """Generators for one attempt after another, until a scene of the split comes out.

        Only `Random.getrandbits` and what is built on it is used, whose streams Python keeps.

        Raises:
            RuntimeError: If 65536 attempts gave none, which is a bug of the caller.
        """
        for attempt in range(1 << _ATTEMPT_BITS):
            yield random.Random(self.value << _ATTEMPT_BITS | attempt)
        raise RuntimeError(f"expected a scene within {1 << _ATTEMPT_BITS} attempts for {self!r}")

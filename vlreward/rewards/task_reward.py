"""`TaskReward`: a task, or some of its terms, as a reward function for trainers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from vlreward.frames import Frame, ModelFamily
from vlreward.rewards._inputs import RowReader, as_family, to_completions
from vlreward.scoring import reward_batch, score_batch
from vlreward.spec import Method, TaskSpec
from vlreward.types import Completion, FailureCode, ParseFailure, Row, Score

__all__ = ["TaskReward"]

_CHUNK = 1024  # enough for a judge to work in parallel, little enough for flat memory
_SMALL_CHUNK = 128  # for judges that only compute: fits the processor's cache
_UNSETTLED = (FailureCode.TIMEOUT, FailureCode.WORKER_DIED)
_SPECIAL = (FailureCode.UNPARSABLE_GOLD, *_UNSETTLED)


@dataclass(frozen=True)
class TaskReward:
    """A reward function with the signature that TRL and its relatives call.

    Instances are frozen, picklable and callable from any thread. A batch may mix tasks: rows whose
    `task` column, or gold envelope, names another task give None, as do rows without a gold where
    there is no `task` column. None means that and nothing else (but see `on_timeout`).

    Args:
        task: Name of a registered task, or a `TaskSpec`.
        terms: Terms to use; None uses all of the task.
        weights: Weights by term name, in place of the task's own.
        protocol: Whose rules; `strict` or the name of a published project (`vlreward.tasks`).
        method: Where answers stand: `r1` in the answer tag, `baseline` anywhere in the text.
        frame: Frame of predicted boxes, for rows that declare none.
        family: Model family (name or `ModelFamily`) that gives the frame and, from the image size,
            the input size, for rows that declare none.
        clip: Clip boxes to their frame; by default a box that leaves it fails.
        on_timeout: What a verification that did not finish is worth: `"zero"` for the answer term,
            or `"none"` to leave the row out.
        name: Name that logs show, in place of one made of task and terms.

    Raises:
        UnknownNameError: If the task, protocol or a term is unknown.

    Example:
        >>> reward = TaskReward("rec", terms=["iou"], frame="original_px")
        >>> reward(["<answer>[0, 0, 10, 10]</answer>"], solution=[[0, 0, 10, 20]])
        [0.5]
    """

    task: str | TaskSpec
    terms: Sequence[str] | None = None
    weights: dict[str, float] | None = field(default=None, hash=False)
    protocol: str = "strict"
    method: Method | None = None
    frame: Frame | str | None = None
    family: ModelFamily | str | None = None
    clip: bool = False
    on_timeout: Literal["zero", "none"] = "zero"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.on_timeout not in ("zero", "none"):
            raise ValueError(f"expected on_timeout 'zero' or 'none', got {self.on_timeout!r}")
        if self.terms is not None:
            object.__setattr__(self, "terms", tuple(self.terms))
        if self.frame is not None:
            object.__setattr__(self, "frame", Frame(self.frame))
        object.__setattr__(self, "family", as_family(self.family))
        if not self.spec.terms:
            raise ValueError(f"expected at least one term, got terms={self.terms!r}")

    @cached_property
    def spec(self) -> TaskSpec:
        """The task with the terms and weights of this reward, and without metrics."""
        from vlreward.tasks import get_task

        spec = self.task
        if isinstance(spec, str):
            method = self.method or ("r1" if self.protocol == "strict" else "train")
            spec = get_task(spec, protocol=self.protocol, method=method)
        spec = spec.with_terms(self.terms, weights=self.weights)
        update: dict[str, Any] = {"metrics": ()}
        if self.clip:
            from vlreward.judges import BoxJudge

            if not isinstance(spec.judge, BoxJudge):
                raise ValueError(
                    f"expected clip=False for task {spec.name!r} under protocol "
                    f"{spec.protocol!r}: only boxes of the strict protocol are clipped"
                )
            update["judge"] = BoxJudge(clip=True)
        return spec.model_copy(update=update)

    @property
    def __name__(self) -> str:
        if self.name is not None:
            return self.name
        terms = "_".join(self.terms) if self.terms is not None else ""
        return "_".join(part for part in (self.spec.name, terms, "reward") if part)

    @cached_property
    def _reader(self) -> RowReader:
        frame, family = self.frame, self.family
        assert frame is None or isinstance(frame, Frame)
        assert not isinstance(family, str)
        return RowReader(self.spec.name, frame, family)

    @cached_property
    def _chunk(self) -> int:
        from vlreward.judges import PLAIN_JUDGES

        return _SMALL_CHUNK if isinstance(self.spec.judge, PLAIN_JUDGES) else _CHUNK

    def __call__(
        self, completions: Sequence[Any], solution: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        """Reward each completion.

        Args:
            completions: Strings or message lists.
            solution: Golds in any form that `vlreward.golds.unpack` reads.
            columns: The trainer's other keyword arguments. Used are `task`, `image_size`,
                `input_size`, `frame`, `image`, `images`, `completion_ids` and `truncated`; all
                others are ignored.

        Returns:
            One finite number per completion, or None for rows of another task.

        Raises:
            ValueError: If a gold is bad or a frame or size is missing; names the row and remedy.
        """
        rewards: list[float | None] = []
        for texts, rows in self._chunks(completions, solution, columns):
            mine = [row for row in rows if row is not None]
            if len(mine) < len(rows):
                texts = [text for text, row in zip(texts, rows) if row is not None]
            found = reward_batch(self.spec, texts, mine)
            values: list[float | None] = list(found.values)
            for i, failure in enumerate(found.failures):
                if failure is not None and failure.code in _SPECIAL:
                    values[i] = self._failed(found.values[i], failure)
            if len(mine) < len(rows):
                following = iter(values)
                values = [None if row is None else next(following) for row in rows]
            rewards += values
        return rewards

    def scores(
        self, completions: Sequence[Any], solution: Sequence[Any] | None = None, **columns: Any
    ) -> list[Score | None]:
        """Like calling, with the whole `Score`: each term, the answer, the failure code."""
        scores: list[Score | None] = []
        for texts, rows in self._chunks(completions, solution, columns):
            mine = [(text, row) for text, row in zip(texts, rows) if row is not None]
            found = iter(score_batch(self.spec, [t for t, _ in mine], [r for _, r in mine]))
            scores += [None if row is None else next(found) for row in rows]
        return scores

    def _chunks(
        self, completions: Sequence[Any], solution: Sequence[Any] | None, columns: dict[str, Any]
    ) -> Iterator[tuple[list[Completion], list[Row | None]]]:
        """Completions and rows of one chunk at a time, so that memory stays flat."""
        n, size = len(completions), self._chunk
        reader = self._reader
        used = reader.check(n, solution, columns)
        ids, truncated = columns.get("completion_ids"), columns.get("truncated")
        for start in range(0, n, size):
            part = slice(start, min(start + size, n))
            texts = to_completions(
                completions[part],
                None if ids is None else ids[part],
                None if truncated is None else truncated[part],
                first=start,
            )
            yield texts, reader.rows(used, part.start, part.stop)

    def _failed(self, value: float, failure: ParseFailure) -> float | None:
        if failure.code is FailureCode.UNPARSABLE_GOLD:
            raise ValueError(
                f"a gold cannot be read: {failure.detail}; check golds before training with "
                "vlreward.verify.check_gold"
            )
        if self.on_timeout == "none" and failure.code in _UNSETTLED:
            return None
        return value

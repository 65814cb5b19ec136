"""`TaskReward`: a task, or some of its terms, as a reward function for trainers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, Literal

from vlreward._text import short
from vlreward.answer_frames import AnswerFrames
from vlreward.frames import Frame, ModelFamily
from vlreward.resizing import Resizing
from vlreward.rewards.inputs import GoldColumns, as_family, to_completions
from vlreward.scoring import score_batch
from vlreward.task import Method, TaskSpec
from vlreward.types import AxisOrder, Row, Score

__all__ = ["TaskReward"]

_CHUNK = 1024  # enough for a judge to work in parallel, little enough for flat memory


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
        protocol: Whose rules, `strict` if None, or the name of a published project
            (`vlreward.tasks`). A `TaskSpec` has its own, and its own method.
        method: Where answers stand: `r1` in the answer tag, `baseline` anywhere in the text.
        frame: Frame of predicted coordinates, for rows that declare none.
        family: Model family (name or `ModelFamily`) that gives the frame, the axis order and, from
            the image size, the input size, for rows that declare none.
        axis_order: Which coordinate of a pair the model writes first, `xy` or `yx`, for rows that
            declare none.
        min_pixels: Smallest area in pixels at which the model's processor shows an image, where it
            is not the family's.
        max_pixels: Largest such area. Say it where the processor has another than the family's,
            as most recipes do: else every box of a large image is in the wrong pixels.
        processor: The processor itself, or its image part, in place of both limits.
        resizing: What these three amount to; they need not be given where it is.
        clip: Clip answers to their frame; by default one that leaves it fails.
        on_timeout: What a verification that did not finish is worth: `"zero"` for the answer term,
            or `"none"` to leave the row out.
        name: Name that logs show, in place of one made of task and terms.

    Raises:
        UnknownNameError: If the task, protocol or a term is unknown.
        ValueError: If limits are given without a family that has them, or twice, or a protocol or
            method beside a spec of another.

    Example:
        >>> from vlreward.tasks.rec import REC
        >>> reward = TaskReward(REC, terms=["iou"], frame="original_px")
        >>> reward(["<answer>[0, 0, 10, 10]</answer>"], solution=[[0, 0, 10, 20]])
        [0.5]
    """

    task: str | TaskSpec
    terms: Sequence[str] | None = None
    weights: dict[str, float] | None = field(default=None, hash=False)
    protocol: str | None = None
    method: Method | None = None
    frame: Frame | str | None = None
    family: ModelFamily | str | None = None
    axis_order: AxisOrder | None = None
    clip: bool = False
    on_timeout: Literal["zero", "none"] = "zero"
    name: str | None = None
    min_pixels: InitVar[int | None] = None
    max_pixels: InitVar[int | None] = None
    processor: InitVar[Any] = None
    resizing: Resizing | None = None

    def __post_init__(self, min_pixels: int | None, max_pixels: int | None, processor: Any) -> None:
        if self.on_timeout not in ("zero", "none"):
            raise ValueError(f"expected on_timeout 'zero' or 'none', got {self.on_timeout!r}")
        if self.axis_order not in ("xy", "yx", None):
            raise ValueError(f"expected axis_order 'xy' or 'yx', got {self.axis_order!r}")
        if self.terms is not None:
            object.__setattr__(self, "terms", tuple(self.terms))
        if isinstance(self.task, TaskSpec):
            for name, own in (("protocol", self.task.protocol), ("method", self.task.method)):
                if getattr(self, name) not in (None, own):
                    raise ValueError(
                        f"expected no {name} beside a spec, which has its own, {own!r}; got "
                        f"{getattr(self, name)!r}: give the task's name, or get_task(name, "
                        f"{name}=...)"
                    )
        if self.frame is not None:
            object.__setattr__(self, "frame", Frame(self.frame))
        object.__setattr__(self, "family", as_family(self.family))
        limits = (min_pixels, max_pixels)
        if processor is not None or limits != (None, None):
            object.__setattr__(self, "resizing", self._declared(processor, *limits))
        if not self.spec.terms:
            raise ValueError(f"expected at least one term, got terms={self.terms!r}")

    def _declared(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> Resizing:
        """How the processor resizes, from it or from the family and the limits."""
        family = self.family
        assert not isinstance(family, str)
        if processor is not None:
            if (min_pixels, max_pixels) != (None, None):
                raise ValueError("a processor has its own limits: leave out min_pixels, max_pixels")
            images = getattr(processor, "image_processor", processor)
            found, what = Resizing.of(images), f"the processor {type(images).__name__}"
        elif family is None:
            raise ValueError("expected a family beside min_pixels and max_pixels, got none")
        else:
            found = family.resizing(min_pixels=min_pixels, max_pixels=max_pixels)
            what = f"the family {family.name!r}"
        if found is None:
            raise ValueError(f"expected one that limits areas, got {what}: say input_size instead")
        return found

    @cached_property
    def spec(self) -> TaskSpec:
        """The task with the terms and weights of this reward."""
        from vlreward.tasks import get_task

        spec = self.task
        if isinstance(spec, str):
            spec = get_task(spec, protocol=self.protocol or "strict", method=self.method)
        spec = spec.with_terms(self.terms, weights=self.weights).configured(clip=self.clip)
        return spec.model_copy(update={"variants": ()})

    @cached_property
    def _unmeasured(self) -> TaskSpec:
        return self.spec.model_copy(update={"metrics": ()})

    @property
    def __name__(self) -> str:
        if self.name is not None:
            return self.name
        terms = "_".join(self.terms) if self.terms is not None else ""
        return "_".join(part for part in (self.spec.name, terms, "reward") if part)

    @cached_property
    def _golds(self) -> GoldColumns:
        frame, family = self.frame, self.family
        assert frame is None or isinstance(frame, Frame)
        assert not isinstance(family, str)
        frames = AnswerFrames(frame, self.axis_order, family, self.resizing)
        return GoldColumns(self.spec, frames)

    def __call__(
        self, completions: Sequence[Any], solution: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        """Reward each completion.

        Args:
            completions: Strings or message lists.
            solution: Golds in any form that `vlreward.golds.unpack` reads.
            columns: The trainer's other keyword arguments. Used are `task`, `image_size`,
                `input_size`, `frame`, `axis_order`, `metadata`, `image`, `images`,
                `completion_ids` and `truncated`; all others are ignored.

        Returns:
            One finite number per completion, or None for rows of another task.

        Raises:
            ValueError: If a gold is bad or a frame or size is missing; names the row and remedy.
        """
        scores = self._scores(self._unmeasured, completions, solution, columns)
        if self.on_timeout == "none":
            return [None if score is None or score.unsettled else score.value for score in scores]
        return [None if score is None else score.value for score in scores]

    def scores(
        self,
        completions: Sequence[Any],
        solution: Sequence[Any] | None = None,
        **columns: Any,
    ) -> list[Score | None]:
        """Like calling, with the whole `Score` but for metrics: each term, the answer, the failure
        code."""
        return list(self._scores(self._unmeasured, completions, solution, columns))

    def measured(
        self, completions: Sequence[Any], solution: Sequence[Any] | None = None, **columns: Any
    ) -> list[Score | None]:
        """Like `scores`, with the task's metrics."""
        return list(self._scores(self.spec, completions, solution, columns))

    def _scores(
        self,
        spec: TaskSpec,
        completions: Sequence[Any],
        solution: Sequence[Any] | None,
        columns: dict[str, Any],
    ) -> Iterator[Score | None]:
        if isinstance(completions, str):
            raise TypeError(f"expected a list of completions, got a text: {short(completions, 80)}")
        n = len(completions)
        used = self._golds.check(n, solution, columns)
        ids, truncated = columns.get("completion_ids"), columns.get("truncated")
        for start in range(0, n, _CHUNK):  # so that memory stays flat
            part = slice(start, start + _CHUNK)
            texts = to_completions(
                completions[part],
                None if ids is None else ids[part],
                None if truncated is None else truncated[part],
                first=start,
            )
            rows = self._golds.rows(used, start, start + len(texts))
            mine = [(text, row) for text, row in zip(texts, rows) if row is not None]
            found = score_batch(spec, [t for t, _ in mine], [r for _, r in mine])
            following = iter(found)
            for row in rows:
                yield None if row is None else next(following)

    def row(self, gold: Any, **given: Any) -> Row | None:
        """What one gold and values by the names of columns say; None for one of another task.

        Args:
            gold: A gold in any form that `vlreward.golds.unpack` reads, or what it gave.
            given: Single values of what calls take as columns.

        Raises:
            ValueError: As calls do, but names no row.
        """
        return self._golds.row(gold, given)

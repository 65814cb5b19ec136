"""`TaskSpec`: what a task is, as data: golds, prompts, parser, judge, terms, metrics, and what the
benchmark, the report and the trainers ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlreward.errors import OptionError
from vlreward.parsers.tags import think_answer_structure
from vlreward.prompts import PromptTemplate
from vlreward.registry import unknown_name
from vlreward.schema import Schema
from vlreward.types import Completion, Gold, OtherGold, Parsed, ParseFailure, Row, Sample

__all__ = [
    "FORMAT",
    "AccuracyBySize",
    "AnswerTerm",
    "Confusion",
    "Histogram",
    "Judge",
    "Method",
    "Parser",
    "Recipe",
    "Shape",
    "TaskSpec",
    "TextTerm",
    "constant_controls",
    "weight_of",
]

Parser = Callable[[str], "Parsed[Any] | ParseFailure"]
"""Completion text to typed answer. Never raises on text; linear in its length."""


Method = Literal["r1", "baseline", "train"]
"""Where answers stand: in the answer tag, anywhere, or as a published trainer's reward reads."""


class Judge(Protocol):
    """Puts a parsed answer into the gold's terms, or says why that cannot be done.

    For boxes: from the declared frame to original pixels. For counts: nothing. For mathematics:
    the verdict of the verifier. It works on a batch because a verifier runs in parallel.

    A judge may also have a field `clip`, which `TaskSpec.configured` sets; a method
    `with_deadline(seconds)`, which it calls; and a method `quick(answers, samples)`, which gives
    what `many` gives but None where that would have to wait for another process.
    """

    def many(self, answers: Sequence[Any], samples: Sequence[Sample | Row]) -> list[Any]:
        """One judged answer or `ParseFailure` for each pair, in order.

        Raises:
            ValueError: If a sample lacks what the judge needs, such as a frame or a size; says
                which column to add.
        """
        ...


@dataclass(frozen=True, slots=True)
class AnswerTerm:
    """A number that compares an answer with the gold; runs only where there is an answer."""

    name: str
    """Name in `Score.terms` or `Score.metrics`."""
    function: Callable[[Any, Any], float]
    """(judged answer, gold value) to a finite number."""
    weight: float = 1.0
    """Weight in `Score.value`; unused for metrics."""
    on_failure: float | None = 0.0
    """Value where there is no answer. None leaves the item out of the mean (for errors such as a
    mean absolute error, which a missing answer has none of); the report counts such items."""


@dataclass(frozen=True, slots=True)
class TextTerm:
    """A number that looks at the completion itself; always runs."""

    name: str
    """Name in `Score.terms`."""
    function: Callable[[Completion, Parsed[Any] | ParseFailure], float]
    """(completion, what the parser said) to a finite number."""
    weight: float = 1.0
    """Weight in `Score.value`."""


def _format(completion: Completion, outcome: Parsed[Any] | ParseFailure) -> float:
    return float(isinstance(outcome, Parsed) and think_answer_structure(completion.text))


FORMAT = TextTerm("format", _format)
"""1 for think/answer structure around an answer that the task's parser reads, else 0."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a task trains with unless told otherwise; each is an option of the command line."""

    max_completion_length: int = 512
    """Longest completion in tokens."""
    max_pixels: int | None = 401_408
    """Largest area in pixels of the image that the model sees; None leaves the processor's own."""
    freeze_vision: bool = False
    """Whether the vision tower stays as it is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Something to draw on an image."""

    kind: Literal["box", "point", "circle", "polygon"]
    """What `numbers` are: corners (x1, y1, x2, y2); x, y; x, y, radius; or x1, y1, x2, y2, ..."""
    numbers: tuple[float, ...]
    """Coordinates in pixels of the original image."""
    label: str = ""
    """Text beside it."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A figure of the report: how a metric spreads over the samples."""

    metric: str
    """Name of a metric with values in [0, 1]."""
    title: str
    """Title of the figure."""


@dataclass(frozen=True, slots=True)
class AccuracyBySize:
    """A figure of the report: accuracy by the area of the gold's first shape in its image."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """A figure of the report: whole-number answers against whole-number golds."""


def weight_of(value: str | float, expected: str) -> float:
    """The weight of a reward or of one of its terms.

    Raises:
        OptionError: If it is no finite number; says what was expected.
    """
    with suppress(ValueError):
        if isfinite(number := float(value)):
            return number
    raise OptionError(expected)


def constant_controls(samples: Sequence[Sample]) -> Mapping[str, Sequence[str]]:
    """The most frequent gold as the answer to everything: what a constant can earn at most."""
    written = [sample.gold.written() for sample in samples]
    known = Counter(text for text in written if text is not None)
    if not known:
        return {}
    constant = known.most_common(1)[0][0]
    return {f"constant-{constant}": [constant] * len(samples)}


class TaskSpec(BaseModel):
    """One task under one protocol. Frozen and picklable; variants are made with `with_terms`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(min_length=1)
    """Name under which the task is registered."""
    version: str = Field(min_length=1)
    """Changes whenever a score could change; written into every result."""
    protocol: str = "strict"
    """Whose rules: `strict` is this project's, the others reproduce published code."""
    method: Method = "r1"
    """Where the answer stands: in the answer tag (`r1`), anywhere (`baseline`); `train` is what a
    published trainer's reward used, where that differs from its evaluation."""
    gold: type[Gold] = OtherGold
    """Class of the task's golds."""
    prompt: PromptTemplate
    """How samples are put to a model unless another preset is chosen."""
    prompts: tuple[PromptTemplate, ...] = ()
    """Further presets for the task's questions, e.g. those of model families."""
    parser: Any
    """Completion text to `Parsed` or `ParseFailure`; a picklable `Parser`."""
    judge: Any
    """Parsed answer to the gold's terms; a picklable `Judge`."""
    terms: tuple[AnswerTerm | TextTerm, ...]
    """Reward terms, each with its weight."""
    extra_terms: tuple[AnswerTerm | TextTerm, ...] = ()
    """Terms that are computed only where `with_terms` chooses them."""
    metrics: tuple[AnswerTerm, ...] = ()
    """What the benchmark reports, the primary one first: accuracy is its mean."""
    variants: tuple[TaskSpec, ...] = ()
    """The task under other protocols and methods; `vlreward.tasks.get_task` finds them."""
    schemas: tuple[Schema, ...] = ()
    """Rows of data files that are always of this task."""
    controls: Callable[[Sequence[Sample]], Mapping[str, Sequence[str]]] = constant_controls
    """Blind answers by name, one for each sample, with coordinates in original pixels; none where
    the samples do not say enough."""
    recipe: Recipe = Recipe()
    """Defaults of training."""
    shapes: Callable[[Any], Sequence[Shape]] | None = None
    """What to draw for a target, or for a judged answer as JSON gives it back; None for nothing."""
    figures: tuple[Histogram | AccuracyBySize | Confusion, ...] = ()
    """Figures of the report."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> TaskSpec:
        terms = (*self.terms, *self.extra_terms)
        for kind, items in (("term", terms), ("metric", self.metrics)):
            names = [item.name for item in items]
            if len(set(names)) != len(names):
                raise ValueError(f"expected distinct {kind} names in task {self.name!r}: {names}")
        return self

    @property
    def located(self) -> bool:
        """Whether answers lie in the image, so that they need a declared frame."""
        return self.gold.located

    @property
    def clips(self) -> bool:
        """Whether the judge can clip answers to their frame."""
        return hasattr(self.judge, "clip")

    def configured(self, *, clip: bool = False, deadline: float | None = None) -> TaskSpec:
        """The same task with options of its judge, where the judge has them.

        Args:
            clip: Clip answers to their frame; by default one that leaves it fails.
            deadline: Seconds that one verification may take.

        Raises:
            ValueError: If answers are to be clipped that the judge cannot clip.
        """
        judge = self.judge
        if clip:
            if not self.clips:
                raise ValueError(
                    f"expected clip=False for task {self.name!r} under protocol "
                    f"{self.protocol!r}: its answers cannot be clipped"
                )
            judge = replace(judge, clip=True)
        if deadline is not None and hasattr(judge, "with_deadline"):
            judge = judge.with_deadline(deadline)
        return self if judge is self.judge else self.model_copy(update={"judge": judge})

    @property
    def primary(self) -> str:
        """Name of the metric that accuracy is the mean of."""
        return self.metrics[0].name

    def with_terms(
        self, names: Sequence[str] | None = None, *, weights: dict[str, float] | None = None
    ) -> TaskSpec:
        """The same task with some of its terms, or other weights.

        Args:
            names: Terms to use, in this order, extra ones included; None keeps `terms`.
            weights: New weights by term name.

        Raises:
            UnknownNameError: If a name is not a term of this task; lists the terms.
            OptionError: If a weight is no finite number, or that of a term that is not used.
        """
        terms = {term.name: term for term in (*self.terms, *self.extra_terms)}
        for name in (*(names or ()), *(weights or ())):
            if name not in terms:
                raise unknown_name(f"term of task {self.name!r}", name, terms)
        chosen = {t.name: t for t in self.terms} if names is None else {n: terms[n] for n in names}
        for name, weight in (weights or {}).items():
            expected = f"expected finite weights of the terms {', '.join(chosen)}, got {name}="
            if name not in chosen:
                raise OptionError(f"{expected}{weight!r}: name {name!r} in terms too")
            chosen[name] = replace(chosen[name], weight=weight_of(weight, f"{expected}{weight!r}"))
        return self.model_copy(update={"terms": tuple(chosen.values())})

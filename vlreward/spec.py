"""`TaskSpec`: what a task is, as data: prompt, parser, judge, reward terms, metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlreward.prompts import PromptTemplate
from vlreward.registry import unknown_name
from vlreward.types import Completion, Parsed, ParseFailure, Row, Sample

__all__ = ["AnswerTerm", "Judge", "Method", "Parser", "TaskSpec", "TextTerm", "UsualParser"]

Parser = Callable[[str], "Parsed[Any] | ParseFailure"]
"""Completion text to typed answer. Never raises on text; linear in its length."""


Method = Literal["r1", "baseline", "train"]
"""Where answers stand: in the answer tag, anywhere, or as a published trainer's reward reads."""


class UsualParser(Protocol):
    """A parser that knows the usual completion at one look. Rewards ask it first.

    They do so only where the parser's own class defines `usual`: a class derived from it may have
    changed what calling gives.
    """

    def __call__(self, text: str) -> Parsed[Any] | ParseFailure:
        """The typed answer, or why there is none."""
        ...

    def usual(self, text: str) -> Any:
        """The value of the answer that calling gives, if the text has the think/answer structure
        (`think_answer_structure`); or the failure that calling gives; or None: call to know."""
        ...


class Judge(Protocol):
    """Puts a parsed answer into the gold's terms, or says why that cannot be done.

    For boxes: from the declared frame to original pixels. For counts: nothing. For mathematics:
    the verdict of the verifier. It works on a batch because a verifier runs in parallel.
    """

    def many(self, answers: Sequence[Any], samples: Sequence[Sample | Row]) -> list[Any]:
        """One judged answer or `ParseFailure` for each pair, in order."""
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
    on_structure: float | None = None
    """What `function` gives wherever there is an answer in a plain think/answer structure, so that
    rewards need not call it there; None if that depends on the text."""


class TaskSpec(BaseModel):
    """One task under one protocol. Frozen and picklable; variants are made with `with_terms`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(min_length=1)
    """`rec`, `counting`, `geometry`, or the name of a registered task."""
    version: str = Field(min_length=1)
    """Changes whenever a score could change; written into every result."""
    protocol: str = "strict"
    """Whose rules: `strict` is this project's, the others reproduce published code."""
    method: Method = "r1"
    """Where the answer stands: in the answer tag (`r1`), anywhere (`baseline`); `train` is what a
    published trainer's reward used, where that differs from its evaluation."""
    prompt: PromptTemplate
    """How samples are put to a model unless another preset is chosen."""
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

    @model_validator(mode="after")
    def _names_are_unique(self) -> TaskSpec:
        terms = (*self.terms, *self.extra_terms)
        for kind, items in (("term", terms), ("metric", self.metrics)):
            names = [item.name for item in items]
            if len(set(names)) != len(names):
                raise ValueError(f"expected distinct {kind} names in task {self.name!r}: {names}")
        return self

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
        """
        terms = {term.name: term for term in (*self.terms, *self.extra_terms)}
        for name in (*(names or ()), *(weights or ())):
            if name not in terms:
                raise unknown_name(f"term of task {self.name!r}", name, terms)
        chosen = list(self.terms) if names is None else [terms[name] for name in names]
        for i, term in enumerate(chosen):
            if weights and term.name in weights:
                chosen[i] = replace(term, weight=weights[term.name])
        return self.model_copy(update={"terms": tuple(chosen)})

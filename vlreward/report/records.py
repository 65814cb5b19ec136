"""The typed records of a run directory: one per suite of `results.json`, one per sample row."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from vlreward.frames import to_original
from vlreward.geometry import Box, Size
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold

__all__ = ["FailureRow", "SampleRow", "SuiteResult", "explain"]

_RAW_CAP = 2_000


def _text(value: Any) -> str:
    # Not pydantic's own str: it refuses lone surrogates, which models do write.
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {value!r:.80}")
    return value


Text = Annotated[str, PlainValidator(_text)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Span = tuple[Count, Count]
Sides = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class SuiteResult(BaseModel):
    """What `results.json` says of one suite; keys that are not listed here are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    task: str
    """`rec`, `counting`, `geometry`, or the name of a registered task."""
    acc: Share
    """Mean of the primary metric."""
    acc_ci: tuple[Number, Number] | None = None
    """Interval of `acc`."""
    acc_ci_method: str | None = None
    """How the interval was computed, e.g. `wilson`."""
    acc_ci_clustered: tuple[Number, Number] | None = None
    """Interval that allows for several samples of one image."""
    n: Annotated[int, Field(gt=0, strict=True)]
    """Number of samples."""
    parse_rate: Share
    """Share of completions with a usable answer."""
    failures: dict[str, Count] = Field(default_factory=dict)
    """Number of samples by failure code."""
    metrics: dict[str, Number] = Field(default_factory=dict)
    """Mean of each metric."""
    primary: str
    """Name of the metric that accuracy is the mean of."""
    reward: Number | None = None
    """Mean reward."""
    terms: dict[str, Number] = Field(default_factory=dict)
    """Mean of each reward term."""
    notes: list[str] = Field(default_factory=list)
    """What a reader of the number should know."""


class FailureRow(BaseModel):
    """Why a completion has no usable answer."""

    code: str
    """Failure code."""
    detail: Text = ""
    """What was expected and what was found."""
    span: Span | None = None
    """Characters of the completion that it is about."""


_Known = Annotated[BoxGold | CountGold | MathGold, Field(discriminator="task")]
_GOLD: TypeAdapter[BoxGold | CountGold | MathGold] = TypeAdapter(_Known)
_KNOWN_TASKS = ("rec", "counting", "geometry")


class SampleRow(BaseModel):
    """One row of `samples_<suite>.jsonl`."""

    id: Text
    """Unique within the suite."""
    task: str
    """Task of the gold."""
    question: Text = ""
    """Problem text."""
    expression: Text | None = None
    """Referring expression, for REC."""
    image: Text | None = None
    """Image as the data set names it."""
    image_size: Sides | None = None
    """(width, height) of the original image in pixels."""
    input_size: Sides | None = None
    """(width, height) of the image that the model saw."""
    frame: str | None = None
    """Frame of the boxes that the model wrote."""
    gold: dict[str, Any]
    """What a correct answer equals."""
    completion: Text
    """What the model wrote."""
    truncated: bool = False
    """True if generation stopped at the token limit."""
    token_count: Count | None = None
    """Number of generated tokens."""
    answer: Any = None
    """The answer in the gold's terms; boxes in original pixels."""
    raw_answer: Any = None
    """The answer as the model wrote it."""
    span: Span | None = None
    """Characters of the answer in the completion."""
    failure: FailureRow | None = None
    """Why there is no usable answer."""
    value: Number
    """Reward."""
    terms: dict[str, Number] = Field(default_factory=dict)
    """Reward terms."""
    metrics: dict[str, Number] = Field(default_factory=dict)
    """Metrics."""

    def typed_gold(self) -> BoxGold | CountGold | MathGold | None:
        """The gold of a built-in task, None for another task.

        Raises:
            ValueError: If the gold is not what its task needs.
        """
        if self.task not in _KNOWN_TASKS:
            return None
        gold = _GOLD.validate_python(self.gold)
        if gold.task != self.task:
            raise ValueError(f"expected a gold of task {self.task!r}, got {self.gold!r:.120}")
        return gold

    def gold_box(self) -> Box | None:
        """The gold box in pixels of the original image, None where the gold is no box.

        Raises:
            ValueError: If the box is in another frame and a size that it needs is missing.
        """
        gold = self.typed_gold()
        if not isinstance(gold, BoxGold):
            return None
        sizes = [Size(*s) if s else None for s in (self.image_size, self.input_size)]
        return to_original(gold.box, gold.frame, image_size=sizes[0], input_size=sizes[1])

    def answer_box(self) -> Box | None:
        """The predicted box in pixels of the original image, None where there is none.

        Raises:
            ValueError: If a REC answer is no box.
        """
        if self.task != "rec" or self.answer is None:
            return None
        if not isinstance(self.answer, list):
            raise ValueError(f"expected answer=[x1, y1, x2, y2], got {self.answer!r:.80}")
        return Box.from_sequence(self.answer)

    def gold_text(self) -> str:
        """The gold for a person."""
        gold = self.typed_gold()
        if isinstance(gold, CountGold):
            return str(gold.count)
        if isinstance(gold, MathGold):
            return gold.expression
        if isinstance(gold, BoxGold):
            return shown(list(gold.box))
        rest = {key: value for key, value in self.gold.items() if key != "task"}
        return shown(rest["value"] if rest.keys() == {"value"} else rest)


def shown(value: Any) -> str:
    """Any JSON value as text of bounded length; a text stands for itself."""
    if isinstance(value, list):
        value = [_short(v) for v in value]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _RAW_CAP else f"{text[:_RAW_CAP]}…"


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() and abs(value) < 1e15 else round(value, 2)


def explain(error: ValueError) -> str:
    """One line for a person from any validation error."""
    if not isinstance(error, ValidationError):
        return str(error)
    parts = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        got = "" if item["type"] == "missing" else f", got {item['input']!r:.60}"
        parts.append(f"{where}: {item['msg']}{got}" if where else f"{item['msg']}{got}")
    return "; ".join(parts)

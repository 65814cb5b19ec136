"""The files of a run, as they are written and read: `results.json`, `samples_<suite>.jsonl`."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
)

from vlreward._text import short, without_surrogates
from vlreward.answer_frames import AnswerFrames
from vlreward.frames import Frame
from vlreward.types import AxisOrder, Completion, Sample
from vlreward.verify import Verdict

__all__ = [
    "RESULTS_FILE",
    "RESULTS_SCHEMA",
    "Attempts",
    "FailureRow",
    "Results",
    "SampleRow",
    "SuiteResult",
    "TaskPart",
    "plain_name",
    "samples_file",
]

RESULTS_FILE = "results.json"
"""Name of the summary in a run directory."""
RESULTS_SCHEMA: Final = "vlreward.results/1"
"""Format of the files; changes when a reader would have to."""

_UNUSUAL = re.compile(r"[^\w.@+-]+")


def samples_file(name: str) -> str:
    """Name of the file that holds the scored samples of a suite or subset.

    Example:
        >>> samples_file("refcoco_val[500@42]")
        'samples_refcoco_val-500@42.jsonl'
    """
    return f"samples_{plain_name(name)}.jsonl"


def plain_name(name: str) -> str:
    """The name of a suite or subset as names of files have it."""
    return _UNUSUAL.sub("-", name).strip("-")


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


class TaskPart(BaseModel):
    """What one task earned in a suite whose rows belong to several."""

    model_config = ConfigDict(frozen=True)

    n: Count
    """Number of its samples."""
    acc: Share
    """Mean of its primary metric."""
    primary: str
    """Name of that metric."""
    parse_rate: Share
    """Share of its completions with a usable answer."""
    metrics: dict[str, Number]
    """Mean of each metric."""
    prompt: str | None = None
    """Name of the prompt preset of its rows."""
    prompt_hash: str | None = None
    """Hash of its text."""


class Attempts(BaseModel):
    """What several answers to each question come to."""

    model_config = ConfigDict(frozen=True)

    questions: Count
    """Number of questions."""
    most: Count
    """Most answers to one question: the K of `--samples`."""
    fewest: Count
    """Fewest; below `most` where some have no answer."""
    pass_at: dict[str, Share]
    """By k: the chance that one of k answers is right, unbiased; the expected best of k where
    the primary metric is a fraction."""
    pass_at_ci: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    """Their 95 % intervals, by image where images are named, else by question."""
    majority_at: dict[str, Share] = Field(default_factory=dict)
    """By k: the share of right majority votes of k answers; empty where answers lie in the image,
    as no two agree there."""
    majority_at_ci: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    """Their 95 % intervals."""
    spread: Number
    """Mean over the questions of the standard deviation of what their answers earned."""
    always_right: Count
    """Number of questions whose answers are all right."""
    never_right: Count
    """Number of questions without a right answer."""


class SuiteResult(BaseModel):
    """What `results.json` says of one suite; keys that are not listed here are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    suite: str | None = None
    """The suite that the samples are of; the key in `results.json` may name a subset of it."""
    task: str
    """Name of the task."""
    by_task: dict[str, TaskPart] = Field(default_factory=dict)
    """Where rows belong to several tasks: each of them. `acc` is then the mean over all rows, each
    by the primary metric of its own task."""
    acc: Share
    """Mean of the primary metric."""
    acc_ci: tuple[Number, Number] | None = None
    """Interval of `acc`."""
    acc_ci_method: str | None = None
    """How the interval was computed, e.g. `wilson`."""
    acc_ci_clustered: tuple[Number, Number] | None = None
    """Interval that allows for several samples of one image."""
    n: Annotated[int, Field(gt=0, strict=True)]
    """Number of samples: of answers, where each question has several."""
    wanted: Count | None = None
    """Number of samples that there will be, of a run that is not finished; else None."""
    attempts: Attempts | None = None
    """What several answers to each question come to; None where each has one."""
    parse_rate: Share
    """Share of completions with a usable answer."""
    failures: dict[str, Count] = Field(default_factory=dict)
    """Number of samples by failure code."""
    primary: str
    """Name of the metric that accuracy is the mean of."""
    metrics: dict[str, Number] = Field(default_factory=dict)
    """Mean of each metric."""
    metrics_n: dict[str, Count] = Field(default_factory=dict)
    """Number of samples behind each mean."""
    reward: Number | None = None
    """Mean reward."""
    terms: dict[str, Number] = Field(default_factory=dict)
    """Mean of each reward term."""
    protocol: str | None = None
    """Whose rules scored."""
    method: str | None = None
    """Where answers were looked for."""
    task_version: str | None = None
    """Version of the task."""
    prompt: str | None = None
    """Name of the prompt preset."""
    prompt_hash: str | None = None
    """Hash of its text; where rows of other tasks are put otherwise, `+` and those of theirs."""
    frame: str | None = None
    """Declared frame of the answers; None where the task has none."""
    frame_declared_by: str | None = None
    """Who declared it."""
    resizing: dict[str, int] | None = None
    """How images of recorded completions were taken to be resized (`factor`, `min_pixels`,
    `max_pixels`), where coordinates rest on it and rows do not say."""
    image_root: str | None = None
    """Directory that the images' names start from, relative to the run directory."""
    flat_images: bool = False
    """Whether all images lie directly in it."""
    references: list[dict[str, Any]] = Field(default_factory=list)
    """Published numbers."""
    notes: list[str] = Field(default_factory=list)
    """What a reader of the number should know."""
    file: str | None = None
    """Name of the file of recorded completions."""
    file_sha256: str | None = None
    """Hex digest of its bytes."""
    data_sha256: str | None = None
    """Hex digest of the data file."""
    model: str | None = None
    """Who answered; of a blind control, whose answers it is beside."""
    control: str | None = None
    """Name of the blind control that this is, if it is one."""


class FailureRow(BaseModel):
    """Why a completion has no usable answer."""

    code: str
    """Failure code."""
    detail: Text = ""
    """What was expected and what was found."""
    span: Span | None = None
    """Characters of the completion that it is about."""


class SampleRow(BaseModel):
    """One row of `samples_<suite>.jsonl`."""

    id: Text
    """Of the question; with `attempt` unique within the suite."""
    attempt: Count | None = None
    """Which of several answers to the question this is, from 0; None where it is the only one."""
    task: str
    """Task of the gold."""
    question: Text = ""
    """Problem text."""
    expression: Text | None = None
    """Referring expression, where the question is about one."""
    gold: dict[str, Any]
    """What a correct answer equals."""
    image: Text | None = None
    """Image as the data set names it."""
    images: tuple[Text, ...] = ()
    """All images in order, where there are several; `image` is the one that the gold lies in."""
    image_size: Sides | None = None
    """(width, height) of the original image in pixels."""
    input_size: Sides | None = None
    """(width, height) of the image that the model saw."""
    frame: str | None = None
    """Frame of the coordinates that the model wrote."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a pair it wrote first, where declared."""
    completion: Text
    """What the model wrote."""
    truncated: bool = False
    """True if generation stopped at the token limit."""
    token_count: Count | None = None
    """Number of generated tokens."""
    answer: Any = None
    """The answer in the gold's terms; coordinates in original pixels."""
    raw_answer: Any = None
    """The answer as the model wrote it."""
    axes: str | None = None
    """What the text of a box says of the order of its numbers, see `vlreward.frames.BOXES`."""
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
    metadata: dict[str, Any] = Field(default_factory=dict)
    """What else the data say of the sample."""
    verdict: Verdict | None = Field(default=None, exclude=True)
    """What the verifier of mathematics said; in rows of unfinished runs alone, as results have the
    counts."""

    @property
    def label(self) -> str:
        """Unique within the suite: the id, and which answer to the question where it has several.

        Example:
            >>> SampleRow.model_construct(id="17", attempt=2).label
            '17#2'
        """
        return self.id if self.attempt is None else f"{self.id}#{self.attempt}"

    @property
    def answer_text(self) -> str | None:
        """The answer as text; None if there is none."""
        if self.answer is None or isinstance(self.answer, str):
            return self.answer
        return json.dumps(self.answer, ensure_ascii=False)

    @cached_property
    def sample(self) -> Sample:
        """The sample that was scored.

        Raises:
            ValueError: If the gold is not what its task needs.
        """
        if self.gold.get("task") != self.task:
            raise ValueError(f"expected a gold of task {self.task!r}, got {short(self.gold)}")
        fields = {name: getattr(self, name) for name in Sample.model_fields if name in _ROW_FIELDS}
        texts = {k: without_surrogates(v) for k, v in fields.items() if isinstance(v, str)}
        return Sample(**fields | texts)

    def sample_in(self, frame: Frame | None, axis_order: AxisOrder | None = None) -> Sample:
        """The sample with another frame, or order of the axes, of what the model wrote, if its gold
        lies in the image.

        Raises:
            ValueError: As `sample`, or if nothing says the frame or a size that it needs.
        """
        sample = self.sample
        if not sample.gold.located:
            return sample
        frames = AnswerFrames(frame, axis_order, over_rows=True)
        used = frames.frame_of(sample.frame)
        if self.completion:  # of a sample that nobody answered neither need be known
            if used is None:
                raise ValueError(f"{self.label!r} says no frame of its answer")
            used.check_sizes(sample.image_size, sample.input_size)
        order = frames.order_of(sample.axis_order)
        return sample.model_copy(update={"frame": used, "axis_order": order})

    def reply(self) -> Completion:
        """What the model wrote, as parsers see it."""
        return Completion(self.completion, self.truncated, self.token_count)


_ROW_FIELDS = frozenset(SampleRow.model_fields)


class Results(BaseModel):
    """What `results.json` holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal["vlreward.results/1"] = Field(default=RESULTS_SCHEMA, alias="schema")
    """Format of the file."""
    created: str | None = None
    """When it was written, in ISO format."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the software that wrote it."""
    results: dict[str, SuiteResult] = Field(min_length=1)
    """Each suite by its name, which a subset shows in."""

    @field_validator("results")
    @classmethod
    def _names_are_file_names(cls, value: dict[str, SuiteResult]) -> dict[str, SuiteResult]:
        for name in value:
            if not name.isprintable() or Path(name).name != name or "\\" in name:
                raise ValueError(
                    f"expected the name of a suite, as in samples_NAME.jsonl, got {name!r}"
                )
        return value

"""The files of a run, as they are written and read: `results.json`, `samples_<suite>.jsonl`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from vlreward.data.errors import DataError, RowProblem
from vlreward.data.rows import RowFile, read_json
from vlreward.frames import Frame
from vlreward.types import Completion, Sample, Score

__all__ = [
    "RESULTS_FILE",
    "RESULTS_SCHEMA",
    "FailureRow",
    "Results",
    "SampleRow",
    "SuiteResult",
    "read_results",
    "read_samples",
    "samples_file",
]

RESULTS_FILE = "results.json"
"""Name of the summary in a run directory."""
RESULTS_SCHEMA = "vlreward.results/1"
"""Format of the files; changes when a reader would have to."""

_UNUSUAL = re.compile(r"[^\w.@+-]+")


def samples_file(name: str) -> str:
    """Name of the file that holds the scored samples of a suite or subset.

    Example:
        >>> samples_file("refcoco_val[500@42]")
        'samples_refcoco_val-500@42.jsonl'
    """
    plain = _UNUSUAL.sub("-", name).strip("-")
    return f"samples_{plain}.jsonl"


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

    suite: str | None = None
    """The suite that the samples are of; the key in `results.json` may name a subset of it."""
    task: str
    """Name of the task."""
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
    """Hash of its text."""
    frame: str | None = None
    """Declared frame of the answers; None where the task has none."""
    frame_declared_by: str | None = None
    """Who declared it."""
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
    """Who answered."""
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
    """Unique within the suite."""
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
    image_size: Sides | None = None
    """(width, height) of the original image in pixels."""
    input_size: Sides | None = None
    """(width, height) of the image that the model saw."""
    frame: str | None = None
    """Frame of the coordinates that the model wrote."""
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

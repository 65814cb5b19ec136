"""Scores samples with their completions and keeps how the number was made."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from vlreward.aggregate import Report, aggregate
from vlreward.bench.attempts import questions_at, summarise
from vlreward.bench.mixed import Prompts, joined, rules_of, score_rows
from vlreward.bench.run_files import Attempts, FailureRow, SampleRow, SuiteResult, TaskPart
from vlreward.data.images import ImageFolder, ImageSource
from vlreward.frames import Frame
from vlreward.suite import Suite
from vlreward.task import TaskSpec
from vlreward.types import Completion, FailureCode, Sample, Score
from vlreward.verify import Verdict

__all__ = ["Evaluation", "image_fields", "sample_row"]

_OUTSIDE_WARNING = 0.05
_ORIGINAL = (None, Frame.ORIGINAL_PX)


@dataclass
class Evaluation:
    """The completions of one suite, scored, and everything that the number depends on.

    Raises:
        ValueError: If there are no samples, or the numbers differ.
    """

    suite: Suite
    """The suite."""
    spec: TaskSpec
    """Task, protocol and method that score; rows of a further task of the suite (`Suite.also`) go
    by its own rules under the same protocol and method."""
    samples: Sequence[Sample]
    """The samples, in order."""
    completions: Sequence[Completion]
    """What the model wrote for each."""
    _: KW_ONLY
    prompts: Prompts
    """The words in which was asked, or is declared to have been."""
    name: str
    """Name of the task in results; a subset shows in it, e.g. `refcoco_val[500@42]`."""
    frame: Frame | None = None
    """Declared frame of predicted coordinates."""
    frame_declared_by: str | None = None
    """Who declared it: `option`, `model family`, `file`, `default`."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """`file`, `file_sha256`, `data_sha256`, `model` and whatever else identifies the inputs."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the number should know; what attempts and frame give cause for is added."""
    images: ImageSource | None = None
    """Where the images of the samples are, if known."""
    attempts: Sequence[int] | None = None
    """Which of several answers to its question each completion is, from 0; None where each
    question has one. The samples of one question have one id."""
    scores: Sequence[Score] = ()
    """What each earned; found where it is not known already."""
    report: Report = field(init=False)
    """Means, intervals and failure counts."""
    parts: Mapping[str, Report] = field(init=False, default_factory=dict)
    """Where rows belong to several tasks: the report of each."""

    def __post_init__(self) -> None:
        specs, whole = rules_of(self.suite, self.spec), self.spec
        self.scores = self.scores or score_rows(specs, self.samples, self.completions)
        if len(specs) > 1:
            whole, self.scores, self.parts = joined(specs, self.samples, self.scores)
        names = [sample.image for sample in self.samples]
        questions = None
        if self.attempts is not None and any(self.attempts):
            questions = [sample.id for sample in self.samples]
            self.notes = [*self.notes, *_attempt_notes(self.samples)]
        else:
            self.attempts = None
        self.report = aggregate(whole, self.scores, names if any(names) else None, questions)
        self.notes = [*self.notes, *self._frame_notes()]

    @cached_property
    def several(self) -> Attempts | None:
        """What several answers to each question come to; None where each has one."""
        if self.attempts is None:
            return None
        return summarise(self.samples, self.scores, self.report.primary)

    def _frame_notes(self) -> Iterator[str]:
        frame = self.frame
        if frame is None:
            return
        if self.frame_declared_by == "default":
            yield (
                f"no frame is declared: coordinates were read as {frame.value}, the default; "
                "declare one with --frame or --family"
            )
        located = [(one, s) for one, s in zip(self.samples, self.scores) if one.gold.located]
        if any(frame.extent(one.image_size, one.input_size) is None for one, _ in located):
            yield (
                "image sizes are not known, so answers beyond the right or bottom edge cannot be "
                "told"
            )
        codes = [s.failure and s.failure.code for _, s in located]
        outside = codes.count(FailureCode.OUT_OF_FRAME)
        answers = sum(s.answer is not None for _, s in located)
        if answers and outside / answers > _OUTSIDE_WARNING:
            yield (
                f"WARNING: {outside} of {answers} answers ({outside / answers:.0%}) lie outside "
                f"the declared frame {frame.value}: is it the frame that this model writes?"
            )

    def summary(self, directory: Path | None = None) -> SuiteResult:
        """The entry of this suite in `results.json`.

        Args:
            directory: The run directory, for the way from there to the images.
        """
        report, clustered = self.report, self.report.acc_ci_clustered
        means = dict(report) | {
            "acc_ci": (report.acc_ci.low, report.acc_ci.high),
            "acc_ci_method": report.acc_ci.method,
            "acc_ci_clustered": (clustered.low, clustered.high) if clustered else None,
        }
        verdicts = [s.judged for s in self.scores if isinstance(s.judged, Verdict)]
        counts: dict[str, Any] = {}
        if verdicts:
            outcomes = Counter(v.outcome for v in verdicts).most_common()
            tiers = sorted(Counter(str(v.tier) for v in verdicts).items())
            counts = {"verdicts": dict(outcomes), "verdict_tiers": dict(tiers)}
        return SuiteResult(
            suite=self.suite.name,
            by_task={
                name: TaskPart.model_validate(part, from_attributes=True).model_copy(
                    update={"prompt": prompt.name, "prompt_hash": prompt.hash}
                )
                for name, part in self.parts.items()
                if (prompt := self.prompts.of(name))
            },
            attempts=self.several,
            protocol=self.spec.protocol,
            method=self.spec.method,
            task_version=self.spec.version,
            prompt=self.prompts.usual.name,
            prompt_hash=self.prompts.hash,
            frame=self.frame.value if self.frame else None,
            frame_declared_by=self.frame_declared_by,
            references=[r.model_dump() for r in self.suite.references],
            notes=self.notes,
            **means,
            **(image_fields(self.images, directory) if directory else {}),
            **self.provenance,
            **counts,
        )

    def asked(self, sample: Sample) -> str:
        """The words in which a sample was put; the preset's own without its question."""
        prompt = self.prompts.of(sample.task)
        try:
            return prompt.text_for(sample)
        except ValueError:  # recorded completions may come without the question
            return prompt.text

    def sample_rows(self) -> Iterator[SampleRow]:
        """The rows of `samples_<suite>.jsonl`."""
        attempts = repeat(None) if self.attempts is None else self.attempts
        return map(sample_row, self.samples, self.completions, self.scores, attempts)


def sample_row(
    sample: Sample, completion: Completion, score: Score, attempt: int | None = None
) -> SampleRow:
    """One row of `samples_<suite>.jsonl`."""
    shown, failure = score.judged, score.failure
    # A verdict of mathematics is about the answer as written. One that failed is so too: where it
    # lies in the image is known only if it was written in pixels of the original, x first.
    in_image = sample.frame in _ORIGINAL and sample.axis_order != "yx"
    if isinstance(shown, Verdict) or (shown is None and in_image):
        shown = score.answer
    return SampleRow(
        **sample.model_dump(mode="json"),
        attempt=attempt,
        task=sample.task,
        completion=completion.text,
        truncated=completion.truncated,
        token_count=completion.token_count,
        answer=_plain(shown),
        raw_answer=_plain(score.answer),
        axes=getattr(score.answer, "axes", None),
        span=score.span,
        failure=failure
        and FailureRow(code=failure.code.value, detail=failure.detail, span=failure.span),
        value=score.value,
        terms=score.terms,
        metrics=score.metrics,
    )


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, fallback=str, inf_nan_mode="null")


def image_fields(images: ImageSource | None, run: Path) -> dict[str, Any]:
    """Where the images are, as the files of a run say it: by the way there from its directory.

    That way holds wherever the two are moved together.
    """
    if not isinstance(images, ImageFolder):
        return {"image_root": None, "flat_images": False}
    try:
        root = Path(os.path.relpath(images.root, run)).as_posix()
    except ValueError:  # another drive on Windows
        root = None
    return {"image_root": root, "flat_images": images.flat}


def _attempt_notes(samples: Sequence[Sample]) -> Iterator[str]:
    """Which number is over which questions, where these have different numbers of answers."""
    at = questions_at(samples)
    if len(set(at.values())) > 1:
        shown = ", ".join(f"pass@{k} over {n}" for k, n in at.items())
        yield (
            f"questions have different numbers of answers: accuracy is over all {len(samples)} "
            f"answers, {shown} questions, those with as many answers; maj@k likewise"
        )

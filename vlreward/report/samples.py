"""The samples as the page's script reads them, and where their images lie."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlreward.bench.attempts import RIGHT, attempts_at, grouped, vote
from vlreward.bench.run_files import SampleRow
from vlreward.data.errors import DataError
from vlreward.data.images import ImageFolder, ImageSource
from vlreward.metrics.attempts import best_of, majority_of
from vlreward.report.categories import categories, shared_ends
from vlreward.report.drawing import answer_shapes, gold_shapes, gold_text, known_sample, known_task
from vlreward.report.images import Found, ImageStore, Shown
from vlreward.report.load import Run, SuiteRun
from vlreward.report.text import shown
from vlreward.task import Histogram, Shape

__all__ = ["Finder", "page_data", "wanted_images"]


@dataclass(frozen=True)
class Finder:
    """Finds the images of a report, by the rules by which a run finds them."""

    root: Path | None = None
    """Directory of the images of all runs; None to look where each run found them."""
    images: Mapping[str, ImageSource] = field(default_factory=dict)
    """Who gives the images of a suite, in place of directories."""
    absolute: bool = False
    """Whether an absolute name may lie outside the directories."""
    _found: dict[tuple[Path, str, str], Found] = field(default_factory=dict)

    def find(self, run: Run, suite: SuiteRun, name: str) -> Found:
        """Where the image of a row is, or why there is none."""
        key = (run.path, suite.name, name)
        if key not in self._found:
            self._found[key] = self._find(run, suite, name)
        return self._found[key]

    def _find(self, run: Run, suite: SuiteRun, name: str) -> Found:
        outside = False
        for source in self._sources(run, suite):
            try:
                image = source.source(name)
                if isinstance(image, bytes) or image.is_file():
                    return Found(name, image)
            except DataError as error:
                outside = outside or "outside" in str(error)
            except (OSError, ValueError):  # a name that no file can have
                continue
        said = suite.result.image_root is not None or suite.name in self.images
        # Recorded completions often name files of somebody else's machine.
        here = outside and os.path.exists(name)
        return Found(name, None, outside, expected=said or here or self.root is not None)

    def _sources(self, run: Run, suite: SuiteRun) -> list[ImageSource]:
        flat = suite.result.flat_images
        if self.root is not None:
            return [ImageFolder(self.root, flat, self.absolute)]
        if suite.name in self.images:
            return [self.images[suite.name]]
        known = [] if suite.result.image_root is None else [run.path / suite.result.image_root]
        return [ImageFolder(root, flat, self.absolute) for root in (*known, run.path, Path())]


def wanted_images(runs: Sequence[Run], finder: Finder) -> list[Found]:
    """The images of all samples without duplicates; those of wrong samples come first."""
    wrong: dict[Found, None] = {}
    others: dict[Found, None] = {}
    for run in runs:
        for suite in run.suites.values():
            for row in suite.samples or []:
                for name in row.images or (() if row.image is None else (row.image,)):
                    found = finder.find(run, suite, name)
                    (others if suite.right(row) else wrong).setdefault(found)
    return [*wrong, *(found for found in others if found not in wrong)]


def page_data(
    runs: Sequence[Run], finder: Finder, store: ImageStore
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the script needs: an index of runs, suites and images, and one flat list of rows.

    Row fields are short: `r` run, `s` suite, `id` of the question, `ok` right or wrong, `q`
    question, `e` expression, `im` image, `ims` all images where there are several, `sz` original
    size, `isz` the size that the model saw, `g` gold and `gs` its shapes, `a` answer and `as` its
    shapes, `w` the answer as written and `fr` its frame, `c` completion, `sp` span, `f` failure,
    `v` reward, `t` terms, `m` metrics, `k` categories, `tr` truncated, `tk` tokens; where questions
    have several answers `of` the question and `pk` what its answers come to. A shape is [kind,
    numbers in original pixels, label].
    """
    suites = sorted({name for run in runs for name in run.suites})
    everywhere = [[run.suites[name] for run in runs if name in run.suites] for name in suites]
    images: list[dict[str, Any]] = []
    numbers: dict[Found, int] = {}
    embedded = 0
    for found, picture in store.shown.items():
        numbers[found] = len(images)
        images.append(_image(found.name, picture, embedded))
        embedded += picture.uri is not None
    index = {
        "runs": [run.name for run in runs],
        "suites": suites,
        "images": images,
        "marks": [_mark(of[0]) for of in everywhere],
        "bases": [of[0].base for of in everywhere],
        "cuts": [_cut(of) for of in everywhere],
        "keys": sorted({key for run in runs for s in run.suites.values() for key in s.categories}),
    }
    questions = {
        (number, suite.name): _questions(suite)
        for number, run in enumerate(runs)
        for suite in run.suites.values()
    }
    rows = [
        {
            "r": run_number,
            "s": suites.index(suite.name),
            "im": None if row.image is None else numbers[finder.find(run, suite, row.image)],
            **(
                {"ims": [numbers[finder.find(run, suite, name)] for name in row.images]}
                if row.images
                else {}
            ),
            **_row(row, suite, suite.categories),
            **(questions[run_number, suite.name].get(row.id, {})),
        }
        for run_number, run in enumerate(runs)
        for suite in run.suites.values()
        for row in suite.samples or []
    ]
    index["metrics"] = list(
        dict.fromkeys(key for row in rows for key in (*row["m"], *row.get("pk", ())))
    )
    return index, rows


def _mark(suite: SuiteRun) -> list[str] | None:
    """The metric that says most of a row at a glance, and its short name: that of the task."""
    task = known_task(suite.result.task)
    found = () if task is None else (f for f in task.figures if isinstance(f, Histogram))
    return next(([figure.metric, figure.title] for figure in found), None)


def _cut(suites: Sequence[SuiteRun]) -> tuple[int, int] | None:
    """The part of the questions that is the same in all, which a list leaves out."""
    return shared_ends([row.question for suite in suites for row in suite.samples or []])


def _questions(suite: SuiteRun) -> dict[str, dict[str, Any]]:
    """What the answers to each question come to, by its id; empty where each has one."""
    if not any(row.attempt is not None for row in suite.samples or ()):
        return {}
    answers = grouped(suite.samples or (), lambda row: row.id)
    return {key: {"of": key, "pk": _several(suite, rows)} for key, rows in answers.items()}


def _several(suite: SuiteRun, rows: Sequence[SampleRow]) -> dict[str, float]:
    values = [row.metrics[suite.result.primary] for row in rows]
    found = {f"pass@{k}": best_of(values, k) for k in attempts_at(len(rows))}
    sample = known_sample(rows[0])
    if sample is None or not sample.gold.located:
        votes = [vote(row.failure is not None, suite.right(row), row.raw_answer) for row in rows]
        found[f"maj@{len(rows)}"] = majority_of(votes, RIGHT, len(rows))
    return found


def _image(name: str, picture: Shown, embedded: int) -> dict[str, Any]:
    where = {"i": embedded} if picture.uri else {"href": picture.href, "why": picture.why}
    return {"name": name, "size": picture.size, **where}


def _row(row: SampleRow, suite: SuiteRun, keys: Sequence[str]) -> dict[str, Any]:
    failure = row.failure
    groups = categories(row) if keys else {}
    data: dict[str, Any] = {
        "id": row.label,
        "ok": int(suite.right(row)),
        "q": row.question,
        "g": gold_text(row),
        "c": row.completion,
        "v": row.value,
        "t": row.terms,
        "m": row.metrics,
    }
    optional = {
        "e": row.expression,
        "k": {key: groups[key] for key in keys if key in groups} or None,
        "sz": row.image_size,
        "gs": _shapes(gold_shapes(row)),
        "a": None if row.answer is None else shown(row.answer),
        "as": _shapes(answer_shapes(row)),
        "w": None if row.raw_answer is None else shown(row.raw_answer),
        "sp": row.span,
        "f": None if failure is None else [failure.code, failure.detail, failure.span],
        "tr": 1 if row.truncated else None,
        "tk": row.token_count,
        "fr": row.frame,
        "isz": row.input_size if row.input_size != row.image_size else None,
    }
    return {**data, **{key: value for key, value in optional.items() if value is not None}}


def _shapes(shapes: Sequence[Shape]) -> list[Any] | None:
    return [
        [s.kind, s.numbers, s.label] if s.label else [s.kind, s.numbers] for s in shapes
    ] or None

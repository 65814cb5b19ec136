"""`vlreward data check`: what would be read from data, and why training would fail on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlreward._text import one_line
from vlreward.answer_frames import UNDECLARED, AnswerFrames
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.decoding import decode_images, refuse_unseen, with_good_images
from vlreward.data.errors import DataError, RowProblem, UnknownSchemaError
from vlreward.data.loaders import load, open_rows
from vlreward.data.missing import check_images
from vlreward.data.schemas import all_schemas, named_schema, schema_of
from vlreward.data.suspicious import refuse_suspicious
from vlreward.frames import Frame
from vlreward.resizing import Resizing
from vlreward.types import Sample

__all__ = ["SHOWN", "Checked", "check_data"]

SHOWN = 3
"""Samples that are shown."""
_LISTED = 5
_ANY = Resizing(1, 1, 1 << 40)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one file or data set."""

    path: str
    """What was read."""
    facts: dict[str, str] = field(default_factory=dict)
    """What would be read, by what it is."""
    samples: tuple[Sample, ...] = ()
    """The first ones."""
    dataset: Dataset | None = None
    """All of it; None where nothing can be read."""
    lists: dict[str, tuple[RowProblem, ...]] = field(default_factory=dict)
    """Rows that deserve a look, by why."""
    problems: tuple[str, ...] = ()
    """Why training would fail; empty where it would not."""

    def text(self) -> str:
        """All but the problems, for a terminal."""
        lines = [self.path, *(f"  {name}: {fact}" for name, fact in self.facts.items())]
        for name, rows in self.lists.items():
            lines.append(f"  {len(rows)} {name}:")
            lines += [f"    {row}" for row in rows[:_LISTED]]
            if len(rows) > _LISTED:
                lines.append(f"    ... and {len(rows) - _LISTED} more")
        for sample in self.samples:
            lines.append(f"  sample {sample.id}:")
            lines += [f"    {name}: {fact}" for name, fact in sample_facts(sample).items()]
        return "\n".join(lines)


def sample_facts(sample: Sample) -> dict[str, str]:
    """A sample for a person."""
    gold = one_line(sample.gold.text(), 120) + (f" in {frame}" if (frame := _frame(sample)) else "")
    facts = {"question": one_line(sample.question, 160), "gold": gold}
    if names := sample.every_image:
        size = "" if sample.image_size is None else " of {:g} x {:g}".format(*sample.image_size)
        facts["image"] = one_line(", ".join(names), 120) + size
    return facts


def _frame(sample: Sample) -> str | None:
    """Frame of a gold that lies in the image."""
    frame = getattr(sample.gold, "frame", None) if sample.gold.located else None
    return frame.value if isinstance(frame, Frame) else None


def check_data(
    path: str | Path,
    *,
    frames: AnswerFrames = UNDECLARED,
    decode: str = "all",
    **options: Any,
) -> Checked:
    """Read data as training would, and tell what came of it; bad rows do not end it.

    Args:
        frames: How the model that is to be trained writes coordinates and sees images.
        decode: Which images are looked at: see `vlreward.data.decoding.decode_images`.
        **options: Options of `load`.

    Raises:
        OptionError: If an option is wrong in itself.
    """
    refuse_unseen(options.get("on_bad_image", "error"), decode)
    frames = replace(frames, over_rows=True)  # as in training
    reading = {**options, "on_missing": "keep", "on_suspicious": "keep"}
    try:
        dataset = load(path, **{**reading, "on_bad_gold": "skip"})
    except (DataError, FileNotFoundError) as error:
        strict = options.get("on_bad_gold") != "skip"  # then training says this in other words
        problem = _fault(lambda: load(path, **reading)) if strict else None
        return Checked(str(path), _glimpse(path, options), problems=(problem or str(error),))
    origin = dataset.provenance
    bad, dataset = _bad_images(dataset, frames.limits or _ANY, decode, options)
    problems = [*_bad_golds(origin, options), *bad]
    origin = dataset.provenance
    samples = tuple(dataset[i] for i in range(min(SHOWN, len(dataset))))
    if options.get("on_suspicious") != "keep":
        doubt = _fault(lambda: refuse_suspicious(origin))
        problems += [] if doubt is None else [doubt]
    lists = {
        "rows left out": origin.skipped,
        "suspicious rows": origin.suspicious,
        "notes": origin.notes,
    }
    return Checked(
        path=str(path),
        facts=_facts(dataset, frames, options.get("gold_frame")),
        samples=samples,
        dataset=dataset,
        lists={name: rows for name, rows in lists.items() if rows},
        problems=tuple(problems),
    )


def _glimpse(path: str | Path, options: dict[str, Any]) -> dict[str, str]:
    """The schema and the keys of the first row, where there is one."""
    try:
        rows = open_rows(path, split=options.get("split"), config=options.get("config"))
        row = next(iter(rows)).value
        if not isinstance(row, dict):
            return {}
        keys = {"keys of the first row": ", ".join(map(str, row))}
        schema = named_schema(options.get("schema")) or schema_of(row, path=path)
    except UnknownSchemaError:
        return keys
    except (DataError, OSError, StopIteration, TypeError, ValueError):
        return {}
    return {"schema": schema.name, **keys}


def _facts(dataset: Dataset, answers: AnswerFrames, gold_frame: Any) -> dict[str, str]:
    origin = dataset.provenance
    tasks: Counter[str] = Counter()
    golds: Counter[str] = Counter()
    answer_frames: Counter[str] = Counter()
    gold_frames: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    images: set[str] = set()
    for sample in dataset:
        tasks[sample.task] += 1
        golds[one_line(sample.gold.text(), 40)] += 1
        if (own := _frame(sample)) is not None:
            gold_frames[own] += 1
        if sample.gold.located:
            answer_frames[_answers(sample, answers)] += 1
        sizes["known" if sample.image_size else "unknown"] += 1
        images.update(sample.every_image)
    facts = {"schema": origin.schema}
    if origin.columns:
        facts["columns"] = ", ".join(f"{name}={column}" for name, column in origin.columns.items())
    elif origin.schema in all_schemas():
        facts["columns"] = ", ".join(all_schemas()[origin.schema].keys) + ", as the schema has them"
    for part in origin.parts:
        facts[f"part {part.path}"] = f"{part.schema}, {part.task}, {part.rows} rows"
    if origin.unread:
        facts["kept as metadata"] = ", ".join(origin.unread)
    facts["task"] = ", ".join(f"{name} ({count})" for name, count in tasks.items())
    left = f", {origin.filtered} do not fit --where" if origin.filtered else ""
    for kind, n in Counter(problem.kind for problem in origin.skipped).items():
        left += f", {n} left out: {kind.replace('_', ' ')}"
    facts["rows"] = f"{origin.rows}, of which {len(dataset)} are samples{left}"
    common = ", ".join(f"{text} ({count})" for text, count in golds.most_common(3))
    facts["golds"] = f"{len(golds)} different, most often {common}"
    facts["images"] = f"{len(images)} different; sizes: " + ", ".join(
        f"{count} {name}" for name, count in sizes.items()
    )
    if answer_frames:
        if gold_frames:
            found = _counted(gold_frames)
            declared = "" if gold_frame is None else f"; --gold-frame {gold_frame} where rows do "
            facts["frame of golds"] = found + (declared and f"{declared}not say")
        one = len(answer_frames) == 1
        facts["frame of answers"] = next(iter(answer_frames)) if one else _counted(answer_frames)
    if origin.remarks:
        facts["remarkable"] = "; ".join(origin.remarks)
    return facts


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in names.most_common())


def _answers(sample: Sample, answers: AnswerFrames) -> str:
    """How its answer is to be written."""
    frame = answers.frame_of(sample.frame)
    if frame is None:
        return "that of the model's family in training; --family shows it"
    return frame.value + (", y first" if answers.order_of(sample.axis_order) == "yx" else "")


def _bad_golds(origin: Provenance, options: dict[str, Any]) -> list[str]:
    bad = [row for row in origin.skipped if row.kind == "bad_gold"]
    if not bad or options.get("on_bad_gold") == "skip":
        return []
    message = "expected golds, got {} that are none; --on-bad-gold skip leaves their rows out"
    return [str(DataError(message.format(len(bad)), path=origin.path, problems=bad))]


def _bad_images(
    dataset: Dataset, resizing: Resizing, decode: str, options: dict[str, Any]
) -> tuple[list[str], Dataset]:
    """What is wrong with the images, and the samples without those that are skipped on request."""
    path = dataset.provenance.path
    if not any(sample.image for sample in dataset):
        return [], dataset
    if dataset.images is None:
        return [f"{path}: no image root is known: give --image-root DIR"], dataset
    on_bad_image = options.get("on_bad_image", "error")
    problems = []
    try:
        kept = there = check_images(dataset, options.get("on_missing", "error"), on_bad_image)
    except DataError as error:
        problems.append(str(error))
        kept = dataset
        try:
            there = check_images(dataset, "skip", on_bad_image)
        except DataError:  # none is there
            return problems, dataset
    try:
        if on_bad_image == "error":
            decode_images(there, resizing, decode)
        else:
            good = with_good_images(there, resizing, decode)
            kept = kept if problems else good
    except DataError as error:
        problems.append(str(error))
    return problems, kept


def _fault(action: Callable[[], object]) -> str | None:
    """What is wrong with data, if anything."""
    try:
        action()
    except (DataError, FileNotFoundError) as error:
        return str(error)
    return None

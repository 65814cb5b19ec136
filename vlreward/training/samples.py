"""The samples that a run trains on and evaluates: which rows, and never the same ones for both."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vlreward._text import warn
from vlreward.data import DataError, Dataset, Provenance, load
from vlreward.data.images import ImageFolder
from vlreward.data.suspicious import suspicious_text
from vlreward.data.traces import alike, read_trace, trace_files
from vlreward.errors import OptionError
from vlreward.training.arguments import Arguments
from vlreward.training.recipes import MIXTURE
from vlreward.types import Sample

__all__ = ["informative", "load_both", "load_samples", "say_remarks", "tasks_of"]


def load_both(task: str, arguments: Arguments, *, seed: int = 0) -> list[Dataset]:
    """The training samples, and those for evaluation if there are any; alike in every process.

    Args:
        task: The task of the run; `mixture` takes rows of any.
        arguments: The options that say which rows are read, and how.
        seed: Seed that draws the rows of `--val_split_ratio`.

    Raises:
        DataError: If rows are bad; if rows are trained on and evaluated.
        OptionError: If it is not known where the images are.
        FileNotFoundError: If there is no such file.
    """
    samples = load_samples(arguments.data, task, arguments)
    ratio = arguments.val_split_ratio
    if ratio is not None:
        held = max(1, round(ratio * len(samples)))
        if held >= len(samples):
            raise DataError(
                f"--val_split_ratio {ratio:g}: expected rows to train on, got {len(samples)}",
                path=arguments.data,
            )
        order = random.Random(seed).sample(range(len(samples)), len(samples))
        label = f"{ratio:g}@{seed}"
        return [
            samples.select(sorted(order[held:]), f"without {label}"),
            samples.select(sorted(order[:held]), label),
        ]
    if arguments.eval_data is None and arguments.eval_split is None:
        return [samples]
    path = arguments.eval_data or arguments.data
    held_out = load_samples(path, task, arguments, split=arguments.eval_split)
    if twice := samples.shared_rows(held_out):
        raise DataError(
            f"expected other rows for evaluation than for training, got {twice} that are both: "
            "give another file, --eval_split, or --val_split_ratio instead",
            path=path,
        )
    return [samples, held_out]


def load_samples(
    path: str,
    task: str,
    arguments: Arguments,
    *,
    split: str | None = None,
) -> Dataset:
    """The samples of a file or data set.

    Sizes that rows lack are read from their images in every process: by them a gold may be found
    bad, and processes that left out other rows would train on other rows.

    Args:
        path: As `--data` takes it.
        task: The task of the run; `mixture` takes rows of any.
        arguments: The options that say how rows are read.
        split: The split, if not `--split` for `--data`.

    Raises:
        DataError: If rows are bad, or of another task; names file and row.
        OptionError: If it is not known where the images are.
        FileNotFoundError: If there is no such file.
    """
    mixed = task == MIXTURE
    as_given: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in (
            "schema", "columns", "gold_frame", "where", "flat_images", "allow_urls", "on_missing",
            "on_bad_image", "on_bad_gold", "on_suspicious",
        )
    }  # fmt: skip
    if split is None and path == arguments.data:
        split = arguments.split
    samples = load(
        path,
        task=None if mixed else task,
        split=split,
        config=arguments.data_config,
        image_root=arguments.image_root or _beside(path),
        **as_given,
    )
    if samples.images is None:
        raise OptionError(f"{path}: no image root is known: give --image-root DIR")
    found = tasks_of(samples.provenance)
    if not mixed and found != {task}:
        raise DataError(
            f"expected rows of the task {task!r}, got {', '.join(sorted(found))}; to train on "
            f"several tasks, start with {MIXTURE!r} instead of {task!r}",
            path=path,
        )
    return samples


def _beside(path: str) -> ImageFolder | None:
    """Where the images of a local file are unless told otherwise: beside it, or as they say."""
    local = Path(path)
    if not local.exists():
        return None
    return ImageFolder(local if local.is_dir() else local.parent, anywhere=True)


def say_remarks(loaded: Sequence[Dataset]) -> None:
    """What a person should know of the rows before training begins.

    Args:
        loaded: Those for training, and those for evaluation if there are any.
    """
    for origin in (data.provenance for data in loaded):
        kinds = Counter(problem.kind.replace("_", " ") for problem in origin.skipped)
        for kind, count in kinds.items():
            print(f"{origin.path}: {count} rows left out: {kind}", file=sys.stderr)
        if (doubt := suspicious_text(origin)) is not None:
            warn(f"{origin.path}: {doubt}")
    if len(loaded) > 1 and (twice := _asked_twice(*loaded)):
        warn(
            f"{loaded[1].provenance.path}: {twice} of {len(loaded[1])} rows for evaluation ask "
            "what a row for training asks of the same image: eval_acc counts what is known by heart"
        )


def _asked_twice(samples: Dataset, held_out: Dataset) -> int:
    """Rows of the one that are questions of the other, whatever file they are copied from."""

    def asked(sample: Sample) -> tuple[Any, ...]:
        return sample.question, sample.expression, sample.every_image

    def shown(data: Dataset, sample: Sample) -> list[Any]:
        found = map(data.images.source, sample.every_image) if data.images else ()
        return [place.resolve() if isinstance(place, Path) else place for place in found]

    known = {asked(sample): sample for sample in samples}
    pairs = ((known.get(asked(sample)), sample) for sample in held_out)
    return sum(a is not None and shown(samples, a) == shown(held_out, b) for a, b in pairs)


def tasks_of(provenance: Provenance) -> set[str]:
    """The tasks of the golds of a data set."""
    if provenance.parts:
        return set().union(*(tasks_of(part) for part in provenance.parts))
    return {provenance.task}


def informative(samples: Dataset, run: str, say: Callable[[str], object] = warn) -> Dataset:
    """The samples without those whose completions all earned the same in the traces of a run.

    Too easy and too hard questions are left out alike; those that the run did not ask are kept.

    Args:
        samples: The samples.
        run: Directory of a run, or of its traces.
        say: Told of torn lines, see `read_trace`.

    Raises:
        OptionError: If there are no traces, or none of these rows.
        DataError: If nothing is left, or a file is none of traces.
    """
    asked, taught = _questions(Path(run), say)
    if not any(sample.id in asked for sample in samples):
        raise OptionError(f"--informative_in {run}: its traces are of other rows than these")
    kept = [
        index
        for index, sample in enumerate(samples)
        if sample.id in taught or sample.id not in asked
    ]
    if not kept:
        raise DataError(
            f"--informative_in {run}: expected questions that taught something, got none among "
            f"{len(samples)}",
            path=samples.provenance.path,
        )
    return samples.select(kept, f"without {len(samples) - len(kept)} that taught nothing")


def _questions(run: Path, say: Callable[[str], object]) -> tuple[set[str], set[str]]:
    """Ids of the questions that were asked, and of those whose completions earned differently."""
    files = [*trace_files(run), *trace_files(run / "traces")]
    if not files:
        raise OptionError(f"--informative_in: expected traces in {run}, found no rank-*.jsonl")
    earned: dict[tuple[Any, str], list[float]] = defaultdict(list)
    for file in files:
        for row in (raw.value for raw in read_trace(file, say)):
            if row.get("mode") != "eval" and isinstance(row.get("value"), (int, float)):
                earned[row["step"], str(row.get("id"))].append(row["value"])
    asked = {question for _, question in earned}
    return asked, {question for (_, question), values in earned.items() if not alike(values)}

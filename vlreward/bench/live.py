"""Runs a suite through an engine and scores what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.mixed import Rules, rules_of
from vlreward.bench.options import RunOptions
from vlreward.bench.runner import Completed, run_suite
from vlreward.bench.unfinished import Unfinished
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError
from vlreward.data.images import image_size
from vlreward.engines.base import Engine
from vlreward.frames import FAMILIES, Frame
from vlreward.prompts import PromptTemplate
from vlreward.task import TaskSpec
from vlreward.types import Sample

__all__ = ["ask", "shown_name"]


@contextmanager
def ask(
    engine: Engine,
    rules: Rules,
    dataset: Dataset,
    options: RunOptions,
    control: str | None = None,
) -> Iterator[Callable[[], Evaluation]]:
    """Have one suite answered, resuming an earlier run of it, while its scores are computed.

    Gives a function that waits for the last scores and returns the scored suite. Where the context
    is left by an error, scores that are not known yet are given up.

    Args:
        engine: Generates the answers.
        rules: How the suite is asked and scored.
        dataset: Its samples, or those of a control.
        options: Where the files go, the frame in place of the family's, how many answers each
            sample gets, and how many may fail.
        control: Name of the control that the data set is, if it is one.

    Raises:
        DataError: If answers lie in the image and no frame is known.
        TooManyFailuresError, EngineError, RunMismatchError: See `run_suite`.
    """
    suite, origin = rules.suite, dataset.provenance
    specs = rules_of(suite, rules.spec)
    frame, declared_by = _frame(engine, specs, options.frame)
    order = options.axis_order or (engine.family.axis_order if engine.family else None)
    about = {"data_sha256": origin.sha256, "ids_sha256": dataset.ids_sha256}
    name = suite.name if control is None else f"{suite.name}@{control}"
    if control is not None:
        suite = suite.model_copy(update={"references": ()})
    made: dict[str, Any] = {
        "prompt": rules.prompt,
        "name": dataset.name,
        "frame": frame,
        "frame_declared_by": declared_by,
        "images": dataset.images,
        "provenance": {
            "model": shown_name(engine.model),
            "engine": engine.describe(),
            **about,
            "sampling": origin.sampling,
            **({} if control is None else {"control": control}),
        },
    }

    def seen(item: Completed) -> Sample:
        """The sample as it is scored, with the sizes that the engine saw."""
        sample, generation = item.sample, item.generation
        if generation is None:
            return sample
        size = generation.image_size or sample.image_size
        if size is None and sample.image is not None:
            images = dataset.images
            named = Path(sample.image) if images is None else images.source(sample.image)
            size = image_size(named, where=sample.id)
        input_size = generation.input_size or sample.input_size
        if input_size is None and size is not None and sample.image is not None:
            input_size = engine.input_size(size)
        update: dict[str, Any] = {"frame": None, "axis_order": None}
        if sample.gold.located:
            update = {"frame": frame, "axis_order": order}
        return sample.model_copy(update=update | {"image_size": size, "input_size": input_size})

    with ExitStack() as stack:
        record = None
        if engine.rank == 0:
            several, wanted = options.samples > 1, len(dataset) * options.samples
            unfinished = Unfinished(options.out, suite, rules.spec, wanted, several, made)
            record = stack.enter_context(closing(unfinished)).add
        scores = stack.enter_context(LiveScores(specs, seen, record))
        completed = run_suite(
            dataset,
            engine,
            options.out / f"run_{name}.jsonl",
            prompt=rules.prompt,
            prompts=rules.prompts,
            attempts=options.samples,
            images=dataset.images,
            on_settled=scores.add,
            max_error_rate=options.max_error_rate,
            overwrite=options.overwrite,
            title=dataset.name,
            about=about,
        )

        def evaluation() -> Evaluation:
            answered = [item for item in completed if item.generation is not None]
            samples, found = scores.of(answered)
            served = {i.generation.served_model for i in answered if i.generation is not None}
            provenance: dict[str, Any] = made["provenance"] | {
                "unanswered": len(completed) - len(answered),
                "served_models": sorted(name for name in served if name is not None),
            }
            return Evaluation(
                suite,
                rules.spec,
                samples,
                [item.completion for item in answered if item.completion is not None],
                scores=found,
                attempts=[item.attempt for item in answered],
                notes=[
                    *origin.remarks,
                    *_foreign(rules.prompt, frame),
                    *_left_out(origin, completed),
                ],
                **made | {"provenance": provenance},
            )

        yield evaluation


def _frame(
    engine: Engine, specs: Mapping[str, TaskSpec], declared: Frame | None
) -> tuple[Frame | None, str | None]:
    if not any(spec.located for spec in specs.values()):
        return None, None
    if declared is not None:
        return declared, "option"
    if engine.family is not None:
        return engine.family.frame, "model family"
    raise DataError(
        f"the family of model {engine.model!r} is not known, so the frame of its answers is not "
        "either: declare it with --frame or --family"
    )


def _foreign(prompt: PromptTemplate, frame: Frame | None) -> Iterator[str]:
    """A note where the prompt is that of families which write in other frames."""
    theirs = {family.frame for family in FAMILIES.values() if family.prompt == prompt.name}
    if frame is not None and theirs and frame not in theirs:
        names = " or ".join(sorted(other.value for other in theirs))
        yield (
            f"WARNING: the prompt {prompt.name!r} is that of families that write {names}; answers "
            f"were read as {frame.value}"
        )


def _left_out(origin: Provenance, completed: Sequence[Completed]) -> Iterator[str]:
    """Notes of rows and samples that the numbers are not over."""
    if origin.skipped:
        yield f"{len(origin.skipped)} rows of the data were skipped"
    if lost := sum(item.generation is None for item in completed):
        several = any(item.attempt for item in completed)
        yield (
            f"WARNING: {lost} of {len(completed)} {'answers wanted' if several else 'samples'} "
            "have no answer and are left out; run the same command again to try them again"
        )


def shown_name(model: str) -> str:
    """A hub name as it is; of a path the last two parts, since paths differ by machine."""
    path = Path(model)
    return "/".join(path.resolve().parts[-2:]) if path.is_dir() else model

"""Runs a suite through an engine and scores what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlreward.answer_frames import AnswerFrames
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
from vlreward.types import Sample

__all__ = ["LiveRun", "run_live", "shown_name"]


class LiveRun:
    """One suite, answered by an engine; its last scores may still be on their way.

    A context: left by an error, it gives up the scores that are not known yet.
    """

    def __init__(
        self,
        rules: Rules,
        completed: Sequence[Completed],
        scores: LiveScores,
        made: Mapping[str, Any],
        notes: Sequence[str],
        opened: ExitStack,
    ) -> None:
        self._rules, self._completed, self._scores = rules, completed, scores
        self._made, self._notes, self._opened = made, notes, opened

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def evaluation(self) -> Evaluation:
        """The scored suite, once the last scores are known; for the first process alone."""
        answered = [item for item in self._completed if item.generation is not None]
        samples, scores = self._scores.of(answered)
        served = {i.generation.served_model for i in answered if i.generation is not None}
        provenance = {
            **self._made["provenance"],
            "unanswered": len(self._completed) - len(answered),
            "served_models": sorted(model for model in served if model is not None),
        }
        return Evaluation(
            self._rules.suite,
            self._rules.spec,
            samples,
            [item.completion for item in answered if item.completion is not None],
            scores=scores,
            attempts=[item.attempt for item in answered],
            notes=[*self._notes],
            **{**self._made, "provenance": provenance},
        )


def run_live(
    engine: Engine,
    rules: Rules,
    dataset: Dataset,
    options: RunOptions,
    control: str | None = None,
) -> LiveRun:
    """Have one suite answered, resuming an earlier run of it, while its scores are computed.

    Returns when every sample has been asked. The first of several processes scores the answers of
    all.

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
    origin, run_name = dataset.provenance, rules.suite.name
    if control is not None:
        run_name = f"{run_name}@{control}"
        rules = replace(rules, suite=rules.suite.model_copy(update={"references": ()}))
    specs = rules_of(rules.suite, rules.spec)
    frames = AnswerFrames(options.frame, options.axis_order, engine.family)
    located = any(spec.located for spec in specs.values())
    frame, order = (frames.frame_of(None) if located else None), frames.order_of(None)
    if located and frame is None:
        raise DataError(
            f"the family of model {engine.model!r} is not known, so the frame of its answers is "
            "not either: declare it with --frame or --family"
        )
    declared_by = None if frame is None else "option" if options.frame else "model family"
    about = {"data_sha256": origin.sha256, "ids_sha256": dataset.ids_sha256}
    made: dict[str, Any] = {
        "prompts": rules.prompts,
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

    with ExitStack() as opened:
        record = None
        if engine.rank == 0:
            several, wanted = options.samples > 1, len(dataset) * options.samples
            unfinished = Unfinished(options.out, rules.suite, rules.spec, wanted, several, made)
            record = opened.enter_context(closing(unfinished)).add
        scores = opened.enter_context(LiveScores(specs, seen, record))
        completed = run_suite(
            dataset,
            engine,
            options.out / f"run_{run_name}.jsonl",
            prompts=rules.prompts,
            attempts=options.samples,
            images=dataset.images,
            on_settled=scores.add if engine.rank == 0 else None,
            max_error_rate=options.max_error_rate,
            overwrite=options.overwrite,
            title=dataset.name,
            about=about,
        )
        notes = (
            *origin.remarks,
            *_foreign(rules.prompts.usual, frame),
            *_left_out(origin, completed),
        )
        return LiveRun(rules, completed, scores, made, notes, opened.pop_all())


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

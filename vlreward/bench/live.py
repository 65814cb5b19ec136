"""Runs a suite through an engine and scores what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.mixed import rules_of
from vlreward.bench.runner import Completed, run_suite
from vlreward.bench.unfinished import Unfinished
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource, image_size
from vlreward.engines.base import Engine
from vlreward.frames import FAMILIES, AxisOrder, Frame
from vlreward.prompts import PromptTemplate
from vlreward.suite import Suite
from vlreward.task import TaskSpec
from vlreward.types import Sample

__all__ = ["LiveRun", "shown_name"]


@dataclass(frozen=True)
class LiveRun:
    """What all suites of one command share."""

    engine: Engine
    """Generates the answers."""
    out: Path
    """Directory of the run files."""
    frame: Frame | None = None
    """Frame of predicted coordinates, in place of the model family's."""
    max_error_rate: float = 0.01
    """Largest share of samples that may stay without an answer."""
    overwrite: bool = False
    """Replace answers that were generated otherwise."""
    progress: bool | None = None
    """False to show none."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first, in place of the model family's."""
    attempts: int = 1
    """How many answers each sample gets."""

    @contextmanager
    def ask(
        self,
        suite: Suite,
        dataset: Dataset,
        spec: TaskSpec,
        prompt: PromptTemplate,
        *,
        prompts: Mapping[str, PromptTemplate] | None = None,
        control: str | None = None,
    ) -> Iterator[Callable[[], Evaluation]]:
        """Have one suite answered, resuming an earlier run of it, while its scores are computed.

        Gives a function that waits for the last scores and returns the scored suite. Where the
        context is left by an error, scores that are not known yet are given up.

        Args:
            suite: The suite.
            dataset: Its samples, or those of a control.
            spec: Task, protocol and method.
            prompt: How samples are put to the model.
            prompts: By task, where rows of some tasks are put otherwise.
            control: Name of the control that the data set is, if it is one.

        Raises:
            DataError: If answers lie in the image and no frame is known.
            TooManyFailuresError, EngineError, RunMismatchError: See `run_suite`.
        """
        specs = rules_of(suite, spec)
        frame, declared_by = self._frame(specs)
        family, origin = self.engine.family, dataset.provenance
        order = self.axis_order or (family.axis_order if family else None)
        about = {"data_sha256": origin.sha256, "ids_sha256": dataset.ids_sha256}
        name = suite.name if control is None else f"{suite.name}@{control}"
        if control is not None:
            suite = suite.model_copy(update={"references": ()})
        made: dict[str, Any] = {
            "prompt": prompt,
            "name": dataset.name,
            "frame": frame,
            "frame_declared_by": declared_by,
            "images": dataset.images,
            "provenance": {
                "model": shown_name(self.engine.model),
                "engine": self.engine.describe(),
                **about,
                "sampling": origin.sampling,
                **({} if control is None else {"control": control}),
            },
        }

        def seen(item: Completed) -> Sample:
            return self._seen(item, dataset.images, frame, order)

        with ExitStack() as stack:
            record = None
            if self.engine.rank == 0:
                several, wanted = self.attempts > 1, len(dataset) * self.attempts
                unfinished = Unfinished(self.out, suite, spec, wanted, several, made)
                record = stack.enter_context(closing(unfinished)).add
            scores = stack.enter_context(LiveScores(specs, seen, record))
            completed = run_suite(
                dataset,
                self.engine,
                self.out / f"run_{name}.jsonl",
                prompt=prompt,
                prompts=prompts,
                attempts=self.attempts,
                images=dataset.images,
                judge=scores.add,
                max_error_rate=self.max_error_rate,
                overwrite=self.overwrite,
                title=dataset.name,
                about=about,
                progress=self.progress,
            )

            def evaluation() -> Evaluation:
                answered = [item for item in completed if item.generation is not None]
                samples = [seen(item) for item in answered]
                completions = [item.completion for item in answered if item.completion is not None]
                attempts = [item.attempt for item in answered]
                served = {i.generation.served_model for i in answered if i.generation is not None}
                provenance: dict[str, Any] = made["provenance"] | {
                    "unanswered": len(completed) - len(answered),
                    "served_models": sorted(name for name in served if name is not None),
                }
                return Evaluation(
                    suite,
                    spec,
                    samples,
                    completions,
                    scores=scores.of(samples, completions, attempts),
                    attempts=attempts,
                    notes=[
                        *origin.remarks,
                        *_foreign(prompt, frame),
                        *_left_out(origin, completed),
                    ],
                    **made | {"provenance": provenance},
                )

            yield evaluation

    def _seen(
        self,
        item: Completed,
        images: ImageSource | None,
        frame: Frame | None,
        order: AxisOrder | None,
    ) -> Sample:
        """The sample as it is scored, with the sizes that the engine saw."""
        sample, generation = item.sample, item.generation
        if generation is None:
            return sample
        size = generation.image_size or sample.image_size
        if size is None and sample.image is not None:
            named = Path(sample.image) if images is None else images.source(sample.image)
            size = image_size(named, where=sample.id)
        input_size = generation.input_size or sample.input_size
        if input_size is None and size is not None and sample.image is not None:
            input_size = self.engine.input_size(size)
        update: dict[str, Any] = {"frame": None, "axis_order": None}
        if sample.gold.located:
            update = {"frame": frame, "axis_order": order}
        return sample.model_copy(update=update | {"image_size": size, "input_size": input_size})

    def _frame(self, specs: Mapping[str, TaskSpec]) -> tuple[Frame | None, str | None]:
        if not any(spec.located for spec in specs.values()):
            return None, None
        if self.frame is not None:
            return self.frame, "option"
        if self.engine.family is not None:
            return self.engine.family.frame, "model family"
        raise DataError(
            f"the family of model {self.engine.model!r} is not known, so the frame of its "
            "answers is not either: declare it with --frame or --family"
        )


def _foreign(prompt: PromptTemplate, frame: Frame | None) -> list[str]:
    """A note where the prompt is that of families which write in other frames."""
    theirs = {family.frame for family in FAMILIES.values() if family.prompt == prompt.name}
    if frame is None or not theirs or frame in theirs:
        return []
    names = " or ".join(sorted(other.value for other in theirs))
    return [
        f"WARNING: the prompt {prompt.name!r} is that of families that write {names}; answers were "
        f"read as {frame.value}"
    ]


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

"""Runs a suite through an engine and scores what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.bench.evaluate import Evaluation, evaluate
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.mixed import rules_of
from vlreward.bench.runner import Completed, run_suite
from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError
from vlreward.data.images import ImageSource, image_size
from vlreward.engines.base import Engine
from vlreward.frames import AxisOrder, Frame
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

    def evaluate(
        self,
        suite: Suite,
        dataset: Dataset,
        spec: TaskSpec,
        prompt: PromptTemplate,
        *,
        prompts: Mapping[str, PromptTemplate] | None = None,
        control: str | None = None,
    ) -> Evaluation:
        """Run and score one suite, resuming an earlier run of it.

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
        family = self.engine.family
        order = self.axis_order or (family.axis_order if family else None)
        about = {"data_sha256": dataset.provenance.sha256, "ids_sha256": dataset.ids_sha256}
        name = suite.name if control is None else f"{suite.name}@{control}"

        def seen(item: Completed) -> Sample:
            return self._seen(item, dataset.images, frame, order)

        with LiveScores(specs, seen) as live:
            completed = run_suite(
                dataset,
                self.engine,
                self.out / f"run_{name}.jsonl",
                prompt=prompt,
                prompts=prompts,
                attempts=self.attempts,
                images=dataset.images,
                judge=live.add,
                max_error_rate=self.max_error_rate,
                overwrite=self.overwrite,
                title=dataset.name,
                about=about,
                progress=self.progress,
            )
            answered = [item for item in completed if item.completion is not None]
            samples = [seen(item) for item in answered]
            completions = [item.completion for item in answered if item.completion is not None]
            attempts = [item.attempt for item in answered]
            scores = live.of(samples, completions, attempts)
        origin = dataset.provenance
        notes = [*origin.remarks]
        if origin.skipped:
            notes.append(f"{len(origin.skipped)} rows of the data were skipped")
        asked = "samples" if self.attempts == 1 else "answers wanted"
        if len(answered) < len(completed):
            notes.append(
                f"WARNING: {len(completed) - len(answered)} of {len(completed)} {asked} have no "
                "answer and are left out; run the same command again to try them again"
            )
        references = suite.references if control is None else ()
        return evaluate(
            suite.model_copy(update={"references": references}),
            spec,
            samples,
            completions,
            scores=scores,
            attempts=attempts,
            prompt=prompt,
            name=dataset.name,
            frame=frame,
            frame_declared_by=declared_by,
            provenance={
                "model": shown_name(self.engine.model),
                "engine": self.engine.describe(),
                "data_sha256": origin.sha256,
                "ids_sha256": dataset.ids_sha256,
                "sampling": origin.sampling,
                "unanswered": len(completed) - len(answered),
                "served_models": _served(answered),
                **({} if control is None else {"control": control}),
            },
            notes=notes,
            images=dataset.images,
        )

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
        update: dict[str, Any] = {"image_size": size, "input_size": input_size}
        if sample.gold.located:
            update |= {"frame": frame, "axis_order": order}
        else:
            update |= {"frame": None, "axis_order": None}
        return sample.model_copy(update=update)

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


def shown_name(model: str) -> str:
    """A hub name as it is; of a path the last two parts, since paths differ by machine."""
    path = Path(model)
    return "/".join(path.resolve().parts[-2:]) if path.is_dir() else model


def _served(answered: Sequence[Completed]) -> list[str]:
    names = {item.generation.served_model for item in answered if item.generation is not None}
    return sorted(name for name in names if name is not None)

"""Runs a suite through an engine and scores what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.bench.asked import Asked
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.mixed import rules_of
from vlreward.bench.runner import Completed, run_suite
from vlreward.bench.unfinished import Unfinished
from vlreward.data.dataset import Dataset
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
        """Run and score one suite; see `ask`."""
        asked = self.ask(suite, dataset, spec, prompt, prompts=prompts, control=control)
        with asked:
            return asked.evaluation()

    def ask(
        self,
        suite: Suite,
        dataset: Dataset,
        spec: TaskSpec,
        prompt: PromptTemplate,
        *,
        prompts: Mapping[str, PromptTemplate] | None = None,
        control: str | None = None,
    ) -> Asked:
        """Have one suite answered, resuming an earlier run of it, while its scores are computed.

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

        wanted = len(dataset) * self.attempts
        open_file = None
        if self.engine.rank == 0:
            open_file = Unfinished(self.out, suite, spec, wanted, self.attempts > 1, made)
        live = LiveScores(specs, seen, None if open_file is None else open_file.add)
        asked = Asked(suite, spec, made, live, seen, open_file, origin, _foreign(prompt, frame))
        try:
            asked.completed = run_suite(
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
        except BaseException:
            asked.close(wait=False)
            raise
        return asked

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


def shown_name(model: str) -> str:
    """A hub name as it is; of a path the last two parts, since paths differ by machine."""
    path = Path(model)
    return "/".join(path.resolve().parts[-2:]) if path.is_dir() else model

"""Blind controls: what an answer earns that never looked at the image.

A control is scored by the strict rules, whatever those of the model's answers. A benchmark on which
a model is no better than its controls says nothing about seeing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlreward.bench.attempts import grouped
from vlreward.bench.evaluate import Evaluation
from vlreward.bench.output import TOLD_APART_BY
from vlreward.data.dataset import Dataset
from vlreward.frames import Frame
from vlreward.tasks import TASKS, get_task
from vlreward.types import Completion, Sample

__all__ = ["SHUFFLED", "shuffle_images", "with_controls"]

SHUFFLED = "shuffled-images"
"""Name of the control of a model that is shown other images."""

_NONE = "no blind controls: the rows lack what they need, e.g. the sizes of the images"
_LONGEST_NAME = 60


def with_controls(evaluation: Evaluation) -> list[Evaluation]:
    """An evaluation, and the blind controls of its task for its samples, named `SUITE@CONTROL`.

    What an answer is that never looked, the task says (`TaskSpec.controls`). Where rows belong to
    several tasks, a control answers each row with the first one of its task. The evaluation says
    so in a note if there is none.
    """
    samples = list({sample.id: sample for sample in evaluation.samples}.values())
    answers = _blind(samples)
    if not answers:
        evaluation.notes.append(_NONE)
    return [evaluation, *(_control(evaluation, samples, *control) for control in answers.items())]


def _blind(samples: Sequence[Sample]) -> Mapping[str, Sequence[str]]:
    places = grouped(range(len(samples)), lambda place: samples[place].task)
    found = {
        task: TASKS.get(task).controls([samples[i] for i in mine]) for task, mine in places.items()
    }
    if len(found) == 1:
        return next(iter(found.values()))
    if not all(found.values()):
        return {}
    names: list[str] = []
    mixed = [""] * len(samples)
    for task, controls in found.items():
        name, answers = next(iter(controls.items()))
        names.append(name)
        for place, answer in zip(places[task], answers):
            mixed[place] = answer
    return {"+".join(names): mixed}


def shuffle_images(dataset: Dataset) -> Dataset:
    """The data set with every sample's image replaced by that of a sample half the set away.

    The golds stay, so a model that looks at the image should do no better than blind. Where
    neighbours share images, half the set is far enough for another picture in practice.
    """
    samples = list(dataset)
    half = len(samples) // 2 or 1
    shifted = [
        sample.model_copy(update={"image": other.image, "images": other.images, "input_size": None})
        for sample, other in zip(samples, (*samples[half:], *samples[:half]))
    ]
    return Dataset(f"{dataset.name}@{SHUFFLED}", shifted, dataset.provenance, dataset.images)


def _control(
    evaluation: Evaluation, asked: Sequence[Sample], name: str, answers: Sequence[str]
) -> Evaluation:
    suite = evaluation.suite
    samples = [
        sample.model_copy(update={"frame": Frame.ORIGINAL_PX, "axis_order": "xy"})
        if sample.gold.located
        else sample
        for sample in asked
    ]
    frame = Frame.ORIGINAL_PX if any(sample.gold.located for sample in samples) else None
    safe = "".join(c if c.isalnum() or c in "-._+" else "_" for c in name)[:_LONGEST_NAME]
    return Evaluation(
        suite.model_copy(update={"references": ()}),
        get_task(suite.task),
        samples,
        [Completion(f"<answer>{answer}</answer>") for answer in answers],
        prompts=evaluation.prompts,
        name=f"{evaluation.name}@{safe}",
        frame=frame,
        frame_declared_by="control" if frame else None,
        provenance={
            "control": name,
            **{key: evaluation.provenance.get(key) for key in ("data_sha256", *TOLD_APART_BY)},
        },
        images=evaluation.images,
    )

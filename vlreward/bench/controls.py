"""Blind controls: what an answer earns that never looked at the image.

A control is scored by the same rules as the model's answers. A benchmark on which a model is no
better than its controls says nothing about seeing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlreward.bench.evaluate import Evaluation, evaluate
from vlreward.data.dataset import Dataset
from vlreward.frames import Frame
from vlreward.tasks import get_task
from vlreward.types import Completion, Sample

__all__ = ["blind_controls", "have_controls", "shuffle_images"]

_BOXES = {"centre-box": (0.25, 0.25, 0.75, 0.75), "whole-image": (0.0, 0.0, 1.0, 1.0)}


def blind_controls(evaluation: Evaluation) -> list[Evaluation]:
    """Controls for the samples of an evaluation, named `SUITE@CONTROL`.

    For REC: the middle half of each side of the image, and the whole image; where an image's size
    is not known there is no such box, and no control. For other tasks: the most frequent gold as a
    constant answer, chosen with the golds and so an upper bound of what a constant can earn.
    """
    samples = evaluation.samples
    if evaluation.suite.task != "rec":
        constant, _ = Counter(str(sample.target) for sample in samples).most_common(1)[0]
        return [_control(evaluation, f"constant-{constant}", [constant] * len(samples))]
    if not have_controls("rec", samples):
        return []
    sizes = [sample.image_size for sample in samples if sample.image_size is not None]
    return [
        _control(evaluation, name, [[x1 * w, y1 * h, x2 * w, y2 * h] for w, h in sizes])
        for name, (x1, y1, x2, y2) in _BOXES.items()
    ]


def have_controls(task: str, samples: Sequence[Sample]) -> bool:
    """Whether there are blind controls for samples: boxes need the size of every image."""
    return task != "rec" or all(sample.image_size is not None for sample in samples)


def shuffle_images(dataset: Dataset) -> Dataset:
    """The data set with every sample's image replaced by that of a sample half the set away.

    The golds stay, so a model that looks at the image should do no better than blind. Where
    neighbours share images, half the set is far enough for another picture in practice.
    """
    samples = list(dataset)
    half = len(samples) // 2 or 1
    shifted = [
        sample.model_copy(
            update={"image": samples[(i + half) % len(samples)].image, "input_size": None}
        )
        for i, sample in enumerate(samples)
    ]
    return Dataset(f"{dataset.name}@shuffled-images", shifted, dataset.provenance, dataset.images)


def _control(evaluation: Evaluation, name: str, answers: Sequence[object]) -> Evaluation:
    suite = evaluation.suite
    frame = Frame.ORIGINAL_PX if suite.task == "rec" else None
    safe = "".join(c if c.isalnum() or c in "-._" else "_" for c in name)
    return evaluate(
        suite.model_copy(update={"references": ()}),
        get_task(suite.task),
        [sample.model_copy(update={"frame": frame}) for sample in evaluation.samples],
        [Completion(f"<answer>{answer}</answer>") for answer in answers],
        prompt=evaluation.prompt,
        name=f"{evaluation.name}@{safe}",
        frame=frame,
        frame_declared_by="control" if frame else None,
        provenance={"control": name, "data_sha256": evaluation.provenance.get("data_sha256")},
        images=evaluation.images,
    )

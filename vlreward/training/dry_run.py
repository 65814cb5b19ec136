"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import yaml

from vlreward.data import Dataset
from vlreward.data.suspicious import suspicious_text
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.golds import unpack
from vlreward.training.memory import MemoryEstimate, estimate
from vlreward.training.models import ModelSize
from vlreward.training.preparing import Run

__all__ = ["data_text", "describe", "frame_text", "perfect_answer", "rewards_text"]

_THINK = "<think>The question is answered.</think>"


def describe(
    run: Run,
    configuration: dict[str, Any],
    others: str,
    *,
    prompt: str,
    words: int,
    image: int,
    size: ModelSize,
    strategy: str,
    weight_bytes: int,
    spreads: Sequence[str] = (),
) -> str:
    """Configuration, first prompt, frame, rewards of a perfect and an empty answer, memory.

    Args:
        run: The run.
        configuration: What is shown of the backend's options, besides those of `Arguments`; those
            of training by the name `training`.
        others: What the options that are not shown have.
        prompt: The first prompt as the model reads it.
        words: Its tokens without its image.
        image: Tokens of its image.
        size: The size of the model.
        strategy: How the run is spread; one of `vlreward.training.memory.STRATEGIES`.
        weight_bytes: Bytes of a stored weight.
        spreads: Strategies whose memory on eight GPUs is shown for a run on one.
    """
    options, training, row = run.options, run.options.training, run.rows[0]
    completions = run.schedule.questions * training.num_generations
    configuration["training"] |= {
        "world_size": training.world_size,
        "completions_per_step": completions,
        "strategy": strategy,
    }
    given = {name: value for name, value in vars(options.arguments).items() if value is not None}
    chosen = yaml.safe_dump(
        {"task": options.task, **given, **configuration},
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )

    def estimated(strategy: str, world_size: int) -> MemoryEstimate:
        least = training.per_device_train_batch_size
        return estimate(
            size,
            strategy=strategy,
            world_size=world_size,
            prompt_tokens=words + image,
            completion_tokens=training.max_completion_length,
            completions=least,
            generated=max(least, completions // world_size),
            beta=training.beta,
            bf16=training.bf16,
            weight_bytes=weight_bytes,
            freeze_vision=bool(options.arguments.freeze_vision),
            lora_rank=options.lora_rank,
        )

    memory = [
        f"{size.parameters / 1e6:.1f} M parameters, {size.vision / 1e6:.1f} M of them vision; "
        f"{words + image} tokens in the first prompt, {image} of them image",
        f"{strategy}, {training.world_size} process(es):",
        *estimated(strategy, training.world_size).lines(),
    ]
    for other in spreads if training.world_size == 1 else ():
        total = estimated(other, 8).total
        memory.append(f"{other + ' on 8':<12} {total / 1024**3:8.2f} GiB")
    parts = {
        "configuration": f"{chosen}({others})",
        "data": data_text(run.samples),
        "steps": f"{run.schedule.text()}\n{run.start.text()}",
        f"prompt of {row['id']}": prompt,
        "frame": frame_text(row),
        "rewards": rewards_text(run),
        "memory on each GPU, estimated": "\n".join(memory),
    }
    return "\n\n".join(f"# {title}\n{text.rstrip()}" for title, text in parts.items())


def data_text(samples: Dataset) -> str:
    """How many rows of what, and what is remarkable about them."""
    origin = samples.provenance
    lines = [f"{len(samples)} rows of {origin.path} ({origin.schema}, {origin.task})"]
    lines += [f"  {part.path}: {part.rows} rows, {part.task}" for part in origin.parts]
    lines += origin.remarks
    if origin.skipped:
        lines.append(f"{len(origin.skipped)} rows skipped, first: {origin.skipped[0]}")
    if (doubt := suspicious_text(origin)) is not None:
        lines.append(doubt)
    if origin.notes:
        lines.append(f"{len(origin.notes)} rows deserve a look, first: {origin.notes[0]}")
    return "\n".join(lines)


def frame_text(row: dict[str, Any]) -> str:
    """The sizes of the image of a row, and the frame of predicted coordinates."""
    width, height = row["image_size"]
    seen = row["input_size"]
    text = f"image {width} x {height} pixels, seen by the model at {seen[0]} x {seen[1]}\n"
    if row["frame"] is None:
        return text + f"the task {row['task']!r} has no coordinates"
    frame = Frame(row["frame"])
    extent = frame.extent(Size(width, height), Size(*seen))
    assert extent is not None
    order = ", y first" if row["axis_order"] == "yx" else ""
    return text + (
        f"predicted coordinates are in {frame.value}, within (0, 0, {extent[0]:g}, {extent[1]:g})"
        f"{order}"
    )


def rewards_text(run: Run) -> str:
    """The rewards of a perfect and of an empty answer to the first row of each task."""
    lines = []
    # Without the traces and the hooks of a trainer, so that a dry run leaves nothing behind.
    tasks = {reward.spec.name: reward for reward in run.task_rewards}
    first = _first_indices(run.samples, tasks.keys())
    for name, reward in tasks.items():
        if name not in first:
            continue
        row = run.rows[first[name]]
        for kind, text in (
            ("perfect", perfect_answer(row, whole_numbers=reward.spec.protocol != "strict")),
            ("empty", ""),
        ):
            if text is None:
                lines.append(f"{name}: the task does not say how a perfect answer is written")
                continue
            (score,) = reward.scores([text], [row["solution"]], task=[name])
            assert score is not None
            terms = ", ".join(f"{k} {v:g}" for k, v in score.terms.items())
            failure = "" if score.failure is None else f"  ({score.failure.code})"
            lines.append(f"{name}, {kind} answer: {score.value:g} = {terms}{failure}  {text}")
    lines += [f"{f.__name__}: your own, weight {f.weight:g}, not tried here" for f in run.extra]
    return "\n".join(lines)


def perfect_answer(row: dict[str, Any], *, whole_numbers: bool = False) -> str | None:
    """A completion that answers a row rightly; None if the task does not say how.

    Args:
        row: A row of `vlreward.training.columns`.
        whole_numbers: Round coordinates to whole numbers, which some protocols insist on.
    """
    envelope = unpack(row["solution"], row["task"])
    place = (envelope.frame, envelope.image_size, envelope.input_size)
    # Golds of plug-ins may not know of the order, which is another one than xy for few models.
    order: Any = {} if envelope.axis_order != "yx" else {"axis_order": envelope.axis_order}
    written = envelope.gold.written(*place, **order, whole_numbers=whole_numbers)
    return None if written is None else f"{_THINK}<answer>{written}</answer>"


def _first_indices(samples: Dataset, tasks: Collection[str]) -> dict[str, int]:
    seen: dict[str, int] = {}
    for index, sample in enumerate(samples):
        seen.setdefault(sample.task, index)
        if len(seen) == len(tasks):
            break
    return seen

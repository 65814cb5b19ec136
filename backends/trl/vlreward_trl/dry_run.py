"""What a run would do, as text: `--dry-run`."""

from __future__ import annotations

import os
from typing import Any

import yaml

from vlreward.frames import Frame, convert
from vlreward.geometry import Box, Size
from vlreward.golds import unpack
from vlreward.types import BoxGold, CountGold, MathGold
from vlreward_trl.memory import MemoryEstimate, estimate
from vlreward_trl.models import ModelSize, measure
from vlreward_trl.preparing import Run
from vlreward_trl.recipes import recipe_for

__all__ = ["describe", "estimate_for", "perfect_answer", "strategy_of"]

_THINK = "<think>The question is answered.</think>"


def describe(run: Run) -> str:
    """Configuration, first prompt, frame, rewards of a perfect and an empty answer, memory."""
    row = run.rows[0]
    parts = [
        ("configuration", _configuration(run)),
        ("data", _data(run)),
        (f"prompt of {row['id']}", _prompt(run, row)),
        ("frame", _frame(row)),
        ("rewards", _rewards(run)),
        ("memory on each GPU, estimated", _memory(run)),
    ]
    return "\n\n".join(f"# {title}\n{text.rstrip()}" for title, text in parts)


def perfect_answer(row: dict[str, Any], *, whole_numbers: bool = False) -> str | None:
    """A completion that answers a row rightly; None for the tasks of plug-ins.

    Args:
        row: A row of `vlreward_trl.columns`.
        whole_numbers: Round a box to whole numbers, which some protocols insist on.
    """
    envelope = unpack(row["solution"], row["task"])
    gold = envelope.gold
    if isinstance(gold, CountGold):
        return f"{_THINK}<answer>{gold.count}</answer>"
    if isinstance(gold, MathGold):
        return f"{_THINK}<answer>{gold.expression}</answer>"
    if isinstance(gold, BoxGold):
        box = _predicted(gold, Frame(row["frame"]), Size(*row["image_size"]), row["input_size"])
        numbers = [round(v) if whole_numbers else v for v in box]
        return f'{_THINK}<answer>{{"bbox_2d": {numbers}}}</answer>'
    return None


def _predicted(gold: BoxGold, frame: Frame, image_size: Size, input_size: list[int]) -> Box:
    """The gold box as a model should write it; published ones leave the image by up to a pixel."""
    sizes = {"image_size": image_size, "input_size": Size(*input_size)}
    box = convert(gold.box, gold.frame, frame, **sizes)
    extent = frame.extent(**sizes)
    assert extent is not None
    return box.clipped(*extent) or box


def _configuration(run: Run) -> str:
    options = run.options
    training = options.training.to_dict()
    from trl import GRPOConfig

    shown = recipe_for(options.task).options(world_size=1, accelerator=False, bf16=False, workers=0)
    plain = GRPOConfig(output_dir=options.training.output_dir, bf16=False).to_dict()
    chosen = {
        "task": options.task,
        **{k: v for k, v in vars(options.arguments).items() if v is not None},
        "model": {
            k: v
            for k, v in vars(options.model).items()
            if v not in (None, False)
            and (options.model.use_peft or not k.startswith(("lora_", "bnb_")))
        },
        "training": {k: v for k, v in training.items() if k in shown or v != plain.get(k)},
    }
    chosen["training"] |= {
        "world_size": options.training.world_size,
        "completions_per_step": options.training.generation_batch_size,
        "strategy": strategy_of(options.training),
    }
    text: str = yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True, width=100)
    return text + "(other options of GRPOConfig and ModelConfig have TRL's defaults)"


def _data(run: Run) -> str:
    origin = run.samples.provenance
    lines = [f"{len(run.samples)} rows of {origin.path} ({origin.schema}, {origin.task})"]
    lines += [f"  {part.path}: {part.rows} rows, {part.task}" for part in origin.parts]
    if origin.skipped:
        lines.append(f"{len(origin.skipped)} rows skipped, first: {origin.skipped[0]}")
    if origin.notes:
        lines.append(f"{len(origin.notes)} rows deserve a look, first: {origin.notes[0]}")
    return "\n".join(lines)


def _prompt(run: Run, row: dict[str, Any]) -> str:
    text: str = run.processor.apply_chat_template(
        row["prompt"],
        tokenize=False,
        add_generation_prompt=True,
        **(run.options.training.chat_template_kwargs or {}),
    )
    return text


def _frame(row: dict[str, Any]) -> str:
    width, height = row["image_size"]
    seen = row["input_size"]
    text = f"image {width} x {height} pixels, seen by the model at {seen[0]} x {seen[1]}\n"
    if row["frame"] is None:
        return text + f"the task {row['task']!r} has no boxes"
    frame = Frame(row["frame"])
    extent = frame.extent(Size(width, height), Size(*seen))
    assert extent is not None
    return text + (
        f"predicted boxes are in {frame.value}: (x1, y1, x2, y2) within "
        f"(0, 0, {extent[0]:g}, {extent[1]:g})"
    )


def _rewards(run: Run) -> str:
    """Of the first row of each task."""
    lines = []
    # Without the traces and the hooks of a trainer, so that a dry run leaves nothing behind.
    tasks = {reward.shared.reward.spec.name: reward.shared.reward for reward in run.rewards}
    for name, reward in tasks.items():
        row = next((r for r in _first_rows(run) if r["task"] == name), None)
        if row is None:
            continue
        for kind, text in (
            ("perfect", perfect_answer(row, whole_numbers=reward.protocol != "strict")),
            ("empty", ""),
        ):
            if text is None:
                lines.append(f"{name}: no perfect answer is known for the tasks of plug-ins")
                continue
            columns = {k: [row[k]] for k in ("task", "image_size", "input_size", "frame")}
            (score,) = reward.scores([text], [row["solution"]], **columns)
            assert score is not None
            terms = ", ".join(f"{k} {v:g}" for k, v in score.terms.items())
            failure = "" if score.failure is None else f"  ({score.failure.code})"
            lines.append(f"{name}, {kind} answer: {score.value:g} = {terms}{failure}  {text}")
    return "\n".join(lines)


def _first_rows(run: Run) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    for index, sample in enumerate(run.samples):
        seen.setdefault(sample.task, index)
        if len(seen) == len({reward.shared.reward.spec.name for reward in run.rewards}):
            break
    return [run.rows[index] for index in seen.values()]


def estimate_for(
    run: Run, *, strategy: str | None = None, world_size: int | None = None
) -> tuple[ModelSize, MemoryEstimate]:
    """The size of the model of a run, and the memory that it takes on each GPU.

    Args:
        run: The run; its first row stands for all.
        strategy: Another strategy than the launcher's, for the same number of completions.
        world_size: Number of processes of that strategy.
    """
    training, model = run.options.training, run.options.model
    size = measure(run.config)
    generated = training.per_device_train_batch_size * training.steps_per_generation
    if world_size is not None:
        least = training.per_device_train_batch_size
        generated = max(least, generated * training.world_size // world_size)
    return size, estimate(
        size,
        strategy=strategy or strategy_of(training),
        world_size=world_size or training.world_size,
        prompt_tokens=sum(_prompt_tokens(run)),
        completion_tokens=training.max_completion_length,
        completions=training.per_device_train_batch_size,
        generated=generated,
        beta=training.beta,
        bf16=training.bf16,
        weight_bytes=2 if model.dtype in ("bfloat16", "float16") else 4,
        freeze_vision=bool(run.options.arguments.freeze_vision),
        lora_rank=model.lora_r if model.use_peft else None,
    )


def _prompt_tokens(run: Run) -> tuple[int, int]:
    """Tokens of the words and of the image of the first row."""
    row = run.rows[0]
    width, height = row["input_size"]
    words = run.processor.tokenizer(_prompt(run, row))["input_ids"]
    return len(words), width * height // run.resizing.factor**2


def _memory(run: Run) -> str:
    training = run.options.training
    size, own = estimate_for(run)
    words, image = _prompt_tokens(run)
    lines = [
        f"{size.parameters / 1e6:.1f} M parameters, {size.vision / 1e6:.1f} M of them vision; "
        f"{words + image} tokens in the first prompt, {image} of them image",
        f"{strategy_of(training)}, {training.world_size} process(es):",
        *own.lines(),
    ]
    if training.world_size == 1:
        for other in ("ddp", "zero2", "zero3", "fsdp2"):
            total = estimate_for(run, strategy=other, world_size=8)[1].total
            lines.append(f"{other + ' on 8':<12} {total / 1024**3:8.2f} GiB")
    return "\n".join(lines)


def strategy_of(training: Any) -> str:
    """How the launcher spreads a run, as `vlreward_trl.memory` calls it."""
    plugin = getattr(training, "deepspeed_plugin", None)
    if plugin is not None:
        return "zero3" if plugin.zero_stage == 3 else "zero2"
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("true", "1"):
        return "fsdp2"
    return "ddp" if training.world_size > 1 else "single"

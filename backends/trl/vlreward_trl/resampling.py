"""Groups without spread, replaced by those of other questions (DAPO's dynamic sampling)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from vlreward.errors import OptionError

__all__ = ["Resampler", "replace_samples"]

_LEFT = {"prompt_ids", "prompt_mask"}
_RIGHT = {
    "completion_ids", "completion_mask", "old_per_token_logps", "ref_per_token_logps",
    "importance_sampling_ratio", "sampling_per_token_logps",
}  # fmt: skip
_BOTH = {"mm_token_type_ids", "token_type_ids"}
_LISTS = {"pixel_values", "image_grid_thw", "num_images"}
_IDS = {"prompt_ids", "completion_ids"}
_KNOWN = {*_LEFT, *_RIGHT, *_BOTH, *_LISTS, "advantages", "num_items_in_batch"}


class Resampler:
    """Asks other questions in place of those whose completions all earned the same.

    Such a group has no gradient: a step that is full of them learns from few questions. Each round
    costs as much as sampling the batch did, on every process; how many there were, and how many
    groups were replaced, is logged.

    Args:
        rounds: Rounds for one batch, at most.
    """

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def fill(
        self, trainer: Any, batch: dict[str, Any], sample: Callable[[list[Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """The batch with as many groups replaced as found others with spread.

        Args:
            trainer: TRL's trainer.
            batch: What it made of this process's share of the questions.
            sample: Makes the same of other rows.

        Raises:
            OptionError: If groups are spread over processes, or the batch holds what is not known.
        """
        size, count = trainer.num_generations, batch["advantages"].numel()
        if count % size:
            raise OptionError(
                f"--resample_groups: expected each process to have whole groups, got {count} "
                f"completions of a batch in groups of {size}; see --per_device_train_batch_size"
            )
        started, replaced, done = time.perf_counter(), 0, 0
        while done < self.rounds and self._lacking(trainer, batch, size):
            rows = self._questions(trainer, count // size, done)
            other = sample([row for row in rows for _ in range(size)])
            idle = _groups(batch, size, spread=False)
            pairs = list(zip(idle, _groups(other, size, spread=True)))
            moved = {a * size + i: b * size + i for a, b in pairs for i in range(size)}
            batch = replace_samples(batch, other, moved, trainer._tokenizer.pad_token_id)
            replaced += len(pairs)
            done += 1
        if done:
            tokens = batch["completion_mask"].sum()
            batch["num_items_in_batch"] = trainer.accelerator.gather(tokens).sum()
        metrics = trainer._metrics["train"]
        metrics["resampled/rounds"].append(float(done))
        metrics["resampled/groups"].append(float(self._sum(trainer, replaced)))
        metrics["seconds/resampling"].append(time.perf_counter() - started)
        return batch

    def _lacking(self, trainer: Any, batch: dict[str, Any], size: int) -> int:
        return self._sum(trainer, len(_groups(batch, size, spread=False)))

    def _sum(self, trainer: Any, number: int) -> int:
        """Over all processes, which go through as many rounds."""
        here = torch.tensor([number], device=trainer.accelerator.device)
        return int(trainer.accelerator.gather(here).sum())

    def _questions(self, trainer: Any, number: int, turn: int) -> list[Any]:
        """Rows of the training data; the same again for a run that goes on at this step."""
        accumulated = trainer._step % trainer.args.gradient_accumulation_steps
        place = (trainer.args.seed, trainer.state.global_step, accumulated, turn)
        seed = "-".join(map(str, (*place, trainer.accelerator.process_index)))
        data = trainer.train_dataset
        chosen = random.Random(seed).choices(range(len(data)), k=number)
        return [data[index] for index in chosen]


def _groups(batch: dict[str, Any], size: int, *, spread: bool) -> list[int]:
    """The groups of a batch whose completions earned differently, or those whose did not."""
    differ = batch["advantages"].view(-1, size).abs().amax(dim=1) > 1e-6
    return [index for index, has in enumerate(differ.tolist()) if has == spread]


def replace_samples(
    batch: dict[str, Any], other: dict[str, Any], moved: dict[int, int], pad_id: int
) -> dict[str, Any]:
    """A batch with some of its samples replaced by those of another, padded anew.

    Args:
        batch: What `GRPOTrainer._generate_and_score_completions` returns.
        other: Another such.
        moved: For samples to be replaced, by index, the sample of the other batch.
        pad_id: The token that pads.

    Raises:
        OptionError: If a batch holds something that is not known.
    """
    if unknown := [name for name in (*batch, *other) if name not in _KNOWN]:
        raise OptionError(f"--resample_groups: not with {unknown[0]!r} in a batch of this model")
    ours, theirs = _samples(batch), _samples(other)
    made = [theirs[moved[i]] if i in moved else sample for i, sample in enumerate(ours)]
    joined: dict[str, Any] = {"num_items_in_batch": batch["num_items_in_batch"]}
    for name in ours[0]:
        values = [sample[name] for sample in made]
        side = name.partition(":")[2]
        if name in _LISTS:
            joined[name] = values
        elif name in _LEFT or side == "prompt":
            joined[name] = _stacked(values, pad_id if name in _IDS else 0, left=True)
        elif name in _RIGHT or side == "completion":
            joined[name] = _stacked(values, pad_id if name in _IDS else 0, left=False)
        else:
            joined[name] = torch.stack(values)
    for name in _BOTH & batch.keys():
        parts = [joined.pop(f"{name}:{side}") for side in ("prompt", "completion")]
        joined[name] = torch.cat(parts, dim=1)
    merged = unsplit_pixel_values_by_grid(joined)
    return {name: merged[name] for name in batch}  # TRL looks at the first one for the size


def _samples(batch: dict[str, Any]) -> list[dict[str, Any]]:
    width = batch["prompt_ids"].size(1)
    columns: dict[str, Sequence[Any]] = {}
    for name, value in split_pixel_values_by_grid(batch).items():
        if name in _BOTH:
            columns[f"{name}:prompt"] = value[:, :width]
            columns[f"{name}:completion"] = value[:, width:]
        elif name != "num_items_in_batch":
            columns[name] = value
    return [dict(zip(columns, values)) for values in zip(*columns.values(), strict=True)]


def _stacked(rows: list[torch.Tensor], value: int, *, left: bool) -> torch.Tensor:
    width = max(row.numel() for row in rows)
    gaps = [width - row.numel() for row in rows]
    return torch.stack(
        [pad(r, (gap, 0) if left else (0, gap), value=value) for r, gap in zip(rows, gaps)]
    )

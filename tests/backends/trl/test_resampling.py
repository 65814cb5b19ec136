"""Groups without spread are replaced by others, and a batch stays what TRL makes of its samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vlreward.errors import OptionError
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.resampling import Resampler, replace_samples
from vlreward_trl.training import build_trainer


@pytest.fixture
def trainer(argv: Callable[..., list[str]], tmp_path: Path) -> Any:
    """Questions of all tasks and sizes, of which an untrained model answers few now and then."""
    words = argv("mixture", "qwen2.5-vl", "--output_dir", tmp_path, "--resample_groups", 4)
    more = ("--per_device_train_batch_size", "16", "--num_generations", "4", "--beta", "0.1")
    return build_trainer(prepare(parse([*words, *more, "--learning_rate", "0"])))


def _batch(trainer: Any, first: int) -> dict[str, Any]:
    rows = [trainer.train_dataset[i % 45] for i in range(first, first + 4) for _ in range(4)]
    resampler, trainer.resampler = trainer.resampler, None
    trainer.model.train()
    try:
        made: dict[str, Any] = trainer._generate_and_score_completions(rows)
    finally:
        trainer.resampler = resampler
    return made


def _logps(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    """What the model says of a batch, computed anew."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        found = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            ids,
            mask,
            batch["completion_ids"].size(1),
            batch_size=len(ids),
            **{name: batch[name] for name in names if name in batch},
        )
    logps: torch.Tensor = found[0]
    return logps * batch["completion_mask"]


def test_what_is_replaced_is_still_what_the_model_says_of_it(trainer: Any) -> None:
    """Prompts, images and completions of two batches stay together: the model's probabilities,
    computed of the merged batch, are those that either had."""
    ours, theirs = _batch(trainer, 0), _batch(trainer, 17)
    pad_id = trainer._tokenizer.pad_token_id
    moved = {4 + i: 8 + i for i in range(4)} | {i: 12 + i for i in range(4)}
    merged = replace_samples(ours, theirs, moved, pad_id)
    assert merged.keys() == ours.keys()
    for index in range(16):
        source, i = (theirs, moved[index]) if index in moved else (ours, index)
        for name in ("prompt", "completion"):
            kept = [b[f"{name}_ids"][j][b[f"{name}_mask"][j].bool()].tolist()
                    for b, j in ((merged, index), (source, i))]  # fmt: skip
            assert kept[0] == kept[1]
        assert merged["advantages"][index] == source["advantages"][i]
    before = {id(b): _logps(trainer, b) for b in (ours, theirs)}
    after = _logps(trainer, merged)
    for index in range(16):
        source, i = (theirs, moved[index]) if index in moved else (ours, index)
        width = min(after.size(1), before[id(source)].size(1))
        torch.testing.assert_close(
            after[index, :width], before[id(source)][i, :width], atol=1e-4, rtol=1e-4
        )
    # The reference, which is the model itself yet, was moved along.
    reference = merged["ref_per_token_logps"] * merged["completion_mask"]
    torch.testing.assert_close(reference, after, atol=1e-4, rtol=1e-4)


def test_fewer_groups_are_without_spread_and_the_cost_is_logged(trainer: Any) -> None:
    trainer.train()
    (entry,) = [e for e in trainer.state.log_history if "reward" in e]
    assert 1 <= entry["resampled/rounds"] <= 4
    assert entry["seconds/resampling"] > 0
    batch = _batch(trainer, 0)
    idle = int((batch["advantages"].view(-1, 4).abs().amax(1) == 0).sum())
    assert idle, "or there is nothing to replace"
    filled = Resampler(8).fill(trainer, batch, trainer._generate_and_score_completions)
    left = int((filled["advantages"].view(-1, 4).abs().amax(1) == 0).sum())
    assert left < idle
    assert filled["num_items_in_batch"] == filled["completion_mask"].sum()


def test_a_run_that_goes_on_asks_the_same_again(trainer: Any) -> None:
    drawn = [[row["id"] for row in Resampler(1)._questions(trainer, 4, turn)] for turn in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_what_it_cannot_do_is_refused(trainer: Any) -> None:
    batch = _batch(trainer, 0)
    with pytest.raises(OptionError, match="expected each process to have whole groups, got 6"):
        Resampler(1).fill(trainer, {"advantages": torch.zeros(6)}, lambda rows: {})
    with pytest.raises(OptionError, match="not with 'num_tiles' in a batch of this model"):
        replace_samples(batch, {**batch, "num_tiles": [1]}, {}, 0)

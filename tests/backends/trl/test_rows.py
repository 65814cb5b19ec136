"""Passes without padding, and larger ones for scoring, beside TRL's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.rows import Aligned
from vlreward_trl.training import build_trainer


def _trainer(argv: list[str]) -> Any:
    trainer = build_trainer(prepare(parse(argv)))
    trainer.model.double()
    return trainer


def _batch(trainer: Any, sizes: list[int]) -> tuple[torch.Tensor, torch.Tensor, int, Any]:
    """Prompts of several lengths, the last without an image, and completions of `sizes`."""
    processor = trainer.processing_class
    shapes = [(84, 112), (112, 84), (168, 112), (84, 84), None][-len(sizes) :]
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    prompts = processor(
        images=[Image.new("RGB", shape, "red") for shape in shapes if shape],
        text=[(image if shape else "") + "how many?" for shape in shapes],
        padding=True,
        return_tensors="pt",
    )
    torch.manual_seed(0)
    longest = max(sizes) + 1  # a column that this pass does not need
    words = len(processor.tokenizer)  # the last of which are answers
    completions = torch.randint(words - 8, words, (len(sizes), longest))
    mask = (torch.arange(longest) < torch.tensor(sizes)[:, None]).long()
    completions[mask == 0] = processor.tokenizer.pad_token_id
    kinds = prompts["mm_token_type_ids"]
    more = {
        "pixel_values": prompts["pixel_values"],
        "image_grid_thw": prompts["image_grid_thw"],
        "num_images": [int(shape is not None) for shape in shapes],
        "mm_token_type_ids": torch.cat([kinds, torch.zeros_like(completions)], 1),
    }
    ids = torch.cat([prompts["input_ids"], completions], 1)
    return ids, torch.cat([prompts["attention_mask"], mask], 1), longest, more


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl", "qwen3-vl"])
def test_log_probabilities_and_gradients_are_those_of_padded_rows(
    family: str, argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Of a completion that was cut to nothing, too. TRL's sums are in float32."""
    trainer = _trainer(argv("rec", family, "--output_dir", tmp_path))
    ids, mask, keep, more = _batch(trainer, [7, 1, 3, 0, 5])
    assert (mask[:, 0] == 0).any()
    assert (mask[:, 0] == 1).any()
    found = []
    for aligns in (False, True):
        trainer.aligns = aligns
        trainer.model.zero_grad()
        logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, mask, keep, compute_entropy=True, **more
        )
        ((logps + 0.1 * entropies) * mask[:, -keep:]).sum().backward()
        grads = {
            n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None
        }
        found.append((logps.detach(), entropies.detach(), grads))
    (plain, spread, theirs), (aligned, other, ours) = found
    seen = mask[:, -keep:].bool()
    torch.testing.assert_close(aligned[seen], plain[seen], rtol=0, atol=2e-6)
    torch.testing.assert_close(other[seen], spread[seen], rtol=0, atol=2e-6)
    assert not aligned[~seen].any()
    assert theirs.keys() == ours.keys()
    for name, grad in theirs.items():
        assert (ours[name] - grad).norm() <= 2e-5 * grad.norm() + 1e-9, name


def test_rows_begin_with_their_first_token_and_nothing_is_masked() -> None:
    read: dict[str, Any] = {}

    def model(**inputs: Any) -> Any:
        read.update(inputs)
        scores = inputs["input_ids"][:, 1:].double()
        return SimpleNamespace(log_probs=scores, entropy=None)

    ids = torch.tensor([[0, 0, 7, 8, 9, 0], [1, 2, 3, 4, 0, 0], [0, 5, 6, 0, 0, 0]])
    mask = (ids > 0).long()
    labels = torch.tensor([[-100, -100, -100, 8, 9, -100], [-100] * 6, [-100] * 6])
    output = Aligned(model, 99)(
        input_ids=ids, attention_mask=mask, labels=labels, kinds=ids * 10, grid=torch.ones(3, 3)
    )
    assert read["input_ids"].tolist() == [[7, 8, 9, 99], [1, 2, 3, 4], [5, 6, 99, 99]]
    assert read["attention_mask"].all()
    assert read["labels"].tolist() == [[-100, 8, 9, -100], [-100] * 4, [-100] * 4]
    assert read["kinds"].tolist() == [[70, 80, 90, 0], [10, 20, 30, 40], [50, 60, 0, 0]]
    assert read["grid"].shape == (3, 3)
    # Scores stand where they stood in the rows as they were given.
    assert output.log_probs.tolist()[0][2:4] == [8, 9]
    assert output.log_probs.tolist()[1][:3] == [2, 3, 4]
    assert output.log_probs.shape == (3, 5)


@pytest.mark.parametrize(("given", "passes"), [((), [8]), (("--scoring_batch_size", 3), [3, 3, 2])])
def test_scoring_takes_larger_passes_and_finds_the_same(
    given: tuple[object, ...], passes: list[int], argv: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Of the sampler's completions and of the reference, without gradients alone."""
    trainer = _trainer(
        argv(
            *("rec", "qwen2.5-vl", "--output_dir", tmp_path, "--beta", 0.1),
            *("--per_device_train_batch_size", 2, "--gradient_accumulation_steps", 4, *given),
        )
    )
    trainer.model.train()
    trainer.ref_model.double()
    batch = _batch(trainer, [2, 4, 3, 1])
    ids, mask = (value.repeat(2, 1) for value in batch[:2])
    keep, more = batch[2:]
    more = {n: v * 2 if isinstance(v, list) else v.repeat(2, 1) for n, v in more.items()}
    sizes: list[int] = []
    for model in (trainer.model, trainer.ref_model):
        model.register_forward_pre_hook(
            lambda module, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
        )
    with torch.no_grad():
        for model in (trainer.model, trainer.ref_model):
            sizes.clear()
            found, _, _ = trainer._get_per_token_logps_and_entropies(
                model, ids, mask, keep, batch_size=2, **more
            )
            assert sizes == passes
            size, trainer.scoring_batch_size = trainer.scoring_batch_size, 0
            small, _, _ = trainer._get_per_token_logps_and_entropies(
                model, ids, mask, keep, batch_size=2, **more
            )
            trainer.scoring_batch_size = size
            seen = mask[:, -keep:].bool()
            torch.testing.assert_close(found[seen], small[seen], rtol=0, atol=2e-6)
    sizes.clear()
    trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, keep, **more)
    assert sizes == [8]  # a training pass is as TRL cuts it

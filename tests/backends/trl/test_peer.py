"""TRL's own tests of vision-language models, written anew with rewards of this project.

Source: huggingface/trl tests/test_grpo_trainer.py (commit 004b40a), `test_training_vlm`,
`test_training_vlm_beta_non_zero`, `test_training_vlm_peft`,
`test_training_vlm_and_importance_sampling`, `test_training_vlm_multi_image`: what they set up and
what they assert. In place of models and data of the hub stand a checkpoint and images written
here; in place of a reward for longer completions, ours. `test_training_vlm_and_liger` needs
liger-kernel, `test_training_vlm_and_vllm` is skipped by TRL itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForImageTextToText
from trl import GRPOConfig, GRPOTrainer

from tests.pictures import noise
from vlreward.rewards import TaskReward, count_reward, tag_count_reward
from vlreward.training.rewards import term_rewards
from vlreward_trl.processing import load

ROWS = 19
"""Rows of TRL's `zen-image`."""


def _dataset(images: int = 1) -> datasets.Dataset:
    rows = []
    for n in range(ROWS):
        pictures = [noise((60 + 3 * n, 90 - n), 60).convert("RGB")] * images
        content = [{"type": "image"}] * images + [{"type": "text", "text": f"How many {n} ?"}]
        row = {"prompt": [{"role": "user", "content": content}], "solution": str(n % 6)}
        rows.append({**row, **({"image": pictures[0]} if images == 1 else {"images": pictures})})
    kind = datasets.Image()
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    made = datasets.Dataset.from_dict(columns)
    if images == 1:
        return made.cast_column("image", kind)
    return made.cast_column("images", datasets.List(kind))


@pytest.fixture
def trained(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> Callable[..., tuple[Any, dict[str, torch.Tensor]]]:
    """Trains as TRL's tests do; gives the trainer and the parameters from before."""

    def run(
        family: str,
        rewards: list[Any],
        *,
        images: int = 1,
        peft_config: Any = None,
        model: Any = None,
        **options: Any,
    ) -> tuple[Any, dict[str, torch.Tensor]]:
        path = str(checkpoint(family))
        arguments = GRPOConfig(
            output_dir=str(tmp_path),
            learning_rate=0.1,
            per_device_train_batch_size=3,
            num_generations=3,
            max_completion_length=8,
            report_to="none",
            num_train_epochs=1,
            max_steps=6,
            bf16=False,
            use_cpu=True,
            disable_tqdm=True,
            **options,
        )
        trainer = GRPOTrainer(
            model=path if model is None else model,
            reward_funcs=rewards,
            args=arguments,
            train_dataset=_dataset(images),
            processing_class=load(path)[0],
            peft_config=peft_config,
        )
        before = {n: p.clone() for n, p in trainer.model.named_parameters()}
        trainer.train()
        assert trainer.state.log_history[-1]["train_loss"] is not None
        return trainer, before

    return run


def _rewards() -> list[Any]:
    # The second is seldom equal for all of a group, also where no answer is right.
    return [count_reward, tag_count_reward]


def _assert_language_changed(trainer: Any, before: dict[str, torch.Tensor]) -> None:
    for name, parameter in before.items():
        if "visual" not in name:
            assert not torch.equal(parameter, trainer.model.get_parameter(name)), name


@pytest.mark.parametrize("family", ["qwen2.5-vl", "qwen2-vl"])
def test_training_vlm(family: str, trained: Any) -> None:
    trainer, before = trained(family, _rewards())
    assert trainer.reward_func_names == ["count_reward", "tag_count_reward"]
    _assert_language_changed(trainer, before)


def test_training_vlm_with_one_function_per_term(trained: Any) -> None:
    trainer, before = trained("qwen2.5-vl", term_rewards([TaskReward("counting")]))
    assert trainer.reward_func_names == ["counting_exact", "counting_format"]
    _assert_language_changed(trainer, before)


def test_training_vlm_beta_non_zero(trained: Any) -> None:
    _assert_language_changed(*trained("qwen2.5-vl", _rewards(), beta=0.1))


def test_training_vlm_peft(trained: Any, checkpoint: Callable[[str], Path]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(checkpoint("qwen2.5-vl"))
    base = [f"base_model.model.{name}" for name, _ in model.named_parameters()]
    trainer, before = trained(
        "qwen2.5-vl",
        _rewards(),
        model=model,
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"]),
    )
    for name, parameter in before.items():
        now = trainer.model.get_parameter(name)
        if name in base:
            assert torch.allclose(parameter, now), name
        elif "base_layer" not in name:
            assert not torch.allclose(parameter, now), name


def test_training_vlm_and_importance_sampling(trained: Any) -> None:
    _assert_language_changed(*trained("qwen2.5-vl", _rewards(), steps_per_generation=2))


def test_training_vlm_multi_image(trained: Any) -> None:
    _assert_language_changed(*trained("qwen2.5-vl", _rewards(), images=2))

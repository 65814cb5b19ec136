"""The same trainer on paddlenlp 3.0's own, with a text model; in an environment of its own."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("paddlenlp") is None:
    pytest.skip("needs the extra 'paddlenlp'", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from paddlenlp.trainer import Trainer
    from paddlenlp.transformers import Qwen2Config, Qwen2ForCausalLM

import numpy as np
import paddle

from vlreward_paddle.config import GRPOConfig
from vlreward_paddle.rollout import Prompt, Sampling, generate
from vlreward_paddle.shim import LIBRARY, launch_options
from vlreward_paddle.trainer import GRPOTrainer

EOS, PAD, LOW = 2, 0, 40


class Codec:
    eos_ids, pad_id = (EOS,), PAD

    def encode(self, row: dict[str, Any]) -> Prompt:
        return Prompt(row["ids"])

    def decode(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


class Noting(GRPOTrainer):
    """Keeps what is logged."""

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super().log(logs, *args, **kwargs)
        if "loss" in logs:  # of a step, not of the run
            self.history = [*getattr(self, "history", []), self.last_metrics]


def low_share(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [sum(token < LOW for token in ids) / len(ids) for ids in completion_ids]


def text_model(seed: int = 0) -> Any:
    paddle.seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            bos_token_id=1,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )
    )


def trained(path: Path, **options: Any) -> Noting:
    args = GRPOConfig(
        **launch_options(
            {
                "output_dir": str(path),
                "device": "cpu",
                "num_generations": 8,
                "max_completion_length": 8,
                "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 2,
                "learning_rate": 5e-3,
                "lr_scheduler_type": "constant",
                "logging_steps": 1,
                "save_strategy": "no",
                "report_to": "none",
                "disable_tqdm": True,
                "max_steps": 50,
                **options,
            }
        )
    )
    rows = [{"id": str(i), "prompt": [], "ids": [8 + i, 20, 30 + i][: 2 + i % 2]} for i in range(6)]
    reference = text_model() if args.beta else None
    trainer = Noting(text_model(), args, rows, Codec(), [low_share], ref_model=reference)
    trainer.train()
    return trainer


def test_it_is_paddlenlps_trainer() -> None:
    assert LIBRARY == "paddlenlp"
    assert issubclass(GRPOTrainer, Trainer)


def test_a_toy_objective_reaches_nine_tenths(tmp_path: Path) -> None:
    rewards = [noted["reward"] for noted in trained(tmp_path).history if "reward" in noted]
    assert len(rewards) == 50
    assert rewards[0] < 0.6
    assert sum(rewards[-5:]) / 5 > 0.9


def test_options_of_the_loss_are_honoured(tmp_path: Path) -> None:
    trainer = trained(tmp_path, beta=0.04, num_iterations=2, max_steps=4, loss_type="grpo")
    noted = [metrics for metrics in trainer.history if "kl" in metrics]
    assert len(noted) == 4
    assert noted[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert noted[-1]["kl"] > 0
    assert "reward" in noted[0]
    assert "reward" not in noted[1], "the second iteration samples nothing"


def test_greedy_in_a_batch_is_greedy_alone() -> None:
    model = text_model()
    prompts = [Prompt([8, 9]), Prompt([10, 11, 12, 13])]
    greedy = Sampling(max_tokens=8, temperature=0.0, eos_ids=(EOS,), pad_id=PAD)
    together = generate(model, prompts, greedy)
    assert together == [generate(model, [prompt], greedy)[0] for prompt in prompts]


def test_the_same_seed_gives_the_same_parameters(tmp_path: Path) -> None:
    first, second = (trained(tmp_path / str(i), max_steps=3).model.state_dict() for i in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy(), err_msg=name)

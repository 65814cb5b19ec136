"""Dotted paths through TRL's own command-line script and reward computation."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [pytest.mark.filterwarnings("ignore")]

NAMES = [f"vlreward.rewards.{name}_reward" for name in ("iou", "count", "math", "format")]


@pytest.fixture(autouse=True)
def _trl(needs: Callable[[str], str]) -> None:
    needs("trl")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `trl grpo --reward_funcs ...` hands to the trainer."""
    import sys

    import datasets
    import trl
    from trl.scripts.grpo import GRPOScriptArguments, main

    given: dict[str, Any] = {}

    class Recorder:
        def __init__(self, **arguments: Any) -> None:
            given.update(arguments)
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trl, "GRPOTrainer", Recorder)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": None})
    script = GRPOScriptArguments(dataset_name="none", reward_funcs=NAMES)
    training = SimpleNamespace(
        model_init_kwargs=None, trust_remote_code=False, eval_strategy="no", use_vllm=False
    )
    with pytest.raises(KeyboardInterrupt):
        main(
            script,
            training,
            trl.ModelConfig(model_name_or_path="none"),
            SimpleNamespace(datasets=None, streaming=False),
        )
    functions: list[Any] = given["reward_funcs"]
    return functions


def calculate(functions: list[Any], rows: list[dict[str, Any]]) -> Any:
    """`GRPOTrainer._calculate_rewards`, with the state that it reads."""
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

    state = SimpleNamespace(
        accelerator=SimpleNamespace(
            device=torch.device("cpu"), is_main_process=True, gather=lambda x: x
        ),
        args=SimpleNamespace(report_to=[]),
        reward_funcs=functions,
        reward_processing_classes=[None] * len(functions),
        reward_func_names=[f.__name__ for f in functions],
        environments=None,
        state=SimpleNamespace(global_step=1),
        _log_completion_extra=lambda *_: None,
        _log_metric=lambda *_: None,
    )
    calculate: Any = GRPOTrainer._calculate_rewards
    return calculate(
        state,
        [{"prompt": [{"role": "user", "content": "?"}], "solution": row["gold"]} for row in rows],
        [[{"role": "user", "content": "?"}]] * len(rows),
        [[{"role": "assistant", "content": row["completion"]}] for row in rows],
        [[1, 2, 3]] * len(rows),
    )


def test_dotted_paths_load_and_score_a_mixture(
    loaded: list[Any], rows: list[dict[str, Any]]
) -> None:
    assert [f.__name__ for f in loaded] == [name.rsplit(".", 1)[1] for name in NAMES]
    found = calculate(loaded, rows)
    assert found.isnan().tolist() == [
        [False, True, True, False],
        [False, True, True, False],
        [True, False, True, False],
        [True, True, False, False],
        [True, True, False, False],
    ]
    assert found.nansum(dim=1).tolist() == [row["score"] for row in rows]


@pytest.mark.parametrize("template", ["qwen3_vl", "qwen3_5_think"])
def test_thinking_that_its_parser_takes_out_is_rewarded(template: str) -> None:
    """As TRL decodes where tools are given, or a checkpoint has a response template."""
    from importlib.resources import files
    from pathlib import Path

    import trl
    from transformers import AutoTokenizer
    from trl.chat_template_utils import add_response_schema, parse_response

    from vlreward.rewards import format_reward

    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(files("vlreward.data") / "tiny_vlm" / "half")
    )
    templates = Path(str(trl.__file__)).parent / "chat_templates"
    tokenizer.chat_template = (templates / f"{template}.jinja").read_text(encoding="utf-8")
    add_response_schema(tokenizer)
    opened = "<|im_start|>assistant\n"
    text = "<think>a b</think>\n\n<answer>3</answer><|im_end|>"
    if template.endswith("_think"):  # the prompt opens the thinking
        opened, text = f"{opened}<think>\n", text.removeprefix("<think>")
    prefix, ids = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (opened, text))
    message = parse_response(tokenizer, ids, prefix=prefix)
    assert (message["reasoning_content"], message["content"]) == ("a b", "<answer>3</answer>")
    assert format_reward(completions=[[message]]) == [1.0]

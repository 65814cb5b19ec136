"""What a person sees of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from vlreward.errors import UserError
from vlreward.training.card import model_card
from vlreward.training.progress import Progress, closing, eval_line, reward_change, step_line

LOGS = {
    "loss": 0.1,
    "reward": 1.25,
    "rewards/counting_exact/mean": 0.25,
    "rewards/counting_exact/std": 0.4,
    "rewards/rec_iou/mean": None,
    "frac_reward_zero_std": 0.5,
    "completions/mean_length": 16.4,
    "kl": 0.02,
}


def test_a_step_is_one_line() -> None:
    line = step_line(7, 500, LOGS, 3 * 3600 + 61)
    assert line == (
        "step   7/500  reward 1.250  counting_exact 0.250  groups without spread 50%  16 tokens  "
        "left 3 h 01 min"
    )
    assert "left" not in step_line(7, 500, LOGS, None)


def test_an_evaluation_is_one_line() -> None:
    logs = {"eval_acc": 0.4, "eval_rec/acc@0.5": 0.4, "eval_seconds/generation": 3.0, "epoch": 1}
    assert eval_line(20, logs) == "evaluation at step 20: acc 40.0%  rec/acc@0.5 0.4"


def test_lines_come_from_the_first_process_alone(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for first in (True, False):
        state = SimpleNamespace(global_step=0, max_steps=2, is_world_process_zero=first)
        progress.on_train_begin(None, state, None)
        state.global_step = 1
        progress.on_log(None, state, None, LOGS)
        progress.on_log(None, state, None, {"eval_acc": 0.5})
        progress.on_log(None, state, None, {"train_runtime": 2.0})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("step 1/2  reward 1.250")
    assert lines[0].endswith("left 0 s")


@pytest.mark.parametrize("logs", [{"loss": float("nan")}, {"loss": 1.0, "grad_norm": float("inf")}])
def test_a_run_that_is_no_number_any_more_ends_before_it_is_saved(logs: dict[str, Any]) -> None:
    """The only checkpoint became one of NaN, and the next batch a traceback of torch's sampler."""
    state = SimpleNamespace(global_step=7, max_steps=9, is_world_process_zero=False)
    (name,) = [name for name, value in logs.items() if value != 1.0]
    with pytest.raises(UserError, match=rf"step 7: {name} is .*--resume .*lower --learning_rate"):
        Progress().on_log(None, state, None, logs)
    Progress().on_log(SimpleNamespace(fp16=True), state, None, logs)  # such steps are left out


def test_the_change_is_between_the_first_and_the_last_tenth() -> None:
    history = [{"reward": float(i)} for i in range(20)] + [{"eval_acc": 0.1}]
    assert reward_change(history) == (0.5, 18.5)
    assert reward_change([{"loss": 1}]) is None


def _run(out: Path, base: str) -> Any:
    prompts = {"counting": SimpleNamespace(text="{question} Think.")}
    training = SimpleNamespace(num_generations=8, learning_rate=1e-6, beta=0.04, seed=3)
    return SimpleNamespace(
        options=SimpleNamespace(
            arguments=SimpleNamespace(model=base, protocol="strict"), training=training
        ),
        start=SimpleNamespace(output_dir=out),
        task_rewards=[SimpleNamespace(spec=SimpleNamespace(name="counting"))],
        terms=[SimpleNamespace(__name__="counting_exact", weight=1.0)],
        traces=object(),
        extra=[SimpleNamespace(__name__="brevity", weight=0.5)],
        samples=SimpleNamespace(
            __len__=lambda: 4, provenance=SimpleNamespace(path="data/c.jsonl", sha256="ab12")
        ),
        rows=SimpleNamespace(prompts=prompts),
        schedule=SimpleNamespace(questions=16),
    )


STATE = SimpleNamespace(
    global_step=100,
    best_model_checkpoint="out/checkpoint-50",
    log_history=[
        {"eval_acc": 0.6, "step": 0},
        {"reward": 0.5, "step": 1},
        {"eval_acc": 0.55, "step": 50},
        {"reward": 1.5, "step": 100},
        {"eval_acc": 0.5, "step": 100},
    ],
)


def test_the_end_says_what_changed_and_what_to_do_next(tmp_path: Path) -> None:
    text = closing(_run(tmp_path, "Qwen/Qwen2.5-VL-3B-Instruct"), STATE)
    assert text.splitlines() == [
        f"done: 100 steps, the model is in {tmp_path}",
        "reward while sampling: 0.500 -> 1.500",
        "held out, greedy: 60.0% at step 0 -> 50.0% at step 100, best 55.0% at step 50",
        "the best is kept in out/checkpoint-50",
        f"what the rewards saw: vlreward doctor {tmp_path}/traces",
        f"measure it: vlreward-bench scenes_count_test --model {tmp_path}",
    ]


def test_the_card_says_what_the_model_is_and_how_it_was_trained(tmp_path: Path) -> None:
    run = _run(tmp_path, "Qwen/Qwen2.5-VL-3B-Instruct")
    run.samples = type("Samples", (), {**vars(run.samples), "__len__": lambda self: 4})()
    card = model_card(run, STATE, library="peft", adapter=True)
    head, _, body = card[4:].partition("---\n")
    assert yaml.safe_load(head) == {
        "base_model": "Qwen/Qwen2.5-VL-3B-Instruct",
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["grpo", "reinforcement-learning", "vlreward", "lora"],
    }
    for said in (
        "A LoRA adapter for `Qwen/Qwen2.5-VL-3B-Instruct`, trained with GRPO on counting",
        "4 rows of `c.jsonl`, sha256 `ab12`",
        "`counting_exact` x 1, `brevity` x 0.5",
        "100 of 16 questions x 8 completions",
        "0.500 -> 1.500",
        "60.0% at step 0 -> 50.0% at step 100",
        "{question} Think.",
        "vlreward-bench scenes_count_test --model .",
    ):
        assert said in body
    # The name of a directory of this machine is no base that anybody could find.
    local = model_card(run, STATE, library="transformers").partition("---\n# ")[0]
    assert "base_model: Qwen" in local
    run.options.arguments.model = str(tmp_path)
    assert "base_model" not in model_card(run, STATE, library="transformers")

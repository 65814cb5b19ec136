"""Evaluation while training: the numbers of the TRL backend, and the best model by them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from safetensors.numpy import load_file

from tests.backends.paddle.questions import evaluation_words
from vlreward_paddle.arguments import parse
from vlreward_paddle.preparing import prepare
from vlreward_paddle.training import build_trainer, train
from vlreward_paddle.watching import KeepState


def test_the_numbers_are_those_of_the_trl_backend(cases: Path, tmp_path: Path) -> None:
    """The same model, rows and options: `make_fixtures.py` asked TRL's trainer."""
    theirs = json.loads((cases / "evaluation.json").read_text())
    trainer = build_trainer(prepare(parse(evaluation_words(tmp_path))))
    before = trainer.model.training
    found = trainer.evaluate()
    runtime = found.pop("eval_runtime")
    assert runtime > 0
    assert found == pytest.approx(theirs)
    assert trainer.model.training == before
    lines = (tmp_path / "out/traces/rank-00000.jsonl").read_text().splitlines()
    assert {json.loads(line)["mode"] for line in lines} == {"eval"}
    assert len(lines) == 24


def test_the_best_model_is_kept_and_the_run_stops_when_it_gets_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracies are given: the second evaluation of five is the best, and patience is two."""
    words = evaluation_words(
        tmp_path,
        max_steps=6,
        save_steps=1,
        save_total_limit=1,
        early_stopping_patience=2,
        learning_rate=1e-3,
        num_generations=8,
        gradient_accumulation_steps=1,
        max_completion_length=24,
        temperature=1.5,
        eval_on_start="false",
    )
    run = prepare(parse(words))
    accuracies = iter([0.3, 0.5, 0.4, 0.2, 0.9, 0.9])
    assert run.evaluation is not None
    monkeypatch.setattr(
        type(run.evaluation), "metrics", lambda *_: {"acc": next(accuracies), "reward": 0.0}
    )
    monkeypatch.setattr(type(run.evaluation), "batches", lambda *_: [])
    trainer = train(run)
    assert trainer is not None
    assert trainer.state.global_step == 4
    out = tmp_path / "out"
    state = json.loads((out / "trainer_state.json").read_text())
    assert state["best_metric"] == 0.5
    assert Path(state["best_model_checkpoint"]) == out / "checkpoint-2"
    kept = load_file(out / "checkpoint-2/hf/model.safetensors")
    written = load_file(out / "model.safetensors")
    for name, value in kept.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)
    last: Any = load_file(out / "checkpoint-4/hf/model.safetensors")
    assert any(np.abs(last[name] - kept[name]).max() > 0 for name in kept)
    assert sorted(path.name for path in out.glob("checkpoint-*")) == [
        "checkpoint-2",
        "checkpoint-4",
    ]


def test_what_is_kept_of_the_numbers_is_json(tmp_path: Path) -> None:
    """A norm in float16 may be infinite, for which JSON has no word."""
    kept = KeepState()
    names = ("max_steps", "best_metric", "best_model_checkpoint")
    state = SimpleNamespace(global_step=3, is_world_process_zero=True, **dict.fromkeys(names))
    args = SimpleNamespace(output_dir=str(tmp_path))
    kept.on_log(args, state, None, {"loss": 0.5, "grad_norm": float("inf"), "note": "text"})
    kept.on_log(args, state, None, {"global_save_step": 3})
    kept.on_train_end(args, state, None)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = (tmp_path / "trainer_state.json").read_text()
    assert json.loads(text, parse_constant=refuse)["log_history"] == [{"loss": 0.5, "step": 3}]

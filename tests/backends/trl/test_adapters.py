"""What a LoRA run writes: benchmarked as it is, and merged into a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from tests.tiny import PACKAGED
from vlreward.bench.cli import app as bench
from vlreward.cli import app
from vlreward.engines.base import EngineError, Request
from vlreward.engines.config import EngineConfig
from vlreward.engines.hf import HFEngine
from vlreward.engines.values import Generation
from vlreward.errors import OptionError
from vlreward.training.preparing import Run
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import train


@pytest.fixture(scope="module")
def lora(
    argv: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Path]:
    """A run of two steps that moved the model, and its directory."""
    out = tmp_path_factory.mktemp("lora") / "run"
    saving = ("--save_strategy", "steps", "--save_steps", 2)
    words = argv("rec", "qwen2.5-vl", "--use_peft", "--output_dir", out, "--max_steps", 2)
    run = prepare(parse([*words, *map(str, saving), "--learning_rate", "0.5", "--beta", "0.1"]))
    train(run)
    return run, out


def _answers(run: Run, model: Path, **options: Any) -> list[str]:
    engine = HFEngine(EngineConfig(str(model), max_tokens=4, **options))
    requests = [
        Request(row["id"], row["prompt"], run.samples.image(sample))
        for row, sample in zip(run.rows[:5], run.samples)
    ]
    outcomes = dict(engine.generate(requests))
    engine.close()
    assert all(isinstance(outcome, Generation) for outcome in outcomes.values())
    return [outcomes[request.key].text for request in requests]  # type: ignore[union-attr]


def test_an_adapter_is_benchmarked_as_it_is(lora: tuple[Run, Path], tmp_path: Path) -> None:
    """Its base is found from it; a checkpoint of the run is one too."""
    run, out = lora
    adapted = _answers(run, out)
    assert adapted == _answers(run, out / "checkpoint-2")
    assert adapted != _answers(run, Path(run.options.arguments.model)), "it does something"
    words = ["scenes_rec_test", "--model", str(out), "--sample-num", "2", "--max-tokens", "2"]
    result = CliRunner().invoke(bench, [*words, "--out", str(tmp_path / "bench")])
    assert result.exit_code == 0, result.output


def test_a_merged_adapter_is_a_model(lora: tuple[Run, Path], tmp_path: Path) -> None:
    """It answers as the adapter does, in the transformers that knows nothing of it."""
    from transformers import AutoModelForImageTextToText

    run, out = lora
    merged = tmp_path / "merged"
    result = CliRunner().invoke(app, ["merge", str(out), "--out", str(merged)])
    assert result.exit_code == 0, result.output
    assert not (merged / "adapter_config.json").exists()
    assert _answers(run, merged) == _answers(run, out)
    model, found = AutoModelForImageTextToText.from_pretrained(merged, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    base = AutoModelForImageTextToText.from_pretrained(run.options.arguments.model)
    before, after = base.state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "visual" not in name for name in changed)
    assert json.loads((merged / "processor_config.json").read_text())["image_processor"]
    again = CliRunner().invoke(app, ["merge", str(out), "--out", str(merged)])
    assert isinstance(again.exception, OptionError) or "empty or not there" in again.output


def test_a_base_that_has_moved_is_named(lora: tuple[Run, Path], tmp_path: Path) -> None:
    run, out = lora
    moved, adapter = tmp_path / "moved", tmp_path / "adapter"
    shutil.copytree(run.options.arguments.model, moved)
    shutil.copytree(out, adapter, ignore=shutil.ignore_patterns("checkpoint-*", "traces"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tmp_path / "gone")
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match=r"trained on '.*gone', which is not there.*--base-model"):
        _answers(run, adapter)
    assert _answers(run, adapter, base_model=str(moved)) == _answers(run, out)
    with pytest.raises(OptionError, match="--base-model: expected an adapter in"):
        _answers(run, moved, base_model=str(moved))


def test_an_adapter_of_another_model_is_an_error(lora: tuple[Run, Path], root: Path) -> None:
    run, out = lora
    with pytest.raises(EngineError, match="does not fit its base"):
        _answers(run, out, base_model=str(PACKAGED / "half"))


def test_training_on_from_an_adapter_says_how(
    lora: tuple[Run, Path], argv: Callable[..., list[str]]
) -> None:
    _, out = lora
    with pytest.raises(EngineError, match=r"a LoRA adapter: merge it first, with vlreward merge"):
        prepare(parse(argv("rec", "qwen2.5-vl", "--model", out)))
    with pytest.raises(EngineError, match="no directory '/no/where'") as caught:
        prepare(parse(argv("rec", "qwen2.5-vl", "--model", "/no/where")))
    assert caught.value.exit_code == 2, "a name that is wrong stays so when it is tried again"

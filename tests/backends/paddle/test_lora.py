"""Adapters: their steps are those of TRL with peft, and what is written is merged and readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle
from paddleformers.trainer.unified_checkpoint import UnifiedCheckpointHandler
from safetensors.numpy import load_file, save_file

from tests.backends.paddle.fixed import fixed_trainer, options
from vlreward.errors import OptionError
from vlreward_paddle.adapters import load_adapter, set_adapter
from vlreward_paddle.dry_run import measure
from vlreward_paddle.lora import (
    TARGETS,
    AdapterOptions,
    adapter_weights,
    add_adapter,
    save_adapter,
    without_adapter,
)
from vlreward_paddle.modeling import CheckpointError, load_model

FILE = "model-00001-of-00001.safetensors"
SMALL = AdapterOptions(use_peft=True, lora_r=3, lora_alpha=6, lora_dropout=0.0)


def drawn(model: Any) -> dict[str, np.ndarray]:
    """An adapter of random numbers, set."""
    rng = np.random.default_rng(1)
    weights = {
        name: rng.normal(0, 0.2, value.shape).astype(np.float32)
        for name, value in adapter_weights(model).items()
    }
    set_adapter(model, weights)
    return weights


@pytest.mark.parametrize("accumulate", [1, 2])
def test_steps_equal_those_of_trl_with_peft(
    accumulate: int, cases: Path, checkpoint: Any, tmp_path: Path
) -> None:
    """The reference is the model without the adapter; two steps on the same completions."""
    data = np.load(cases / "grpo_lora.npz")
    args = options(
        tmp_path / "out",
        beta=0.04,
        num_iterations=2,
        max_steps=2,
        temperature=0.9,
        loss_type="grpo",
        per_device_train_batch_size=8 // accumulate,
        gradient_accumulation_steps=accumulate,
    )
    trainer = fixed_trainer(checkpoint(), data, args, adapter=SMALL)
    model = trainer.model
    before = {k[7:]: data[k] for k in data if k.startswith("before/")}
    after = {k[6:]: data[k] for k in data if k.startswith("after/")}
    set_adapter(model, before)
    trainer.train()

    for step in range(2):
        parts = trainer.noted[step * accumulate : (step + 1) * accumulate]
        loss = np.mean([part["loss"] for part in parts])
        np.testing.assert_allclose(loss, data["loss"][step], rtol=1e-4, atol=1e-7)
        for i, part in enumerate(parts):
            rows = slice(i * (8 // accumulate), (i + 1) * (8 // accumulate))
            width = part["mask"].shape[1]
            theirs = data["logps"][step][rows, :width] * part["mask"]
            np.testing.assert_allclose(part["logps"] * part["mask"], theirs, atol=2e-5)
    ours = adapter_weights(model)
    assert ours.keys() == after.keys(), "peft's names"
    moved = np.concatenate([(after[key] - before[key]).ravel() for key in after])
    missed = np.concatenate([(ours[key] - after[key]).ravel() for key in after])
    assert np.abs(moved).max() > 5e-4
    assert np.linalg.norm(missed) < 1e-2 * np.linalg.norm(moved)
    base = load_file(checkpoint() / "model.safetensors")
    plain = load_model(checkpoint()).state_dict()
    assert base
    for name, value in model.state_dict().items():
        if "lora_" not in name:
            np.testing.assert_array_equal(value.numpy(), plain[name].numpy(), err_msg=name)


def test_what_is_written_is_the_model_with_its_adapter(checkpoint: Any, tmp_path: Path) -> None:
    """As a whole model, and as an adapter that adds up to the same weights."""
    model = load_model(checkpoint())
    ids = paddle.to_tensor(np.arange(8, 32).reshape(2, 12))
    plain = model(input_ids=ids).logits.numpy()
    add_adapter(model, AdapterOptions(use_peft=True, lora_r=2, lora_alpha=8))
    model.eval()
    np.testing.assert_array_equal(model(input_ids=ids).logits.numpy(), plain)
    weights = drawn(model)
    adapted = model(input_ids=ids).logits.numpy()
    assert np.abs(adapted - plain).max() > 1e-3
    with without_adapter(model):
        np.testing.assert_array_equal(model(input_ids=ids).logits.numpy(), plain)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    again.eval()
    np.testing.assert_allclose(again(input_ids=ids).logits.numpy(), adapted, atol=2e-5)

    save_adapter(model, tmp_path / "adapter", "base")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (2, 8, "LORA")
    written = load_file(tmp_path / "adapter/adapter_model.safetensors")
    base = load_file(checkpoint() / "model.safetensors")
    whole = load_file(tmp_path / "model.safetensors")
    changed = 0
    for name in base:
        key = "base_model.model." + name.replace("model.layers", "model.language_model.layers")
        key = key.removesuffix(".weight")
        added: Any = 0
        if f"{key}.lora_A.weight" in written:
            np.testing.assert_array_equal(
                written[f"{key}.lora_A.weight"], weights[f"{key}.lora_A.weight"]
            )
            added = 4 * written[f"{key}.lora_B.weight"] @ written[f"{key}.lora_A.weight"]
            changed += 1
        np.testing.assert_allclose(whole[name], base[name] + added, atol=1e-6, err_msg=name)
    assert changed == 2 * len(TARGETS)


def test_checkpoints_hold_the_adapter_alone(cases: Path, checkpoint: Any, tmp_path: Path) -> None:
    """They held the base model too; those of then are resumed from as these are."""
    data, words = np.load(cases / "grpo_lora.npz"), {"max_steps": 1, "save_steps": 1}
    args = options(tmp_path / "out", save_strategy="steps", **words)
    trainer = fixed_trainer(checkpoint(), data, args, adapter=SMALL)
    drawn(trainer.model)
    trainer.train()
    kept, before = tmp_path / "out/checkpoint-1", tmp_path / "before"
    handler = UnifiedCheckpointHandler(trainer.args)
    handler.save_unified_checkpoint(trainer.model, trainer.optimizer, str(before), str(before))
    names = {path: set(load_file(path / FILE)) for path in (kept, before)}
    assert names[kept] == {name for name in names[before] if "lora_" in name}
    assert len(names[before]) > len(names[kept]) > 0
    for path in names:
        again = fixed_trainer(checkpoint(), data, args, adapter=SMALL)
        again._load_from_checkpoint(str(path))
        found = again.model.state_dict()
        for name, value in trainer.model.state_dict().items():
            np.testing.assert_array_equal(found[name].numpy(), value.numpy(), err_msg=name)


def test_targets_are_those_asked_for(checkpoint: Any) -> None:
    model = load_model(checkpoint("qwen2_vl"))
    add_adapter(model, AdapterOptions(True, 2, 4, 0.0, ["v_proj", "up_proj"]))
    found = {name.split(".")[-3] for name in adapter_weights(model)}
    assert found == {"v_proj", "up_proj"}
    trained = {name for name, value in model.named_parameters() if not value.stop_gradient}
    assert trained
    assert all("lora_" in name for name in trained)
    with pytest.raises(OptionError, match=r"expected some of q_proj, .* got all-linear"):
        AdapterOptions(lora_target_modules=["all-linear"])
    with pytest.raises(OptionError, match="at least 1, got 0"):
        AdapterOptions(lora_r=0)


def test_the_dry_run_counts_the_adapter(checkpoint: Any) -> None:
    """The numbers of rank 1 are those of the adapter that is made."""
    model = load_model(checkpoint())
    add_adapter(model, AdapterOptions(True, 1, 1, 0.0))
    count = sum(value.size for value in adapter_weights(model).values())
    assert measure(model.hf_config, checkpoint()).adapter == count


def test_an_adapter_of_peft_is_read(cases: Path, checkpoint: Any, tmp_path: Path) -> None:
    """What TRL wrote with peft, and what was written here; names of older versions too."""
    data = np.load(cases / "grpo_lora.npz")
    weights = {k[6:]: data[k] for k in data if k.startswith("after/")}
    config = {"r": 3, "lora_alpha": 6}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    older = {k.replace(".language_model.", "."): v for k, v in weights.items()}
    for named in (weights, older):
        save_file(named, tmp_path / "adapter_model.safetensors")
        model = load_model(checkpoint())
        load_adapter(model, tmp_path)
        for name, value in adapter_weights(model).items():
            np.testing.assert_array_equal(value, weights[name])
    save_adapter(model, tmp_path / "again", "base")
    again = load_model(checkpoint())
    load_adapter(again, tmp_path / "again")
    assert adapter_weights(again).keys() == weights.keys()
    save_file(
        {**weights, "base_model.model.lm_head.lora_A.weight": np.ones((3, 32))},
        tmp_path / "adapter_model.safetensors",
    )
    with pytest.raises(CheckpointError, match=r"got .*lm_head"):
        load_adapter(load_model(checkpoint()), tmp_path)
    with pytest.raises(CheckpointError, match="expected an adapter in"):
        load_adapter(load_model(checkpoint()), tmp_path / "nowhere")

"""Both families against transformers: fixtures come from `make_fixtures.py`."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle
from safetensors.numpy import load_file

from vlreward_paddle.logprobs import TokenLogProbs, logprobs_of_logits
from vlreward_paddle.modeling import CheckpointError, freeze_vision, load_model
from vlreward_paddle.modeling.config import to_paddle

FAMILIES = ("qwen2_vl", "qwen2_5_vl")
INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
EOS, PAD = 2, 0


def tensors(data: Any) -> dict[str, Any]:
    return {name: paddle.to_tensor(data[name]) for name in INPUTS}


def logits_of(model: Any, data: Any) -> np.ndarray:
    model.eval()
    with paddle.no_grad():
        found = model(**tensors(data)).logits.numpy() * data["attention_mask"][..., None]
    return np.asarray(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_those_of_transformers(family: str, cases: Path, checkpoint: Any) -> None:
    data = np.load(cases / f"{family}.npz")
    expected = data["logits"] * data["attention_mask"][..., None]
    assert np.abs(expected).max() > 1
    assert np.abs(logits_of(load_model(checkpoint(family)), data) - expected).max() < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_has_transformers_names_and_values(
    family: str, cases: Path, checkpoint: Any, tmp_path: Path
) -> None:
    source = checkpoint(family)
    load_model(source).save_pretrained(tmp_path / "saved")
    written: dict[str, np.ndarray] = {}
    for file in (tmp_path / "saved").glob("*.safetensors"):
        written |= load_file(file)
    original = load_file(source / "model.safetensors")
    assert written.keys() == original.keys()
    for name, value in original.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)
    assert json.loads((tmp_path / "saved/config.json").read_text()) == json.loads(
        (source / "config.json").read_text()
    )
    data = np.load(cases / f"{family}.npz")
    again = load_model(tmp_path / "saved")
    np.testing.assert_array_equal(logits_of(again, data), logits_of(load_model(source), data))


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_uses_the_cache_and_equals_transformers(
    family: str, cases: Path, checkpoint: Any
) -> None:
    data = np.load(cases / f"{family}.npz")
    model = load_model(checkpoint(family))
    model.eval()
    lengths, looked = [], []
    forward, see = model.forward, model.model.visual.forward

    @functools.wraps(forward)  # `generate` reads the signature.
    def counted(**kwargs: Any) -> Any:
        lengths.append(kwargs["input_ids"].shape[1])
        return forward(**kwargs)

    def seen(*args: Any, **kwargs: Any) -> Any:
        looked.append(args)
        return see(*args, **kwargs)

    model.forward, model.model.visual.forward = counted, seen
    tokens = model.generate(
        **tensors(data),
        max_new_tokens=12,
        decode_strategy="greedy_search",
        eos_token_id=EOS,
        pad_token_id=PAD,
    )[0].numpy()
    np.testing.assert_array_equal(tokens, data["greedy"][:, : tokens.shape[1]])
    assert lengths == [data["input_ids"].shape[1], *[1] * (tokens.shape[1] - 1)]
    assert len(looked) == 1


def test_prompts_without_images_generate_as_one_at_a_time(checkpoint: Any) -> None:
    model = load_model(checkpoint())
    model.eval()
    settings = {
        "max_new_tokens": 6,
        "decode_strategy": "greedy_search",
        "eos_token_id": EOS,
        "pad_token_id": PAD,
    }
    ids = paddle.to_tensor([[0, 0, 9, 10], [11, 12, 13, 14]])
    mask = (ids != 0).astype("int64")
    both = model.generate(input_ids=ids, attention_mask=mask, **settings)[0].tolist()
    short = model.generate(input_ids=ids[:1, 2:], attention_mask=mask[:1, 2:], **settings)[
        0
    ].tolist()
    assert both[0][: len(short[0])] == short[0]


def test_the_padding_token_keeps_its_embedding(checkpoint: Any) -> None:
    model = load_model(checkpoint())
    assert float(model.model.language_model.embed_tokens.weight[PAD].abs().sum()) > 0


def test_the_flat_configuration_of_published_checkpoints() -> None:
    flat = {
        "model_type": "qwen2_5_vl",
        "hidden_size": 2048,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "intermediate_size": 11008,
        "vocab_size": 151936,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {"depth": 32, "hidden_size": 1280, "in_chans": 3, "out_hidden_size": 2048},
    }
    config = to_paddle(flat)
    assert config.text_config.hidden_size == 2048
    assert config.text_config.rope_parameters["mrope_section"] == [16, 24, 24]
    assert config.text_config.rope_parameters["rope_theta"] == 1e6
    assert config.vision_config.hidden_size == 1280
    assert config.text_config.tie_word_embeddings
    two = to_paddle(
        {
            "model_type": "qwen2_vl",
            "vision_config": {"embed_dim": 1280},
            **{k: v for k, v in flat.items() if k not in ("model_type", "vision_config")},
        }
    )
    assert two.vision_config.intermediate_size == 5120
    assert two.vision_config.hidden_act == "quick_gelu"


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"without config\.json; download the model first"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="expected a checkpoint of qwen2_vl or qwen2_5_vl"):
        load_model(tmp_path)
    with pytest.raises(ValueError, match="expected a model_type of qwen2_vl, qwen2_5_vl"):
        to_paddle({"model_type": "llama"})


def test_freezing_leaves_the_language_model_alone(checkpoint: Any) -> None:
    model = load_model(checkpoint())
    frozen = freeze_vision(model)
    trained = sum(p.size for p in model.parameters() if not p.stop_gradient)
    assert frozen + trained == sum(p.size for p in model.parameters())
    assert frozen > 0
    with pytest.raises(ValueError, match="expected a part called 'visual'"):
        freeze_vision(paddle.nn.Linear(2, 2))


@pytest.mark.parametrize("recompute", [False, True])
def test_log_probabilities_are_those_of_the_logits(
    recompute: bool, cases: Path, checkpoint: Any
) -> None:
    """The chunked ones against numpy on full logits, values and gradients."""
    data = np.load(cases / "qwen2_5_vl.npz")
    model = load_model(checkpoint(), recompute=recompute)
    model.train()
    count = 4
    ids = data["input_ids"][:, -count:]
    asked = {"ids": paddle.to_tensor(ids), "temperature": 0.7, "banned_ids": (3, 6)}
    found, entropies = model(**tensors(data), logprobs=TokenLogProbs(**asked, chunk_size=5))
    logits = data["logits"][:, -count - 1 : -1].astype(np.float64) / 0.7
    logits[..., [3, 6]] = -np.inf
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(np.take_along_axis(shares, ids[..., None], -1)[..., 0])
        entropy = -np.nansum(shares * np.log(shares), -1)
    expected[np.isin(ids, [3, 6])] = 0
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(entropies.numpy(), entropy, atol=1e-5)
    found.sum().backward()
    own = model.model.language_model.layers[0].self_attn.qkv_proj.weight.grad.numpy()
    whole = load_model(checkpoint())
    whole.train()
    full = whole(**tensors(data)).logits[:, -count - 1 : -1]
    flat, _ = logprobs_of_logits(
        full.reshape([-1, full.shape[-1]]), asked["ids"].reshape([-1]), TokenLogProbs(**asked)
    )
    flat.sum().backward()
    reference = whole.model.language_model.layers[0].self_attn.qkv_proj.weight.grad.numpy()
    np.testing.assert_allclose(own, reference, atol=1e-5)


def test_a_banned_token_has_no_log_probability_and_no_gradient() -> None:
    logits = paddle.to_tensor(np.zeros((2, 4), dtype=np.float32), stop_gradient=False)
    asked = TokenLogProbs(paddle.to_tensor([1, 2]), banned_ids=(2,))
    found, _ = logprobs_of_logits(logits, asked.ids, asked)
    np.testing.assert_allclose(found.numpy(), [-np.log(3), 0], rtol=1e-6)
    found[1].backward()
    assert float(logits.grad.abs().max()) == 0

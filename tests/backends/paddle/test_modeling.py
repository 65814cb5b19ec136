"""Both families against transformers: fixtures come from `make_fixtures.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle
from safetensors.numpy import load_file

from vlreward.training.models import freeze_vision
from vlreward_paddle.logprobs import TokenLogProbs, logprobs_of_logits
from vlreward_paddle.modeling import CheckpointError, load_model
from vlreward_paddle.modeling.config import to_paddle
from vlreward_paddle.rollout import pad_left, pad_right

FAMILIES = ("qwen2_vl", "qwen2_5_vl")
INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
PAD = 0


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
    for settings in ({"use_sliding_window": True}, {"text_config": {"use_sliding_window": True}}):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_vl", **settings}))
        with pytest.raises(CheckpointError, match=r"over the whole sequence.* got use_sliding"):
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
    inputs = tensors(data)
    ids = np.random.default_rng(0).choice([3, 5, 9, 10], (len(data["input_ids"]), count))
    asked = {"ids": paddle.to_tensor(ids), "temperature": 0.7, "banned_ids": (3, 5)}
    found, entropies = model(**inputs, logprobs=TokenLogProbs(**asked, chunk_size=5))
    whole = load_model(checkpoint())
    whole.train()
    ends = {"input_ids": asked["ids"], "attention_mask": paddle.ones_like(asked["ids"])}
    joined = {n: paddle.concat([x, ends[n]], axis=1) if n in ends else x for n, x in inputs.items()}
    full = whole(**joined).logits[:, -count - 1 : -1]
    logits = full.numpy().astype(np.float64) / 0.7
    logits[..., [3, 5]] = -np.inf
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(np.take_along_axis(shares, ids[..., None], -1)[..., 0])
        entropy = -np.nansum(shares * np.log(shares), -1)
    expected[np.isin(ids, [3, 5])] = 0
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(entropies.numpy(), entropy, atol=1e-5)
    found.sum().backward()
    own = gradients(model)
    flat, _ = logprobs_of_logits(
        full.reshape([-1, full.shape[-1]]), asked["ids"].reshape([-1]), TokenLogProbs(**asked)
    )
    flat.sum().backward()
    same_gradients(own, gradients(whole))


def gradients(model: Any) -> dict[str, np.ndarray]:
    return {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}


def same_gradients(own: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert own.keys() == others.keys()
    for name, value in others.items():
        largest = np.abs(value).max()
        assert largest > 1e-4, name
        np.testing.assert_allclose(own[name], value, atol=2e-5 * largest, err_msg=name)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flashmask"])
@pytest.mark.parametrize("family", FAMILIES)
def test_completions_in_one_sequence_are_as_if_alone(
    family: str, attention: str, cases: Path, checkpoint: Any, kernel: Any
) -> None:
    """Two questions with three and one completions of several lengths: values and gradients of
    each way of attention beside those of one completion at a time."""
    data = np.load(cases / f"{family}.npz")
    inputs = tensors(data)
    owners = (0, 0, 0, 1)
    rng = np.random.default_rng(0)
    completions = [rng.integers(8, 90, count).tolist() for count in (5, 1, 7, 3)]
    ids, mask = pad_right(completions, PAD)
    asked = TokenLogProbs(
        paddle.to_tensor(ids), chunk_size=4, mask=paddle.to_tensor(mask), owners=owners
    )
    ends = np.cumsum([0, *data["image_grid_thw"].prod(axis=1)])
    two = slice(0, 2)
    model = load_model(checkpoint(family))
    model.train()
    expected = np.zeros(ids.shape)
    for i, (owner, completion) in enumerate(zip(owners, completions)):
        there = data["attention_mask"][owner] == 1
        alone = {
            "input_ids": paddle.to_tensor([[*data["input_ids"][owner][there], *completion]]),
            "pixel_values": inputs["pixel_values"][ends[owner] : ends[owner + 1]],
            "image_grid_thw": inputs["image_grid_thw"][owner : owner + 1],
        }
        states = model(**alone).logits[0, -len(completion) - 1 : -1]
        found, _ = logprobs_of_logits(states, paddle.to_tensor(completion), asked)
        (found * found).sum().backward()
        expected[i, : len(completion)] = found.numpy()
    assert data["attention_mask"][two].min() == 0, "one prompt is padded"
    other = load_model(checkpoint(family))
    other.train()
    other.config.text_config._attn_implementation = attention
    found, _ = other(
        input_ids=inputs["input_ids"][two],
        attention_mask=inputs["attention_mask"][two],
        pixel_values=inputs["pixel_values"][: ends[2]],
        image_grid_thw=inputs["image_grid_thw"][two],
        logprobs=asked,
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    (found * found).sum().backward()
    same_gradients(gradients(other), gradients(model))
    assert bool(kernel) == (attention == "flashmask")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """flashmask's kernel is for GPUs; this is its definition, with the mask that paddleformers
    derives from row indices. The list has what it was called with."""
    from paddle.nn.functional import flash_attention
    from paddleformers.utils.masking_utils import _gen_from_sparse_attn_mask_indices

    calls: list[Any] = []

    def definition(q: Any, k: Any, v: Any, startend_row_indices: Any, causal: bool) -> Any:
        calls.append(startend_row_indices)
        assert causal
        assert q.shape[1] == k.shape[1]
        shape = [k.shape[0], 1, k.shape[1], 1]
        if startend_row_indices is None:
            startend_row_indices = paddle.full(shape, q.shape[1], dtype="int32")
        assert startend_row_indices.dtype == paddle.int32
        assert startend_row_indices.shape == shape
        mask = _gen_from_sparse_attn_mask_indices(startend_row_indices, q.dtype, True)
        q, k, v = (x.transpose([0, 2, 1, 3]) for x in (q, k, v))
        groups = q.shape[1] // k.shape[1]
        k, v = (paddle.repeat_interleave(x, groups, axis=1) for x in (k, v))
        scores = paddle.matmul(q, k, transpose_y=True) * q.shape[-1] ** -0.5 + mask
        return paddle.matmul(paddle.nn.functional.softmax(scores), v).transpose([0, 2, 1, 3])

    monkeypatch.setattr(flash_attention, "flashmask_attention", definition)
    return calls


@pytest.mark.parametrize("attention", ["sdpa", "flashmask"])
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_mask_left_padding(
    family: str, attention: str, cases: Path, checkpoint: Any, kernel: Any
) -> None:
    """A short prompt in a padded batch has the logits that it has alone, by each way."""
    data = np.load(cases / f"{family}.npz")
    assert data["attention_mask"].min() == 0
    model = load_model(checkpoint(family))
    expected = logits_of(model, data)
    model.config.text_config._attn_implementation = attention
    assert np.abs(logits_of(model, data) - expected).max() < 1e-5
    assert bool(kernel) == (attention == "flashmask")


def test_positions_of_images_are_those_of_the_library(cases: Path, checkpoint: Any) -> None:
    """Several sizes, text before, between and behind, two images in one prompt."""
    from paddleformers.transformers import Qwen2_5_VLModel

    model = load_model(checkpoint())
    library = Qwen2_5_VLModel(model.config)
    start, end, image = 3, 4, model.config.image_token_id
    grids = np.array([[1, 4, 6], [1, 2, 8], [1, 6, 4], [1, 4, 4]])
    seen = [[start, *[image] * (int(grid.prod()) // 4), end] for grid in grids]
    rows = [[9, *seen[0], 10, 11], [*seen[1], 12, *seen[2], 13], [14, 15, 16, *seen[3]]]
    ids, mask = pad_left(rows, PAD)
    places, offsets = library.get_rope_index(
        paddle.to_tensor(ids), paddle.to_tensor(grids), attention_mask=paddle.to_tensor(mask)
    )
    found = model.model.positions(ids, mask == 1, paddle.to_tensor(grids))
    np.testing.assert_array_equal(found, places.numpy())
    then = found.max(axis=(0, 2)) + 1 - ids.shape[1]
    np.testing.assert_array_equal(then, offsets.numpy()[:, 0])


@pytest.mark.parametrize(
    ("count", "grids", "message"),
    [
        (6, [], "expected an image for each run of image tokens"),
        (5, [[1, 4, 6]], "expected 6 image tokens for an image"),
        (6, [[1, 4, 6], [1, 2, 2]], "expected 7 image tokens for the images, got 6"),
    ],
)
def test_image_tokens_that_do_not_fit(
    count: int, grids: Any, message: str, checkpoint: Any
) -> None:
    model = load_model(checkpoint())
    ids = paddle.to_tensor([[9, *[model.config.image_token_id] * count, 10]])
    sizes = np.array(grids, dtype=np.int64).reshape(-1, 3)
    pixels = paddle.zeros([int(sizes.prod(axis=1).sum()), 96])
    with pytest.raises(ValueError, match=message):
        model(ids, pixel_values=pixels if grids else None, image_grid_thw=paddle.to_tensor(sizes))


def test_a_banned_token_has_no_log_probability_and_no_gradient() -> None:
    logits = paddle.to_tensor(np.zeros((2, 4), dtype=np.float32), stop_gradient=False)
    asked = TokenLogProbs(paddle.to_tensor([1, 2]), banned_ids=(2,))
    found, _ = logprobs_of_logits(logits, asked.ids, asked)
    np.testing.assert_allclose(found.numpy(), [-np.log(3), 0], rtol=1e-6)
    found[1].backward()
    assert float(logits.grad.abs().max()) == 0

"""Sampling against transformers, against one at a time, and against the model's own logits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

import paddle
from scipy.stats import chi2

from vlreward_paddle.modeling import load_model
from vlreward_paddle.modeling.attention import ROOM
from vlreward_paddle.rollout import (
    Prompt,
    Sampling,
    choose,
    draw,
    generate,
    join,
    pad_left,
    pad_right,
)

VISION = [3, 4, 6, 7]


@pytest.fixture
def prompts(cases: Path) -> list[Prompt]:
    """Prompts with images of three sizes."""
    data = np.load(cases / "qwen2_5_vl.npz")
    ends = np.cumsum([0, *data["image_grid_thw"].prod(axis=1)])
    return [
        Prompt(
            row[mask == 1].tolist(),
            data["pixel_values"][ends[i] : ends[i + 1]],
            data["image_grid_thw"][i : i + 1],
        )
        for i, (row, mask) in enumerate(zip(data["input_ids"], data["attention_mask"]))
    ]


def sampling(**options: Any) -> Sampling:
    return Sampling(**{"max_tokens": 12, "eos_ids": (2,), **options})


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl"])
def test_greedy_in_a_batch_is_greedy_alone_and_equals_transformers(
    family: str, attention: str, prompts: list[Prompt], cases: Path, checkpoint: Any
) -> None:
    """Grouped heads, left padding; of the two families and the two ways of attention."""
    model = load_model(checkpoint(family))
    model.config.text_config._attn_implementation = attention
    greedy = sampling(temperature=0.0)
    together = generate(model, prompts, greedy)
    assert together == [generate(model, [prompt], greedy)[0] for prompt in prompts]
    expected = np.load(cases / f"{family}.npz")["greedy"]
    for tokens, row in zip(together, expected):
        assert tokens == row[: len(tokens)].tolist()


def test_a_group_is_read_once_and_written_as_one_at_a_time(
    prompts: list[Prompt], checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt's image and text are computed once, and then single tokens; the groups may be of
    any sizes."""
    model = load_model(checkpoint())
    greedy = sampling(temperature=0.0)
    one, other = (generate(model, [prompt], greedy)[0] for prompt in prompts[:2])
    text, tower = model.model.language_model, model.model.visual
    shapes: list[Any] = []
    images: list[int] = []
    read, look = text.forward, tower.forward

    def noted(embeds: Any, *args: Any) -> Any:
        shapes.append(embeds.shape[:2])
        return read(embeds, *args)

    def seen(pixels: Any, grid_thw: Any) -> Any:
        images.append(len(grid_thw))
        return look(pixels, grid_thw=grid_thw)

    monkeypatch.setattr(text, "forward", noted)
    monkeypatch.setattr(tower, "forward", seen)
    assert generate(model, [prompts[0]] * 3 + [prompts[1]], greedy) == [one] * 3 + [other]
    longest = max(len(one), len(other))
    assert shapes == [[2, max(len(p.ids) for p in prompts[:2])], *[[4, 1]] * (longest - 1)]
    assert images == [2]


def test_prompts_without_images(checkpoint: Any) -> None:
    model = load_model(checkpoint())
    short, long = Prompt([9, 10]), Prompt([11, 12, 13, 14])
    greedy = sampling(temperature=0.0)
    assert generate(model, [short, long], greedy)[0] == generate(model, [short], greedy)[0]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_logits_in_decoding_are_those_of_a_whole_pass(
    attention: str, prompts: list[Prompt], checkpoint: Any
) -> None:
    """Of more tokens than the cache has room for at first."""
    model = load_model(checkpoint())
    model.config.text_config._attn_implementation = attention
    model.eval()
    paddle.seed(2)
    with paddle.no_grad():
        drawn = list(draw(model, prompts[:2], sampling(eos_ids=(10**6,), max_tokens=ROOM + 6)))
        tokens = np.stack([t.numpy() for t, _ in drawn], axis=1)
        batch = join(prompts[:2], 0)
        for name, value in (("input_ids", tokens), ("attention_mask", np.ones_like(tokens))):
            batch[name] = paddle.concat([batch[name], paddle.to_tensor(value)], axis=1)
        whole = model(**batch).logits[:, -len(drawn) - 1 : -1].numpy()
    for i, (_, logits) in enumerate(drawn):
        found = logits.numpy()
        assert np.isneginf(found[:, VISION]).all()
        found[:, VISION] = whole[:, i, VISION]
        np.testing.assert_allclose(found, whole[:, i], atol=1e-5)


@pytest.mark.parametrize(("top_k", "top_p"), [(5, 1.0), (0, 0.6), (7, 0.8)])
def test_top_k_and_top_p_equal_those_of_transformers(top_k: int, top_p: float) -> None:
    """The distribution that is drawn from, by counts, beside transformers' definition."""
    logits = np.random.default_rng(1).normal(size=20) * 2
    order = np.argsort(-logits)
    kept = order[: top_k or None]
    shares = np.exp(logits[kept] / 0.8)
    shares /= shares.sum()
    # transformers drops a token if those above it, and itself, from the least on have 1 - top_p.
    stays = np.cumsum(shares[::-1])[::-1] > 1 - top_p
    expected = np.zeros(20)
    expected[kept[stays]] = shares[stays] / shares[stays].sum()
    paddle.seed(0)
    rows = paddle.to_tensor(np.tile(logits, (8000, 1)).astype(np.float32))
    drawn = choose(rows, sampling(top_k=top_k, top_p=top_p, temperature=0.8)).numpy()
    seen = np.bincount(drawn, minlength=20) / 8000
    assert (seen[expected == 0] == 0).all()
    np.testing.assert_allclose(seen, expected, atol=0.025)


def test_sampled_tokens_follow_the_model(checkpoint: Any) -> None:
    """First tokens of many completions against softmax(logits / T) without the vision ids."""
    model = load_model(checkpoint())
    model.eval()
    paddle.seed(5)
    count, temperature = 4000, 1.5
    prompt = Prompt([8, 9, 10, 11])
    one = sampling(max_tokens=1, temperature=temperature)
    drawn = [tokens[0] for tokens in generate(model, [prompt] * count, one)]
    with paddle.no_grad():
        logits = model(**join([prompt], 0)).logits[0, -1].numpy().astype(np.float64)
    logits[VISION] = -np.inf
    shares = np.exp(logits / temperature - (logits / temperature).max())
    shares /= shares.sum()
    seen = np.bincount(drawn, minlength=len(shares))
    assert seen[VISION].sum() == 0
    # Rare tokens are counted together, as the test wants at least five of each expected.
    often = shares * count >= 5
    expected = np.append(shares[often], shares[~often].sum()) * count
    got = np.append(seen[often], seen[~often].sum())
    statistic = ((got - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(0.999, len(expected) - 1)
    # The same counts do not fit another temperature, so the test can fail.
    other = np.exp(logits - logits.max())
    other = other / other.sum()
    wrong = np.append(other[often], other[~often].sum()) * count
    assert ((got - wrong) ** 2 / wrong).sum() > chi2.ppf(0.999, len(expected) - 1)


def test_groups_differ_and_seeds_repeat(prompts: list[Prompt], checkpoint: Any) -> None:
    model = load_model(checkpoint())
    group = [prompts[0]] * 6
    paddle.seed(1)
    first = generate(model, group, sampling())
    paddle.seed(1)
    assert generate(model, group, sampling()) == first
    assert len(set(map(tuple, first))) > 1


def test_top_k_and_top_p(prompts: list[Prompt], checkpoint: Any) -> None:
    model = load_model(checkpoint())
    best = generate(model, prompts[:1], sampling(temperature=0.0, max_tokens=1))[0]
    paddle.seed(0)
    for options in ({"top_k": 1}, {"top_p": 1e-6}):
        drawn = generate(model, prompts[:1] * 20, sampling(max_tokens=1, **options))
        assert Counter(map(tuple, drawn)) == {tuple(best): 20}
    many = generate(model, [Prompt([8, 9])] * 400, sampling(max_tokens=1, temperature=10.0))
    assert len(set(map(tuple, many))) > 50, "no hidden top_k"


def test_a_completion_ends_with_its_end_token(prompts: list[Prompt], checkpoint: Any) -> None:
    model = load_model(checkpoint())
    paddle.seed(3)
    drawn = generate(model, prompts * 20, sampling(eos_ids=(2, 9, 17, 30), temperature=2.0))
    for tokens in drawn:
        ends = [i for i, token in enumerate(tokens) if token in (2, 9, 17, 30)]
        assert ends in ([], [len(tokens) - 1])
    assert len({len(tokens) for tokens in drawn}) > 5


def test_the_model_is_left_as_it_was(prompts: list[Prompt], checkpoint: Any) -> None:
    model = load_model(checkpoint())
    model.train()
    generate(model, prompts[:1], sampling(max_tokens=1))
    assert model.training


def test_padding() -> None:
    ids, mask = pad_left([[1], [2, 3]], 0)
    assert ids.tolist() == [[0, 1], [2, 3]]
    assert mask.tolist() == [[0, 1], [1, 1]]
    ids, mask = pad_right([[1], [2, 3]], 9)
    assert ids.tolist() == [[1, 9], [2, 3]]
    assert mask.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "expected a temperature from 0 to 10, got -1.0"),
        ({"temperature": float("nan")}, "expected a temperature from 0 to 10, got nan"),
        ({"max_tokens": 0}, "expected max_tokens of at least 1, got 0"),
        ({"top_p": 0.0}, "expected top_p above 0 and at most 1, got 0.0"),
        ({"top_k": -1}, "expected top_k of at least 0, got -1"),
        ({"eos_ids": ()}, "expected at least one id that ends a completion"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampling(**options)


def test_images_in_some_prompts_only(prompts: list[Prompt]) -> None:
    with pytest.raises(ValueError, match="expected an image in every prompt or in none, got 1 of"):
        join([prompts[0], Prompt([8, 9])], 0)

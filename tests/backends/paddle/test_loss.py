"""The loss by hand, and advantages against numpy; TRL's own numbers are in test_trl_parity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle", reason="needs the extra 'paddle'")

import paddle

from vlreward_paddle.loss import LOSS_TYPES, LossOptions, group_advantages, grpo_loss

RNG = np.random.default_rng(0)
LOGPS = -RNG.random((3, 4)).astype(np.float32)
OLD = LOGPS + RNG.normal(0, 0.4, (3, 4)).astype(np.float32)
REF = LOGPS + RNG.normal(0, 0.2, (3, 4)).astype(np.float32)
ADVANTAGES = np.array([1.0, -0.5, 0.25], dtype=np.float32)
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])


def by_hand(options: LossOptions, num_items: float) -> float:
    """Token by token, in double precision."""
    tokens: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for i, j in zip(*np.nonzero(MASK)):
        ratio = np.exp(float(LOGPS[i, j]) - float(OLD[i, j]))
        high = options.epsilon if options.epsilon_high is None else options.epsilon_high
        clipped = min(max(ratio, 1 - options.epsilon), 1 + high)
        advantage = float(ADVANTAGES[i])
        loss = -min(ratio * advantage, clipped * advantage)
        gap = float(REF[i, j]) - float(LOGPS[i, j])
        divergence = np.exp(gap) - gap - 1
        if options.use_bias_correction_kl:
            divergence *= ratio
        tokens[i].append(loss + options.beta * divergence)
    everything = [value for row in tokens.values() for value in row]
    if options.loss_type == "grpo":
        return float(np.mean([np.mean(row) for row in tokens.values()]))
    if options.loss_type == "bnpo":
        return float(np.mean(everything))
    if options.loss_type == "dr_grpo":
        return float(np.sum(everything)) / (3 * options.max_completion_length)
    return float(np.sum(everything)) / num_items


def loss_of(options: LossOptions, **given: Any) -> Any:
    arrays = {"logps": LOGPS, "old_logps": OLD, "ref_logps": REF, **given}
    tensors = {k: None if v is None else paddle.to_tensor(v) for k, v in arrays.items()}
    return grpo_loss(
        **tensors,
        advantages=paddle.to_tensor(ADVANTAGES),
        mask=paddle.to_tensor(MASK),
        options=options,
        num_items=9.0,
    )


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("high", [None, 0.05])
@pytest.mark.parametrize("kind", LOSS_TYPES)
def test_every_loss_equals_its_formula(
    kind: str, high: float | None, beta: float, correct: bool
) -> None:
    options = LossOptions(
        loss_type=kind,
        beta=beta,
        epsilon_high=high,
        max_completion_length=6,
        use_bias_correction_kl=correct,
    )
    assert float(loss_of(options).loss) == pytest.approx(by_hand(options, 9.0), rel=1e-5)


def test_padding_has_no_part_in_it() -> None:
    changed = np.where(MASK == 1, LOGPS, -50).astype(np.float32)
    for kind in LOSS_TYPES:
        options = LossOptions(loss_type=kind)
        assert float(loss_of(options, logps=changed).loss) == float(loss_of(options).loss)


def test_without_old_log_probabilities_the_ratio_is_one_with_a_gradient() -> None:
    logps = paddle.to_tensor(LOGPS, stop_gradient=False)
    loss = grpo_loss(
        logps,
        None,
        None,
        paddle.to_tensor(ADVANTAGES),
        paddle.to_tensor(MASK),
        LossOptions(loss_type="bnpo"),
    ).loss
    loss.backward()
    np.testing.assert_allclose(logps.grad.numpy(), -ADVANTAGES[:, None] * MASK / 7, rtol=1e-5)


def test_what_is_logged() -> None:
    terms = loss_of(LossOptions(beta=0.1, use_bias_correction_kl=False))
    ratio = np.exp(LOGPS - OLD)
    low = ((ratio < 0.8) & (ADVANTAGES[:, None] < 0) & (MASK == 1)).sum()
    high = ((ratio > 1.2) & (ADVANTAGES[:, None] > 0) & (MASK == 1)).sum()
    assert terms.tokens == 7
    assert terms.sums["clip_ratio/low_mean"] == low
    assert terms.sums["clip_ratio/high_mean"] == high
    assert terms.sums["clip_ratio/region_mean"] == low + high > 0
    gap = REF - LOGPS
    expected = ((np.exp(gap) - gap - 1) * MASK).sum()
    assert terms.sums["kl"] == pytest.approx(expected, rel=1e-5)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match=r"expected ref_logps for beta=0\.1, got None"):
        loss_of(LossOptions(beta=0.1), ref_logps=None)
    with pytest.raises(ValueError, match="expected loss_type grpo, bnpo, dr_grpo, dapo, got 'x'"):
        LossOptions(loss_type="x")
    with pytest.raises(ValueError, match="expected epsilon and beta of at least 0"):
        LossOptions(beta=-1)
    with pytest.raises(ValueError, match="expected num_items for loss_type 'dapo', got None"):
        grpo_loss(
            paddle.to_tensor(LOGPS),
            None,
            None,
            advantages=paddle.to_tensor(ADVANTAGES),
            mask=paddle.to_tensor(MASK),
            options=LossOptions(loss_type="dapo"),
        )


def test_advantages_are_relative_to_the_group() -> None:
    rewards = np.array([1.0, 2.0, 3.0, 6.0, 5.0, 5.0, 5.0, 5.0])
    found = group_advantages(rewards, 4)
    first = (rewards[:4] - 3) / (rewards[:4].std(ddof=1) + 1e-4)
    np.testing.assert_allclose(found.values, [*first, 0, 0, 0, 0])
    assert found.zero_std.tolist() == [False] * 4 + [True] * 4
    whole = group_advantages(rewards, 4, scale_rewards="batch")
    centred = np.array([-2, -1, 0, 3, 0, 0, 0, 0])
    np.testing.assert_allclose(whole.values, centred / (rewards.std(ddof=1) + 1e-4))
    plain = group_advantages(rewards, 4, scale_rewards="none")
    np.testing.assert_allclose(plain.values, centred)


def test_a_completion_without_a_reward_is_left_out() -> None:
    found = group_advantages(np.array([1.0, np.nan, 3.0, np.nan]), 2)
    assert found.values.tolist() == [0, 0, 0, 0], "a group of one has no deviation"
    found = group_advantages(np.array([1.0, np.nan, 3.0]), 3, scale_rewards="none")
    assert found.values.tolist() == [-1, 0, 1]
    assert group_advantages(np.full(2, np.nan), 2).values.tolist() == [0, 0]


def test_what_is_no_group() -> None:
    with pytest.raises(ValueError, match=r"of at least 2 rewards, got shape \(3,\)"):
        group_advantages(np.zeros(3), 2)
    with pytest.raises(ValueError, match="num_generations=1"):
        group_advantages(np.zeros(3), 1)
    with pytest.raises(ValueError, match="expected scale_rewards group, batch or none, got 'x'"):
        group_advantages(np.zeros(2), 2, scale_rewards="x")

"""The guard on the difference between sampler and model."""

from __future__ import annotations

import pytest

from vlreward.training.sampling import SamplerError, SamplerGuard


def test_two_batches_in_a_row_beyond_the_bound_stop_a_run() -> None:
    guard = SamplerGuard(0.1)
    guard.look(0.43, 18.0)
    with pytest.raises(SamplerError, match=r"within 0\.1 nats .* got 0\.43, 0\.41 in 2 batches"):
        guard.look(0.41, 21.0)


def test_a_single_batch_is_forgiven_and_the_bound_itself_is_within() -> None:
    guard = SamplerGuard(0.1)
    for difference in (0.43, 0.1, 0.43, 0.004, 0.43):
        guard.look(difference)


def test_what_is_not_a_number_is_beyond() -> None:
    guard = SamplerGuard(0.1, patience=1)
    with pytest.raises(SamplerError, match="got nan"):
        guard.look(float("nan"))


def test_the_error_names_the_causes_and_the_way_out() -> None:
    with pytest.raises(SamplerError) as error:
        SamplerGuard(0.1, patience=1).look(0.9, 5.0)
    for part in ("image tokens", "weights", "processed_logprobs", "--max_logp_difference", "5"):
        assert part in str(error.value)
    assert error.value.exit_code == 3


def test_zero_is_no_bound() -> None:
    guard = SamplerGuard(0)
    for _ in range(5):
        guard.look(9.0)

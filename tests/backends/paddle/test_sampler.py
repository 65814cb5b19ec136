"""Whole groups at every step, whatever the number of processes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward_paddle.sampler import GroupSampler


@given(
    generations=st.integers(2, 5),
    world=st.integers(1, 4),
    iterations=st.integers(1, 3),
    factor=st.integers(1, 3),
    spare=st.integers(0, 7),
    steps=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_steps_are_whole_groups(
    generations: int, world: int, iterations: int, factor: int, spare: int, steps: int, seed: int
) -> None:
    batch = generations * factor
    questions = factor * world
    size = questions + spare
    samplers = [
        GroupSampler(
            range(size),
            generations,
            batch_size=batch,
            steps=steps,
            num_iterations=iterations,
            rank=rank,
            world_size=world,
            seed=seed,
        )
        for rank in range(world)
    ]
    together = [[index for part in parts for index in part] for parts in zip(*samplers)]
    assert len(together) == steps == len(samplers[0])
    for i, step in enumerate(together):
        groups = [step[j : j + generations] for j in range(0, len(step), generations)]
        assert all(len(set(group)) == 1 for group in groups)
        assert len({group[0] for group in groups}) == questions
        assert step == together[i - i % samplers[0].steps_per_pass % iterations]
    # No question comes back within a pass, unless it is an iteration.
    one_pass = together[: samplers[0].steps_per_pass][::iterations]
    counts = Counter(index for step in one_pass for index in set(step))
    assert set(counts.values()) == {1}


def test_a_longer_run_starts_alike() -> None:
    def draw(steps: int) -> list[list[int]]:
        return list(GroupSampler(range(10), 2, batch_size=4, steps=steps, seed=3))

    assert draw(9)[:4] == draw(4)
    assert draw(9)[5:] != draw(9)[:4], "the second pass has another order"


def test_a_group_may_lie_on_two_processes() -> None:
    parts = [
        next(iter(GroupSampler(range(4), 4, batch_size=2, steps=1, rank=r, world_size=2)))
        for r in range(2)
    ]
    assert parts[0] == parts[1]
    assert len(set(parts[0])) == 1


def test_without_shuffling() -> None:
    sampler = GroupSampler(range(3), 2, batch_size=4, steps=2, shuffle=False)
    assert list(sampler) == [[0, 0, 1, 1], [0, 0, 1, 1]]


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"= 6 completions .* multiple of num_generations=4"):
        GroupSampler(range(9), 4, batch_size=3, steps=1, world_size=2)
    with pytest.raises(ValueError, match=r"expected at least 4 rows.*got 3"):
        GroupSampler(range(3), 2, batch_size=8, steps=1)

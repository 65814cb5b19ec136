"""The search: screen many blind completions on few samples, the best of them on all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from vlreward.attack.candidates import (
    Candidate,
    constants,
    hedges,
    mutations,
    tricks,
    universals,
    wrapped,
)
from vlreward.frames import Frame
from vlreward.scoring import score_batch
from vlreward.task import TaskSpec
from vlreward.types import Completion, Sample

__all__ = ["Attack", "Found", "attack"]

_SCREEN = 64
"""Samples on which every candidate is tried."""
_FINALISTS = 24
_DEADLINE = 0.5
"""Seconds for one verification: what takes longer earns nothing in a search."""


@dataclass(frozen=True, slots=True)
class Found:
    """A blind completion and what it earns."""

    candidate: Candidate
    """The completion."""
    reward: float
    """Mean reward over all samples, every term with the weight of the task."""
    accuracy: float
    """Mean of the task's primary metric."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What the search found."""

    task: TaskSpec
    """The task that was attacked."""
    samples: int
    """Number of samples that the finalists were scored on."""
    tried: int
    """Number of different completions tried."""
    constant: Found
    """The best plain constant: one gold, as the answer to everything."""
    best: Found
    """The best completion of all, a plain constant included."""
    ranking: tuple[Found, ...] = field(repr=False)
    """The finalists, the best first."""

    @property
    def margin(self) -> float:
        """What the best completion earns beyond the best plain constant, never below 0."""
        return self.best.reward - self.constant.reward


def attack(
    task: TaskSpec,
    samples: Sequence[Sample],
    *,
    rounds: int = 4,
    per_round: int = 150,
    most_constants: int = 1000,
    seed: int = 0,
) -> Attack:
    """Search for the blind completion that earns most over samples.

    Args:
        task: The task, with the terms and weights of the training run.
        samples: Samples of the task. Golds that lie in an image are attacked in relative
            coordinates (0 to 1000), the frame in which one constant fits images of every size;
            in pixels if a sample does not say its `image_size`.
        rounds: Rounds of mutation.
        per_round: Mutations in each.
        most_constants: Different golds that are tried as constants.
        seed: Seed of the mutations; the same seed finds the same.

    Raises:
        ValueError: If there are no samples, or no gold of the task can be written as an answer.
    """
    if not samples:
        raise ValueError("expected samples to attack, got none")
    # A text is read once, not once for every sample.
    once = {"variants": (), "parser": lru_cache(maxsize=1)(task.parser)}
    task = task.configured(deadline=_DEADLINE).model_copy(update=once)
    frame = None
    if task.located:
        sized = all(sample.image_size is not None for sample in samples)
        frame = Frame.NORM1000 if sized else Frame.ORIGINAL_PX
        update = {"frame": frame, "axis_order": "xy"}
        samples = [sample.model_copy(update=update) for sample in samples]
    plain = constants(samples, frame, most_constants)
    if not plain:
        raise ValueError(f"no gold of task {task.name!r} says how an answer is written")
    rng = Random(seed)
    screen = rng.sample(list(samples), min(_SCREEN, len(samples)))
    fixed = [Candidate("constant", answer, wrapped(answer)) for answer in plain]
    screened = _Screen(task, screen)
    screened.add(fixed)
    # The best constants come first in what is built of them.
    plain = [found.candidate.answer for found in screened.ranking()]
    screened.add(universals())
    screened.add(hedges(plain))
    screened.add(tricks(plain))
    for _ in range(rounds):
        best = [found.candidate for found in screened.ranking()[:20]]
        screened.add(mutations(best, plain, rng, per_round))
    ranked = screened.ranking()
    finalists = [found.candidate for found in ranked[:_FINALISTS]]
    plain_ones = [f.candidate for f in ranked if f.candidate.kind == "constant"][:_FINALISTS]
    final = [
        _scored(task, candidate, samples) for candidate in dict.fromkeys(finalists + plain_ones)
    ]
    final.sort(key=lambda found: (-found.reward, found.candidate.kind != "constant"))
    constant = next(found for found in final if found.candidate.kind == "constant")
    return Attack(task, len(samples), len(ranked), constant, final[0], tuple(final))


class _Screen:
    """Candidates on the few samples, each text once."""

    def __init__(self, task: TaskSpec, samples: Sequence[Sample]) -> None:
        self._task = task
        self._samples = samples
        self._found: dict[str, Found] = {}

    def add(self, candidates: Iterable[Candidate]) -> None:
        for candidate in candidates:
            if candidate.text not in self._found:
                self._found[candidate.text] = _scored(self._task, candidate, self._samples)

    def ranking(self) -> list[Found]:
        return sorted(self._found.values(), key=lambda found: -found.reward)


def _scored(task: TaskSpec, candidate: Candidate, samples: Sequence[Sample]) -> Found:
    scores = score_batch(task, [Completion(candidate.text)] * len(samples), samples)
    n = len(scores)
    primary = task.primary
    return Found(
        candidate,
        sum(score.value for score in scores) / n,
        sum(score.metrics.get(primary, 0.0) for score in scores) / n,
    )

"""A suite that an engine has answered, and whose scores may still be computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from vlreward.bench.evaluate import Evaluation, evaluate
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.runner import Completed
from vlreward.bench.unfinished import Unfinished
from vlreward.data.dataset import Provenance
from vlreward.suite import Suite
from vlreward.task import TaskSpec
from vlreward.types import Sample

__all__ = ["Asked"]


@dataclass
class Asked:
    """Close it, also where the scores are not wanted any more."""

    suite: Suite
    """The suite."""
    spec: TaskSpec
    """Task, protocol and method."""
    made: dict[str, Any]
    """How the numbers are made: arguments of `evaluate` by name."""
    scores: LiveScores
    """What is known of the scores."""
    seen: Callable[[Completed], Sample]
    """The sample of an item as the engine saw it."""
    unfinished: Unfinished | None
    """What others read meanwhile; None in all processes but the first."""
    origin: Provenance
    """Where the samples come from."""
    notes: list[str]
    """What a reader of the numbers should know."""
    completed: list[Completed] = field(default_factory=list)
    """What became of each."""

    def __enter__(self) -> Asked:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(wait=error is None)

    def close(self, *, wait: bool) -> None:
        """Let the threads go; scores that are not known yet are waited for, or given up."""
        self.scores.close(wait=wait)
        if self.unfinished is not None:
            self.unfinished.close()

    def evaluation(self) -> Evaluation:
        """The scored suite; waits for scores that are not known yet."""
        answered = [item for item in self.completed if item.completion is not None]
        samples = [self.seen(item) for item in answered]
        completions = [item.completion for item in answered if item.completion is not None]
        attempts = [item.attempt for item in answered]
        notes = [*self.origin.remarks, *self.notes]
        if self.origin.skipped:
            notes.append(f"{len(self.origin.skipped)} rows of the data were skipped")
        lost = len(self.completed) - len(answered)
        if lost:
            several = any(item.attempt for item in self.completed)
            notes.append(
                f"WARNING: {lost} of {len(self.completed)} "
                f"{'answers wanted' if several else 'samples'} have no answer and are left out; "
                "run the same command again to try them again"
            )
        provenance = {
            **self.made["provenance"],
            "unanswered": lost,
            "served_models": _served(answered),
        }
        return evaluate(
            self.suite,
            self.spec,
            samples,
            completions,
            scores=self.scores.of(samples, completions, attempts),
            attempts=attempts,
            notes=notes,
            **self.made | {"provenance": provenance},
        )


def _served(answered: Sequence[Completed]) -> list[str]:
    names = {item.generation.served_model for item in answered if item.generation is not None}
    return sorted(name for name in names if name is not None)

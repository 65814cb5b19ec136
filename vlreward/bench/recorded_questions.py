"""Recorded completions as answers to questions: those of one id answer the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlreward._messages import was_cut
from vlreward.bench.recorded_keys import truth
from vlreward.bench.replies import Reply
from vlreward.data.rows import RawRow
from vlreward.golds import literal
from vlreward.types import Completion, Sample

__all__ = ["Questions", "Recorded"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded completion with the sample that it answers."""

    sample: Sample
    """The sample, with its gold."""
    completion: Completion
    """What the model wrote."""
    correct: bool | None = None
    """The verdict of whoever recorded it, if the file has one."""
    attempt: int = 0
    """Which completion of its question this is, from 0; the samples of one question have one id."""
    row: int = 0
    """Number of its row in the file, counted from 1."""


class Questions:
    """The rows so far, and which of them answer one question."""

    def __init__(self) -> None:
        self.rows: list[Recorded] = []
        self._first: dict[str, tuple[int, Sample]] = {}
        self._attempts: Counter[str] = Counter()
        self._filters: dict[str, tuple[str, int]] = {}
        self._asked: set[tuple[str, str, str | None]] = set()
        self._alike = 0
        self._missing = 0
        self._filtered = 0

    def add(
        self,
        raw: RawRow,
        sample: Sample,
        replies: Sequence[Reply],
        correct: bool | None,
        row: Mapping[str, Any],
        *,
        named: bool,
    ) -> None:
        """Take the completions of a row.

        Args:
            raw: The row as the file has it, for its number.
            sample: What it asks.
            replies: What it answers.
            correct: The verdict that it records.
            row: Its keys.
            named: Whether it has an id of its own.

        Raises:
            ValueError: If its id is that of another question.
        """
        number, first = self._first.setdefault(sample.id, (raw.line or raw.number, sample))
        if first is not sample and _asked(first) != _asked(sample):
            what = next(k for k, v in _asked(first).items() if v != _asked(sample)[k])
            raise ValueError(
                f"expected ids that differ, or further answers to one question, got {sample.id!r} "
                f"as in {'row' if raw.line is None else 'line'} {number} with another {what}; "
                "--columns id=KEY names the key whose values tell questions apart"
            )
        if not named:
            alike = (sample.question, sample.gold.text(), sample.image)
            self._alike += alike in self._asked
            self._asked.add(alike)
        # lm-eval writes a document again for each of its filters: that is no further answer.
        name = str(row.get("filter")) if "filtered_resps" in row else ""
        first_name, place = self._filters.setdefault(sample.id, (name, len(self.rows)))
        if first_name != name:
            self._filtered += 1
            if correct != self.rows[place].correct:  # the filters disagree
                self.rows[place] = replace(self.rows[place], correct=None)
            return
        for reply in replies:
            tokens = reply.tokens if reply.tokens is not None else literal(row.get("token_count"))
            cut = truth(row.get("truncated")) or was_cut(row)
            completion = Completion(
                reply.text, reply.truncated or cut, tokens if type(tokens) is int else None
            )
            verdict = correct if len(replies) == 1 else None
            attempt = self._attempts[sample.id]
            self.rows.append(Recorded(sample, completion, verdict, attempt, raw.number))
            self._attempts[sample.id] += 1
            self._missing += reply.missing

    def notes(self) -> list[str]:
        """What to say of them."""
        found = []
        if self._missing:
            found.append(
                f"{self._missing} of {len(self.rows)} completions are null or of requests that "
                "failed: they count as empty"
            )
        if self._filtered:
            found.append(f"{self._filtered} rows repeat others for another filter: counted once")
        if self._alike:
            found.append(
                f"{self._alike} rows ask what another asks, and no id tells whether they answer "
                "one question: each counts as its own; --columns id=KEY names a key that tells"
            )
        return found


def _asked(sample: Sample) -> dict[str, Any]:
    return {"gold": sample.gold, "question": sample.question, "image": sample.image}

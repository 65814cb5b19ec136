"""Traces: one JSON line for each completion, in one file for each process."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlreward.data.traces import read_trace, trace_files
from vlreward.files import replacing
from vlreward.rewards.inputs import PLACE, to_texts
from vlreward.types import Score

__all__ = ["TraceFile"]

_COPIED = (*PLACE, "logp_difference")


@dataclass(frozen=True)
class TraceFile:
    """The traces of one process, appended to as they come, so that a killed run keeps them.

    A line holds: `step` (optimizer steps before this batch; null where the trainer does not say),
    `mode` (`train`, or `eval` for an answer to a row of the evaluation), `id` of the question,
    `task`, `completion`, `tokens`, `truncated`, `terms` by name, `value` (their weighted sum),
    `failure` (code, or null), its `detail`, the extracted `answer`, as `axes` what its text
    says of the order of its numbers (`vlreward.frames.BOXES`; null for what is no box), and, where
    the row has them, what places the answer (`image_size`, `input_size`, `frame`, `axis_order`) and
    `logp_difference`, the mean difference of its tokens' log-probabilities between sampler and
    model in nats, where it is a number.
    """

    directory: str
    """Directory of the files."""
    rank: int = 0
    """Number of the process."""

    @property
    def path(self) -> Path:
        """The file of this process."""
        return Path(self.directory) / f"rank-{self.rank:05d}.jsonl"

    def write(
        self,
        task: str,
        completions: Sequence[Any],
        scores: Sequence[Score | None],
        columns: dict[str, Any],
        mode: str = "train",
    ) -> None:
        """Append the completions of one task.

        Args:
            task: The task.
            completions: Texts or message lists of the whole batch.
            scores: A score for each; None for rows of other tasks, which are left out.
            columns: What the trainer passes: `trainer_state`, `id`, `completion_ids`,
                `truncated`, `frame`, `image_size`, `input_size`, where it does.
            mode: `train` or `eval`.
        """
        state = columns.get("trainer_state")
        step = None if state is None else state.global_step
        lines = []
        for i, (completion, score) in enumerate(zip(completions, scores, strict=True)):
            if score is None:
                continue
            ids = columns.get("completion_ids")
            row = {
                "step": step,
                "mode": mode,
                "id": _at(columns, "id", i),
                "task": task,
                "completion": to_texts([completion])[0],
                "tokens": None if ids is None else len(ids[i]),
                "truncated": _at(columns, "truncated", i),
                "terms": score.terms,
                "value": score.value,
                "failure": None if score.failure is None else score.failure.code.value,
                "detail": None if score.failure is None else score.failure.detail,
                "answer": score.answer,
                "axes": getattr(score.answer, "axes", None),
            }
            for name in _COPIED:
                value = _at(columns, name, i)
                # JSON has no NaN, which a run that diverges comes to.
                diverged = isinstance(value, float) and not math.isfinite(value)
                if columns.get(name) is not None and not diverged:
                    row[name] = value
            lines.append(json.dumps(row, ensure_ascii=False, default=_plain))
        if lines:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{line}\n" for line in lines)
            # A lone surrogate, which model text may hold, has no place in UTF-8.
            data = text.encode("utf-8", "backslashreplace")
            with self.path.open("ab") as file:
                file.write(data)

    def rewind(self, step: int) -> None:
        """Drop the lines from `step` on, which a run that resumes there writes again.

        The evaluation at `step` was made before the checkpoint, and is not made again. Torn lines
        are dropped too.

        Raises:
            DataError: If the file is none of traces.
        """
        if not self.path.is_file():
            return
        kept = set()
        for raw in read_trace(self.path):
            before, evaluated = raw.value["step"], raw.value.get("mode") == "eval"
            if before is not None and (before < step or (evaluated and before == step)):
                kept.add(raw.line)
        with replacing(self.path, "wb") as new, self.path.open("rb") as old:
            new.writelines(line for number, line in enumerate(old, 1) if number in kept)

    def resume(self, step: int, world_size: int) -> None:
        """Drop what a run of `world_size` processes that resumes at `step` writes again.

        Every process sees to its own file, the first also to those without a process.
        """
        self.rewind(step)
        if self.rank == 0:
            for other in self.all_files():
                if other.rank >= world_size:
                    other.rewind(step)

    def all_files(self) -> list[TraceFile]:
        """The traces of every process that has written here."""
        found = trace_files(Path(self.directory))
        return [TraceFile(self.directory, int(path.stem[5:])) for path in found]


def _at(columns: dict[str, Any], name: str, index: int) -> Any:
    column = columns.get(name)
    return None if column is None else column[index]


def _plain(answer: Any) -> Any:
    """What JSON has no form for: as a list if it is one of things, else as text."""
    try:
        return list(answer)
    except TypeError:
        return str(answer)

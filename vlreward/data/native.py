"""How trainers and published files write rows of any task: verl, EasyR1, ms-swift, TRL, R1-V ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlreward.data.columns import fields_by
from vlreward.schema import IMAGE_KEYS, Fields, Schema, has_options
from vlreward.turns import read_chat

__all__ = ["GENERAL"]


@dataclass(frozen=True, slots=True)
class _Table:
    """Reads rows of columns; the image is under whichever of the usual names has one."""

    gold: str
    question: str
    raw_question: str | None = None

    def __call__(self, row: Mapping[str, Any]) -> Fields:
        columns = {"gold": self.gold, "question": self.question}
        outer, _, inner = (self.raw_question or "").partition(".")
        if isinstance(row.get(outer), Mapping) and row[outer].get(inner):
            columns["question"] = f"{outer}.{inner}"
        image = next((k for k in IMAGE_KEYS if row.get(k) is not None), None)
        columns.update({} if image is None else {"image": image})
        fields = fields_by(row, columns)
        # Neither the prompt that the question is part of, nor what is there and empty.
        fields.metadata = {
            key: value
            for key, value in (fields.metadata or {}).items()
            if key != self.question and (value or key not in ("system", *IMAGE_KEYS))
        }
        return fields


def _table(
    name: str,
    keys: tuple[str, ...],
    *,
    gold: str | None = None,
    question: str | None = None,
    image: str = "images",
    raw_question: str | None = None,
    fits: Callable[[Mapping[str, Any]], bool] = lambda row: True,
    gold_at: str = "ground_truth",
    typed: bool = False,
) -> Schema:
    """Rows with the question under the first key and the gold under the last, if not elsewhere."""
    gold, question = gold or keys[-1], question or keys[0]
    columns = {"gold": gold, "question": question, "image": image}
    read = _Table(gold, question, raw_question)
    return Schema(name, keys, read, fits, typed, columns, gold_at)


def _is_answered(row: Mapping[str, Any]) -> bool:
    """Whether the answer is the assistant's turn, and no column has it."""
    try:
        answered = read_chat(row["messages"]).answer is not None
    except ValueError:
        answered = True  # what is wrong with it is said when it is read
    return answered and row.get("solution") is None and row.get("objects") is None


def _read_alpaca(row: Mapping[str, Any]) -> Fields:
    """LLaMA-Factory's Alpaca form: the question is the instruction with its input."""
    parts = [row["instruction"], row.get("input")]
    joined = "\n".join(str(part) for part in parts if part)
    fields = _ALPACA.read({**row, "instruction": joined})
    fields.metadata = {k: v for k, v in (fields.metadata or {}).items() if k != "input"}
    return fields


_ALPACA = _table("alpaca", ("instruction", "output"))

GENERAL = (
    _table("problem-solution", ("problem", "solution")),
    _table("r1-v", ("image_path", "question", "ground_truth"), question="question", typed=True),
    _table("conversations", ("conversations",), image="image"),
    _table(
        "verl",
        ("prompt", "reward_model"),
        gold="reward_model.ground_truth",
        raw_question="extra_info.question",
        gold_at="reward_model.ground_truth",
    ),
    _table("easyr1", ("problem", "answer"), gold_at="answer"),
    _table(
        "swift",
        ("messages", "solution"),
        fits=lambda row: row.get("solution") is not None,
        gold_at="solution",
    ),
    _table("trl", ("prompt", "solution"), gold_at="solution"),
    _table("query-solution", ("query", "solution"), gold_at="solution"),
    _table(
        "query-response",
        ("query", "response"),
        fits=lambda row: row.get("solution") is None,
        gold_at="solution",
    ),
    _table(
        "question-answer",
        ("question", "answer"),
        fits=lambda row: not has_options(row),  # the answer is a letter or one of them
    ),
    _table("messages", ("messages",), fits=_is_answered, gold_at="solution"),
    replace(_ALPACA, read=_read_alpaca),
)
"""Rows of any task: VLM-R1 and R1-V (`problem-solution`, `r1-v`, `conversations`), the trainers
(`verl`, `easyr1`, `swift`, `trl`), LLaMA-Factory (`messages`, `conversations`, `alpaca`)."""

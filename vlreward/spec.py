"""The names of `vlreward.task` under their first address, for plug-ins that import them here."""

from __future__ import annotations

from vlreward.task import AnswerTerm, Judge, Method, Parser, TaskSpec, TextTerm

__all__ = ["AnswerTerm", "Judge", "Method", "Parser", "TaskSpec", "TextTerm"]

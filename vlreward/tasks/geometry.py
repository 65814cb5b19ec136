"""Problems with a symbolic answer: an expression, compared by the verifier."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from vlreward.geometry import Size
from vlreward.golds import literal
from vlreward.judges import MathJudge, is_correct
from vlreward.parsers.math import MAX_ANSWER, MathParser
from vlreward.task import FORMAT, AnswerTerm, Recipe, TaskSpec
from vlreward.tasks.r1_v_published import R1_V_PROMPT, evaluations, training
from vlreward.types import Gold

__all__ = ["GEOMETRY", "MathGold"]

_WHOLE = re.compile(r"\d{1,18}\Z", re.ASCII)
_LETTERS = re.compile(r"\(?[A-Z]\)?\.?(?:\s*,\s*\(?[A-Z]\)?)*\Z")


class MathGold(Gold):
    """A mathematical expression."""

    task: Literal["geometry"] = "geometry"
    """Task that this gold belongs to."""
    expression: str = Field(min_length=1, max_length=MAX_ANSWER)
    """Plain text or LaTeX, with or without a unit, e.g. `2√{3}`, `145°`, `$9\\pi cm^{2}$`."""

    @field_validator("expression")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(f"expected an expression, got {value!r}")
        return value.strip()

    @classmethod
    def read(cls, value: Any, task: str = "geometry") -> MathGold:
        """An expression: a text as it stands, a number, or either under `expression`.

        Raises:
            ValueError: If it is neither, blank, or longer than 512 characters.
        """
        if isinstance(value, dict):
            value = value.get("expression", value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = repr(value)
        return cls(expression=value)

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """Texts that are no list, no object, no letter of an option, and (unless numbers are
        typed) no whole number."""
        if not isinstance(value, str) or _LETTERS.match(value.strip()):
            return False
        if typed:
            return True
        listed = value.startswith(("[", "{")) and isinstance(literal(value), (list, dict))
        return bool(value) and not listed and not _WHOLE.match(value)

    def target(self, image_size: Size | None, input_size: Size | None) -> str:
        """The expression."""
        return self.expression

    def check(self) -> None:
        """Ask the verifier whether it can read the expression.

        Raises:
            ValueError: If it cannot.
        """
        from vlreward.verify import check_gold

        check_gold(self.expression)

    def written(self, *_where: Any, **_how: Any) -> str:
        """The expression."""
        return self.expression

    def text(self) -> str:
        """The expression."""
        return self.expression


_STRICT = TaskSpec(
    name="geometry",
    version="1",
    gold=MathGold,
    prompt=R1_V_PROMPT,
    parser=MathParser(),
    judge=MathJudge(),
    terms=(AnswerTerm("correct", is_correct), FORMAT),
    metrics=(AnswerTerm("acc", is_correct),),
    recipe=Recipe(freeze_vision=True),
)
GEOMETRY = _STRICT.model_copy(
    update={
        "variants": (
            _STRICT.model_copy(update={"method": "baseline"}),
            *evaluations(_STRICT, "r1-v", counts=False),
            training(_STRICT, "r1-v"),
        )
    }
)
"""Strict, with R1-V's rules as variants."""

"""Item counting: one whole number."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vlreward.geometry import Size
from vlreward.golds import literal
from vlreward.judges import PlainJudge
from vlreward.metrics.counts import count_error, count_exact, count_soft, count_within_one
from vlreward.parsers.counts import CountParser
from vlreward.task import FORMAT, AnswerTerm, Confusion, TaskSpec
from vlreward.tasks.counting_schemas import COUNTING_SCHEMAS
from vlreward.tasks.r1_v_published import R1_V_PROMPT, evaluations, training
from vlreward.types import Gold

__all__ = ["COUNTING", "CountGold"]


class CountGold(Gold):
    """A non-negative whole number."""

    task: Literal["counting"] = "counting"
    """Task that this gold belongs to."""
    count: int = Field(ge=0, strict=True)
    """Number of items."""

    @classmethod
    def read(cls, value: Any, task: str = "counting") -> CountGold:
        """A whole number: as such, as a float without fraction, as text, or under `count`.

        Raises:
            ValueError: If it is none, or negative.
        """
        value = literal(value)
        if isinstance(value, dict):
            value = value.get("count", value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return cls(count=value)

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """Whole numbers; a text of digits could be an expression as well."""
        return isinstance(value, int) and not isinstance(value, bool)

    def target(self, image_size: Size | None, input_size: Size | None) -> int:
        """The number."""
        return self.count

    def written(self, *_where: Any, **_how: Any) -> str:
        """The number."""
        return str(self.count)

    def text(self) -> str:
        """The number."""
        return str(self.count)


_STRICT = TaskSpec(
    name="counting",
    version="1",
    gold=CountGold,
    prompt=R1_V_PROMPT,
    parser=CountParser(where="tag"),
    judge=PlainJudge(),
    terms=(AnswerTerm("exact", count_exact), FORMAT),
    extra_terms=(AnswerTerm("soft", count_soft),),
    metrics=(
        AnswerTerm("acc", count_exact),
        AnswerTerm("within_1", count_within_one),
        AnswerTerm("mae", count_error, on_failure=None),
    ),
    schemas=COUNTING_SCHEMAS,
    figures=(Confusion(),),
)
COUNTING = _STRICT.model_copy(
    update={
        "variants": (
            _STRICT.model_copy(update={"method": "baseline", "parser": CountParser(where="whole")}),
            *(
                variant
                for protocol in ("paddlemix", "r1-v")
                for variant in (
                    *evaluations(_STRICT, protocol, counts=True),
                    training(_STRICT, protocol),
                )
            ),
        )
    }
)
"""Strict, with R1-V's and PaddleMIX's rules as variants."""

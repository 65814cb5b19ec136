"""Counting and geometry under R1-V's rules, some of which PaddleMIX copied.

| protocol | method | rule |
|---|---|---|
| `paddlemix`, `r1-v` | `r1`, `baseline` | R1-V's evaluation of counting |
| `r1-v` | `r1`, `baseline` | R1-V's evaluation of geometry: math-verify on the whole output |
| `paddlemix`, `r1-v` | `train` | R1-V's accuracy and format rewards |

PaddleMIX's evaluation of geometry compares a number with a text, is therefore always wrong, and is
not reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlreward.judges import PlainJudge, is_correct, settled
from vlreward.metrics.counts import count_exact
from vlreward.prompts import PromptTemplate
from vlreward.task import AnswerTerm, TaskSpec, TextTerm
from vlreward.tasks import published as rules
from vlreward.types import Completion, Parsed, ParseFailure, Row, Sample
from vlreward.verify import Verdict

__all__ = ["R1_V_PROMPT", "WholeOutputJudge", "evaluations", "training"]

R1_V_PROMPT = PromptTemplate(
    name="r1-v",
    text="{question} First output the thinking process in <think> </think> and final "
    "answer (number) in <answer> </answer> tags.",
    source="PaddleMIX r1_mllm eval/test_r1-v.py and R1-V src/eval; for methods r1 and baseline",
)
_TRAIN_PROMPT = PromptTemplate(
    name="r1-v-train",
    text="{question}  Output the thinking process in <think> </think> and final answer "
    "(number) in <answer> </answer> tags.",
    source="R1-V and PaddleMIX r1_mllm train/grpo_r1-v.py (the two spaces are theirs)",
)


@dataclass(frozen=True, slots=True)
class WholeOutputJudge:
    """R1-V's accuracy: math-verify on the whole completion, in bounded workers."""

    or_equal_text: bool = False
    """Also take equal texts inside the answer tags, as the training reward does."""

    def many(
        self, answers: Sequence[str], samples: Sequence[Sample | Row]
    ) -> list[Verdict | ParseFailure]:
        """A verdict for each completion."""
        from vlreward.verify import verify_whole_outputs

        pairs = [(str(sample.target), text) for text, sample in zip(answers, samples)]
        return [
            Verdict("correct", 1)
            if self.or_equal_text
            and not verdict.correct
            and rules.r1_v_answer_text(text) == rules.r1_v_answer_text(gold)
            else settled(verdict)
            for verdict, (gold, text) in zip(verify_whole_outputs(pairs), pairs)
        ]

    def quick(self, answers: Sequence[str], samples: Sequence[Sample | Row]) -> list[None]:
        """None for each: only a worker runs math-verify."""
        return [None] * len(answers)


def _whole_output(text: str) -> Parsed[str]:
    return Parsed(text, (0, len(text)))


def _format(completion: Completion, _outcome: Any) -> float:
    return float(rules.r1_v_training_format(completion.text))


_CORRECT = AnswerTerm("accuracy", is_correct)
_WHOLE = {
    "parser": _whole_output,
    "judge": WholeOutputJudge(),
    "terms": (_CORRECT,),
    "extra_terms": (),
    "metrics": (AnswerTerm("acc", is_correct),),
}
_COUNT = {
    "parser": rules.r1_v_count,
    "judge": PlainJudge(),
    "terms": (AnswerTerm("accuracy", count_exact),),
    "extra_terms": (),
    "metrics": (AnswerTerm("acc", count_exact),),
}


def evaluations(strict: TaskSpec, protocol: str, *, counts: bool) -> tuple[TaskSpec, ...]:
    """R1-V's evaluation, the same for the methods `r1` and `baseline`.

    Args:
        strict: The task that they are variants of.
        protocol: `r1-v` or `paddlemix`.
        counts: Whether golds are counts; else expressions.
    """
    update = {**(_COUNT if counts else _WHOLE), "protocol": protocol, "prompt": R1_V_PROMPT}
    return tuple(
        strict.model_copy(update={**update, "method": method}) for method in ("r1", "baseline")
    )


def training(strict: TaskSpec, protocol: str) -> TaskSpec:
    """R1-V's training rewards: accuracy by math-verify or equal texts, and format."""
    update = {
        **_WHOLE,
        "protocol": protocol,
        "method": "train",
        "prompt": _TRAIN_PROMPT,
        "judge": WholeOutputJudge(or_equal_text=True),
        "terms": (_CORRECT, TextTerm("format", _format)),
    }
    return strict.model_copy(update=update)

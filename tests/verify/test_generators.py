"""Nothing that only looks like an answer passes, over every gold at hand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlreward.verify import Policy, check_gold, verify_batch, verify_quickly

from .generators import ANSWERS, UNIVERSAL, hedges, mutants

PATIENT = Policy(deadline=30)
TABLES = ("world", "verdict_table", "geoqa_pairs", "math_verify_published")
_STRIDES = [5, pytest.param(1, marks=pytest.mark.slow)]
"""Every fifth gold at each run of the tests, all of them among the slow ones."""


@pytest.fixture(scope="module")
def golds(cases: Callable[[str], list[dict[str, Any]]]) -> list[str]:
    """Every gold of the tables that `check_gold` accepts."""
    found = dict.fromkeys(row["gold"] for table in TABLES for row in cases(table))
    return [gold for gold in found if _accepted(gold)]


@pytest.fixture(scope="module")
def geoqa(shared_data: Path) -> list[str]:
    """The distinct golds of GeoQA's test file, as R1-V ships it."""
    path = shared_data / "prompts" / "geoqa_test_prompts.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted({re.sub(r"</?answer>", "", row["ground_truth"]).strip() for row in rows})


def _accepted(gold: str) -> bool:
    try:
        check_gold(gold, PATIENT)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("stride", _STRIDES)
def test_no_answer_raises_or_makes_an_accepted_gold_unparsable(
    golds: list[str], stride: int
) -> None:
    assert len(golds) > 400
    assert len(ANSWERS) > 100
    asked = 0
    for gold in golds[::stride]:
        for answer in ANSWERS:
            verdict = verify_quickly(gold, answer)
            asked += verdict is None
            assert verdict is None or verdict.outcome != "unparsable_gold", (gold, answer)
    assert asked < 0.04 * len(golds[::stride]) * len(ANSWERS)


@pytest.mark.slow
def test_no_worker_calls_an_accepted_gold_unparsable(golds: list[str]) -> None:
    pairs = [(gold, a) for gold in golds for a in ANSWERS if verify_quickly(gold, a) is None]
    for pair, verdict in zip(pairs, verify_batch(pairs, Policy(deadline=2))):
        assert verdict.outcome != "unparsable_gold", (pair, verdict)


@pytest.mark.parametrize("stride", _STRIDES)
def test_no_accepted_gold_of_geoqa_becomes_unparsable(geoqa: list[str], stride: int) -> None:
    assert len(geoqa) > 200
    for gold in geoqa[::stride]:
        check_gold(gold)
        for answer in ANSWERS:
            verdict = verify_quickly(gold, answer)
            assert verdict is None or verdict.outcome != "unparsable_gold", (gold, answer)


@pytest.mark.parametrize("stride", _STRIDES)
def test_universal_answers_pass_for_no_gold(golds: list[str], stride: int) -> None:
    passed = []
    hard = []
    for gold in golds[::stride]:
        for answer in UNIVERSAL:
            verdict = verify_quickly(gold, answer)
            if verdict is None:
                hard.append((gold, answer))
            elif verdict.correct and not _means(gold, answer):
                passed.append((gold, answer))
    assert passed == []
    # What a worker is asked is what math-verify used to take for any relation; a part at a time.
    some = hard[:: max(1, len(hard) * stride // 40)]
    found = verify_batch(some, Policy(deadline=5))
    assert [pair for pair, verdict in zip(some, found) if verdict.correct] == []


def _means(gold: str, answer: str) -> bool:
    """Whether a gold of the tables is what a universal answer comes to."""
    plain = [text.strip("$. ").lower() for text in (gold, answer)]
    if plain[0] == plain[1]:
        return True
    everything = {r"\mathbb{r}", r"(-\infty,\infty)", r"x \in \mathbb{r}", "all real numbers",
                  "x>0 or x<=0", "x<0 or x>=0"}  # fmt: skip
    for meaning in ({"no solution", r"\emptyset", r"\varnothing", r"\{\}"}, everything):
        if set(plain) <= meaning:
            return True
    for value, answers in _VALUES.items():
        plainly = verify_quickly(gold, value) if answer in answers else None
        if plainly is not None and plainly.correct:
            return True
    return False


# What has a value is an answer, however it is written.
_VALUES = {
    "1": ("1=1", "x/x", r"\frac{x}{x}"), "0": ("0=0", "0*x", "x-x"), "2": ("2=2=2",),
    "x": ("y=x",), "y": ("x=y",), "f(y)=y": ("y",),
}  # fmt: skip


def test_a_hedge_passes_for_at_most_one_of_its_golds(golds: list[str]) -> None:
    # A letter and a content are one answer; a list is no hedge where both golds are lists.
    several = re.compile(r"\b(or|and)\b|,|;|或|\\pm|±|^[$(]*(\\text\{)?[A-J]\b")
    simple = [gold for gold in golds if len(gold) < 24 and not several.search(gold)]
    both = []
    for first, second, answer in hedges(simple, 2400):
        verdicts = [verify_quickly(gold, answer) for gold in (first, second)]
        same = verify_quickly(first, second)
        if all(v is not None and v.correct for v in verdicts) and not (same and same.correct):
            both.append((first, second, answer))
    assert both == []


def test_a_mutant_of_a_number_passes_only_where_it_is_equal(geoqa: list[str]) -> None:
    tried = 0
    wrong = []
    for gold in geoqa:
        for mutant in mutants(gold, 15):
            verdict = verify_quickly(gold, mutant)
            if verdict is None or not verdict.correct:
                tried += verdict is not None
                continue
            values = [_value(text) for text in (gold, mutant)]
            if values[0] is None or values[1] is None or not math.isclose(*values, abs_tol=5e-7):  # type: ignore[arg-type]
                wrong.append((gold, mutant))
    assert tried > 3000
    assert wrong == []


def _value(text: str) -> float | None:
    """A reading by Python's own arithmetic, or None."""
    text = re.sub(
        r"(\^?\\circ|°|度|(平方|厘|海)?[米里]|[cm]?m(\^\{2\}|²|\^2\^)?|秒|小时)$", "", text
    )
    text = re.sub(r"√\{(\d+)\}", r"sqrt(\1)", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{(\d+)\}", r"((\1)/\2)", text)
    text = re.sub(r"(?<=[\d)])(?=sqrt|π|\()", "*", text).replace("π", "pi").replace("^", "**")
    try:
        return float(eval(text, {"__builtins__": {}, "sqrt": math.sqrt, "pi": math.pi}))
    except (SyntaxError, NameError, TypeError, ZeroDivisionError):
        return None


def test_every_option_passes_for_its_letter_and_for_no_other(
    cases: Callable[[str], list[dict[str, Any]]],
) -> None:
    rows = cases("mathv_options")
    assert sum(len(row["options"]) for row in rows) > 140
    for row in rows:
        for letter, content in zip("ABCDE", row["options"]):
            for form in ("{}. {}", "({}) {}", r"\text{{({})}} {}", r"\textbf{{({})}}\ {}"):
                answer = form.format(letter, content)
                for gold in "ABCDE":
                    verdict = verify_quickly(gold, answer)
                    assert verdict is not None, (gold, answer)
                    assert verdict.correct == (gold == letter), (gold, answer, verdict)
            for other in row["options"]:
                if len(other.strip("()$")) > 1:  # one letter is an option itself
                    verdict = verify_quickly(other, f"({letter}) {content}")
                    assert verdict is not None, (other, content)
                    assert verdict.correct == (other == content), (other, content, verdict)

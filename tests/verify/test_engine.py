"""The tiers, the cache between them, and what `verify` promises for any text."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.verify import (
    OUTCOMES,
    Policy,
    Verdict,
    check_gold,
    engine,
    verify,
    verify_batch,
    verify_quickly,
)
from vlreward.verify.exact import settle as exact

PATIENT = Policy(deadline=60)
INTEGRALS = (r"\int_0^1 x^2 dx", r"\int_0^1 t^2 dt")


def test_tiers_in_order(no_cache: None) -> None:
    assert verify("5", "5.0").tier == 1
    assert verify("5", "5.0").tier == 2
    assert verify("x+1", "1+x") == _like("correct", 1)
    assert verify(*INTEGRALS, Policy(deadline=60)) == _like("correct", 3)
    assert verify(*INTEGRALS, Policy(deadline=60)) == _like("correct", 2)
    assert verify(*INTEGRALS, Policy(deadline=59)).tier == 3, "the policy is part of the key"


class _like:
    """Equal to a verdict of this outcome and tier."""

    def __init__(self, outcome: str, tier: int) -> None:
        self.found = (outcome, tier)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and (other.outcome, other.tier) == self.found

    __hash__ = None  # type: ignore[assignment]


def test_a_timeout_is_never_remembered(no_cache: None) -> None:
    # Impatience is not a property of the pair: the next call may have more luck.
    pair = ("x+1", "(x+y+z)^{900}")
    for _ in range(2):
        verdict = verify(*pair, Policy(deadline=0.05))
        assert (verdict.outcome, verdict.tier) == ("timeout", 3)
        assert verdict.detail == "no verdict within 0.05 seconds"


def test_long_texts_are_not_remembered(no_cache: None) -> None:
    for _ in range(2):
        assert verify("5", "9" * 100_000) == _like("too_complex", 1)
        assert verify("9" * 100_000, "5") == _like("too_complex", 1)


def test_outcomes() -> None:
    for gold, answer, outcome in [
        ("5", "5", "correct"),
        ("5", "6", "wrong"),
        ("", "5", "unparsable_gold"),
        ("1/0", "5", "unparsable_gold"),
        ("5", "", "unparsable_answer"),
        ("5", "$ $", "unparsable_answer"),
        ("5", "no idea", "unparsable_answer"),
        ("5", "1/0", "unparsable_answer"),
        ("5", "the base is 5 and the height is 3", "unparsable_answer"),
        ("5", "9" * 513, "too_complex"),
        ("5", "2^(10^10)", "too_complex"),
        ("5", "x+2^{10^{10}}", "too_complex"),
        ("9" * 513, "5", "too_complex"),
        ("2x+y=5", "2x+y=5+0*2^{10^{10}}", "too_complex"),
        ("(1+√5)/2", "(1±√5)/2", "wrong"),
        ("(1±√5)/2", "(1+√5)/2, (1-√5)/2", "correct"),
        ("5", "2 3", "unparsable_answer"),
        ("5", "6 = 5", "wrong"),
        ("5", "2 + 3 = 5", "correct"),
        ("5", "if x = 5", "wrong"),
        ("5", "5 or 6", "wrong"),
        ("Evelyn", r"\text{Evelyn}", "correct"),
        ("Evelyn", "Carla", "wrong"),
    ]:
        assert verify(gold, answer).outcome == outcome, (gold, answer)


def test_unreadable_symbolic_text_is_told_apart(no_cache: None) -> None:
    policy = Policy(deadline=60)
    assert verify("x+1", r"\frac{x", policy) == _like("unparsable_answer", 1)
    assert verify("x+1", r"\int \sum", policy) == _like("unparsable_answer", 3)
    assert verify(r"\frac{x", "x+1", policy) == _like("unparsable_gold", 3)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x<3", r"(-\infty,3)"),
        ("1<x<=2", "(1,2]"),
        ("2:3", "2/3"),
        ("A. 145°", "A"),
        ("5", "x=5"),
        (r"\{1,2\}", "2,1"),
        ("50%", "0.5"),
        ("(1,2)", r"\{1,2\}"),
        ("5", "2x+1=5"),
        ("x=5", "y=5"),
        ("5 cm", "5 m"),
    ],
)
def test_equality_is_symmetric(gold: str, answer: str) -> None:
    assert verify(gold, answer).outcome == verify(answer, gold).outcome


def test_a_batch_settles_duplicates_once_and_keeps_the_order(
    no_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    quickly = engine.verify_quickly

    def count(gold: str, answer: str, policy: Policy) -> Any:
        asked.append((gold, answer))
        return quickly(gold, answer, policy)

    monkeypatch.setattr(engine, "verify_quickly", count)
    other = (INTEGRALS[0], r"\int_0^2 t^2 dt")
    pairs = [("5", "5"), INTEGRALS, ("5", "6"), ("5", "5"), INTEGRALS, other]
    verdicts = verify_batch(pairs, Policy(deadline=60))
    assert [verdict.outcome for verdict in verdicts] == [
        "correct", "correct", "wrong", "correct", "correct", "wrong",
    ]  # fmt: skip
    assert [verdict.tier for verdict in verdicts] == [1, 3, 1, 1, 3, 3]
    assert sorted(asked) == sorted(set(pairs))
    assert verify_batch([]) == []


def test_what_a_worker_alone_can_tell_is_not_settled_quickly(no_cache: None) -> None:
    assert verify_quickly("5", "5.0") == _like("correct", 1)
    assert verify_quickly("5", "5.0") == _like("correct", 2)
    assert verify_quickly(*INTEGRALS, PATIENT) is None
    assert verify(*INTEGRALS, PATIENT) == _like("correct", 3)
    assert verify_quickly(*INTEGRALS, PATIENT) == _like("correct", 2)
    with pytest.raises(TypeError, match="expected the gold and the answer as strings, got 5"):
        verify_quickly("5", 5)  # type: ignore[arg-type]


def test_nothing_that_hung_on_the_stack_is_remembered(no_cache: None) -> None:
    exact.forget_golds()

    def deep(frames: int) -> Verdict:
        return deep(frames - 1) if frames else verify("((((2))))+√{3}", "√3+2")

    left = sys.getrecursionlimit() - len(inspect.stack())
    found = {deep(left - near).outcome for near in range(16, 70, 3)}
    assert found == {"too_complex", "correct"}
    assert verify("((((2))))+√{3}", "√3+2").correct
    assert verify("((((2))))+√{3}", "2").outcome == "wrong"


UNREADABLE = [
    "12平方厘米", "0.5米", "6√{3}海里", "45度", "5元", "￥5", "4或6", "30°或150°", "无解", "相等",
    "没有", "A. 145°", "Yes", "(1, 2)", "x<3", "2:3", "1±√2", "[-1, 2) \\cup (3, \\infty)", "50%",
]  # fmt: skip


@pytest.mark.parametrize("gold", UNREADABLE)
def test_no_answer_makes_an_accepted_gold_unparsable(gold: str) -> None:
    check_gold(gold, PATIENT)
    answers = ["x", "h/2", r"10\tan 30^\circ", "2πr", "AB", "e^2", r"\log_2 64", "4.0+PE+PF",
               r"\int_0^1 x^2 dx", r"\frac{x", "x<y", r"\emptyset", "0=1"]  # fmt: skip
    for verdict in verify_batch([(gold, answer) for answer in answers], PATIENT):
        assert verdict.outcome != "unparsable_gold", (gold, verdict)


def test_what_was_understood_is_what_a_worker_compares(no_cache: None) -> None:
    for gold, answer in [
        ("6√{3}米", r"12\cos \frac{\pi}{6}"),
        ("6米", r"\log_2 64"),
        ("￥2", r"\log_2 4"),
    ]:
        assert verify(gold, answer, PATIENT).correct, (gold, answer)


def test_check_gold() -> None:
    for gold in [
        "It depends on the position of the points A and B.",
        r"x_1=\sin\alpha, x_2=2",
        "140°",
        "(√{3}+1)小时",
        "A",
        "Evelyn",
        r"\frac{x}{2}",
        "x<3",
    ]:
        check_gold(gold, Policy(deadline=60))
    for gold, message in [
        ("", "got '': it is empty"),
        (
            "First we note that the angle is 30. Therefore x = 5. #### 5",
            "it holds a worked solution; give the answer alone",
        ),
        ("So the area of the triangle is 3 and we add 4 to get 7", "a worked solution"),
        ("1/0", r"it has no mathematical value \(division by zero\)"),
        ("9" * 600, r"9999\.\.\.': it is too complex \(600 characters, more than 512\)"),
        (r"\frac{x", "unparsable gold"),
        ("x+2^{10^{10}}", "too complex"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_gold(gold, Policy(deadline=60))


@pytest.mark.parametrize("wrong", [None, 5, b"5", ["5"]])
def test_anything_but_strings_is_a_bug(wrong: Any) -> None:
    message = "expected the gold and the answer as strings, got"
    with pytest.raises(TypeError, match=message):
        verify("5", wrong)
    with pytest.raises(TypeError, match=message):
        verify(wrong, "5")
    with pytest.raises(TypeError, match=message):
        check_gold(wrong)


def test_a_verdict_is_a_small_value() -> None:
    verdict = verify("5", "9" * 5000)
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert verdict.outcome in OUTCOMES
    assert len(verdict.detail) <= 200
    assert not verdict.correct


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="0123456789+-*/^(){}√π,.:=<%° ", max_size=30),
    st.text(alphabet="0123456789+-*/^(){}√π,.:=<%° ", max_size=30),
)
def test_the_exact_tier_never_raises_and_equality_is_reflexive(first: str, second: str) -> None:
    for gold, answer in ((first, second), (first, first)):
        settled = exact.settle_exactly(gold, answer)
        assert settled is None or settled.outcome in OUTCOMES
        if gold is answer and settled is not None:
            assert settled.outcome != "wrong"


def test_the_package_is_cheap_and_stands_alone() -> None:
    script = (
        "import sys, vlreward.verify\n"
        "print(vlreward.verify.verify('1/2', '0.5').outcome)\n"
        "heavy = {'sympy', 'math_verify', 'numpy', 'pydantic', 'shapely', 'subprocess'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(m for m in sys.modules if m.startswith('vlreward.') and "
        "not m.startswith(('vlreward.verify', 'vlreward._lazy'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["correct", "[]", "[]"]


def test_unknown_names_are_refused() -> None:
    import vlreward.verify as package

    assert "verify" in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'verfy'"):
        _ = package.verfy


_PIECES = [
    *"xy2305+-*/^_(){}[],;|:=<≤≠∪∈∞±°'!%&$ei∠ ", "1.5", r"\{", r"\}", r"\frac", r"\sqrt", r"\sin",
    r"\log_2", r"\text{", "cm", "米", " and ", " or ", "A", "(B)", r"\begin{pmatrix}", r"\\",
    r"\end{pmatrix}", r"0.\overline{3}", "f(", r"\circ", "^{", r"\alpha", "ABC", "不", " to ",
    "1/0", r"\binom", r"\emptyset", "10^",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(*[st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)] * 2)
def test_no_pieces_of_mathematics_raise(gold: str, answer: str) -> None:
    found = [verify_quickly(gold, answer), verify_quickly(answer, answer)]
    assert all(verdict is None or verdict.outcome in OUTCOMES for verdict in found)
    assert found[1] is None or found[1].outcome != "wrong"


def test_a_relation_with_an_empty_side_is_no_mathematics() -> None:
    for text in ("≠", "x≠", "≠3", "x<", "<", "[1,", "⟦⟧", "x∈", "∪", "=", ":"):
        assert verify("5", text).outcome == "unparsable_answer", text

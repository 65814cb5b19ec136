"""Multiple choice: golds with and without options, and what never counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from vlreward.golds import pack, unpack
from vlreward.rewards import TaskReward
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.tasks.choice import ChoiceGold
from vlreward.types import Completion, Sample, Score

_OPTIONS = ["a red car", "a blue car", "30°", "not a car"]


@pytest.mark.parametrize(
    ("value", "letters", "options"),
    [
        ("B", "B", None),
        ("(B)", "B", None),
        ("B.", "B", None),
        ("b", "B", None),
        ({"answer": "(B) a blue car", "options": _OPTIONS}, "B", _OPTIONS),
        ("A, C", "AC", None),
        ("AC", "AC", None),
        (["C", "A"], "AC", None),
        ({"answer": "B", "options": _OPTIONS}, "B", _OPTIONS),
        ({"answer": "a blue car", "choices": _OPTIONS}, "B", _OPTIONS),
        ({"answer": "A blue car.", "options": _OPTIONS}, "B", _OPTIONS),
        ({"letters": ["B"], "options": {"A": "x", "B": "y"}}, "B", ["x", "y"]),
        ({"answer": "B", "options": ["A. x", "B. y"]}, "B", ["x", "y"]),
        ({"answer": "Yes", "choices": ["Yes", "No"]}, "A", ["Yes", "No"]),
    ],
)
def test_golds(value: Any, letters: str, options: list[str] | None) -> None:
    gold = ChoiceGold.read(value)
    assert gold.letters == tuple(letters)
    assert gold.options == (None if options is None else tuple(options))
    assert unpack(pack(Sample(id="1", gold=gold)), "choice").gold == gold


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a red car", "expected a letter"),
        ({"answer": "a green car", "options": _OPTIONS}, "content of one of the options"),
        ("a green car", "content with `options` beside it"),
        ({"answer": "E", "options": _OPTIONS}, "letters up to D"),
        ({"answer": "(A) a blue car", "options": _OPTIONS}, "content of one of the options"),
        ({"answer": "A", "options": {"A": "x", "C": "y"}}, "without a gap"),
        ({"options": _OPTIONS}, "one of the keys"),
        (3, "expected a letter"),
        ([], "at least 1"),
    ],
)
def test_bad_golds_say_what_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChoiceGold.read(value)


def _score(answer: str, gold: Any) -> Score:
    sample = Sample(id="1", gold=ChoiceGold.read(gold))
    text = f"<think>A or B or C?</think><answer>{answer}</answer>"
    return score_batch(get_task("choice"), [Completion(text)], [sample])[0]


_KNOWN = {"answer": "B", "options": _OPTIONS}


@pytest.mark.parametrize(
    "answer",
    [
        "B", "b", "(B)", "B.", "**B**", "\\boxed{B}", "The answer is B.", "B. a blue car",
        "(B) a blue car", "a blue car", "A Blue Car.", "The answer is a blue car.",
        "B. the blue one",
    ],
)  # fmt: skip
def test_right_answers_with_known_options(answer: str) -> None:
    assert _score(answer, _KNOWN).terms == {"exact": 1.0, "format": 1.0}


@pytest.mark.parametrize(
    "answer",
    [
        "A", "C", "E", "A. a red car", "a red car", "not B", "A or B", "B or C", "B. a red car",
        "A. a blue car", "B. not sure", "B. or C", "I think it is B, maybe C", "blue", "A, B",
        "ABCD", "not a blue car", "a blue car or a red car", "B and C", "neither", "B is wrong", "",
        "B. Nope", "B. green", "B. whatever",
    ],
)  # fmt: skip
def test_wrong_answers_and_hedges_earn_nothing(answer: str) -> None:
    assert _score(answer, _KNOWN).terms["exact"] == 0


def test_an_option_that_sounds_like_a_hedge_can_be_named() -> None:
    gold = {"answer": "D", "options": _OPTIONS}
    for answer in ("D", "D. not a car", "(D) Not a car.", "not a car"):
        assert _score(answer, gold).terms["exact"] == 1
    assert _score("D. not a car", "D").terms["exact"] == 0  # nobody says that this is the option


def test_options_that_look_like_letters() -> None:
    gold = {"answer": "A", "options": ["AC", "BD", "AB", "CD"]}
    assert _score("AC", gold).terms["exact"] == 1
    assert _score("A", gold).terms["exact"] == 1
    assert _score("A, C", gold).terms["exact"] == 0
    points = {"answer": "B", "options": ["C", "A", "B"]}
    assert _score("B", points).terms["exact"] == 1  # one letter is the option's letter
    assert _score("A", points).terms["exact"] == 0


@pytest.mark.parametrize(
    ("answer", "exact", "overlap"),
    [("A, C", 1, 1), ("C and A", 1, 1), ("AC", 1, 1), ("A", 0, 1 / 2), ("A, B, C", 0, 2 / 3),
     ("B", 0, 0), ("ABCD", 0, 1 / 2)],
)  # fmt: skip
def test_several_letters_must_all_be_named(answer: str, exact: float, overlap: float) -> None:
    score = _score(answer, "AC")
    assert score.metrics == pytest.approx({"acc": exact, "overlap": overlap})


def test_rewards_read_what_trainers_pass() -> None:
    reward = TaskReward("choice", terms=("exact",))
    texts = ["<answer>B</answer>", "<answer>a blue car</answer>", "B"]
    assert reward(texts, solution=["B"] * 3) == [1.0, 0.0, 0.0]
    assert reward(texts, solution=[_KNOWN] * 3) == [1.0, 1.0, 0.0]
    assert reward(texts, solution=["<answer>B</answer>"] * 3) == [1.0, 0.0, 0.0]


def test_the_baseline_reads_a_whole_output() -> None:
    task = get_task("choice", method="baseline")
    sample = Sample(id="1", gold=ChoiceGold.read(_KNOWN))
    text = "The car is blue, so A is wrong.\nAnswer: B"
    (score,) = score_batch(task, [Completion(text)], [sample])
    assert score.metrics["acc"] == 1

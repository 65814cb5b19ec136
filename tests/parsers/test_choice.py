"""Choices as models write them, and the hedges that must never count as one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.parsers.choice import Choice, ChoiceParser, plain_option
from vlreward.types import FailureCode, Parsed, ParseFailure

_parse = ChoiceParser()
_whole = ChoiceParser(where="whole")


def _choice(answer: str) -> Choice:
    outcome = _parse(f"<think>A or B?</think><answer>{answer}</answer>")
    assert isinstance(outcome, Parsed), (answer, outcome)
    return outcome.value


@pytest.mark.parametrize(
    "answer",
    [
        "B", "b", " B ", "B.", "B)", "(B)", "[B]", "(b)", "b)", "**B**", "**B.**", "*B*", "`B`",
        '"B"', "$B$", "\\boxed{B}", "$\\boxed{B}$", "\\boxed{\\text{B}}", "\\boxed{(B)}.",
        "Option B", "option (B)", "Answer: B", "answer is B", "The answer is B", "The answer is B.",
        "The correct answer is B", "The correct answer is option B.", "The correct option is (B).",
        "Final answer: B", "Final Answer: B", "So the answer is B.",
        "Therefore, the correct choice is **B**.", "B is correct", "B is the correct answer.",
        "Option B is correct.", "Answer: \\boxed{B}", "答案是B", "答案:B", "正确答案为B。", "选B",
        "选项B", "Ｂ", "（B）",
        "故选：B", "故选B。", "因此，答案为 (B)。", "所以选B", "本题答案为B", "本题选B", "应选B",
        "选项B正确", "答案选B", "B is the answer",
        "**Answer:** B", "**Answer**: B", "### Answer: B", "I choose B", "I would pick (B).",
        "Therefore, B", "So, B.", "\\(\\boxed{B}\\)", "\\[\\boxed{B}\\]", "\\(B\\)", "【B】",
        "「B」", "<b>B</b>", "<|begin_of_box|>B<|end_of_box|>",
        "The answer is <|begin_of_box|>B<|end_of_box|>.",
        "The car is blue, so \\boxed{B}.", "\\boxed{B}. Yes, \\boxed{B}", '{"answer": "B"}',
        '```json\n{"answer": "B"}\n```', "\\textbf{(B)}",
    ],
)  # fmt: skip
def test_a_letter(answer: str) -> None:
    assert _choice(answer)[:2] == (("B",), "")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("B. a red car", "a red car"),
        ("B) a red car", "a red car"),
        ("(B) a red car", "a red car"),
        ("B: a red car", "a red car"),
        ("B - a red car", "a red car"),
        ("b) a red car", "a red car"),
        ("**B. a red car**", "a red car"),
        ("The answer is B. a red car", "a red car"),
        ("Option B: a red car", "a red car"),
        ("B.30", "30"),
        ("B. 30 N", "30 N"),
        ("B. f(x) = x", "f(x) = x"),
        ("(B)\na red car", "a red car"),
        ("B：红色的车", "红色的车"),
        ("B、红色的车", "红色的车"),
        ("(B). a red car", "a red car"),
        ("\\textbf{(B)}\\ 12", "12"),
        ("\\boxed{\\text{(B) }12}", "12"),
        ("**Answer:** B. a red car", "a red car"),
    ],
)
def test_a_letter_with_its_content(answer: str, text: str) -> None:
    assert _choice(answer)[:2] == (("B",), text)


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("A, C", "AC"), ("A and C", "AC"), ("A,C,D", "ACD"), ("A, B, and D", "ABD"), ("A C", "AC"),
        ("(A), (C)", "AC"), ("A & C", "AC"), ("ACD", "ACD"), ("C, A", "CA"), ("A、C", "AC"),
        ("The correct answers are", ""), ("The answer is A and C.", "AC"), ("A; B", "AB"),
        ("A, A", "A"), ("B) and C)", "BC"),
    ],
)  # fmt: skip
def test_several_letters(answer: str, letters: str) -> None:
    assert _choice(answer).letters == tuple(letters)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("a red car", "a red car"),
        ("A red car", "A red car"),
        ("The answer is a red car", "a red car"),
        ("42", "42"),
        ("I", ""),  # a letter; the judge looks at options first
        ("Car", "Car"),
        ("BAD", "BAD"),  # letters that are not in order are a word
        ("Answer:", "Answer:"),
    ],
)
def test_content_alone(answer: str, text: str) -> None:
    choice = _choice(answer)
    assert choice.text == text
    assert choice.letters == (() if text else ("I",))


@pytest.mark.parametrize(
    "answer",
    [
        "选项B错误", "B不正确", "故不选B", "选B还是C", "B对吗", "B、不对", "(B). or C",
        "I would not choose B", "Therefore, B is wrong", "B is not the answer", "not \\boxed{B}",
        "It isn't $\\boxed{B}$", "\\boxed{A} or \\boxed{B}", "<b>A</b> or <b>B</b>", "【A】或【B】",
        "\\(A\\) or \\(B\\)", '{"wrong": "B"}', '{"answer": "not B"}',
        "not B", "It is not B", "B is wrong", "B is not correct", "B is incorrect", "isn't B",
        "I think B, but it could be C", "maybe B", "B or maybe C", "B? or C?", "neither A nor B",
        "anything but B", "B because A is wrong", "I would rule out B", "all except B", "B...no, C",
        "The answer is not B", "The answer is definitely not (B)", "B, no C",
        "Either B or something", "B. Not sure", "(B) is wrong", "B: incorrect", "B. or C", "B. C",
        "B. Discard", "B - unlikely", "B. No wait, C", "B. red, or (C) blue", "B: I doubt it",
        "B. is not the answer", "B. red\nC. blue", "B: maybe", "B. it isn't", "B: 错误", "B. Nope",
        "B. Hmm", "(B) ✗", "B ❌", "B...C", "B…", "[B][C]", "(B)(C)", "B. I guess", "B, I guess",
        "B吗", "B) eliminated", "B. seems likely",
        "the answer could be B", "Is it B?", "A is wrong, B is wrong", "B is the wrong answer",
        "not A, B", "B is correct, or C", "B is correct? no", "unless B", "A B or C",
        "答案不是B", "不选B", "除了B",
    ],
)  # fmt: skip
def test_a_hedge_or_negation_names_no_letter(answer: str) -> None:
    for outcome in (_parse(f"<answer>{answer}</answer>"), _whole(f"Let me see.\n{answer}")):
        assert isinstance(outcome, ParseFailure) or outcome.value.letters == ()


@pytest.mark.parametrize(
    "answer", ["A or B", "A/B", "either A or B", "(A) or (B)", "A, or B", "A or B or C", "a or b"]
)
def test_alternatives_are_several_answers(answer: str) -> None:
    outcome = _parse(f"<answer>{answer}</answer>")
    assert isinstance(outcome, ParseFailure)
    assert outcome.code is FailureCode.MULTIPLE_ANSWERS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("B", FailureCode.NO_ANSWER),
        ("<answer> </answer>", FailureCode.EMPTY_ANSWER),
        ("<answer>A</answer><answer>B</answer>", FailureCode.MULTIPLE_ANSWERS),
        (f"<answer>{'x' * 5000}</answer>", FailureCode.TOO_LONG),
        ("x" * 140_000, FailureCode.TOO_LONG),
    ],
)
def test_failures(text: str, code: FailureCode) -> None:
    outcome = _parse(text)
    assert isinstance(outcome, ParseFailure)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("B", "B"),
        ("The car is red.\nAnswer: B", "B"),
        ("A. blue\nB. red\n\nThe answer is B.", "B"),
        ("The car is red, so A is wrong.\n\n**Answer: B**", "B"),
        ("The car is red.\nB", "B"),
    ],
)
def test_a_whole_output_answers_in_its_last_line(text: str, letters: str) -> None:
    outcome = _whole(text)
    assert isinstance(outcome, Parsed)
    assert outcome.value.letters == tuple(letters)


def test_a_list_of_options_is_no_answer() -> None:
    outcome = _whole("A. blue\nB. red\nC. green")
    assert isinstance(outcome, ParseFailure)
    assert outcome.code is FailureCode.MULTIPLE_ANSWERS
    assert "A, B, C" in outcome.detail


@pytest.mark.parametrize(
    ("one", "other"),
    [("A red car.", "a  red car"), ("**30°**", "30°"), ("$x$", "x"), ("３０", "30")],
)
def test_options_are_compared_without_their_dress(one: str, other: str) -> None:
    assert plain_option(one) == plain_option(other)


_piece = st.sampled_from(
    ["A", "B", "(", ")", " or ", " and ", ",", ".", "not ", "answer is ", "\\boxed{", "}", "**",
     "\n", "<answer>", "</answer>", "$", "ﬁ", "\x00", "选"]
)  # fmt: skip


@given(pieces=st.lists(_piece, max_size=30))
def test_any_text_gives_a_choice_or_a_failure(pieces: list[str]) -> None:
    text = "".join(pieces)
    for parse in (_parse, _whole):
        for given_text in (text, f"<answer>{text}</answer>"):
            outcome = parse(given_text)
            if isinstance(outcome, Parsed):
                assert all(
                    len(letter) == 1 and letter.isupper() for letter in outcome.value.letters
                )
            else:
                assert len(outcome.detail) <= 200


@pytest.mark.parametrize(
    "unit",
    [
        "A or ",
        "A, ",
        "**",
        "\\boxed{",
        "The answer is ",
        "(A) ",
        "A\n",
        " \n",
        "ﷺ",
        "$\n",
        "so the ",
    ],
)
def test_hostile_text_is_read_in_linear_time(unit: str) -> None:
    for text in (unit * (4000 // len(unit)), unit * (130_000 // len(unit))):
        start = time.thread_time()
        _parse(f"<answer>{text}</answer>")
        _whole(text)
        assert time.thread_time() - start < 5

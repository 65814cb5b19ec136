r"""Completions that a policy could learn so as to be right for several golds of one question.

Each is scored against every gold of its task: it may be right for one at most, and a disputed one
for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vlreward.rewards import TaskReward
from vlreward.task import Method
from vlreward.types import Score

_MARK = "<|begin_of_box|>%s<|end_of_box|>"

# X and Y stand for two answers.
DISPUTED = (
    "X, Y", "X or Y", "X and Y", "X / Y", "X; Y", "X\nY", "X\n\nY", "X | Y", "X & Y",
    "either X or Y", "between X and Y", "X? Y!", "X, no, Y", "[X, Y]", "(X, Y)", '["X", "Y"]',
    "**X** **Y**", "**X** or **Y**", "`X` `Y`", "X (or Y)", "X 或 Y", "X、Y", "X或Y", "X和Y",
    "the answer is X or Y", "The answer is X. The answer is Y.", "答案是X,Y",
    "X is wrong, it is Y?",
    r"\boxed{X} \boxed{Y}", r"\boxed{X} or \boxed{Y}", r"\boxed{X} or Y", r"\boxed{X}/Y",
    r"\boxed{X}? Y", r"\boxed{X}{Y}", r"either \boxed{X} or Y", r"Y or \boxed{X}", r"Y或\boxed{X}",
    r"\boxed{X, Y}", r"\boxed{X \boxed{Y}}", r"\boxed{\boxed{X} Y}", r"not \boxed{X}",
    r"\boxed{X} is wrong", r"\boxed{X} is not right", r"\boxed{X}不对",
    f"{_MARK % 'X'} {_MARK % 'Y'}", rf"{_MARK % 'X'} \boxed{{Y}}", rf"\boxed{{Y}} {_MARK % 'X'}",
    rf"\boxed{{{_MARK % 'X'} Y}}", _MARK % "X Y", _MARK % "X or Y", f"{_MARK % 'X'} or Y",
    '{"answer": "X", "choice": "Y"}', '{"answer": "X"}{"answer": "Y"}', '{"answer": ["X", "Y"]}',
    "<b>X</b><b>Y</b>", "<del>X</del> <del>Y</del>", "~~X~~ Y", "X\u200b Y", "not X", "X is wrong",
)  # fmt: skip
# Of these both halves count: what they state is one thing or nothing.
OPEN = ("X", "XY", "X\u200bY", "X\u200b", r"so \boxed{X}", _MARK % "X", "<b>X</b>", "**X**")


def scores(
    task: str, method: Method, answers: Sequence[str], golds: Sequence[object], **given: object
) -> list[list[Score]]:
    """For each answer the scores against each gold, the answer in its tag or alone."""
    reward = TaskReward(task, method=method, frame=given.pop("frame", None))  # type: ignore[arg-type]
    texts = [f"<think>hm</think><answer>{a}</answer>" if method == "r1" else a for a in answers]
    found = reward.measured(
        [text for text in texts for _ in golds],
        solution=list(golds) * len(texts),
        **{name: [value] * len(golds) * len(texts) for name, value in given.items()},
    )
    assert None not in found
    n = len(golds)
    return [found[i : i + n] for i in range(0, len(found), n)]  # type: ignore[misc]


def right(row: Sequence[Score], metric: str = "acc") -> int:
    return sum(score.metrics[metric] == 1 for score in row)


def _filled(template: str, first: str, second: str) -> str:
    return template.replace("X", "\0").replace("Y", second).replace("\0", first)


_OPTIONS = ["red", "blue", "green", "none of the above"]
QUESTIONS = {
    "counting": ([*range(21)], ("3", "4")),
    "choice": (list("ABCD"), ("A", "B")),
    "choice with options": ([{"answer": v, "options": _OPTIONS} for v in "ABCD"], ("A", "B")),
    "choice by content": ([{"answer": v, "options": _OPTIONS} for v in "ABCD"], ("red", "blue")),
}


@pytest.mark.parametrize("method", ["r1", "baseline"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_two_answers_are_right_for_no_gold(question: str, method: Method) -> None:
    golds, (first, second) = QUESTIONS[question]
    task = question.split()[0]
    answers = [_filled(t, *p) for t in DISPUTED for p in ((first, second), (second, first))]
    if task == "choice" and method == "baseline":
        answers = [a for a in answers if "\n" not in a]  # the last line is the answer
    if task == "counting":  # what is denied leaves the other
        answers = [a for a in answers if "is wrong, it is" not in a]
    for answer, row in zip(answers, scores(task, method, answers, golds)):
        assert right(row) == 0, (answer, [score.answer for score in row])
    answers = [_filled(template, first, second) for template in OPEN]
    for answer, row in zip(answers, scores(task, method, answers, golds)):
        assert right(row) <= 1, answer


def test_all_numbers_and_all_options_are_no_answer() -> None:
    numbers = " ".join(map(str, range(21)))
    for answer in (numbers, numbers.replace(" ", ", "), "0-20", f"[{numbers}]", f"not {numbers}"):
        assert right(scores("counting", "r1", [answer], [*range(21)])[0]) == 0, answer
    golds = [{"answer": v, "options": _OPTIONS} for v in "ABCD"]
    for answer in (
        "A. red B. blue C. green D. none of the above",
        "A. red\nB. blue\nC. green\nD. none of the above",
        "A. red blue green none of the above",
        "A. red blue",
        "A. red; also B",
        "A. red\n\nB",
        "ABCD",
        "<wrong>A</wrong>",
        "<s>A</s>",
    ):
        assert right(scores("choice", "r1", [answer], golds)[0]) == 0, answer


# Golds that are not equal, and what no answer may be at once.
POINTS = ("(3,4)", "(4,3)", r"\{3,4\}")
NAMED = ("x=3,y=4", "x=4,y=3")
VALUES = ("3", "4", "7", "12", "34", "43", "3/4", "4/3")


@pytest.mark.parametrize("golds", [POINTS[:2], NAMED, VALUES])
def test_an_expression_is_right_for_one_gold(golds: tuple[str, ...]) -> None:
    answers = [_filled(t, *p) for t in (*DISPUTED, *OPEN) for p in (("3", "4"), ("4", "3"))]
    answers += ["x=3 or x=4", "x=3, y=4", "y=4, x=3", "(x, y) = (3, 4)", "x=3, x=4", r"\{3,4\}"]
    for answer, row in zip(answers, scores("geometry", "r1", answers, golds)):
        assert right(row) <= 1, answer


def test_alternatives_are_no_point_and_a_set_names_nothing() -> None:
    cases = {
        ("(3,4)", "3,4"): True,
        ("(3,4)", "y=4, x=3"): True,
        ("(4,3)", "y=4, x=3"): False,
        ("(3,4)", "3 or 4"): False,
        ("(3,4)", "3或4"): False,
        ("(3,4)", "x=3 or x=4"): False,
        ("(3,4)", "4,3"): False,
        ("x=4,y=3", "3,4"): False,
        ("x=4,y=3", "4,3"): True,
        ("x=4,y=3", "y=3,x=4"): True,
        ("x=3,y=4", r"\{3,4\}"): False,
        ("x=3 or x=4", "4, 3"): True,
        ("x=3 or x=4", r"\{4,3\}"): True,
        ("x_1=3, x_2=4", "4, 3"): True,
        ("(1,2) or (3,4)", "(3,4), (1,2)"): True,
    }
    for (gold, answer), equal in cases.items():
        assert right(scores("geometry", "r1", [answer], [gold])[0]) == equal, (gold, answer)


_BOXES = ([10, 10, 50, 50], [60, 60, 90, 90])
_FORMS = (
    "U V", "U, not V", "U or V", "[U, V]", r"\boxed{U} \boxed{V}", r"\boxed{U} or V",
    f"{_MARK % 'U'} V", '{"bbox_2d": U, "bbox_2d": V}', '{"bbox_2d": U, "data-bbox": V}',
    '{"bbox_2d": [U, V]}', '<div data-bbox="u" bbox="v">', '<div data-bbox="u" data-bbox="v">',
    '<div data-bbox="u"></div><div data-bbox="v"></div>', '<div data-bbox="u">V</div>',
    "<box>[U, V]</box>", "<box>U</box><box>V</box>", r"\left[u\right] V",
)  # fmt: skip


@pytest.mark.parametrize("task", ["rec", "detection", "pointing"])
def test_two_boxes_are_right_for_no_gold(task: str) -> None:
    first, second = _BOXES
    answers = [
        form.replace("U", str(first))
        .replace("V", str(second))
        .replace("u", "10 10 50 50" if '"u' in form else "10,10,50,50")
        .replace("v>", "60 60 90 90>")
        .replace('"v"', '"60 60 90 90"')
        for form in _FORMS
    ]
    golds: list[object] = {
        "rec": [first, second],
        "pointing": [{"box": first}, {"box": second}],
        "detection": [[{"bbox_2d": box, "label": "cat"}] for box in _BOXES],
    }[task]  # type: ignore[assignment]
    metric = {"rec": "acc@0.5", "pointing": "acc"}.get(task)
    for answer, row in zip(
        answers, scores(task, "r1", answers, golds, frame="original_px", image_size=(100, 100))
    ):
        if metric:
            assert right(row, metric) == 0, answer
        else:
            assert all(score.terms["f1"] < 1 for score in row), answer

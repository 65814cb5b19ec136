from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest

from vlreward.integrations import Scorer, Settings
from vlreward.integrations.scorer import NUMBERS

THINK = "<think>There it is.</think>"
REC = json.dumps(
    {"vlreward": 1, "gold": {"task": "rec", "box": [0, 0, 10, 10]}, "frame": "original_px"}
)
COUNT = '{"vlreward":1,"gold":{"task":"counting","count":4}}'
MATH = '{"vlreward":1,"gold":{"task":"geometry","expression":"2\\\\sqrt{3}"}}'
HOSTILE = ["", "\x00", "<answer>" * 400, "<answer>[1e400, 2, 3, 4]</answer>", "\ud800", THINK]


@pytest.mark.parametrize("gold", [REC, COUNT, MATH])
@pytest.mark.parametrize("text", HOSTILE)
def test_numbers_are_finite_and_their_names_are_the_same(gold: str, text: str) -> None:
    numbers = Scorer(Settings()).score(text, gold).numbers
    assert tuple(numbers) == NUMBERS
    assert all(type(n) is float and math.isfinite(n) for n in numbers.values())


def test_a_mixture_keeps_its_order() -> None:
    texts = [THINK + f"<answer>{a}</answer>" for a in ("4", "[0, 0, 10, 20]", "3", "√12")]
    scored = Scorer(Settings()).scores(texts, [COUNT, REC, COUNT, MATH])
    assert [s.task for s in scored] == ["counting", "rec", "counting", "geometry"]
    assert [s.numbers["score"] for s in scored] == [2.0, 1.5, 1.0, 2.0]
    assert [s.numbers["acc"] for s in scored] == [1.0, 0.0, 0.0, 1.0]
    assert scored[1].score.terms == {"iou": 0.5, "format": 1.0}


def test_weights_by_term_and_by_task() -> None:
    weights = {"format": 0.5, "counting.format": 0.0, "iou": 3.0}
    scorer = Scorer(Settings(weights=weights))
    texts = [THINK + "<answer>4</answer>", THINK + "<answer>[0, 0, 10, 20]</answer>"]
    scored = scorer.scores(texts, [COUNT, REC])
    assert [s.numbers["score"] for s in scored] == [1.0, 2.0]


def test_a_weight_brings_an_extra_term_in() -> None:
    scorer = Scorer(Settings(weights={"giou": 1.0, "iou": 0.0, "format": 0.0}))
    score = scorer.score("<answer>[0, 0, 10, 20]</answer>", REC)
    assert score.score.terms == {"iou": 0.5, "format": 0.0, "giou": 0.75}
    assert score.numbers["score"] == 0.75


@pytest.mark.parametrize(
    ("settings", "gold", "columns", "message"),
    [
        ({}, "145", {}, r"expected a gold envelope, got '145'.*VLREWARD_TASK"),
        ({}, None, {}, r"expected a gold, got None"),
        ({}, "[0, 0, 9, 9]", {"task": "rec"}, r"frame of predicted coordinates is not declared"),
        ({"task": "counting"}, "many", {}, r".*bad gold 'many'"),
        ({}, COUNT, {"task": "rec"}, r"expected a gold of task 'rec', got one of 'counting'"),
        ({}, COUNT, {"task": "sudoku"}, r"unknown task 'sudoku'"),
        ({}, REC.replace("original_px", "norm1000"), {}, r"add a column 'image_size'"),
    ],
)
def test_a_bad_gold_is_an_error_with_its_remedy(
    settings: dict[str, Any], gold: Any, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Scorer(Settings(**settings)).score("<answer>[0, 0, 9, 9]</answer>", gold, **columns)


def test_a_batch_names_its_row() -> None:
    with pytest.raises(ValueError, match=r"row 1 of the batch: expected a gold, got None"):
        Scorer(Settings()).scores(["", ""], [COUNT, None])


def test_published_rules() -> None:
    scorer = Scorer(Settings(task="counting", protocol="r1-v"))
    # The defect that the rule is known for: an answer tag that only quotes the gold is enough.
    assert scorer.score("<answer>5</answer>", "<answer> 5 </answer>").numbers["answer"] == 1.0
    assert scorer.score("<answer>5</answer>", "<answer> 5 </answer>").numbers["score"] == 1.0


def test_a_timeout_shows() -> None:
    scorer = Scorer(Settings(deadline=0.05))
    gold = '{"vlreward":1,"gold":{"task":"geometry","expression":"7"}}'
    text = r"<answer>\int_0^1 x^x\sin(x^3)\cos(e^x) dx</answer>"
    numbers = scorer.score(text, gold).numbers
    assert numbers["timeout"] == 1.0
    assert numbers["parsed"] == 0.0
    assert numbers["score"] == 0.0


def test_a_pickled_scorer_scores_the_same() -> None:
    scorer = Scorer(Settings(weights={"iou": 2.0}))
    copy = pickle.loads(pickle.dumps(scorer))
    text = "<answer>[0, 0, 10, 20]</answer>"
    assert copy.score(text, REC).numbers == scorer.score(text, REC).numbers

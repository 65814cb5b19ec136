from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.scoring import parse, score, score_batch, score_quickly
from vlreward.task import FORMAT, AnswerTerm, TaskSpec
from vlreward.tasks import every_task, get_task
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.types import Completion, FailureCode, Sample

REC = Sample.model_validate(
    {
        "id": "1",
        "gold": {"task": "rec", "box": [0, 0, 100, 100]},
        "frame": "norm1000",
        "image_size": [200, 100],
    }
)
COUNT = Sample(id="1", gold=CountGold(count=4))
GEOMETRY = Sample(id="1", gold=MathGold(expression="145°"))
_SIZED = {"id": "1", "frame": "norm1000", "image_size": (200, 100)}
SAMPLES = {
    "rec": REC,
    "counting": COUNT,
    "geometry": GEOMETRY,
    "choice": Sample.model_validate({"id": "1", "gold": {"task": "choice", "letters": ["B"]}}),
    "detection": Sample.model_validate(
        {**_SIZED, "gold": {"task": "detection", "boxes": [[0, 0, 9, 9]], "labels": ["cat"]}}
    ),
    "pointing": Sample.model_validate(
        {**_SIZED, "gold": {"task": "pointing", "box": [0, 0, 9, 9]}}
    ),
}


def test_a_box_is_judged_in_original_pixels() -> None:
    # 500 of 1000 is 100 of 200 pixels wide; 1000 of 1000 is 100 pixels high.
    result = score(get_task("rec"), Completion("<answer>[0, 0, 500, 1000]</answer>"), REC)
    assert result.metrics["acc@0.9"] == 1.0
    assert list(result.answer) == [0, 0, 500, 1000]
    assert list(result.judged) == [0, 0, 100, 100]
    assert result.span == (8, 25)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no tags", "no_answer"),
        ("<answer></answer>", "empty_answer"),
        ("<answer>a cup</answer>", "no_box"),
        ("<answer>[0, 0, 500, 1001]</answer>", "out_of_frame"),
        ("<answer>[-1, 0, 500, 900]</answer>", "out_of_frame"),
        ("<answer>[500, 0, 0, 900]</answer>", "invalid_box"),
        ("<answer>[1, 2, 3, 4] [5, 6, 7, 8]</answer>", "multiple_boxes"),
        ("<answer>[1, 2, 3, 4]</answer><answer>[5, 6, 7, 8]</answer>", "multiple_answers"),
        ("x" * 1_000_000, "too_long"),
    ],
)
def test_a_failure_has_a_code_and_scores_zero(text: str, code: str) -> None:
    result = score(get_task("rec"), Completion(text), REC)
    assert result.failure is not None
    assert result.failure.code.value == code
    assert result.value == 0.0
    assert set(result.terms) == {"iou", "format"}
    assert result.metrics["acc@0.5"] == 0.0


@pytest.mark.parametrize("task", ["rec", "counting", "geometry"])
def test_generation_cut_before_an_answer_is_truncated(task: str) -> None:
    spec = get_task(task)
    cut = parse(spec, Completion("<think>well", truncated=True))
    assert getattr(cut, "code", None) is FailureCode.TRUNCATED
    whole = parse(spec, Completion("<think>well"))
    assert getattr(whole, "code", None) is FailureCode.NO_ANSWER


def test_an_answer_before_the_cut_counts() -> None:
    completion = Completion("<think>x</think><answer>4</answer> and", truncated=True)
    assert score(get_task("counting"), completion, COUNT).terms == {"exact": 1.0, "format": 0.0}


def test_a_metric_without_a_value_on_failure_is_left_out() -> None:
    spec = get_task("counting")
    assert "mae" not in score(spec, Completion("none"), COUNT).metrics
    assert score(spec, Completion("<answer>6</answer>"), COUNT).metrics["mae"] == 2.0


def test_a_batch_is_scored_pairwise_in_order() -> None:
    texts = ["<answer>4</answer>", "?", "<answer>5</answer>", "<answer>4</answer>"]
    scores = score_batch(get_task("counting"), [Completion(t) for t in texts], [COUNT] * 4)
    assert [s.terms["exact"] for s in scores] == [1.0, 0.0, 0.0, 1.0]
    assert [s.failure is None for s in scores] == [True, False, True, True]


def test_the_callers_mistakes_raise() -> None:
    with pytest.raises(ValueError, match="as many samples as completions, got 0 and 1"):
        score_batch(get_task("rec"), [Completion("")], [])
    with pytest.raises(ValueError, match="expected a gold of task 'rec', got one of 'counting'"):
        score(get_task("rec"), Completion(""), COUNT)
    no_frame = REC.model_copy(update={"frame": None})
    with pytest.raises(ValueError, match="sample '1' declares no frame"):
        score(get_task("rec"), Completion("<answer>[1, 2, 3, 4]</answer>"), no_frame)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_score_is_finite(number: float) -> None:
    mine = replace(FORMAT, name="mine", function=lambda completion, outcome: number)
    spec = get_task("rec").model_copy(update={"terms": (mine,)})
    with pytest.raises(ValueError, match=r"expected a finite score, got .* from {'mine': .*}"):
        score(spec, Completion("<answer>[1, 2, 3, 4]</answer>"), REC)


def test_terms_are_chosen_and_weighted_by_name() -> None:
    spec = get_task("rec").with_terms(["giou", "format"], weights={"giou": 2.0})
    result = score(spec, Completion("<answer>[0, 0, 500, 1000]</answer>"), REC)
    assert result.terms == {"giou": 1.0, "format": 0.0}
    assert result.value == 2.0


def test_term_names_are_distinct() -> None:
    spec = get_task("counting")
    twice = {**spec.model_dump(), "prompt": spec.prompt, "terms": (*spec.terms, spec.terms[0])}
    with pytest.raises(ValueError, match="expected distinct term names"):
        TaskSpec(**twice)


def test_a_variant_leaves_the_original_alone() -> None:
    before = get_task("rec").terms
    get_task("rec").with_terms(["iou"], weights={"iou": 9})
    assert get_task("rec").terms == before
    assert isinstance(before[0], AnswerTerm)
    assert before[0].weight == 1.0


pieces = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "[", "]", "{", "}", '"bbox_2d":', "1", "4",
     "'Position':", "'Confidence':", '"label":', "None", "B", "or", ",", " ",
     "145", "°", "e9", "-", "\\frac{1}{2}", "√", "(", ")", "```json", "nan", "\n", "三"]
)  # fmt: skip


def test_what_only_a_worker_can_settle_is_not_scored_quickly() -> None:
    spec, hard = get_task("geometry"), Sample(id="1", gold=MathGold(expression="x^2+2x+1"))
    answer = Completion(r"<answer>\int_0^x (2t+2) dt + 1</answer>")
    assert score_quickly(spec, answer, hard) is None
    assert score_quickly(spec, Completion("145"), GEOMETRY) == score(
        spec, Completion("145"), GEOMETRY
    )
    published = get_task("geometry", protocol="r1-v")
    assert score_quickly(published, Completion("<answer>145°</answer>"), GEOMETRY) is None
    box = Completion("<answer>[0, 0, 500, 1000]</answer>")
    assert score_quickly(get_task("rec"), box, REC) == score(get_task("rec"), box, REC)


@pytest.mark.parametrize(
    "spec", list(every_task()), ids=lambda spec: f"{spec.name}@{spec.protocol}:{spec.method}"
)
@settings(max_examples=40)
@given(text=st.one_of(st.text(max_size=200), st.lists(pieces, max_size=30).map("".join)))
def test_no_text_raises_and_every_number_is_finite(spec: TaskSpec, text: str) -> None:
    if spec.name not in SAMPLES:
        pytest.skip("a plug-in's task")
    result: Any = score(spec, Completion(text), SAMPLES[spec.name])
    assert math.isfinite(result.value)
    assert all(map(math.isfinite, [*result.terms.values(), *result.metrics.values()]))

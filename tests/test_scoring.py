from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.frames import Frame
from vlreward.geometry import Box
from vlreward.scoring import parse, reward_batch, score, score_batch
from vlreward.spec import AnswerTerm, TaskSpec, TextTerm
from vlreward.tasks import TASKS, get_task
from vlreward.types import (
    Completion,
    CountGold,
    FailureCode,
    MathGold,
    Row,
    Sample,
    Score,
)

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
SAMPLES = {"rec": REC, "counting": COUNT, "geometry": GEOMETRY}


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


def test_a_score_is_finite() -> None:
    with pytest.raises(ValueError, match="expected a finite score"):
        Score(math.nan, {})


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
     ",", " ", "145", "°", "e9", "-", "\\frac{1}{2}", "√", "(", ")", "```json", "nan", "\n", "三"]
)  # fmt: skip


usual = st.builds(
    "{}<think>{}</think>{}<answer>{}</answer>{}".format,
    *[st.sampled_from(["", " ", "\n", "so", "<answer>"])] * 3,
    st.sampled_from(['{"bbox_2d": [0, 0, 50, 90]}', '{"bbox_2d": [5, 0, 5, 9]}', "4", ""]),
    st.sampled_from(["", " ", "</answer>"]),
)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(usual | st.lists(pieces, max_size=9).map("".join), st.booleans())),
    st.sampled_from([None, ["iou"], ["giou"], ["format"], ["format", "iou50"]]),
    st.sampled_from([REC, REC.model_copy(update={"frame": Frame.ORIGINAL_PX})]),
)
def test_rewards_are_the_values_of_scores(
    texts: list[tuple[str, bool]], terms: list[str] | None, sample: Sample
) -> None:
    spec = get_task("rec").with_terms(terms, weights={"format": 0.25})
    _check_rewards(spec, [Completion(*text) for text in texts], [sample] * len(texts))


def _check_rewards(
    spec: TaskSpec, completions: list[Completion], samples: Sequence[Sample | Row]
) -> None:
    rewards = reward_batch(spec, completions, samples)
    scores = score_batch(spec, completions, samples)
    assert rewards.values == [score.value for score in scores]
    assert rewards.failures == [score.failure for score in scores]


@pytest.mark.parametrize("terms", [None, ["ciou"]])
def test_rewards_are_the_values_of_scores_on_recorded_completions(
    shared_data: Path, terms: list[str] | None
) -> None:
    files = sorted((shared_data / "recorded/rec").glob("*.json"))
    assert files
    spec = get_task("rec").with_terms(terms).model_copy(update={"metrics": ()})
    for path in files:
        results = json.loads(path.read_text("utf-8"))["results"]
        golds = [Box.from_sequence(row["ground_truth"]) for row in results]
        rows = [Row("rec", gold, Frame.ORIGINAL_PX) for gold in golds]
        completions = [Completion(row["model_output"]) for row in results]
        _check_rewards(spec, completions, rows)


def test_terms_that_must_look_at_the_text_do() -> None:
    length = TextTerm("length", lambda completion, _: float(len(completion.text)))
    spec = get_task("rec").model_copy(update={"terms": (*get_task("rec").terms, length)})
    text = '<think>a</think><answer>{"bbox_2d": [0, 0, 500, 1000]}</answer>'
    assert reward_batch(spec, [Completion(text)], [REC]).values == [2.0 + len(text)]


@pytest.mark.parametrize("name", TASKS.names())
@settings(max_examples=40)
@given(text=st.one_of(st.text(max_size=200), st.lists(pieces, max_size=30).map("".join)))
def test_no_text_raises_and_every_number_is_finite(name: str, text: str) -> None:
    spec = TASKS.get(name)
    if spec.name not in SAMPLES:
        pytest.skip("a plug-in's task")
    result: Any = score(spec, Completion(text), SAMPLES[spec.name])
    assert math.isfinite(result.value)
    assert all(map(math.isfinite, [*result.terms.values(), *result.metrics.values()]))

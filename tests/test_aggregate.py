from __future__ import annotations

import pytest

from vlreward.aggregate import aggregate
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.tasks.counting import CountGold
from vlreward.types import Completion, Sample, Score

SPEC = get_task("counting")
TEXTS = ["<answer>4</answer>", "<answer>5</answer>", "?", "<answer>many</answer>"]


@pytest.fixture
def scores() -> list[Score]:
    sample = Sample(id="1", gold=CountGold(count=4))
    return score_batch(SPEC, [Completion(text) for text in TEXTS], [sample] * len(TEXTS))


def test_a_report_counts_failures_beside_the_mean(scores: list[Score]) -> None:
    report = aggregate(SPEC, scores)
    assert report.acc == 0.25
    assert report.n == 4
    assert report.parse_rate == 0.5
    assert report.failures == {"no_answer": 1, "bad_number": 1}
    assert report.metrics == {"acc": 0.25, "within_1": 0.5, "mae": 0.5}
    assert report.metrics_n == {"acc": 4, "within_1": 4, "mae": 2}
    assert report.terms == {"exact": 0.25, "format": 0.0}
    assert report.reward == 0.25


def test_the_interval_is_wilsons(scores: list[Score]) -> None:
    # Wilson's score interval for 1 of 4 at 95%, by the closed formula with z = 1.959964.
    interval = aggregate(SPEC, scores).acc_ci
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0456, 0.6994)


def test_shared_images_widen_the_interval(scores: list[Score]) -> None:
    many = scores[:2] * 100
    alone = aggregate(SPEC, many).acc_ci
    shared = aggregate(SPEC, many, [str(i % 2) for i in range(200)]).acc_ci_clustered
    assert shared is not None
    assert shared.high - shared.low > 3 * (alone.high - alone.low)


def test_without_shared_images_there_is_nothing_to_cluster(scores: list[Score]) -> None:
    assert aggregate(SPEC, scores, ["a", "b", "c", "d"]).acc_ci_clustered is None
    assert aggregate(SPEC, scores, ["a"] * 4).acc_ci_clustered is None


def test_an_unnamed_image_leaves_out_the_clustered_interval(scores: list[Score]) -> None:
    assert aggregate(SPEC, scores, ["a", "a", None, "b"]).acc_ci_clustered is None


def test_an_empty_aggregate_raises() -> None:
    with pytest.raises(ValueError, match="expected at least one score, got none"):
        aggregate(SPEC, [])


def test_groups_must_match(scores: list[Score]) -> None:
    with pytest.raises(ValueError, match="expected 4 groups, got 1"):
        aggregate(SPEC, scores, ["a"])


def test_an_accuracy_of_fractions_has_an_interval_of_fractions() -> None:
    """Wilson's interval took a mean F1 for a share of right answers, rounded."""
    task = get_task("detection")
    f1s = [0.5, 0.55, 0.45, 0.5] * 25
    metrics = [{metric.name: f1 for metric in task.metrics} for f1 in f1s]
    report = aggregate(task, [Score(f1, {}, m) for f1, m in zip(f1s, metrics)])
    assert report.acc_ci.method == "bootstrap"
    assert 0.49 < report.acc_ci.low < 0.5 < report.acc_ci.high < 0.51
    assert aggregate(task, [Score(1, {}, metrics[0])]).n == 1

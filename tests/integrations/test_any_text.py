"""No text ends a run: every accepted gold against answers of all kinds, through every door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.generators import ANSWERS
from vlreward.golds import pack
from vlreward.integrations.scorer import Scorer
from vlreward.integrations.settings import Settings
from vlreward.integrations.verl import compute_score
from vlreward.rewards import TaskReward, math_reward
from vlreward.tasks.geometry import MathGold
from vlreward.training.rewards import SharedScores
from vlreward.types import Sample
from vlreward.verify import check_gold, verify_quickly

_CASES = Path(__file__).parents[1] / "cases/verify"
_TABLES = ("world", "geoqa_pairs", "verdict_table", "mathv_options", "math_verify_published")
_WORKER_PAIRS = 24

Doors = dict[str, Callable[[list[str], list[str]], list[Any]]]


def _accepted(gold: object) -> bool:
    try:
        check_gold(str(gold))
    except ValueError:
        return False
    return len(str(gold)) <= 512


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    """Each gold with a few answers, all answers in turn, mostly such as need no worker."""
    golds = dict.fromkeys(
        str(row["gold"])
        for table in _TABLES
        for line in (_CASES / f"{table}.jsonl").read_text("utf-8").splitlines()
        if "gold" in (row := json.loads(line))
    )
    known = [gold for gold in golds if _accepted(gold)]
    assert len(known) > 300
    found, worker = [], 0
    for i, gold in enumerate(known):
        for j in range(8):
            answer = ANSWERS[(i * 8 + j) % len(ANSWERS)]
            if verify_quickly(gold, answer) is None:
                worker += 1
                if worker > _WORKER_PAIRS:
                    continue
            found.append((gold, answer))
    return found


@pytest.fixture(scope="module")
def doors() -> Doors:
    reward = TaskReward("geometry")
    scorer = Scorer(Settings(task="geometry"))
    return {
        "call": lambda texts, golds: math_reward(texts, solution=golds),
        "scores": lambda texts, golds: reward.scores(texts, solution=golds),
        "training": lambda texts, golds: SharedScores(reward).scores("correct", texts, golds),
        "Scorer": lambda texts, golds: [one.score for one in scorer.scores(texts, golds)],
        "verl": lambda texts, golds: [
            compute_score("geometry", text, gold) for text, gold in zip(texts, golds)
        ],
    }


@pytest.mark.parametrize("door", ["call", "scores", "training", "Scorer", "verl"])
def test_no_accepted_gold_is_unparsable_and_nothing_raises(
    door: str, pairs: list[tuple[str, str]], doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"<think>a</think><answer>{answer}</answer>" for _, answer in pairs]
    golds = [pack(Sample(id="1", gold=MathGold(expression=gold))) for gold, _ in pairs]
    found = doors[door](texts, golds)
    assert len(found) == len(pairs)
    assert "cannot be read" not in caplog.text
    for pair, one in zip(pairs, found):
        value = getattr(one, "value", one)
        value = value["score"] if isinstance(value, dict) else value
        assert isinstance(value, float), pair
        failure = getattr(one, "failure", None)
        assert failure is None or failure.code != "unparsable_gold", pair

"""Blind completions: a leaky reward is found, and golds at hand hold against the search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vlreward.attack import attack
from vlreward.cli import app
from vlreward.data import load
from vlreward.judges import PlainJudge
from vlreward.parsers.tags import answer_region
from vlreward.prompts import PromptTemplate
from vlreward.task import AnswerTerm, TaskSpec
from vlreward.tasks import get_task
from vlreward.types import Gold, Sample

RUN = CliRunner()


class WordGold(Gold):
    """A word."""

    task: str = "word"
    word: str

    def target(self, image_size: Any, input_size: Any) -> str:
        return self.word

    def written(self, *_where: Any, **_how: Any) -> str:
        return self.word


def _contains(answer: str, gold: str) -> float:
    return float(gold in answer)


def _equals(answer: str, gold: str) -> float:
    return float(gold == answer)


def _word_task(correct: Any) -> TaskSpec:
    return TaskSpec(
        name="word",
        version="1",
        gold=WordGold,
        prompt=PromptTemplate(name="word", text="{question}"),
        parser=answer_region,
        judge=PlainJudge(),
        terms=(AnswerTerm("correct", correct),),
        metrics=(AnswerTerm("acc", correct),),
    )


WORDS = [Sample(id=str(i), gold=WordGold(word=w)) for i, w in enumerate(["cat"] * 5 + ["dog"] * 4)]


def test_a_reward_that_takes_a_list_for_its_gold_is_found() -> None:
    found = attack(_word_task(_contains), WORDS, rounds=0)
    assert (found.constant.reward, found.constant.candidate.answer) == (5 / 9, "cat")
    assert found.best.reward == found.best.accuracy == 1.0
    assert "cat" in found.best.candidate.text
    assert "dog" in found.best.candidate.text
    assert found.margin == pytest.approx(4 / 9)
    assert found.best.candidate.kind != "constant"


def test_a_reward_that_compares_has_no_better_than_its_constant() -> None:
    found = attack(_word_task(_equals), WORDS, rounds=2, per_round=50)
    assert found.best == found.constant
    assert found.margin == 0
    assert found.tried > 200
    again = attack(_word_task(_equals), WORDS, rounds=2, per_round=50)
    assert again.ranking == found.ranking


def test_without_samples_or_written_golds_there_is_nothing_to_attack() -> None:
    with pytest.raises(ValueError, match="expected samples to attack, got none"):
        attack(get_task("counting"), [])
    silent = [Sample.model_validate({"id": "1", "gold": {"task": "ocr", "value": 1}})]
    spec = _word_task(_equals).model_copy(update={"name": "ocr"})
    with pytest.raises(ValueError, match="no gold of task 'ocr' says how an answer is written"):
        attack(spec, silent)


@pytest.mark.parametrize(
    ("file", "task"),
    [
        ("annotations/refcoco_val_2000.json", "rec"),
        ("prompts/superclevr_test200_counting_problems.jsonl", "counting"),
    ],
)
def test_golds_at_hand_pay_nobody_who_does_not_look(
    shared_data: Path, file: str, task: str
) -> None:
    samples = list(load(shared_data / file, task=task))[:200]
    found = attack(get_task(task), samples, rounds=2, per_round=60)
    assert found.margin <= 1e-9, found.best


@pytest.mark.slow
def test_geometry_golds_at_hand_pay_nobody_who_does_not_look(shared_data: Path) -> None:
    samples = list(load(shared_data / "prompts/geoqa_test_prompts.jsonl", task="geometry"))
    found = attack(get_task("geometry"), samples)
    assert found.margin <= 1e-9, found.best


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    rows = [
        {"image_path": f"{i}.png", "question": "How many?", "ground_truth": 3 + (i % 3 == 0)}
        for i in range(30)
    ]
    file = tmp_path / "counts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_command_prints_the_best_beside_the_constant(counts: Path) -> None:
    done = RUN.invoke(app, ["attack", str(counts), "--rounds", "0"])
    assert done.exit_code == 0, done.output
    assert "counting (strict; 1 exact, 1 format)" in done.output
    assert "Nothing found earns more than a plain constant" in done.output
    done = RUN.invoke(app, ["attack", str(counts), "--rounds", "0", "--json"])
    result = json.loads(done.output)
    assert result["constant"]["answer"] == "3"
    assert result["constant"]["accuracy"] == pytest.approx(20 / 30)
    assert result["margin"] == 0


def test_a_margin_above_what_is_allowed_ends_with_1(
    counts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = _word_task(_contains)

    def search(*_: Any, **__: Any) -> Any:
        return attack(leaky, WORDS, rounds=0)

    monkeypatch.setattr("vlreward.attack.search.attack", search)
    done = RUN.invoke(app, ["attack", str(counts)])
    assert done.exit_code == 1
    assert "training will find it" in done.output


def test_bad_input_ends_with_2(tmp_path: Path, counts: Path) -> None:
    assert RUN.invoke(app, ["attack", str(tmp_path / "none.json")]).exit_code == 2
    done = RUN.invoke(app, ["attack", str(counts), "--terms", "exactly"])
    assert done.exit_code == 2
    assert "unknown term" in done.output


def test_rows_are_read_by_the_options_that_errors_name(tmp_path: Path) -> None:
    rows = [{"truth": count, "ask": "How many?", "pic": "1.png"} for count in (1, 2, "many")]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ["attack", str(file), "--rounds", "0"]
    assert "--columns gold=truth,image=pic,question=ask" in RUN.invoke(app, line).stderr
    line += ["--columns", "gold=truth,image=pic,question=ask", "--task", "counting"]
    assert "--on-bad-gold skip" in RUN.invoke(app, line).stderr
    done = RUN.invoke(app, [*line, "--on-bad-gold", "skip"])
    assert done.exit_code == 0, done.output
    assert "on 2 samples" in done.output

"""One function per term: values, sharing, other tasks, threads, spawned processes, traces."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward.errors import OptionError, UserError
from vlreward.geometry import Box
from vlreward.golds import pack
from vlreward.rewards import TaskReward
from vlreward.training.rewards import (
    SharedScores,
    TermReward,
    UserReward,
    shown,
    term_rewards,
    user_rewards,
)
from vlreward.training.traces import TraceFile
from vlreward.types import Sample, Score

TASKS = ("counting", "geometry", "rec")
GOLDS: dict[str, dict[str, Any]] = {
    "rec": {"task": "rec", "box": [0, 0, 10, 20]},
    "counting": {"task": "counting", "count": 3},
    "geometry": {"task": "geometry", "expression": "2\\sqrt{3}"},
}


def _row(task: str) -> dict[str, Any]:
    rec = {"image_size": (56, 56), "input_size": (56, 56), "frame": "input_px"}
    sample = Sample(id=f"{task}/1", gold=GOLDS[task], **(rec if task == "rec" else {}))
    return {
        "id": sample.id,
        "task": task,
        "solution": pack(sample),
        "image_size": [56, 56],
        "input_size": [56, 56],
        "frame": "input_px" if task == "rec" else None,
    }


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": f"<think>so</think><answer>{text}</answer>"}]


def _call(functions: list[TermReward], completions: list[Any], tasks: list[str]) -> dict[str, Any]:
    """As TRL's `_calculate_rewards` calls them: the same lists, by keyword."""
    rows = [_row(task) for task in tasks]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    hooks: dict[str, Any] = {"extra": {}, "metric": []}
    values = {
        f.__name__: f(
            prompts=["?"] * len(tasks),
            completions=completions,
            completion_ids=[[5, 2]] * len(tasks),
            trainer_state=SimpleNamespace(global_step=4),
            log_extra=lambda name, column: hooks["extra"].__setitem__(name, column),
            log_metric=lambda name, value: hooks["metric"].append((name, value)),
            **columns,
        )
        for f in functions
    }
    return {"values": values, **hooks}


def test_a_mixed_batch_gives_each_term_its_own_rows_and_none_elsewhere() -> None:
    functions = term_rewards([TaskReward(task) for task in TASKS])
    completions = [_answer("3"), _answer("\\sqrt{12}"), _answer("[0, 0, 10, 10]"), _answer("4")]
    called = _call(functions, completions, ["counting", "geometry", "rec", "counting"])
    assert called["values"] == {
        "counting_exact": [1.0, None, None, 0.0],
        "counting_format": [1.0, None, None, 1.0],
        "geometry_correct": [None, 1.0, None, None],
        "geometry_format": [None, 1.0, None, None],
        "rec_iou": [None, None, 0.5, None],
        "rec_format": [None, None, 1.0, None],
    }
    assert called["extra"]["rec_answer"] == [None, None, "[0, 0, 10, 10]", None]
    assert called["extra"]["counting_failure"] == [None] * 4
    assert [v for k, v in called["metric"] if k == "answered/counting"] == [1.0, 1.0]


def test_the_sum_of_the_weighted_terms_is_the_reward_of_the_task() -> None:
    reward = TaskReward("counting", weights={"format": 0.25})
    functions = term_rewards([reward])
    assert [f.weight for f in functions] == [1.0, 0.25]
    completions = [_answer("3"), _answer("4"), [{"role": "assistant", "content": "3"}]]
    tasks = ["counting"] * 3
    values = _call(functions, completions, tasks)["values"]
    summed = [
        sum(f.weight * values[f.__name__][i] for f in functions) for i in range(len(completions))
    ]
    solutions = [_row(task)["solution"] for task in tasks]
    assert summed == reward(completions, solution=solutions) == [1.25, 0.25, 0.0]


def test_a_batch_is_scored_once_for_all_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = term_rewards([TaskReward("counting")])
    calls = []
    original = TaskReward.scores

    def counted(self: TaskReward, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(TaskReward, "scores", counted)
    completions = [_answer("3")]
    _call(functions, completions, ["counting"])
    # The solution column is another list object now, as it is in every batch of a trainer.
    _call(functions, completions, ["counting"])
    assert len(calls) == 2


def test_the_same_lists_with_other_contents_are_scored_anew() -> None:
    (exact, _) = term_rewards([TaskReward("counting")])
    completions, solution = [_answer("3")], [3]
    assert exact(completions, solution=solution) == [1.0]
    completions[0] = _answer("4")
    assert exact(completions, solution=solution) == [0.0]


def test_a_column_may_be_called_as_an_argument_is() -> None:
    (exact, _) = term_rewards([TaskReward("counting")])
    columns = {"term": ["a"], "measured": ["b"]}
    assert exact(["<answer>3</answer>"], solution=["3"], **columns) == [1.0]


def test_nothing_of_a_batch_is_kept_after_its_last_term() -> None:
    functions = term_rewards([TaskReward("counting")])
    _call(functions, [_answer("3")], ["counting"])
    assert functions[0].shared._local.batch is None


def test_threads_do_not_see_each_others_batches() -> None:
    functions = term_rewards([TaskReward("counting")])
    barrier = threading.Barrier(8)

    def work(n: int) -> list[Any]:
        barrier.wait(30)
        found = []
        for _ in range(50):
            completions, solution = [_answer(str(n))], [n if n % 2 else n + 1]
            found.append([f(completions, solution=solution)[0] for f in functions])
        return found

    with ThreadPoolExecutor(8) as pool:
        for n, found in enumerate(pool.map(work, range(8))):
            assert found == [[float(n % 2), 1.0]] * 50


def test_truncated_completions_are_told_by_their_last_token() -> None:
    shared = SharedScores(TaskReward("counting"))
    shared.stop_ids = frozenset({2})
    shared = pickle.loads(pickle.dumps(shared))
    scores = shared.scores("exact", ["no", "no"], [3, 3], completion_ids=[[5, 2], [5, 6]])
    codes = [s.failure.code.value for s in scores if s is not None and s.failure is not None]
    assert codes == ["no_answer", "truncated"]


def _in_a_child(functions: list[TermReward], queue: Any) -> None:
    """What an asynchronous trainer does: a thread of a spawned process, without hooks."""
    with ThreadPoolExecutor(1) as pool:
        completions = [_answer("\\sqrt{12}"), _answer("\\frac{6}{\\sqrt{3}}"), _answer("7")]
        row = _row("geometry")
        columns = {k: [v] * 3 for k, v in row.items()}
        done = [
            pool.submit(f, completions=completions, prompts=["?"] * 3, **columns) for f in functions
        ]
        queue.put([future.result(60) for future in done])


def test_a_spawned_process_verifies_in_a_thread(tmp_path: Path) -> None:
    functions = term_rewards([TaskReward("geometry")], traces=TraceFile(str(tmp_path), 3))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(functions, queue))
    child.start()
    assert queue.get(timeout=120) == [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    child.join(60)
    assert child.exitcode == 0
    assert len((tmp_path / "rank-00003.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_pickled_together_they_still_share() -> None:
    first, second = pickle.loads(pickle.dumps(term_rewards([TaskReward("rec")])))
    assert first.shared is second.shared
    assert (first.__name__, second.__name__) == ("rec_iou", "rec_format")


def test_an_unfinished_verification_is_zero_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from vlreward.types import FailureCode, ParseFailure, Score

    late = Score(
        0.0, {"correct": 0.0, "format": 1.0}, {}, failure=ParseFailure(FailureCode.TIMEOUT)
    )
    for setting, expected in (("zero", 0.0), ("none", None)):
        (correct, _) = term_rewards([TaskReward("geometry", on_timeout=setting)])  # type: ignore[arg-type]
        monkeypatch.setattr(TaskReward, "scores", lambda *args, **columns: [late])
        assert correct(["?"], ["2"]) == [expected]


def test_traces_hold_what_a_person_asks_about(tmp_path: Path) -> None:
    rewards = [TaskReward("rec"), TaskReward("counting")]
    functions = term_rewards(rewards, traces=TraceFile(str(tmp_path)))
    for function in functions:
        function.shared.stop_ids = frozenset({2})
    completions = [_answer("[0, 0, 10, 10]"), [{"role": "assistant", "content": "\ud800 none"}]]
    _call(functions, completions, ["rec", "counting"])
    text = (tmp_path / "rank-00000.jsonl").read_text(encoding="utf-8")
    rec, counting = map(json.loads, text.splitlines())
    assert rec == {
        "step": 4,
        "mode": "train",
        "id": "rec/1",
        "task": "rec",
        "completion": "<think>so</think><answer>[0, 0, 10, 10]</answer>",
        "tokens": 2,
        "truncated": False,
        "terms": {"iou": 0.5, "format": 1.0},
        "value": 1.5,
        "failure": None,
        "detail": None,
        "answer": [0, 0, 10, 10],
        "axes": "written",
        "frame": "input_px",
        "image_size": [56, 56],
        "input_size": [56, 56],
    }
    assert (counting["failure"], counting["answer"]) == ("no_answer", None)
    assert counting["completion"] == "\ud800 none"


def test_a_gold_that_cannot_be_read_earns_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run of days does not end by one row: it ended in a ValueError."""
    functions = term_rewards([TaskReward("geometry")], traces=TraceFile(str(tmp_path)))
    golds = ["\\frac{unreadable", "2"]
    for _ in range(3):
        completions, solution = [_answer("2"), _answer("2")], list(golds)
        assert [f(completions, solution) for f in functions] == [[0.0, 1.0], [1.0, 1.0]]
    lines = (tmp_path / "rank-00000.jsonl").read_text(encoding="utf-8").splitlines()
    failures = [json.loads(line)["failure"] for line in lines]
    assert failures == ["unparsable_gold", None] * 3
    (said,) = [r.getMessage() for r in caplog.records if r.name == "vlreward.scoring"]
    assert said.startswith("a gold of task geometry cannot be read, its answers earn 0: ")


class _Label:
    def __str__(self) -> str:
        return "a label"


def test_answers_of_any_task_can_be_shown_and_traced(tmp_path: Path) -> None:
    box = Box(1, 2, 3.5, 4)
    assert shown(box) == "[1, 2, 3.5, 4]"
    assert (shown("x"), shown(3), shown(None), shown([box])) == ("x", "3", None, str([box]))
    trace = TraceFile(str(tmp_path))
    answers = [[(box, "cup")], {1}, _Label(), 3]
    trace.write("mine", ["?"] * 4, [Score(0.0, {}, {}, answer=answer) for answer in answers], {})
    written = [json.loads(line)["answer"] for line in trace.path.read_text().splitlines()]
    assert written == [[[[1, 2, 3.5, 4], "cup"]], [1], "a label", 3]


def _graded(completions: list[Any], solution: list[Any], **columns: Any) -> list[float | None]:
    return [None, *(float(gold) for gold in solution[1:])]


def _alone(completions: list[Any]) -> list[float]:
    return [1.0 for _ in completions]


def _unknown(completions: list[Any], golds: list[Any], **columns: Any) -> list[float]:
    return [1.0 for _ in completions]


def test_functions_that_a_trainer_cannot_call_are_refused_before_the_model_is_loaded() -> None:
    """They ended the run in a TypeError, after the first batch was sampled."""
    for function, why in ((_alone, "unexpected keyword.*'prompts'"), (_unknown, "'golds'")):
        with pytest.raises(OptionError, match=rf"{function.__name__!r} cannot be called .*{why}"):
            UserReward(function)
    with pytest.raises(OptionError, match="--rewards: expected NAME=NUMBER, got 'len=nan'"):
        user_rewards(["len=nan"])


@pytest.mark.parametrize(
    "values", [[1.0], [1.0, float("inf")], [1.0, float("nan")], [1.0, "a"], None, 1.0]
)
def test_what_is_no_reward_is_said_with_the_function_that_returned_it(values: Any) -> None:
    """Infinity made the loss no number, and NaN was taken for None."""

    def mine(completions: list[Any], **columns: Any) -> Any:
        return values

    assert UserReward(_graded)(completions=["a", "b"], solution=[1, 2]) == [None, 2.0]
    with pytest.raises(UserError, match=r"'mine': expected 2 finite numbers, or None .*, got"):
        UserReward(mine)(completions=["a", "b"])

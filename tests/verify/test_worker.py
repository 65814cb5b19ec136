"""What a worker answers, and what it may use, without a pool around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from vlreward.verify import compat, verify_whole_output
from vlreward.verify.workers import worker
from vlreward.verify.workers.worker import MAX_REPLY, read_frame, write_frame


def _serve(
    monkeypatch: pytest.MonkeyPatch, jobs: list[dict[str, Any]], run: Any
) -> list[dict[str, str]]:
    """The replies of `serve` to `jobs`, with `run` in the place of math-verify."""
    monkeypatch.setattr(worker, "_run", run)
    monkeypatch.setattr(worker, "_limit_processor_time", lambda deadline: None)
    ask, answer = os.pipe(), os.pipe()
    thread = threading.Thread(target=worker.serve, args=(ask[0], answer[1]))
    thread.start()
    for job in jobs:
        write_frame(ask[1], json.dumps({"deadline": 1.0, **job}).encode())
    os.close(ask[1])
    thread.join(10)
    os.close(answer[1])
    frames = []
    while (frame := read_frame(answer[0])) is not None:
        assert len(frame) < MAX_REPLY
        frames.append(frame)
    os.close(answer[0])
    os.close(ask[0])
    assert int(frames[0]) == os.getpid()
    return [json.loads(frame) for frame in frames[1:]]


def test_replies_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = _serve(monkeypatch, [{}, {}], lambda job: ("wrong", "\U0001f4a3" * 100_000))
    assert [reply["outcome"] for reply in replies] == ["wrong", "wrong"]
    assert {len(reply["detail"]) for reply in replies} == {200}


def test_a_job_that_runs_out_of_memory_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(job: dict[str, Any]) -> tuple[str, str]:
        raise MemoryError

    assert _serve(monkeypatch, [{}, {}], run) == [
        {"outcome": "worker_died", "detail": "out of memory"}
    ]


def test_a_job_that_nests_too_deeply_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(job: dict[str, Any]) -> tuple[str, str]:
        if job["n"] == 0:
            raise RecursionError
        return "correct", ""

    replies = _serve(monkeypatch, [{"n": 0}, {"n": 1}], run)
    assert [reply["outcome"] for reply in replies] == ["too_complex", "correct"]


def test_memory_is_limited() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux enforces the memory limit")
    script = (
        "from vlreward.verify.workers.worker import limit_resources\n"
        "limit_resources(64 * 2**20)\n"
        "small = bytearray(16 * 2**20)\n"
        "try:\n"
        "    large = bytearray(128 * 2**20)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


def _pair(gold: str, answer: str) -> dict[str, Any]:
    return {"golds": [gold], "answers": [answer], "decimals": 6, "ordered_tuples": True}


def test_errors_of_the_algebra_system_are_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(latex: str) -> list[Any]:
        if "bad" in latex:
            raise KeyError("deep inside")
        return [latex]

    monkeypatch.setattr(worker, "_parse", fail)
    expected = ("unparsable_gold", "gold: KeyError while parsing it")
    assert worker._compare_pair(_pair("bad", "x")) == expected
    expected = ("unparsable_answer", "answer: KeyError while parsing it")
    assert worker._compare_pair(_pair("x", "bad")) == expected

    def explode(*_: object) -> bool:
        raise TypeError("cannot determine truth value")

    monkeypatch.setattr(worker, "_equal", explode)
    expected = ("unparsable_answer", "TypeError while comparing")
    assert worker._compare_pair(_pair("x", "y")) == expected


def test_whole_outputs_follow_the_original_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    # The last number anywhere counts, and the root of a Unicode gold is dropped.
    assert verify_whole_output("2√{3}", "I think it is 2", deadline=60).outcome == "correct"
    assert verify_whole_output("4", "<answer>4</answer>", deadline=60).outcome == "wrong"
    monkeypatch.setattr(compat, "MAX_OUTPUT", 10)
    assert verify_whole_output("4", "4" * 11).outcome == "too_complex"

"""Deadlines, deaths and bombs, in this process; other processes are in test_processes.py."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import pytest

from vlreward.verify import (
    Policy,
    PoolOptions,
    Verdict,
    configure,
    shutdown,
    verify,
    verify_batch,
    warm_up,
)
from vlreward.verify.workers import pool

Rows = list[dict[str, Any]]


def hard(number: int, turned: bool = False) -> str:
    """One side of a pair that only a worker can settle, at once."""
    parts = [str(number), r"\lfloor x \rfloor"]
    return "+".join(parts if turned else parts[::-1])


def pair(number: int) -> tuple[str, str]:
    """A gold and an answer that are equal, as a worker finds at once."""
    return hard(number), hard(number, turned=True)


HARD = "(x+y+z)^{900}"
PATIENT = Policy(deadline=60)


@pytest.fixture
def options() -> Iterator[Callable[..., None]]:
    """Configure the pool for one test."""

    def change(**fields: Any) -> None:
        configure(PoolOptions(**fields))

    yield change
    configure(PoolOptions())


def bombs(rows: Rows) -> list[str]:
    """The texts of the table; the long ones are written as a repetition."""
    found = []
    for row in rows:
        part, times = row.get("repeat", ["", 0])
        found.append(row["answer"] + part * times + row.get("end", ""))
    return found


def _resident_kib(pid: int | str = "self") -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def test_every_bomb_ends_by_its_deadline_from_a_thread(
    cases: Callable[[str], Rows], no_cache: None
) -> None:
    policy = Policy(deadline=0.2)
    warm_up()
    before = _resident_kib() if sys.platform == "linux" else 0
    unsettled: list[str] = []
    with ThreadPoolExecutor(1) as thread:
        for number, (row, text) in enumerate(zip(cases("bombs"), bombs(cases("bombs")))):
            verdict = thread.submit(verify, "16", text, policy).result(timeout=30)
            if verdict.outcome not in ("too_complex", "timeout", "unparsable_answer", "wrong"):
                unsettled.append(f"{row['name']}: {verdict}")
            assert not verdict.correct, row["name"]
            # The pool is usable at once, for a pair that is not in the cache.
            after = thread.submit(verify, *pair(number), PATIENT).result(timeout=60)
            assert (after.outcome, after.tier) == ("correct", 3), row["name"]
    assert unsettled == []
    if sys.platform == "linux":
        assert _resident_kib() - before < 30 * 1024


@pytest.mark.slow
def test_some_bombs_do_reach_a_worker(cases: Callable[[str], Rows], no_cache: None) -> None:
    """The test above would be empty if all of them were refused beforehand."""
    policy = Policy(deadline=0.3)
    outcomes = Counter(verify("16", text, policy).outcome for text in bombs(cases("bombs")))
    assert outcomes["timeout"] >= 5
    assert outcomes["too_complex"] >= 10


def _mixed_calls(
    calls: int, threads: int, bombs_share: float, bomb_texts: list[str]
) -> Counter[str]:
    """Calls of all kinds from many threads; raises at a verdict that is wrong."""
    random.seed(7)
    jobs: list[tuple[str, str, set[str], Policy]] = []
    for number in range(calls):
        kind = random.random()
        n = random.randrange(10**6)
        if kind < bombs_share:
            text = random.choice(bomb_texts)
            refused = {"too_complex", "timeout", "unparsable_answer", "wrong", "worker_died"}
            jobs.append(("17", text, refused, Policy(deadline=0.3)))
        elif kind < bombs_share + 0.02:
            jobs.append((*pair(n), {"correct"}, PATIENT))
        elif kind < bombs_share + 0.04:
            jobs.append((hard(n), hard(n + 1, turned=True), {"wrong"}, PATIENT))
        elif number % 2:
            jobs.append((f"{n}√{{3}}", f"3*{n}/√3", {"correct"}, PATIENT))
        else:
            jobs.append((f"{n}√{{3}}", f"{n + 1}√3", {"wrong"}, PATIENT))
    outcomes: Counter[str] = Counter()

    def one(job: tuple[str, str, set[str], Policy]) -> Verdict:
        verdict = verify(job[0], job[1], job[3])
        assert verdict.outcome in job[2], (job, verdict)
        return verdict

    with ThreadPoolExecutor(threads) as executor:
        for verdict in executor.map(one, jobs):
            outcomes[verdict.outcome] += 1
    assert sum(outcomes.values()) == calls
    return outcomes


def _workers_left() -> list[str]:
    """Command lines of this process's descendants that are the verifier's."""
    if sys.platform != "linux":
        return []
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and pid != above:
            command = Path(f"/proc/{pid}/cmdline")
            text = command.read_text(encoding="utf-8") if command.exists() else ""
            if "vlreward.verify" in text:
                found.append(text)
    return found


def test_mixed_calls_from_many_threads(cases: Callable[[str], Rows], no_cache: None) -> None:
    outcomes = _mixed_calls(400, 16, 0.01, bombs(cases("bombs")))
    assert outcomes["correct"] > 150
    if sys.platform == "linux":
        # The server, one worker for each job at a time, and a spare.
        assert len(_workers_left()) <= 1 + PoolOptions().concurrency + 1


@pytest.mark.slow
def test_ten_thousand_mixed_calls(cases: Callable[[str], Rows], no_cache: None) -> None:
    before = _resident_kib() if sys.platform == "linux" else 0
    outcomes = _mixed_calls(10_000, 16, 0.01, bombs(cases("bombs")))
    assert outcomes["correct"] > 4_000
    shutdown()
    assert _workers_left() == []
    if sys.platform == "linux":
        assert _resident_kib() - before < 80 * 1024


@pytest.mark.slow
def test_a_worker_that_is_killed_is_reported_and_replaced(no_cache: None) -> None:
    if sys.platform != "linux":
        pytest.skip("finds the worker through /proc")
    warm_up()
    found: list[Verdict] = []
    thread = threading.Thread(
        target=lambda: found.append(verify(hard(1), HARD, Policy(deadline=30)))
    )
    thread.start()
    sleep(0.3)
    server = _server_pid()
    workers = _children(server)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    thread.join(20)
    assert [verdict.outcome for verdict in found] == ["worker_died"]
    _wait_for_the_end_of(workers)
    assert verify(*pair(1), PATIENT).correct


def test_a_server_that_is_killed_is_replaced_and_takes_its_workers_along(no_cache: None) -> None:
    if sys.platform != "linux":
        pytest.skip("finds the server through /proc")
    warm_up()
    server = _server_pid()
    workers = _children(server)
    assert workers
    os.kill(server, signal.SIGKILL)
    assert verify(*pair(1), PATIENT).correct  # whether or not they are dead already
    _wait_for_the_end_of(workers)
    assert verify(*pair(2), PATIENT).correct
    assert _server_pid() != server


def _wait_for_the_end_of(workers: list[int]) -> None:
    end = perf_counter() + 60  # on a busy machine a niced process takes its time even to die
    while any(_alive(pid) for pid in workers):
        assert perf_counter() < end
        sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


def _server_pid() -> int:
    current = pool._current()._launcher
    assert current is not None
    assert current._process is not None
    return current._process.pid


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in text.split()]


def test_from_a_coroutine(no_cache: None) -> None:
    async def many() -> list[Verdict]:
        direct = verify(*pair(1), PATIENT)
        others = await asyncio.gather(
            *(asyncio.to_thread(verify, *pair(n), PATIENT) for n in range(2, 8))
        )
        return [direct, *others]

    assert [verdict.outcome for verdict in asyncio.run(many())] == ["correct"] * 7


def test_the_caller_keeps_its_alarm(no_cache: None) -> None:
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    handler = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 300)
        assert verify(*pair(1), PATIENT).correct
        assert verify(hard(1), HARD, Policy(deadline=0.1)).outcome == "timeout"
        assert 200 < signal.getitimer(signal.ITIMER_REAL)[0] <= 300
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_a_signal_during_a_job_does_not_end_it(no_cache: None) -> None:
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    rings: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rings.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        assert verify(hard(1), HARD, Policy(deadline=0.3)).outcome == "timeout"
        assert rings
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.slow
def test_workers_are_replaced_after_their_share(
    options: Callable[..., None], no_cache: None
) -> None:
    options(workers=1, jobs_per_worker=2)
    for n in range(7):
        assert verify(*pair(n), PATIENT).correct


@pytest.mark.slow
def test_spawned_workers_do_the_same(options: Callable[..., None], no_cache: None) -> None:
    options(workers=1, start="spawn")
    warm_up()
    assert verify(*pair(1), PATIENT).correct
    assert verify(hard(1), hard(2, turned=True), PATIENT).outcome == "wrong"
    assert verify(hard(1), HARD, Policy(deadline=0.2)).outcome == "timeout"
    assert verify(*pair(3), PATIENT).correct
    shutdown()
    assert verify(*pair(4), PATIENT).correct


def test_the_pool_starts_again_after_a_shutdown(no_cache: None) -> None:
    assert verify(*pair(1), PATIENT).correct
    shutdown()
    shutdown()
    assert _workers_left() == []
    assert verify(*pair(2), PATIENT).correct


@pytest.mark.slow
def test_hard_pairs_of_a_batch_run_side_by_side(
    options: Callable[..., None], no_cache: None
) -> None:
    options(workers=4)
    warm_up()
    slow = [(hard(n), HARD) for n in range(4)]
    verdicts = verify_batch([*slow, pair(9)], Policy(deadline=1.5))
    assert [verdict.outcome for verdict in verdicts[:4]] == ["timeout"] * 4
    assert all(verdict.tier == 3 for verdict in verdicts)


def test_a_broken_interpreter_is_an_error_that_says_so(
    options: Callable[..., None], monkeypatch: pytest.MonkeyPatch, no_cache: None
) -> None:
    options(workers=1)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(RuntimeError, match="cannot start '/nonexistent/python' for the verifier"):
        verify(*pair(1))
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(RuntimeError, match=r"sys\.executable, which is empty"):
        verify(*pair(1))
    monkeypatch.setattr(sys, "executable", sys.base_prefix)
    with pytest.raises(RuntimeError, match="cannot start"):
        verify(*pair(1))


@pytest.mark.slow
def test_a_missing_library_is_reported_with_its_traceback(
    options: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    no_cache: None,
) -> None:
    broken = tmp_path / "math_verify"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('no antlr here')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    options(workers=1)
    with pytest.raises(RuntimeError, match="no antlr here"):
        verify(*pair(1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"workers": 0}, "workers must be between 1 and 256 or None, got 0"),
        ({"memory_mb": 1}, "memory_mb must be at least 64, got 1"),
        ({"jobs_per_worker": 0}, "jobs_per_worker must be at least 1, got 0"),
        ({"start": "fork"}, "start must be 'auto', 'forkserver' or 'spawn', got 'fork'"),
        ({"start_timeout": 0}, "start_timeout must be above 0 seconds, got 0"),
    ],
)
def test_options_are_checked(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoolOptions(**fields)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system has no niceness")
def test_workers_leave_a_busy_processor_to_others(no_cache: None) -> None:
    assert verify(*pair(1), PATIENT).correct
    worker = pool._current()._idle[-1].pid
    assert worker is not None
    niceness = os.getpriority(os.PRIO_PROCESS, os.getpid())
    for pid in (_server_pid(), worker):
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, niceness + 10)


class Interrupt(BaseException):
    """What a handler raises, as Python's own for Ctrl-C does."""


def _interrupted(seconds: float, job: Callable[[], object]) -> None:
    """Run `job` and have a signal handler raise out of it after `seconds`."""

    def ring(*_: object) -> None:
        raise Interrupt

    handler = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(Interrupt):
            job()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def _processor_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers through /proc")
def test_ten_interrupts_leave_no_process_computing(
    options: Callable[..., None], no_cache: None
) -> None:
    options(workers=1)
    warm_up()
    for number in range(10):
        _interrupted(0.05, partial(verify, hard(number), HARD, PATIENT))
    sleep(0.5)  # for those that were killed to be gone, and one that is starting to have started
    left = _children(_server_pid())
    assert len(left) <= 2
    before = {pid: _processor_time(pid) for pid in left}
    sleep(0.5)
    assert {pid: _processor_time(pid) for pid in left} == before
    assert verify(*pair(77), PATIENT).correct

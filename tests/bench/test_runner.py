"""The runner: resumes, shares answers, counts failures, stops cleanly."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.bench.mixed import Prompts
from vlreward.bench.progress import RunProgress
from vlreward.bench.run_store import LockedError, RunMismatchError, RunStore, read_run
from vlreward.bench.runner import Completed, TooManyFailuresError, run_suite
from vlreward.data.images import ImageFolder
from vlreward.engines.base import (
    Engine,
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
)
from vlreward.prompts import get_prompt
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample

PROMPT = get_prompt("r1-v")


class Scripted(Engine):
    """Answers by a function of the request; counts what it was asked."""

    name = "scripted"

    def __init__(
        self,
        reply: Callable[[Request], Outcome] | None = None,
        *,
        temperature: float = 0.0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(EngineConfig("m", temperature=temperature))
        self.asked: list[Request] = []
        self.rank, self.world_size = rank, world_size
        self._reply = reply or (lambda request: Generation(f"answer to {request.meta['id']}"))

    def describe(self) -> dict[str, Any]:
        return {"engine": self.name, "model": self.model, "sampling": self.sampling.describe()}

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            self.asked.append(request)
            yield request.key, self._reply(request)


def samples(n: int, **fields: Any) -> list[Sample]:
    return [
        Sample(id=f"s{i}", question=f"How many {i}?", gold=CountGold(count=i), **fields)
        for i in range(n)
    ]


def run(data: list[Sample], engine: Engine, path: Path, **options: Any) -> list[Completed]:
    options = {"prompts": Prompts(PROMPT), "progress": False, **options}
    return run_suite(data, engine, path / "run_x.jsonl", **options)


def texts(completed: list[Completed]) -> list[str | None]:
    return [c.completion.text if c.completion is not None else None for c in completed]


def test_answers_in_the_order_of_the_samples(tmp_path: Path) -> None:
    class Backwards(Scripted):
        def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
            yield from super().generate(list(requests)[::-1])

    engine = Backwards()
    completed = run(samples(5), engine, tmp_path)
    assert texts(completed) == [f"answer to s{i}" for i in range(5)]
    assert [c.sample.id for c in completed] == [f"s{i}" for i in range(5)]
    assert engine.asked[0].messages == PROMPT.render(samples(5)[4])
    header, recorded = read_run(tmp_path / "run_x.jsonl")
    assert {c.key for c in completed} == set(recorded)
    assert header["identity"] == {**engine.describe(), "prompt": PROMPT.hash}
    assert header["prompt_name"] == "r1-v"


def test_resumes_and_extends(tmp_path: Path) -> None:
    run(samples(3), Scripted(), tmp_path)
    again = Scripted()
    completed = run(samples(5), again, tmp_path)
    assert [request.meta["id"] for request in again.asked] == ["s3", "s4"]
    assert [c.resumed for c in completed] == [True] * 3 + [False] * 2
    assert texts(completed) == [f"answer to s{i}" for i in range(5)]


def test_failures_are_not_kept_and_are_tried_again(tmp_path: Path) -> None:
    def flaky(request: Request) -> Outcome:
        if request.meta["id"] == "s1":
            return GenerationError("timeout", "too slow", retryable=True)
        return Generation("fine")

    first = run(samples(3), Scripted(flaky), tmp_path, max_error_rate=0.5)
    assert first[1].error == GenerationError("timeout", "too slow", retryable=True)
    assert first[1].completion is None
    assert b"too slow" not in (tmp_path / "run_x.jsonl").read_bytes()
    again = Scripted()
    assert texts(run(samples(3), again, tmp_path)) == ["fine", "answer to s1", "fine"]
    assert [request.meta["id"] for request in again.asked] == ["s1"]


@pytest.mark.parametrize(
    ("allowed", "failed"),
    [(0.3, 0), (0.29, 3), (0.1, 2), (0.0, 1)],  # 3 of 10 fail, the last ones
)
def test_too_many_failures_are_an_error(tmp_path: Path, allowed: float, failed: int) -> None:
    def reply(request: Request) -> Outcome:
        number = int(request.meta["id"][1:])
        kind = "image" if number == 9 else "timeout"
        return GenerationError(kind, f"no {number}") if number > 6 else Generation("ok")

    if not failed:
        run(samples(10), Scripted(reply), tmp_path, max_error_rate=allowed)
        return
    with pytest.raises(TooManyFailuresError) as caught:
        run(samples(10), Scripted(reply), tmp_path, max_error_rate=allowed)
    text = str(caught.value)
    of = "3 of 10 samples have" if failed == 3 else f"{failed} of the first {7 + failed} of 10 samp"
    assert of in text
    assert f"more than the largest error rate {allowed:.1%}: {min(2, failed)} timeout" in text
    assert "sample 's7': no 7" in text
    assert "run the same command again" in text
    assert len(caught.value.completed) == 7 + failed
    assert len(read_run(tmp_path / "run_x.jsonl")[1]) == 7


def test_more_failures_than_may_be_stop_the_run_at_once(tmp_path: Path) -> None:
    """All 1,000 samples were asked, and then it was said that the run had failed."""

    def reply(request: Request) -> Outcome:
        number = int(request.meta["id"][1:])
        return GenerationError("http_500", "down") if number % 2 else Generation("ok")

    engine = Scripted(reply)
    with pytest.raises(TooManyFailuresError) as caught:
        run(samples(1000), engine, tmp_path, max_error_rate=0.01)
    assert len(engine.asked) == 22
    assert "11 of the first 22 of 1000 samples have no answer (50.0%)" in str(caught.value)
    assert "11 http_500. The first, sample 's1': down. 11 answers are kept" in str(caught.value)
    assert len(read_run(tmp_path / "run_x.jsonl")[1]) == 11


def test_answers_of_another_run_can_be_overwritten(tmp_path: Path) -> None:
    run(samples(2), Scripted(), tmp_path)
    other = Scripted(temperature=0.5)
    with pytest.raises(RunMismatchError, match=r"sampling\.temperature"):
        run(samples(2), other, tmp_path)
    assert len(run(samples(3), other, tmp_path, overwrite=True)) == len(other.asked) == 3
    header, recorded = read_run(tmp_path / "run_x.jsonl")
    assert header["identity"]["sampling"]["temperature"] == 0.5
    assert len(recorded) == 3
    again = Scripted(temperature=0.5)
    run(samples(3), again, tmp_path, overwrite=True)
    assert again.asked == []  # what is this run's own is kept


def test_equal_requests_share_a_greedy_answer(tmp_path: Path) -> None:
    data = [Sample(id=str(i), question="How many?", gold=CountGold(count=i)) for i in range(3)]
    engine = Scripted()
    completed = run(data, engine, tmp_path)
    assert len(engine.asked) == 1
    assert texts(completed) == ["answer to 0"] * 3
    assert len({c.key for c in completed}) == 1


def test_equal_requests_are_drawn_each_when_sampling(tmp_path: Path) -> None:
    data = [Sample(id=str(i), question="How many?", gold=CountGold(count=i)) for i in range(3)]
    completed = run(data, Scripted(temperature=1.0), tmp_path)
    assert texts(completed) == ["answer to 0", "answer to 1", "answer to 2"]
    again = Scripted(temperature=1.0)
    assert texts(run(data, again, tmp_path)) == texts(completed)
    assert again.asked == []


def test_the_image_is_part_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "i.png"
    Image.new("RGB", (8, 8)).save(path)
    data = [Sample(id="a", question="How many?", gold=CountGold(count=1), image="i.png")]
    images = ImageFolder(tmp_path)
    before = run(data, Scripted(), tmp_path, images=images)
    Image.new("RGB", (8, 8), "red").save(path)
    engine = Scripted()
    after = run(data, engine, tmp_path, images=images)
    assert before[0].key != after[0].key
    assert engine.asked[0].image == path


def test_embedded_images_are_handed_over(tmp_path: Path) -> None:
    class Embedded:
        def source(self, name: str) -> bytes:
            return name.encode()

    engine = Scripted()
    data = [Sample(id="a", question="How many?", gold=CountGold(count=1), image="i")]
    run(data, engine, tmp_path, images=Embedded())
    assert engine.asked[0].image == b"i"


def test_a_missing_image_fails_alone(tmp_path: Path) -> None:
    data = [*samples(3), *samples(1, image="gone.png")]
    data[3] = data[3].model_copy(update={"id": "lost"})
    completed = run(data, Scripted(), tmp_path, max_error_rate=0.5, images=ImageFolder(tmp_path))
    assert [c.error is None for c in completed] == [True, True, True, False]
    error = completed[3].error
    assert error is not None
    assert error.kind == "image"
    assert "gone.png" in error.detail
    assert "'lost'" in error.detail


def test_another_prompt_or_sampling_needs_another_file(tmp_path: Path) -> None:
    run(samples(2), Scripted(), tmp_path)
    with pytest.raises(RunMismatchError, match="prompt: the file has"):
        run(samples(2), Scripted(), tmp_path, prompts=Prompts(get_prompt("r1-v-train")))
    with pytest.raises(RunMismatchError, match=r"sampling.temperature: the file has 0.0"):
        run(samples(2), Scripted(temperature=0.5), tmp_path)


def test_a_run_in_progress_is_not_disturbed(tmp_path: Path) -> None:
    identity = {**Scripted().describe(), "prompt": PROMPT.hash}
    with (
        RunStore(tmp_path / "run_x.jsonl", identity=identity),
        pytest.raises(LockedError, match="another process is writing here"),
    ):
        run(samples(2), Scripted(), tmp_path)


def test_an_engine_that_fails_leaves_what_it_answered(tmp_path: Path) -> None:
    class Dying(Scripted):
        def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
            for index, item in enumerate(super().generate(requests)):
                if index == 3:
                    raise EngineError("the endpoint is gone")
                yield item

    with pytest.raises(EngineError, match="the endpoint is gone"):
        run(samples(10), Dying(), tmp_path)
    again = Scripted()
    run(samples(10), again, tmp_path)
    assert len(again.asked) == 7


def test_an_engine_that_forgets_requests_is_reported(tmp_path: Path) -> None:
    class Forgetful(Scripted):
        def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
            yield from list(super().generate(requests))[1:]

    with pytest.raises(EngineError, match="left 1 requests unanswered"):
        run(samples(3), Forgetful(), tmp_path)


# --- several processes --------------------------------------------------------------------------


def test_files_that_other_processes_left_are_taken_over(tmp_path: Path) -> None:
    """A run of three processes that was killed goes on with one."""
    complete = run(samples(9), Scripted(), tmp_path)
    whole = read_run(tmp_path / "run_x.jsonl")[1]
    (tmp_path / "run_x.jsonl").unlink()
    identity = {**Scripted().describe(), "prompt": PROMPT.hash}
    for rank in (1, 2):
        with RunStore(tmp_path / f"run_x.jsonl.rank{rank}", identity=identity) as shard:
            for item in complete[rank::3]:
                assert item.key is not None
                shard.append(item.key, whole[item.key], sample_id=item.sample.id)
    with (tmp_path / "run_x.jsonl.rank2").open("ab") as file:
        file.write(b'{"key": "torn')
    engine = Scripted()
    assert texts(run(samples(9), engine, tmp_path)) == texts(complete)
    assert [request.meta["id"] for request in engine.asked] == ["s0", "s3", "s6"]
    assert os.listdir(tmp_path) == ["run_x.jsonl"]
    lines = (tmp_path / "run_x.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines[1:]) == [f"s{i}" for i in range(9)]


# --- interruption -------------------------------------------------------------------------------

_SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it
from vlreward.engines.base import Engine, EngineConfig, Generation
from vlreward.bench.mixed import Prompts
from vlreward.bench.runner import run_suite
from vlreward.prompts import get_prompt
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample
class Slow(Engine):
    name = "slow"
    def describe(self):
        return self.shown()
    def generate(self, requests):
        for request in requests:
            time.sleep(0.002)
            print(request.key, flush=True)
            yield request.key, Generation("a" + request.meta["id"])
n = int(sys.argv[2])
data = [Sample(id=str(i), question=f"How many {i}?", gold=CountGold(count=i)) for i in range(n)]
prompts = Prompts(get_prompt("r1-v"))
run_suite(data, Slow(EngineConfig("m")), sys.argv[1], prompts=prompts, progress=False)
print("complete")
"""


def _start(path: Path, root: Path, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(path), str(n)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
        text=True,
    )


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "run.jsonl"
    with _start(path, root, 20_000) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    found = re.search(r"interrupted: (\d+) answers are kept in .*run.jsonl.*again", errors)
    assert found is not None, errors
    # The signal may come between writing an answer and counting it.
    assert len(read_run(path)[1]) - int(found.group(1)) in (0, 1)
    assert int(found.group(1)) >= 19


def _kill_and_resume(path: Path, root: Path, kills: int, n: int) -> None:
    """`kill -9` loses at most the answer in flight: all that the engine gave before the last."""
    for attempt in range(kills):
        with _start(path, root, n) as process:
            assert process.stdout is not None
            given = [process.stdout.readline().strip() for _ in range(2 + attempt % 5)]
            time.sleep(0.001 * (attempt % 7))
            process.kill()
            rest = process.stdout.read().splitlines()
            if rest and len(rest[-1]) != 64:
                rest.pop()
            given += rest
        kept = read_run(path)[1]
        assert set(given[:-1]) <= kept.keys()
    with _start(path, root, n) as process:
        out, errors = process.communicate(timeout=120)
    assert out.endswith("complete\n"), errors
    keys = [json.loads(line)["key"] for line in path.read_bytes().splitlines()[1:]]
    assert len(keys) == len(set(keys)) == n


def test_killed_runs_lose_at_most_the_answer_in_flight(tmp_path: Path, root: Path) -> None:
    _kill_and_resume(tmp_path / "run.jsonl", root, kills=2, n=150)


@pytest.mark.slow
def test_runs_killed_many_times_lose_at_most_the_answer_in_flight(
    tmp_path: Path, root: Path
) -> None:
    _kill_and_resume(tmp_path / "run.jsonl", root, kills=30, n=3000)


# --- progress -----------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with RunProgress(4, "rec", stream=out, interval=0.0) as progress:
        progress.advance(accuracies=[1.0], resumed=True)
        progress._mark_time -= 2.0  # As if two seconds had passed.
        progress.advance(accuracies=[0.0])
        progress.advance(failed=True)
    assert out.getvalue().splitlines() == [
        "rec: 1/4, 1 from an earlier run, accuracy 1.000",
        "rec: 2/4, 0.5/s, 4 s left, 1 from an earlier run, accuracy 0.500",
        "rec: 3/4, 0.5/s, 2 s left, 1 from an earlier run, accuracy 0.500, 1 failed",
        "rec: 3/4, 0.5/s, 2 s left, 1 from an earlier run, accuracy 0.500, 1 failed",
    ]


def test_the_rate_is_the_mean_of_the_first_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("vlreward.bench.progress.time.monotonic", lambda: now[0])
    out = io.StringIO()
    with RunProgress(1000, "rec", stream=out, interval=3600.0) as progress:
        for seconds in (2.0, *[0.1] * 80):  # The first answer is slow, as with a cold server.
            now[0] += seconds
            progress.advance()
    assert re.search(r"rec: 81/1000, (8\.[01]|7\.9)/s, 1 min 5\d s left", out.getvalue())


def test_lines_come_at_intervals_only() -> None:
    out = io.StringIO()
    with RunProgress(1000, "rec", stream=out, interval=3600.0) as progress:
        for _ in range(1000):
            progress.advance()
    assert out.getvalue() == "rec: 1000/1000\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    out = _Terminal()
    with RunProgress(3, "rec [500@42]", stream=out) as progress:
        for accuracy in (1.0, 1.0, 0.0):
            progress.advance(accuracies=[accuracy])
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "rec [500@42]" in shown
    assert "3/3" in shown
    assert "accuracy 0.667" in shown


def test_nothing_when_switched_off() -> None:
    out = _Terminal()
    with RunProgress(1, "rec", stream=out, shown=False) as progress:
        progress.advance()
    assert out.getvalue() == ""


def test_the_judge_feeds_the_display(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged: list[str] = []

    def judge(item: Completed) -> list[float]:
        judged.append(item.sample.id)
        return [float(item.sample.id == "s0")]

    run(samples(2), Scripted(), tmp_path, on_settled=judge, progress=None, title="counting")
    assert judged == ["s0", "s1"]
    assert "counting: 2/2, accuracy 0.500" in capsys.readouterr().err

"""Each answer of a run is scored once, and a hard one does not hold up the engine."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vlreward.bench.live import LiveRun, run_live
from vlreward.bench.live_scores import LiveScores
from vlreward.bench.mixed import Prompts, Rules
from vlreward.bench.options import RunOptions
from vlreward.bench.runner import Completed
from vlreward.data.dataset import Dataset, Provenance
from vlreward.engines.base import Engine, EngineConfig, Generation, Outcome, Request
from vlreward.prompts import get_prompt
from vlreward.scoring import score_batch
from vlreward.suite import get_suite
from vlreward.task import TaskSpec
from vlreward.tasks import get_task
from vlreward.types import Completion, Sample, Score

N = 12


@dataclass(frozen=True)
class Counting:
    """The judge of counts, which counts itself, and at every third answer takes its time."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.05
    until: threading.Event | None = None
    """What it waits for instead of that long."""

    def many(self, answers: Sequence[Any], samples: Sequence[Any]) -> list[Any]:
        for answer, sample in zip(answers, samples):
            self.calls[sample.id] += 1
            if answer % 3 == 0:
                assert threading.current_thread() is not threading.main_thread()
                if self.until is None:
                    time.sleep(self.seconds)
                else:
                    assert self.until.wait(60)
        return list(answers)

    def quick(self, answers: Sequence[Any], samples: Sequence[Any]) -> list[Any]:
        if answers and answers[0] % 3 == 0:
            return [None]
        return self.many(answers, samples)


class Numbers(Engine):
    """Answers with the number in the id."""

    name = "counter"

    def __init__(self) -> None:
        super().__init__(EngineConfig("m"))
        self.done = threading.Event()

    def describe(self) -> dict[str, Any]:
        return self.shown()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            yield request.key, Generation(f"<answer>{request.meta['id']}</answer>")
        self.done.set()


def dataset() -> Dataset:
    rows = [
        Sample(id=str(i), question=f"How many {i}?", gold={"task": "counting", "count": i % 7})
        for i in range(N)
    ]
    origin = Provenance(path="x", schema="x", sha256="0" * 64, rows=N, task="counting")
    return Dataset("counts", rows, origin, None)


@pytest.fixture
def spec() -> TaskSpec:
    return get_task("counting").model_copy(update={"judge": Counting()})


def test_every_sample_is_scored_once_and_the_engine_never_waits(
    spec: TaskSpec, tmp_path: Path
) -> None:
    """Four geometry answers at the deadline took 40 s, and the engine stood still for 20."""
    engine = Numbers()
    judge = Counting(until=engine.done)
    spec = spec.model_copy(update={"judge": judge})
    rules = Rules(get_suite("superclevr_test200"), spec, Prompts(get_prompt("r1-v")))
    options = RunOptions(suites=[rules.suite.name], model="m", out=tmp_path)
    with run_live(engine, rules, dataset(), options) as run:
        evaluation = run.evaluation()
    assert judge.calls == Counter({str(i): 1 for i in range(N)})
    assert evaluation.report.acc == 7 / N
    expected = score_batch(get_task("counting"), evaluation.completions, evaluation.samples)
    assert list(evaluation.scores) == expected


class OneOfTwo(Numbers):
    """A process of two, which a barrier joins."""

    def __init__(self, rank: int, both: threading.Barrier, said: dict[int, Any]) -> None:
        super().__init__()
        self.rank, self.world_size, self.both, self.said = rank, 2, both, said

    def gather(self, value: Any) -> list[Any]:
        self.both.wait(20)
        self.said[self.rank] = value
        self.both.wait(20)
        return [self.said[0], self.said[1]]


def test_of_several_processes_the_first_alone_scores(spec: TaskSpec, tmp_path: Path) -> None:
    """Each scored the answers of all, and all but one threw the scores away."""
    judges = [Counting(), Counting()]
    both, said = threading.Barrier(2), dict[int, Any]()
    suite = get_suite("superclevr_test200")
    options = RunOptions(suites=[suite.name], model="m", out=tmp_path)

    def process(rank: int) -> LiveRun:
        own = spec.model_copy(update={"judge": judges[rank]})
        rules = Rules(suite, own, Prompts(get_prompt("r1-v")))
        return run_live(OneOfTwo(rank, both, said), rules, dataset(), options)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(process, (0, 1))
        with first, second:
            assert pool.submit(first.evaluation).result().report.acc == 7 / N
    assert judges[0].calls == Counter({str(i): 1 for i in range(N)})
    assert not judges[1].calls


def test_hard_scores_are_shown_when_they_are_known(spec: TaskSpec) -> None:
    items = [
        Completed(sample, str(i), Generation(f"<answer>{i}</answer>"))
        for i, sample in enumerate(dataset())
    ]
    failed = Completed(items[3].sample, "k")
    known = threading.Event()
    spec = spec.model_copy(update={"judge": Counting(until=known)})
    with LiveScores({spec.name: spec}, lambda item: item.sample) as live:
        assert live.add(items[0]) == []
        assert live.add(items[1]) == [1.0]
        known.set()
        deadline = time.monotonic() + 60
        while not (later := live.add(failed)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert later == [1.0]
        # What another process answered was never added here, and is scored too.
        samples, scores = live.of(items[:3])
    assert [sample.id for sample in samples] == ["0", "1", "2"]
    assert [score.metrics[spec.primary] for score in scores] == [1.0, 1.0, 1.0]


def test_each_score_is_recorded_once_whenever_it_becomes_known(spec: TaskSpec) -> None:
    """Those that were known only at the end never were."""
    items = [
        Completed(sample, str(i), Generation(f"<answer>{i}</answer>"))
        for i, sample in enumerate(dataset())
    ]
    threads: list[threading.Thread] = []
    recorded: list[tuple[str, str, float, int]] = []

    def record(sample: Sample, completion: Completion, score: Score, attempt: int) -> None:
        threads.append(threading.current_thread())
        recorded.append((sample.id, completion.text, score.value, attempt))

    with LiveScores({spec.name: spec}, lambda item: item.sample, record) as live:
        for item in items[:6]:  # every third waits
            live.add(item)
        for _ in range(2):
            samples, scores = live.of([*items[:6], *items[7:9]])  # two are another process's
    assert sorted(recorded) == [
        (sample.id, f"<answer>{sample.id}</answer>", score.value, 0)
        for sample, score in zip(samples, scores)
    ]
    assert set(threads) == {threading.current_thread()}


def test_an_interrupted_run_does_not_wait_for_hard_scores(spec: TaskSpec) -> None:
    judge = Counting(seconds=0.2)
    slow = spec.model_copy(update={"judge": judge})

    def interrupted() -> None:
        with LiveScores({slow.name: slow}, lambda item: item.sample) as live:
            for i in range(0, 300, 3):
                live.add(Completed(dataset()[0], str(i), Generation(f"<answer>{i}</answer>")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert judge.calls.total() < 50  # of 100, which take 20 s

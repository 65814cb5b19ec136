"""Speed and safety of the symbolic verifier beside math-verify, in one run.

    python benchmarks/verify.py --data GEOQA_RESULTS.json [--out FILE]

The two sides take turns, so that a busy machine disturbs both alike. math-verify runs in the main
thread with its default timeouts, on the answer text as LaTeX; both sides are imported and warm.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import math_verify
from device import describe_device, options_of, report

from vlreward.parsers.math import MathParser
from vlreward.rewards import math_reward
from vlreward.types import Parsed
from vlreward.verify import Policy, engine, verify, verify_whole_outputs, warm_up
from vlreward.verify.exact import settle as exact
from vlreward.verify.exact.reader import read
from vlreward.verify.exact.values import Equation, Named, Relation, Symbolic

ROUNDS = 9
DEADLINE = 1.0
TABLES = Path(__file__).parent.parent / "tests" / "cases" / "verify"
CASES = TABLES / "bombs.jsonl"


def main() -> None:
    parser = options_of(__doc__, "verify")
    parser.add_argument("--data", type=Path, required=True, help="a recorded GeoQA result file")
    args = parser.parse_args()
    rows = json.loads(args.data.read_text(encoding="utf-8"))["results"]
    answers = extracted(rows)
    warm_up()
    result = {
        "device": describe_device(),
        "versions": {name: installed(name) for name in ("math-verify", "sympy", "gmpy2")},
        "file": args.data.name,
        "completions": len(rows),
        "tagged_answers": len(answers),
        "exact_tier": exact_tier(answers),
        "symbolic": symbolic(),
        "accepted_wrongly": accepted_wrongly(),
        "whole_file": whole_file(rows, answers),
        "r1v_protocol": r1v(rows),
        "bombs": bombs(),
    }
    report(args.out, result)


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def extracted(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    parse = MathParser()
    found = [(row["ground_truth"], parse(row["model_output"])) for row in rows]
    return [(gold, answer.value) for gold, answer in found if isinstance(answer, Parsed)]


def forget() -> None:
    """Empty every cache of the verifier in this process."""
    engine.forget()
    exact.forget_golds()


def exact_tier(answers: list[tuple[str, str]]) -> dict[str, Any]:
    """Microseconds of one pair, gold and answer read anew, and how many are settled."""
    settled = sum(exact.settle_exactly(gold, answer) is not None for gold, answer in answers)
    cold: list[list[float]] = [[] for _ in answers]
    warm: list[list[float]] = [[] for _ in answers]
    for _ in range(ROUNDS):
        for times, pair in zip(cold, answers):
            exact.forget_golds()
            started = time.perf_counter()
            exact.settle_exactly(*pair)
            times.append((time.perf_counter() - started) * 1e6)
        easy = [pair for pair in answers if exact.settle_exactly(*pair) is not None]
        for times, pair in zip(warm, easy):
            verify(*pair)
            started = time.perf_counter()
            verify(*pair)
            times.append((time.perf_counter() - started) * 1e6)
    return {
        "settled": settled,
        "settled_percent": round(100 * settled / len(answers), 2),
        "microseconds_without_cache": spread([statistics.median(times) for times in cold]),
        "microseconds_from_cache": spread([statistics.median(times) for times in warm if times]),
    }


def spread(values: list[float]) -> dict[str, float]:
    values = sorted(values)
    return {
        "median": round(statistics.median(values), 2),
        "p99": round(values[int(0.99 * (len(values) - 1))], 2),
        "max": round(values[-1], 2),
    }


def symbolic() -> dict[str, Any]:
    """Pairs with letters, functions or relations, without cache: they used to need a worker."""
    exact_kinds = (Symbolic, Relation, Equation)
    pairs = []
    for row in table("world") + table("math_verify_published"):
        readings = [read(row[side]) for side in ("gold", "answer")]
        values = [v for reading in readings for v in reading.values]
        values += [v.value for v in values if isinstance(v, Named)]
        unread = any(reading.status == "undecided" for reading in readings)
        if "policy" not in row and (unread or any(isinstance(v, exact_kinds) for v in values)):
            pairs.append(
                (row["gold"], row["answer"], row.get("ours", row.get("correct", row.get("equal"))))
            )
    ours: list[list[float]] = [[] for _ in pairs]
    theirs: list[list[float]] = [[] for _ in pairs]
    verdicts = []
    for number in range(5):
        for at, (gold, answer, _) in enumerate(pairs):
            forget()
            started = time.perf_counter()
            verdict = verify(gold, answer, Policy(deadline=30))
            ours[at].append(time.perf_counter() - started)
            started = time.perf_counter()
            accepts(gold, answer)
            theirs[at].append(time.perf_counter() - started)
            if not number:
                verdicts.append(verdict)
    first, second = ([statistics.median(times) * 1000 for times in side] for side in (ours, theirs))
    return {
        "pairs": len(pairs),
        "as_the_tables_say": sum(v.correct == right for v, (_, _, right) in zip(verdicts, pairs)),
        "in_process": sum(verdict.tier == 1 for verdict in verdicts),
        "milliseconds": spread(first),
        "math_verify_milliseconds": spread(second),
        "times_faster_in_all": round(sum(second) / sum(first), 1),
        "times_faster_median_pair": round(
            statistics.median(b / a for a, b in zip(first, second)), 1
        ),
    }


def accepts(gold: str, answer: str) -> bool:
    """math-verify's verdict on two texts as LaTeX."""
    right, given = (math_verify.parse(f"${text.replace('$', '')}$") for text in (gold, answer))
    return bool(math_verify.verify(right, given))


def accepted_wrongly() -> dict[str, Any]:
    """Wrong answers of the table of findings, and of it with every universal answer."""
    sys.path.insert(0, str(TABLES.parents[2]))  # the root of the checkout
    from tests.verify.generators import UNIVERSAL

    rows = [(row["gold"], row["answer"]) for row in table("world") if not row["correct"]]
    relations = sorted({row["gold"] for row in table("world") if "=" in row["gold"]})
    universal = [(gold, answer) for gold in relations for answer in UNIVERSAL if answer != gold]
    policy = Policy(deadline=5)
    return {
        name: {
            "wrong_answers": len(pairs),
            "accepted": sum(verify(g, a, policy).correct for g, a in pairs),
            "accepted_by_math_verify": sum(accepts(g, a) for g, a in pairs),
        }
        for name, pairs in (("findings", rows), ("universal_against_equations", universal))
    }


def table(name: str) -> list[dict[str, Any]]:
    text = (TABLES / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def whole_file(rows: list[dict[str, Any]], answers: list[tuple[str, str]]) -> dict[str, Any]:
    """Seconds for the file: the reward from completions on, and math-verify on answer texts."""
    completions = [[{"role": "assistant", "content": row["model_output"]}] for row in rows]
    golds = [row["ground_truth"] for row in rows]
    times: dict[str, list[float]] = {"cold": [], "warm": [], "math_verify": []}
    for _ in range(ROUNDS):
        forget()
        for name in ("cold", "warm"):
            started = time.perf_counter()
            math_reward(completions, golds)
            times[name].append(time.perf_counter() - started)
        started = time.perf_counter()
        for gold, answer in answers:
            math_verify.verify(math_verify.parse(f"${gold}$"), math_verify.parse(f"${answer}$"))
        times["math_verify"].append(time.perf_counter() - started)
    seconds = {name: statistics.median(found) for name, found in times.items()}
    return {
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "times_faster_without_cache": round(seconds["math_verify"] / seconds["cold"], 1),
        "times_faster_with_cache": round(seconds["math_verify"] / seconds["warm"], 1),
        "rounds": ROUNDS,
    }


def r1v(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The original rule over the whole outputs, in workers."""
    started = time.perf_counter()
    verdicts = verify_whole_outputs(
        [(row["ground_truth"], row["model_output"]) for row in rows], deadline=60
    )
    elapsed = time.perf_counter() - started
    agree = sum(verdict.correct == row["is_correct"] for verdict, row in zip(verdicts, rows))
    return {
        "correct": sum(verdict.correct for verdict in verdicts),
        "agree_with_recorded": agree,
        "seconds": round(elapsed, 3),
    }


def bombs() -> dict[str, Any]:
    """Every bomb from a thread, against a number and against a symbolic gold."""
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    found: list[dict[str, Any]] = []
    memory = resident_mib()
    for gold in ("16", "x+16"):
        for number, case in enumerate(cases):
            part, times = case.get("repeat", ["", 0])
            text = case["answer"] + part * times + case.get("end", "")
            forget()
            outcome, seconds = in_thread(gold, text, Policy(deadline=DEADLINE))
            after, pause = in_thread(
                rf"\lfloor y \rfloor+{number}", rf"{number}+\lfloor y \rfloor", Policy(deadline=60)
            )
            assert after == "correct", after
            found.append(
                {
                    "name": case["name"],
                    "gold": gold,
                    "outcome": outcome,
                    "milliseconds": round(seconds * 1000, 2),
                    "next_pair_milliseconds": round(pause * 1000, 2),
                }
            )
    late = [row["milliseconds"] - DEADLINE * 1000 for row in found]
    return {
        "deadline_milliseconds": DEADLINE * 1000,
        "outcomes": dict(Counter(row["outcome"] for row in found)),
        "latest_after_the_deadline_milliseconds": round(max(late), 2),
        "slowest_next_pair_milliseconds": max(row["next_pair_milliseconds"] for row in found),
        "parent_grew_mib": round(resident_mib() - memory, 1),
        "rows": found,
    }


def in_thread(gold: str, answer: str, policy: Policy) -> tuple[str, float]:
    found: list[tuple[str, float]] = []

    def ask() -> None:
        started = time.perf_counter()
        outcome = verify(gold, answer, policy).outcome
        found.append((outcome, time.perf_counter() - started))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def resident_mib() -> float:
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()

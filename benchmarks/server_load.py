"""Latency of the reward server under load, and whether expensive expressions add to it.

    python benchmarks/server_load.py [--rate 1000] [--seconds 10] [--rounds 5] [--out FILE]
        [--other PYTHON]

Starts `vlreward serve` on a free loopback port and sends requests on a fixed schedule, whether or
not earlier ones have been answered; a latency counts from the time that a request was due, so a
server that stalls cannot hide it. Client, server and its workers share the machine.

Loads, in turn, `--rounds` times, every other round in the opposite order:
- `rec`: one box per request.
- `rec, batches of 8`: the same number of completions in fewer requests.
- `mixed`: 90% boxes, 10% expressions that the exact tier settles. Comes twice in each round: how
  far the two differ is the noise of the machine.
- `mixed with 1% bombs`: the same, and one request in a hundred holds an expression that keeps a
  computer algebra system busy. Reported are the latencies of the other requests.
- `mixed with 1% towers`: with powers of powers, which are refused without a worker.

A load waits until other processes of the machine leave it alone, and is run again, a few times, if
they took more than `--others` of a processor meanwhile: what is kept does not depend on a latency.

With `--other PYTHON`, the interpreter of an environment with another version of the package, the
server of that version takes every load in turn with this one; `against the other` holds the p99 of
both, round by round.

`attacked`: while four clients send nothing but requests made to keep the server busy, how long
`/healthz` takes, and how the server ends when told to meanwhile. `processes`: completions per
second of one process and of two in turns, in batches that keep the server busy rather than the
client.

`compared` holds, for each round, the latencies with bombs divided by those without in that round;
and the ratio of the two runs without. A single pause of some milliseconds, of which a virtual
machine has many, decides the p99 of a short run: `typical_second` holds the medians over all
seconds of a load of what each second's quantiles are. Beside each load is how long the server and
the client waited for a processor that another process had, and how late the client was with its
own requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device import describe_device, options_of, report
from load_client import TOWERS, Load, Tally, as_fast_as_possible, fetch, health, run
from others import Others, wait_for_quiet

LOADS = {
    "rec": Load(),
    "rec, batches of 8": Load(batch=8),
    "mixed": Load(math=0.1),
    "mixed with 1% bombs": Load(math=0.1, bombs=0.01),
    "mixed, again": Load(math=0.1),
    "mixed with 1% towers": Load(math=0.1, bombs=0.01, texts=TOWERS),
}
COMPARED = {
    "with bombs": ("mixed with 1% bombs", "mixed"),
    "with bombs, the other run without": ("mixed with 1% bombs", "mixed, again"),
    "noise": ("mixed, again", "mixed"),
    "with towers": ("mixed with 1% towers", "mixed"),
}
RANKS = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}


def main() -> None:
    parser = options_of(__doc__, "server_load")
    parser.add_argument("--rate", type=int, default=1000, help="completions per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--deadline", type=float, default=1.0, help="of the server, in seconds")
    parser.add_argument("--max-hard", type=int, default=6, help="bombs that wait; then 503")
    parser.add_argument("--workers", type=int, help="of the server; default: its own")
    parser.add_argument("--others", type=float, default=0.05, help="processors others may use")
    parser.add_argument("--tries", type=int, default=4, help="runs of a load in one round")
    parser.add_argument("--only", nargs="+", choices=LOADS, help="loads; default: all")
    parser.add_argument("--other", type=Path, help="python with another version of the package")
    args = parser.parse_args()
    with Server(args) as server, contextlib.ExitStack() as stack:
        other = stack.enter_context(Server(args, args.other)) if args.other else None
        result = asyncio.run(measure(server, other, args))
    result["server"]["exit_code"] = server.exit_code
    result["attacked"] = attacked(args)
    result["processes"] = processes(args)
    report(args.out, result)


class Server:
    """`vlreward serve` as a process of its own."""

    exit_code: int | None = None

    def __init__(
        self, args: argparse.Namespace, python: Path | str | None = None, processes: int = 1
    ) -> None:
        self.python = str(python or sys.executable)
        self.options = ["--deadline", f"{args.deadline:g}", "--max-hard", str(args.max_hard)]
        if args.workers is not None:
            self.options += ["--workers", str(args.workers)]
        if processes > 1:
            self.options += ["--processes", str(processes)]

    def __enter__(self) -> Server:
        command = [self.python, "-m", "vlreward.cli", "serve", "--port", "0", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.exit_code = self.process.wait(60)


@dataclass
class Run:
    """One load, once."""

    tally: Tally
    seen: dict[str, Any]


async def measure(server: Server, other: Server | None, args: argparse.Namespace) -> dict[str, Any]:
    random.seed(0)
    before = os.getloadavg()[0]
    sides = [server] if other is None else [server, other]
    for side in sides:
        for load in (LOADS["mixed"], Load(bombs=0.02)):  # warms up, and starts the workers
            await run(side.port, load, 200, 2, args.connections)
    names = [name for name in LOADS if args.only is None or name in args.only]
    found: list[dict[str, list[Run]]] = [{name: [] for name in names} for _ in sides]
    for number in range(args.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            for at in range(len(sides)) if number % 2 == 0 else reversed(range(len(sides))):
                found[at][name].append(await undisturbed(sides[at], LOADS[name], args))
    runs = found[0]
    peak = await as_fast_as_possible(server.port, args.seconds / 2, args.connections)
    return {
        "device": describe_device(),
        "load_average_before": before,
        "server": {"processes": 1, "options": server.options},
        "completions_per_second_asked": args.rate,
        "seconds": args.seconds,
        "connections": args.connections,
        "as fast as possible, one box per request": {"completions_per_second": round(peak)},
        "compared": {
            name: compared(runs[with_], runs[without])
            for name, (with_, without) in COMPARED.items()
            if with_ in runs and without in runs
        },
        "against the other": {
            name: against(runs[name], found[1][name]) for name in names if len(found) > 1
        },
        "loads": {name: summary(load) for name, load in runs.items()},
    }


def against(ours: list[Run], others: list[Run]) -> dict[str, Any]:
    """The p99 of both, and by how many milliseconds they differ."""
    pairs = [(a.seen["p99_ms"], b.seen["p99_ms"]) for a, b in zip(ours, others)]
    typical = typical_second(ours)["p99_ms"], typical_second(others)["p99_ms"]
    return {
        "p99_ms": {"ours": [a for a, _ in pairs], "other": [b for _, b in pairs]},
        "median_difference_ms": round(statistics.median(a - b for a, b in pairs), 2),
        "typical_second_p99_ms": {"ours": typical[0], "other": typical[1]},
    }


def attacked(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of `/healthz` while the server is attacked, and how it ends then."""
    with Server(args) as server:
        quiet = asyncio.run(health(server.port, args.seconds))
        # In a process of its own, or the clocks of this one would stand still with it.
        code = f"import asyncio, load_client as l; asyncio.run(l.attack({server.port}, 600))"
        others = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent)
        time.sleep(2)
        seconds = asyncio.run(health(server.port, args.seconds))
        server.process.terminate()
        started = time.monotonic()
        status = server.process.wait(60)
        ended = time.monotonic() - started
        others.kill()
        others.wait()
    return {
        "healthz": latencies(seconds),
        "healthz, nobody else asks": latencies(quiet),
        "seconds_to_end_after_sigterm": round(ended, 2),
        "exit_code": status,
    }


def processes(args: argparse.Namespace) -> dict[str, Any]:
    """Completions per second of one process and of two, which take turns."""
    found: dict[int, list[float]] = {1: [], 2: []}
    with Server(args) as one, Server(args, processes=2) as two:
        time.sleep(3)  # both of its processes are up
        for number in range(2 * args.rounds):
            for count, server in ((1, one), (2, two)) if number % 2 == 0 else ((2, two), (1, one)):
                rate = as_fast_as_possible(server.port, args.seconds / 2, 16, batch=256)
                found[count].append(round(asyncio.run(rate)))
    ratios = [b / a for a, b in zip(found[1], found[2])]
    return {
        "completions_per_second": {str(count): rates for count, rates in found.items()},
        "median_ratio": round(statistics.median(ratios), 2),
        "best_of_each_ratio": round(max(found[2]) / max(found[1]), 2),
    }


async def undisturbed(server: Server, load: Load, args: argparse.Namespace) -> Run:
    """The first of some runs in which other processes kept quiet, or else the quietest."""
    found: list[Run] = []
    while not found or (
        len(found) < args.tries and found[-1].seen["others_cpu_share"] > args.others
    ):
        wait_for_quiet(args.others, patience=60)
        found.append(await one(server, load, args))
    kept = min(found, key=lambda run: float(run.seen["others_cpu_share"]))
    kept.seen["tries"] = len(found)
    return kept


async def one(server: Server, load: Load, args: argparse.Namespace) -> Run:
    """A load, and what the server and the kernel say of it."""
    others = Others()
    pids = {"server": server.process.pid, "client": os.getpid()}
    buckets = histogram(await fetch(server.port, "/metrics"))
    waited = {name: waiting(pid) for name, pid in pids.items()}
    tally = await run(server.port, load, args.rate, args.seconds, args.connections)
    seen: dict[str, Any] = {
        "completions_per_second": round(tally.completions / tally.elapsed),
        **latencies(tally.seconds),
        "client_late_p99_ms": latencies(tally.late)["p99_ms"],
        "server_side": quantiles(histogram(await fetch(server.port, "/metrics")) - buckets),
        "statuses": dict(tally.statuses),
        "client_cpu_share": round(tally.client_cpu / tally.elapsed, 2),
        "others_cpu_share": round(others.share(), 2),
    }
    for name, pid in pids.items():
        if (now := waiting(pid)) is not None and (then := waited[name]) is not None:
            seen[f"{name}_waited_ms_per_s"] = round((now - then) / tally.elapsed * 1000, 1)
    if load.bombs:
        seen["bombs"] = dict(tally.bombs)
        seen["bomb_seconds_median"] = round(statistics.median(tally.bomb_seconds or [0.0]), 3)
    return Run(tally, seen)


def waiting(pid: int) -> float | None:
    """Seconds that the main thread of a process has waited for a processor; Linux alone knows."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return None


def histogram(exposition: str) -> Counter[float]:
    """Requests to `/` by upper bound of their seconds in the server, from `/metrics`."""
    start = 'vlreward_request_seconds_bucket{endpoint="paddle",le="'
    found: Counter[float] = Counter()
    below = 0.0
    for line in exposition.splitlines():
        if line.startswith(start):
            bound, _, count = line.removeprefix(start).partition('"} ')
            found[float(bound)] = int(float(count) - below)
            below = float(count)
    return found


def quantiles(buckets: Counter[float]) -> dict[str, Any]:
    """Upper bounds of the server's own quantiles, without what came before it read a head."""
    found: dict[str, Any] = {}
    for name, rank in list(RANKS.items())[:-1]:
        counts = sorted(buckets.items())
        sums = itertools.accumulate(count for _, count in counts)
        bound = next((b for (b, _), s in zip(counts, sums) if s >= rank * buckets.total()), 0.0)
        found[name] = f"<= {bound * 1000:g}"
    return found


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(rank * len(ordered)))] * 1000, 2)
        for name, rank in RANKS.items()
    }


def compared(with_: list[Run], without: list[Run]) -> dict[str, Any]:
    """Ratios of latencies, round by round and over all requests of all rounds."""
    all_with = latencies([s for found in with_ for s in found.tally.seconds])
    all_without = latencies([s for found in without for s in found.tally.seconds])
    typical_with, typical_without = typical_second(with_), typical_second(without)
    table: dict[str, Any] = {}
    for name in ("p50_ms", "p99_ms", "p999_ms"):
        ratios = [a.seen[name] / b.seen[name] for a, b in zip(with_, without)]
        table[name.removesuffix("_ms")] = {
            "median": round(statistics.median(ratios), 2),
            "least": round(min(ratios), 2),
            "most": round(max(ratios), 2),
            "all_requests": round(all_with[name] / all_without[name], 2),
            "typical_second": round(typical_with[name] / typical_without[name], 2),
        }
    return table


def typical_second(found: list[Run]) -> dict[str, float]:
    """Medians, over the seconds of all runs, of the quantiles of the requests due in each."""
    seconds = [latencies(part) for run in found for part in run.tally.by_second()]
    return {name: round(statistics.median(s[name] for s in seconds), 2) for name in RANKS}


def summary(found: list[Run]) -> dict[str, Any]:
    best = min((run.seen for run in found), key=lambda seen: float(seen["p99_ms"]))
    table: dict[str, Any] = {
        "best": best,
        "median_of_p99_ms": statistics.median(run.seen["p99_ms"] for run in found),
        "all_requests": latencies([s for run in found for s in run.tally.seconds]),
        "typical_second": typical_second(found),
    }
    bombs = sum((run.tally.bombs for run in found), Counter[str]())
    if bombs:
        table["bombs"] = dict(bombs)
        table["bombs_answered"] = round(1 - bombs["503"] / bombs.total(), 3)
    return {**table, "rounds": [run.seen for run in found]}


if __name__ == "__main__":
    main()

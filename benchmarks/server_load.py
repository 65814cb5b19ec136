"""Latency of the reward server under load, beside a load with expensive expressions in it.

    python benchmarks/server_load.py [--rate 1000] [--seconds 20] [--rounds 3] [--out FILE]

Starts `vlreward serve` on a free loopback port and sends requests on a fixed schedule, whether or
not earlier ones have been answered; a latency counts from the time that a request was due, so a
server that stalls cannot hide it. Client and server share the machine.

Loads, each `--rounds` times in turn:
- `rec`: one box per request.
- `rec, batches of 8`: the same number of completions in fewer requests.
- `mixed`: 90% boxes, 10% expressions that the exact tier settles.
- `mixed with 1% bombs`: the same, and one request in a hundred holds an expression that keeps a
  computer algebra system busy until its deadline. Reported are the latencies of the other requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device import describe_device

THINK = (
    "<think>"
    + "The region is to the left of the other one, so I look there first. " * 8
    + "</think>"
)
DEADLINE = 1
MAX_HARD = 6  # bombs that wait; the others are refused with 503, or they would pile up for ever
BOMBS = (
    r"\int_0^1 x^x\sin(x^3)\cos(e^x) dx",
    r"\sum_{k=1}^{97} \frac{\sin(k^2)}{k^3+\sqrt{k}}",
    r"\lim_{x\to 0} \frac{\sin(\tan(\arcsin(x)))^{9}}{x^{9}}",
    r"\int \frac{e^{x^2}}{\log(x^2+1)+\sqrt{x}} dx",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=1000, help="completions per second")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    default = Path(__file__).parent / "results/server_load.json"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    with Server() as server:
        result = asyncio.run(measure(server.port, args))
    result["server"]["exit_code"] = server.exit_code
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


class Server:
    """`vlreward serve` as a process of its own."""

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "vlreward.cli", "serve", "--port", "0"]
        command += ["--deadline", str(DEADLINE), "--max-hard", str(MAX_HARD)]
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

    exit_code: int | None = None


async def measure(port: int, args: argparse.Namespace) -> dict[str, Any]:
    loads: dict[str, tuple[int, float, float]] = {
        "rec": (1, 0.0, 0.0),
        "rec, batches of 8": (8, 0.0, 0.0),
        "mixed": (1, 0.1, 0.0),
        "mixed with 1% bombs": (1, 0.1, 0.01),
    }
    random.seed(0)
    await run(port, 1, 0.1, 0.0, rate=200, seconds=2, connections=args.connections)  # warms up
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in loads}
    for _ in range(args.rounds):
        for name, (batch, math, bombs) in loads.items():
            found = await run(port, batch, math, bombs, args.rate, args.seconds, args.connections)
            rounds[name].append(found)
    peak = await closed(port, args.seconds / 2, args.connections)
    return {
        "device": describe_device(),
        "load_average_before": os.getloadavg()[0],
        "server": {"processes": 1, "deadline_s": DEADLINE, "max_hard": MAX_HARD},
        "completions_per_second_asked": args.rate,
        "seconds": args.seconds,
        "connections": args.connections,
        "as fast as possible, one box per request": peak,
        "loads": {
            name: {
                "best": min(found, key=lambda r: r["p99_ms"]),
                "median_of_p99_ms": statistics.median(r["p99_ms"] for r in found),
                "rounds": found,
            }
            for name, found in rounds.items()
        },
    }


@dataclass
class Tally:
    """What one load came to."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    bomb_statuses: dict[str, int] = field(default_factory=dict)
    completions: int = 0


async def run(
    port: int, batch: int, math: float, bombs: float, rate: int, seconds: float, connections: int
) -> dict[str, Any]:
    """Send requests on schedule; each takes the next free connection."""
    tally = Tally()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    bomb_tasks: set[asyncio.Task[None]] = set()
    for _ in range(connections):
        free.put_nowait(await Connection.open(port))
    count = int(rate * seconds / batch)
    bodies = [body(batch, math) for _ in range(200)]
    tasks: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    cpu = time.process_time()
    for i in range(count):
        due = started + i * batch / rate
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        if random.random() < bombs:
            task = asyncio.create_task(bomb(port, i, tally))
            bomb_tasks.add(task)
            task.add_done_callback(bomb_tasks.discard)
            continue
        task = asyncio.create_task(one(free, bodies[i % len(bodies)], due, tally, batch))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    elapsed = time.perf_counter() - started
    client_cpu = time.process_time() - cpu
    await asyncio.gather(*bomb_tasks)
    for _ in range(connections):
        (await free.get()).close()
    found: dict[str, Any] = {
        "completions_per_second": round(tally.completions / elapsed),
        **latencies(tally.seconds),
        "statuses": tally.statuses,
        "client_cpu_share": round(client_cpu / elapsed, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }
    if tally.bomb_statuses:
        found["bombs"] = tally.bomb_statuses
    return found


def latencies(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    ranks = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(rank * len(ordered)))] * 1000, 2)
        for name, rank in ranks.items()
    }


async def closed(port: int, seconds: float, connections: int) -> dict[str, Any]:
    """Every connection sends its next request when the last one is answered."""
    counts = [0] * connections
    content = body(1, 0.0)
    end = time.perf_counter() + seconds

    async def loop(i: int) -> None:
        connection = await Connection.open(port)
        while time.perf_counter() < end:
            await connection.post(content)
            counts[i] += 1
        connection.close()

    await asyncio.gather(*(loop(i) for i in range(connections)))
    return {"completions_per_second": round(sum(counts) / seconds)}


async def one(
    free: asyncio.Queue[Connection], content: bytes, due: float, tally: Tally, batch: int
) -> None:
    connection = await free.get()
    status = await connection.post(content)
    tally.seconds.append(time.perf_counter() - due)
    tally.statuses[status] = tally.statuses.get(status, 0) + 1
    tally.completions += batch if status == "200" else 0
    free.put_nowait(connection)


async def bomb(port: int, number: int, tally: Tally) -> None:
    expression = BOMBS[number % len(BOMBS)] + f" + {number}"  # never the same twice
    content = as_request(
        {"src": ["?"], "tgt": [gold("geometry", "7")], "response": [answer(expression)]}
    )
    connection = await Connection.open(port)
    status = await connection.post(content)
    tally.bomb_statuses[status] = tally.bomb_statuses.get(status, 0) + 1
    connection.close()


def gold(task: str, value: Any) -> str:
    fields = {"rec": "box", "geometry": "expression"}
    envelope = {"vlreward": 1, "gold": {"task": task, fields[task]: value}}
    if task == "rec":
        envelope |= {"image_size": [640, 480], "frame": "original_px"}
    return json.dumps(envelope)


def answer(text: str) -> str:
    return f"{THINK}<answer>{text}</answer><|im_end|>"


def body(batch: int, math: float) -> bytes:
    golds, responses = [], []
    for _ in range(batch):
        if random.random() < math:
            n = random.randint(2, 99)
            golds.append(gold("geometry", rf"{n}\sqrt{{3}}"))
            responses.append(answer(f"{random.choice((n, n + 1))}√3"))
        else:
            x, y = random.uniform(0, 300), random.uniform(0, 200)
            golds.append(gold("rec", [x, y, x + 100, y + 120]))
            box = [round(x) + 3, round(y) - 0, round(x) + 90, round(y) + 118]
            responses.append(answer(json.dumps({"bbox_2d": box, "label": "a dog"})))
    return as_request({"src": ["?"] * batch, "tgt": golds, "response": responses})


def as_request(payload: dict[str, Any]) -> bytes:
    content = json.dumps(payload).encode()
    head = (
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


@dataclass
class Connection:
    """A keep-alive connection: enough of HTTP to be no burden on the machine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, request: bytes) -> str:
        """Send a request and read the whole answer; its status."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        await self.reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        return head.split(b" ", 2)[1].decode()

    def close(self) -> None:
        self.writer.close()


if __name__ == "__main__":
    main()

"""Requests for the reward server on a fixed schedule, and what became of them.

Whether or not earlier ones have been answered, and a latency counts from the time that a request
was due, so that a server that stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Connection",
    "Load",
    "Tally",
    "as_fast_as_possible",
    "attack",
    "attacks",
    "fetch",
    "health",
    "run",
]

THINK = (
    "<think>"
    + "The region is to the left of the other one, so I look there first. " * 8
    + "</think>"
)
# Nothing that the exact tier or the list of known bombs settles: they reach a worker process. The
# third takes it a tenth of a second, the others more than one.
BOMBS = (
    r"\int_0^1 x^x\sin(x^3)\cos(e^x) dx",
    r"\sum_{k=1}^{97} \frac{\sin(k^2)}{k^3+\sqrt{k}}",
    r"\lim_{x\to 0} \frac{\sin(\tan(\arcsin(x)))^{9}}{x^{9}}",
    r"\int \frac{e^{x^2}}{\log(x^2+1)+\sqrt{x}} dx",
)
TOWERS = ("9^{9^{9^{9}}}", "2^{10^{10}}", "99!!!", r"\sqrt{7^{7^{7^{7}}}}")


@dataclass(frozen=True)
class Load:
    """What is asked.

    Attributes:
        batch: Completions in a request.
        math: Share of completions that are expressions the exact tier settles; the rest are boxes.
        bombs: Share of requests that are one expensive expression in place of the usual.
        texts: The expensive expressions.
    """

    batch: int = 1
    math: float = 0.0
    bombs: float = 0.0
    texts: tuple[str, ...] = BOMBS


@dataclass
class Tally:
    """What one load came to.

    Attributes:
        seconds: Latencies of the requests that are no bombs, from when each was due.
        late: Of these, what had passed when the request was sent: the client's own share.
        due: When each was due, in seconds from the first.
        statuses: How they were answered.
        bombs: How the bombs were: the code of the failure or the verdict, or the HTTP status.
        bomb_seconds: Latencies of the bombs that were scored.
        completions: Completions scored, without bombs.
        elapsed: Seconds from the first request to the last answer, without bombs.
        client_cpu: Processor time of the client in that time.
    """

    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    bombs: Counter[str] = field(default_factory=Counter)
    bomb_seconds: list[float] = field(default_factory=list)
    completions: int = 0
    elapsed: float = 0.0
    client_cpu: float = 0.0

    def by_second(self) -> list[list[float]]:
        """`seconds` of the requests that were due in each second."""
        parts: dict[int, list[float]] = {}
        for due, seconds in zip(self.due, self.seconds):
            parts.setdefault(int(due), []).append(seconds)
        return list(parts.values())


async def run(port: int, load: Load, rate: float, seconds: float, connections: int) -> Tally:
    """Send requests on schedule; each takes the next free connection.

    Args:
        port: Where the server listens on the loopback address.
        load: What is asked.
        rate: Completions per second.
        seconds: For how long.
        connections: Connections kept open; each bomb has one more of its own.
    """
    tally = Tally()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await Connection.open(port))
    bodies = [_request(load) for _ in range(200)]
    gc.collect()
    gc.freeze()  # or the client's collector would be taken for the server's latency
    tasks: set[asyncio.Task[None]] = set()
    bombs: set[asyncio.Task[None]] = set()
    started, cpu = time.perf_counter(), time.process_time()
    for i in range(int(rate * seconds / load.batch)):
        due = started + i * load.batch / rate
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        if random.random() < load.bombs:
            text = load.texts[i % len(load.texts)] + f" + {i}"  # never the same twice
            kind, task = bombs, asyncio.create_task(_bomb(port, text, tally))
        else:
            content = bodies[i % len(bodies)]
            kind, task = tasks, asyncio.create_task(_one(free, content, due, tally, load.batch))
        kind.add(task)
        task.add_done_callback(kind.discard)
    await asyncio.gather(*tasks)
    tally.due = [due - started for due in tally.due]
    tally.elapsed = time.perf_counter() - started
    tally.client_cpu = time.process_time() - cpu
    await asyncio.gather(*bombs)
    for _ in range(connections):
        (await free.get()).close()
    return tally


async def as_fast_as_possible(port: int, seconds: float, connections: int, batch: int = 1) -> float:
    """Completions per second if each connection asks again as soon as it has the last answer."""
    counts = [0] * connections
    content = _request(Load(batch=batch))
    end = time.perf_counter() + seconds

    async def loop(i: int) -> None:
        connection = await Connection.open(port)
        while time.perf_counter() < end:
            await connection.ask(content)
            counts[i] += batch
        connection.close()

    await asyncio.gather(*(loop(i) for i in range(connections)))
    return sum(counts) / seconds


def attacks() -> list[bytes]:
    """Requests that are made to keep a server busy."""
    gold = {"completion": "<answer>[1,2,3,4]</answer>", "task": "rec"}
    blanks = [gold | {"gold": "[1,2," + " " * 19_900 + f"3,4]{i}"} for i in range(40)]
    braces = {"completion": "{" * 7 * 2**20, "gold": _gold("geometry", "7")}
    lists = b'{"items":[{"completion":"","gold":[' + b",".join([b"[]"] * 130_000) + b"]}]}"
    zeros = b'{"items":[' + b",".join([b"0"] * 4_000_000) + b"]}"
    batch = [
        {"completion": "<answer>4</answer>", "gold": _gold("rec", [1, 2, 3, i])}
        for i in range(4, 8000)
    ]
    return [
        _post("/score", {"items": blanks}),
        _post("/score", {"items": [braces]}),
        _head("/score", lists),
        _head("/score", zeros),
        _post("/score", {"items": batch}),
    ]


async def attack(port: int, seconds: float) -> None:
    """Four connections at a time that send `attacks` as fast as they are answered."""
    bodies = attacks()
    end = time.perf_counter() + seconds

    async def one(at: int) -> None:
        while time.perf_counter() < end:
            at += 1
            try:
                connection = await Connection.open(port)
                await connection.ask(bodies[at % len(bodies)])
                connection.close()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)

    await asyncio.gather(*(one(at) for at in range(4)))


async def health(port: int, seconds: float) -> list[float]:
    """Seconds of each `/healthz`, asked a hundred times a second."""
    found: list[float] = []
    connection = await Connection.open(port)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        await connection.ask(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        found.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    connection.close()
    return found


async def fetch(port: int, path: str) -> str:
    """The body of a GET."""
    connection = await Connection.open(port)
    _, body = await connection.ask(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    connection.close()
    return body.decode()


async def _one(
    free: asyncio.Queue[Connection], content: bytes, due: float, tally: Tally, batch: int
) -> None:
    connection = await free.get()
    late = time.perf_counter() - due
    status, _ = await connection.ask(content)
    tally.seconds.append(time.perf_counter() - due)
    tally.late.append(late)
    tally.due.append(due)
    tally.statuses[status] += 1
    tally.completions += batch if status == "200" else 0
    free.put_nowait(connection)


async def _bomb(port: int, text: str, tally: Tally) -> None:
    item = {"completion": _answer(text), "gold": _gold("geometry", "7")}
    started = time.perf_counter()
    connection = await Connection.open(port)
    status, body = await connection.ask(_post("/score", {"items": [item]}))
    connection.close()
    if status == "200":
        tally.bomb_seconds.append(time.perf_counter() - started)
        (score,) = json.loads(body)["scores"]
        failure = score["failure"]
        status = failure["code"] if failure else "correct" if score["acc"] else "wrong"
    tally.bombs[status] += 1


def _request(load: Load) -> bytes:
    golds, responses = [], []
    for _ in range(load.batch):
        if random.random() < load.math:
            n = random.randint(2, 99)
            golds.append(_gold("geometry", rf"{n}\sqrt{{3}}"))
            responses.append(_answer(f"{random.choice((n, n + 1))}√3"))
        else:
            x, y = random.uniform(0, 300), random.uniform(0, 200)
            golds.append(_gold("rec", [x, y, x + 100, y + 120]))
            box = [round(x) + 3, round(y) - 0, round(x) + 90, round(y) + 118]
            responses.append(_answer(json.dumps({"bbox_2d": box, "label": "a dog"})))
    return _post("/", {"src": ["?"] * load.batch, "tgt": golds, "response": responses})


def _gold(task: str, value: Any) -> str:
    fields = {"rec": "box", "geometry": "expression"}
    envelope = {"vlreward": 1, "gold": {"task": task, fields[task]: value}}
    if task == "rec":
        envelope |= {"image_size": [640, 480], "frame": "original_px"}
    return json.dumps(envelope)


def _answer(text: str) -> str:
    return f"{THINK}<answer>{text}</answer><|im_end|>"


def _post(path: str, payload: dict[str, Any]) -> bytes:
    return _head(path, json.dumps(payload).encode())


def _head(path: str, content: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
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

    async def ask(self, request: bytes) -> tuple[str, bytes]:
        """Send a request and read the whole answer: its status and body."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        body = await self.reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        return head.split(b" ", 2)[1].decode(), body

    def close(self) -> None:
        self.writer.close()

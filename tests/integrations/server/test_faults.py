"""What goes wrong around a server: none of it may lose another client's request."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Running, Start

COUNT = '{"vlreward":1,"gold":{"task":"counting","count":4}}'
SEVEN = '{"vlreward":1,"gold":{"task":"geometry","expression":"7"}}'
EASY = {"items": [{"completion": "<answer>4</answer>", "gold": COUNT}]}
# Nothing that the exact tier or the list of known bombs settles: it runs into the deadline.
BOMB = r"\int_0^1 x^x\sin(x^3)\cos(e^x) dx"


def bomb(number: int) -> dict[str, Any]:
    return {"items": [{"completion": f"<answer>{BOMB} + {number}</answer>", "gold": SEVEN}]}


def metric(client: httpx.Client, name: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return 0.0


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come about"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def one_server(start: Start) -> Running:
    patience = {"head_timeout": 0.5, "body_timeout": 0.5}
    settings = {"deadline": 0.5}
    return start(fields={"settings": settings, "max_hard": 4, "workers": 1, **patience})


@pytest.fixture
def server(one_server: Running) -> Running:
    """A server that is idle."""
    with one_server.client() as client:
        wait_for(lambda: metric(client, "vlreward_hard_pending") == 0)
    return one_server


def connect(server: Running, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(data)
    return connection


def test_bombs_are_answered_and_hold_up_nobody(server: Running) -> None:
    with server.client() as client, ThreadPoolExecutor(3) as pool:
        bombs = [pool.submit(client.post, "/score", json=bomb(i)) for i in range(3)]
        wait_for(lambda: metric(client, "vlreward_hard_pending") >= 3)
        for _ in range(50):
            assert client.post("/score", json=EASY).json()["scores"][0]["value"] == 1.0
        # All of this while the bombs wait: the one worker needs its deadline for each.
        assert not all(b.done() for b in bombs)
        for answer in bombs:
            failure = answer.result().json()["scores"][0]["failure"]
            assert failure["code"] in ("timeout", "unparsable_answer", "too_complex")


def test_a_full_lane_is_refused_with_a_time_to_come_back(server: Running) -> None:
    with server.client() as client, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.post, "/score", json=bomb(i)) for i in range(8)]
        statuses = [a.result().status_code for a in answers]
        assert statuses.count(200) == 4
        assert statuses.count(503) == 4
        refused = next(a.result() for a in answers if a.result().status_code == 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert "comparisons wait for 1 worker processes" in refused.json()["error"]
        assert client.post("/score", json=EASY).status_code == 200


def test_a_full_queue_is_refused_with_429(start: Start) -> None:
    server = start("--max-pending", "3", "--deadline", "1", "--workers", "1")
    with server.client() as client, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.post, "/score", json=bomb(i)) for i in range(3)]
        wait_for(lambda: metric(client, "vlreward_pending_completions") >= 3)
        response = client.post("/score", json=bomb(9))
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
        assert client.post("/score", json=EASY).status_code == 200  # nothing of it has to wait
        assert [w.result().status_code for w in waiting] == [200] * 3


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat[1]) == pid:
                found += [int(entry.name), *children(int(entry.name))]
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers through /proc")
def test_workers_leave_the_processors_to_the_server(server: Running) -> None:
    with server.client() as client:
        assert client.post("/score", json=bomb(-2)).status_code == 200
        (launcher,) = (pid for pid in children(server.process.pid) if children(pid))
        ours = os.getpriority(os.PRIO_PROCESS, server.process.pid)
        assert os.getpriority(os.PRIO_PROCESS, launcher) == min(19, ours + 10)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find processes")
def test_killed_workers_lose_at_most_their_own_comparison(server: Running) -> None:
    with server.client() as client, ThreadPoolExecutor(3) as pool:
        client.post("/score", json=bomb(-1))  # starts the workers
        bombs = [pool.submit(client.post, "/score", json=bomb(i)) for i in range(2)]
        wait_for(lambda: metric(client, "vlreward_hard_pending") >= 2)
        killed = children(server.process.pid)
        assert killed
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):  # ended with its parent just now
                os.kill(pid, signal.SIGKILL)
        assert client.post("/score", json=EASY).status_code == 200
        for answer in bombs:
            assert answer.result().status_code == 200
            assert answer.result().json()["scores"][0]["failure"] is not None
        square = '{"vlreward":1,"gold":{"task":"geometry","expression":"x^2-1"}}'
        hard = {"items": [{"completion": "<answer>(x-1)(x+1)</answer>", "gold": square}]}

        def settled() -> bool:
            (score,) = client.post("/score", json=hard).json()["scores"]
            return bool(score["value"] == 1.0)

        wait_for(settled)  # the pool comes back


def test_a_client_that_leaves_frees_its_place(server: Running) -> None:
    with server.client() as client:
        body = json.dumps({"items": [bomb(i)["items"][0] for i in range(4)]}).encode()
        head = f"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        connection = connect(server, head + body)
        wait_for(lambda: metric(client, "vlreward_hard_pending") >= 4)
        connection.close()
        # Of the four, the one that runs is finished; the others are taken out of the queue.
        wait_for(lambda: metric(client, "vlreward_hard_pending") <= 1, seconds=3)
        assert metric(client, "vlreward_pending_completions") == 0
        assert 'vlreward_dropped_total{reason="client left"}' in client.get("/metrics").text
        assert client.post("/score", json=EASY).status_code == 200


def test_clients_that_send_half_a_body_or_half_a_head(server: Running) -> None:
    head = b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    leavers = [
        connect(server, head + b'{"items"'),
        connect(server, head[:30]),
        connect(server, b""),
    ]
    for connection in leavers:
        connection.close()
    with server.client() as client:
        assert client.post("/score", json=EASY).status_code == 200


def test_slow_senders_are_cut_off(server: Running) -> None:
    head = b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    silent, slow_head, slow_body = (connect(server, d) for d in (b"", head[:40], head + b"{"))
    with server.client() as client:
        assert client.post("/score", json=EASY).status_code == 200
        for connection in (silent, slow_head):
            connection.settimeout(10)
            assert connection.recv(100) == b""  # closed within the second, without a word
        slow_body.settimeout(10)
        assert slow_body.recv(100).startswith(b"HTTP/1.1 408")
        assert client.post("/score", json=EASY).status_code == 200
    for connection in (silent, slow_head, slow_body):
        connection.close()


def test_a_drip_of_header_bytes_is_cut_off_too(server: Running) -> None:
    connection = connect(server, b"POST / HTTP/1.1\r\n")
    started = time.monotonic()
    try:
        while time.monotonic() < started + 60:
            connection.sendall(b"x-a: b\r\n")
            time.sleep(0.1)
        pytest.fail("the connection stayed open")
    except OSError:
        pass
    finally:
        connection.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 100_000,
    ],
    ids=["TLS", "version", "length", "length and chunks", "endless"],
)
def test_what_is_no_http_is_answered_or_dropped(server: Running, data: bytes) -> None:
    connection = connect(server, data)
    try:
        connection.settimeout(10)
        answer = connection.recv(100)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    except ConnectionResetError:
        pass  # dropped
    finally:
        connection.close()
    with server.client() as client:
        assert client.post("/score", json=EASY).status_code == 200


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(start: Start) -> None:
    server = start("--deadline", "1", "--workers", "1")
    with server.client() as client, ThreadPoolExecutor(2) as pool:
        bombs = [pool.submit(client.post, "/score", json=bomb(i)) for i in range(2)]
        wait_for(lambda: metric(client, "vlreward_hard_pending") >= 2)
        workers = children(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        assert [b.result().status_code for b in bombs] == [200, 200]
    assert server.process.wait(30) == 0
    assert workers
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()


def test_many_clients_at_once_all_get_their_own_answer(server: Running) -> None:
    errors: list[str] = []

    def work(number: int) -> None:
        with server.client() as client:
            for i in range(30):
                gold = json.dumps({"vlreward": 1, "gold": {"task": "counting", "count": number}})
                item = {"completion": f"<answer>{number + i % 2}</answer>", "gold": gold}
                (score,) = client.post("/score", json={"items": [item]}).json()["scores"]
                if score["value"] != float(i % 2 == 0):
                    errors.append(f"client {number}, request {i}: {score}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .conftest import Running, Start

THINK = "<think>There it is.</think>"
REC = json.dumps(
    {
        "vlreward": 1,
        "gold": {"task": "rec", "box": [0, 0, 10, 10]},
        "frame": "original_px",
        "image_size": [64, 48],
    }
)
COUNT = '{"vlreward":1,"gold":{"task":"counting","count":4}}'
MATH = '{"vlreward":1,"gold":{"task":"geometry","expression":"2√{3}"}}'
TEXTS = [THINK + f"<answer>{a}</answer><|im_end|>" for a in ("[0, 0, 10, 20]", "4", "√12")]


@pytest.fixture(scope="module")
def server(start: Start) -> Running:
    return start()


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_paddlenlp_request_and_answer(client: httpx.Client) -> None:
    """As `RewardTrainer.request_reward_server` of PaddleNLP's `paddlenlp/rl` sends and reads it:
    decoded with special tokens, any status, then `json.loads(res.text)["score"]`."""
    golds = [gold + "<|im_end|>" for gold in (REC, COUNT, MATH)]
    data = {"src": ["<|im_start|>user"] * 3, "tgt": golds, "response": TEXTS}
    response = client.post("/", json=data)
    assert response.status_code == 200
    assert json.loads(response.text) == {
        "error_code": 0,
        "error_msg": "Success",
        "score": [1.5, 2.0, 2.0],
    }


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 422, "JSON"),
        (b"{", 422, "JSON"),
        (b"[]", 422, "object"),
        (b'{"src": ["a"], "tgt": ["b"]}', 422, "response: Field required"),
        (b'{"src": ["a"], "tgt": [4], "response": ["b"]}', 422, "tgt.0: .*string"),
        (b'{"src": [], "tgt": ["a"], "response": ["b"]}', 422, "of one length, got 0, 1 and 1"),
        (b'{"src": ["a"], "tgt": ["145"], "response": ["b"]}', 422, "item 0: .*gold envelope"),
        (b"\xff\xfe", 422, "JSON"),
        (b'"' + b"[" * 5000, 422, "JSON"),
        (b"[" * 5000, 422, "JSON"),
    ],
)
def test_bad_bodies_get_no_scores(
    client: httpx.Client, body: bytes, status: int, message: str
) -> None:
    """PaddleNLP's trainer warns where there is no score; zeros it would take for rewards."""
    response = client.post("/", content=body)
    assert response.status_code == status
    answer = response.json()
    assert (answer["error_code"], answer["score"]) == (status, None)
    assert re.search(message, answer["error_msg"]), answer


def test_batch_endpoint_tells_terms_failures_and_answers(client: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"completion": TEXTS[0], "gold": json.loads(REC)},
        {
            "completion": "<answer>[0, 0, 500, 1000]</answer>",
            "gold": [0, 0, 32, 24],
            "task": "rec",
            "frame": "norm1000",
            "image_size": [64, 48],
        },
        {"completion": "<think>and", "gold": COUNT, "truncated": True},
        {"completion": "\ud800", "gold": MATH},
    ]
    body = json.dumps({"items": items[:3]}).encode()
    scores = client.post("/score", content=body).json()["scores"]
    assert [s["value"] for s in scores] == [1.5, 0.5, 0.0]
    assert scores[0]["terms"] == {"iou": 0.5, "format": 1.0}
    assert scores[0]["answer"] == [0, 0, 10, 20]
    assert scores[1]["acc"] == 0.0
    assert scores[2]["failure"]["code"] == "truncated"
    # A lone surrogate is no text in JSON, so the request is refused as a whole.
    assert client.post("/score", content=json.dumps({"items": items[3:]})).status_code == 422


def test_large_batch_keeps_its_order(client: httpx.Client) -> None:
    items = [{"completion": f"<answer>{i % 7}</answer>", "gold": COUNT} for i in range(8192)]
    scores = client.post("/score", json={"items": items}).json()["scores"]
    assert [s["value"] for s in scores] == [float(i % 7 == 4) for i in range(8192)]
    response = client.post("/score", json={"items": [*items, items[0]]})
    assert (response.status_code, response.json()) == (
        413,
        {"error": "expected at most 8192 completions, got 8193"},
    )


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_oversized_bodies(client: httpx.Client, declared: bool) -> None:
    body = b'{"items": ["' + b"x" * 9_000_000 + b'"]}'
    content: Any = (
        body if declared else iter([body[i : i + 65536] for i in range(0, len(body), 65536)])
    )
    try:
        response = client.post("/score", content=content)
    except httpx.WriteError:  # the server answers and closes without reading the rest
        return
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 405), ("POST", "/healthz", 405), ("GET", "/none", 404), ("GET", "/docs", 404)],
)
def test_other_paths(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert "error" in response.json()


def test_health_and_metrics(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    client.post("/score", json={"items": [{"completion": "none", "gold": COUNT}]})
    text = client.get("/metrics").text
    assert 'vlreward_requests_total{endpoint="score",status="200"}' in text
    assert 'vlreward_completions_total{task="counting"}' in text
    assert 'vlreward_failures_total{code="no_answer"}' in text
    assert "vlreward_pending_completions 0.0" in text


WRONG = ("", "Bearer wrong", "Basic %%%", "Bearer", "bearer correct-horse2", "Digest correct-horse")


def test_token(start: Start) -> None:
    server = start(token="correct-horse")
    body = {"items": [{"completion": "4", "gold": COUNT}]}
    with server.client() as client:
        assert client.post("/score", json=body).status_code == 200
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        for method, path in (("POST", "/score"), ("POST", "/"), ("GET", "/metrics")):
            for value in WRONG:
                headers = {"authorization": value} if value else {}
                response = client.request(method, path, headers=headers)
                assert response.status_code == 401, (path, value)
                assert "correct" not in response.text
        # PaddleNLP's client can only be given an address: the token as its password.
        assert client.post("/score", json=body, auth=("x", "correct-horse")).status_code == 200
        assert client.post("/score", json=body, auth=("x", "wrong")).status_code == 401


def test_settings_and_bad_options(start: Start) -> None:
    server = start("--task", "counting", "--weights", "exact=3", VLREWARD_CLIP="1")
    body = {"items": [{"completion": "<answer>4</answer>", "gold": "4"}]}
    with server.client() as client:
        assert client.post("/score", json=body).json()["scores"][0]["value"] == 3.0


def test_the_order_of_the_axes_is_an_option_as_the_frame_is(start: Start) -> None:
    server = start("--task", "rec", "--frame", "original_px", "--axis-order", "yx")
    item = {"completion": "<answer>[300, 10, 380, 60]</answer>", "gold": "[10, 300, 60, 380]"}
    with server.client() as client:
        (score,) = client.post("/score", json={"items": [item]}).json()["scores"]
    assert score["terms"]["iou"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "iou"], "weights: expected term=weight pairs"),
        (["--protocol", "deepseek"], "no task has the protocol 'deepseek'"),
        (["--port", "70000"], "--port: Input should be less than or equal to 65535"),
        (["--token-file", "/nonexistent"], "cannot read the token"),
        (["--family", "llama"], "family: expected the name of one model family"),
    ],
)
def test_bad_options_end_in_one_line(options: list[str], message: str, start: Start) -> None:
    from typer.testing import CliRunner

    from vlreward.cli import app

    result = CliRunner().invoke(app, ["serve", *options])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_server_that_is_ready_has_little_left_to_collect(start: Start) -> None:
    """A full collection stops the server; what was imported is not gone through again."""
    script = (
        "import gc, os, signal\n"
        "from vlreward.integrations.server import ServerOptions, serve\n"
        "def ready(url):\n"
        "    print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 5_000)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "serve(ServerOptions(port=0), ready=ready)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")

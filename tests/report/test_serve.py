"""The served report: what it answers, to whom, and when it is built again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner

from tests.pictures import noise
from tests.report.recorded_runs import make_row, write_run
from vlreward.cli import app
from vlreward.errors import OptionError
from vlreward.report import serve
from vlreward.report.serve import LiveReport, make_server


def _write(run: Path, n: int) -> None:
    rows = [
        make_row("rec", f"s{i}", [1.0, 1.0, 9.0, 9.0], "<answer></answer>", [1.0, 1.0, 9.0, 9.0],
                 image="a.png", image_size=[900, 600])
        for i in range(n)
    ]  # fmt: skip
    write_run(run, {"val": rows}, image_root=".")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    _write(tmp_path / "run", 1)
    noise((900, 600), 90).save(tmp_path / "run" / "a.png")
    return tmp_path / "run"


@pytest.fixture
def client(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr(serve, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(serve, "_SHARE", 0)
    with make_server(LiveReport([run]), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()


def test_it_listens_on_this_machine_alone(run: Path) -> None:
    with make_server(LiveReport([run]), 0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_it_is_built_again_when_the_run_has_gone_on(run: Path, client: httpx.Client) -> None:
    assert "1 samples" in client.get("/").text
    first = client.get("/state").json()["token"]
    assert f'data-live="{first}"' in client.get("/").text
    assert client.get("/state").json()["token"] == first
    _write(run, 12)
    second = client.get("/state").json()["token"]
    assert second != first
    page = client.get("/").text
    assert f'data-live="{second}"' in page
    assert "12 samples" in page


def test_it_is_built_again_after_a_second_at_the_earliest(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_SHARE", 0)  # what it took here depends on the machine
    now = 100.0
    monkeypatch.setattr(serve, "time", SimpleNamespace(monotonic=lambda: now))
    live = LiveReport([run])
    token = live.page()[1]
    _write(run, 2)
    now += 0.9
    assert live.page()[1] == token, "not yet"
    now += 0.2
    assert live.page()[1] != token


def test_images_come_in_full_and_no_other_file_does(run: Path, client: httpx.Client) -> None:
    (run / "secret.txt").write_text("secret")
    page = client.get("/").text
    assert "data:image" not in page
    assert '"href":"image/0"' in page
    image = client.get("/image/0")
    assert image.content == (run / "a.png").read_bytes()
    assert image.headers["content-type"] == "image/png"
    inside = ("/image/1", "/image/-1", "/image/0/..", "/image/%30", "/image/999999999999")
    for path in (*inside, "/secret.txt", "/../run/secret.txt", "/image/../secret.txt"):
        found = client.get(path)
        assert (found.status_code, "secret" in found.text) == (404, False), path
    (run / "a.png").write_text("no image any more")
    assert client.get("/image/0").status_code == 404


def test_it_is_read_only_and_not_for_pages_of_others(client: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, "/").status_code == 501
    assert client.get("/", headers={"Host": "rebound.example"}).status_code == 403
    assert client.get("/", headers={"Host": "localhost:1"}).status_code == 200
    answer = client.get("/")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert "connect-src &#39;self&#39;" in answer.text
    assert client.head("/").content == b""


def test_a_run_without_anything_yet_is_waited_for(tmp_path: Path) -> None:
    page, _ = LiveReport([tmp_path / "<nothing>"]).page()
    assert b"Nothing to show yet" in page
    assert b"<nothing>" not in page
    assert b'http-equiv="refresh"' in page
    (tmp_path / "begun").mkdir()
    header = '{"schema": "vlreward.unfinished/1", "name": "val"}'
    (tmp_path / "begun" / "unfinished_val.json").write_text(header)
    assert b"No answer is scored yet." in LiveReport([tmp_path / "begun"]).page()[0]


def test_a_port_that_is_taken_is_one_line(run: Path) -> None:
    with make_server(LiveReport([run]), 0) as server:
        with pytest.raises(OptionError, match=r"--port: cannot listen at 127\.0\.0\.1:\d+"):
            make_server(LiveReport([run]), server.server_port)
        result = CliRunner().invoke(
            app, ["report", str(run), "--serve", "--port", str(server.server_port)]
        )
        assert result.exit_code == 2
        assert "cannot listen" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "8000"], "--port is of --serve alone"),
        (["--serve", "--html", "p.html"], "--serve writes no file"),
        (["--serve", "--max-embed-mb", "3"], "--serve writes no file"),
        (["--serve", "--image-root", "nowhere"], "expected a directory as image root"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    run: Path, options: list[str], message: str
) -> None:
    result = CliRunner().invoke(app, ["report", str(run), *options])
    assert result.exit_code == 2
    assert message in result.stderr

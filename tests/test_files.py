"""Whole or not at all: errors, kills and full disks while a file is written."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vlreward.files import replacing


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_text_and_bytes(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as text:
        text.write("ü\r\n\n")
    with replacing(str(tmp_path / "b"), "wb", sync=False) as data:
        data.write(b"\0")
    assert (tmp_path / "a").read_bytes() == "ü\r\n\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\0"
    assert _names(tmp_path) == ["a", "b"]


def test_the_old_content_stands_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with replacing(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_no_trace(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").write_text("old")

    def write() -> None:
        with replacing(tmp_path / "a") as file:
            file.write("new")
            raise error

    with pytest.raises(error):
        write()
    assert _names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "a"):
        pass
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/a")
    with replacing(tmp_path / "link") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "new"


def test_only_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="expected a file or nothing to replace"):
        replacing(tmp_path / "pipe").__enter__()
    with pytest.raises(IsADirectoryError):
        replacing(tmp_path).__enter__()
    assert _names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "👁" * 63])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as file:
        file.write("x")
    assert _names(tmp_path) == [name]


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(20):
            with replacing(tmp_path / "a", sync=False) as file:
                file.write(f"{number}" * 10_000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in {f"{number}" * 10_000 for number in range(4)}
    assert _names(tmp_path) == ["a"]


def test_a_limit_like_a_full_disk(tmp_path: Path) -> None:
    """A write that the system cuts short and then refuses, as a full disk does."""
    (tmp_path / "a").write_text("old")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError), replacing(tmp_path / "a", "wb") as file:
            file.write(bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert _names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_killed_while_it_writes(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from vlreward.files import replacing\n"
        "with replacing(sys.argv[1], 'wb') as file:\n"
        "    file.write(bytes(100_000)); file.flush(); print(flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    process.kill()
    process.communicate()
    (left,) = _names(tmp_path)
    assert left.startswith(".a.")
    assert left.endswith(".partial")

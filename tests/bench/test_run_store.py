"""Run files: resumed, exclusive, and whole after any crash."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vlreward.bench.run_store import (
    SCHEMA,
    LockedError,
    RunFileError,
    RunMismatchError,
    RunStore,
    read_run,
    request_key,
)
from vlreward.engines.base import Generation
from vlreward.geometry import Size

IDENTITY = {"model": "m", "sampling": {"max_tokens": 5, "temperature": 0.0}}
FULL = Generation(
    "a\n\u2028\ud800 <answer>3</answer>",
    truncated=True,
    token_count=0,
    finish_reason="length",
    usage={"prompt_tokens": 3},
    served_model="s",
    seconds=0.5,
    image_size=Size(4, 3),
    input_size=Size(28, 28),
)


def store_at(path: Path, **options: Any) -> RunStore:
    return RunStore(path, **{"identity": IDENTITY, **options})


def test_answers_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run_x.jsonl"
    with store_at(path, about={"suite": "x"}) as store:
        store.append("k1", FULL, sample_id="s1")
        store.append("k2", Generation(""))
        assert "k1" in store
        assert store.get("k3") is None
    with store_at(path, about={"suite": "other"}) as store:
        assert store.generations == {"k1": FULL, "k2": Generation("")}
        assert store.header["schema"] == SCHEMA
        assert store.header["suite"] == "x"
        assert store.dropped_bytes == 0
        assert len(store) == 2
    lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert [line.get("key") for line in lines] == [None, "k1", "k2"]
    assert lines[1]["id"] == "s1"
    assert read_run(path)[1] == store.generations
    assert os.listdir(path.parent) == ["run_x.jsonl"]


def test_a_key_is_recorded_once(tmp_path: Path) -> None:
    with store_at(tmp_path / "r.jsonl") as store:
        store.append("k", Generation("1"))
        with pytest.raises(ValueError, match=r"'k' is recorded .* already"):
            store.append("k", Generation("2"))
        assert store.generations["k"].text == "1"
    with pytest.raises(ValueError, match="is closed"):
        store.append("other", Generation("2"))
    store.close()


def test_another_model_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    store_at(path).close()
    other = {"model": "n", "sampling": {"max_tokens": 9, "temperature": 0.0}, "prompt": "p"}
    before = path.read_bytes()
    with pytest.raises(RunMismatchError) as caught:
        store_at(path, identity=other)
    text = str(caught.value)
    assert "model: the file has 'm', this run 'n'" in text
    assert "sampling.max_tokens: the file has 5, this run 9" in text
    assert "prompt: the file has None, this run 'p'" in text
    assert "another directory" in text
    assert path.read_bytes() == before
    store_at(path).close()


@pytest.mark.parametrize(
    "content", [b"my notes\n", b'{"a": 1}\n', b"{", b'{"schema":"vlreward.run/9"}\n', b"x" * 9]
)
def test_a_file_that_is_no_run_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    if content == b"{":  # The first byte of a header is a torn header.
        store_at(path).close()
        return
    with pytest.raises(RunFileError, match="expected a run file with schema"):
        store_at(path)
    assert path.read_bytes() == content


def test_damage_in_the_middle_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with store_at(path) as store:
        for key in "abc":
            store.append(key, Generation(key))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"garbage\n", lines[3]]))
    with pytest.raises(RunFileError, match=r"line 3 of .*r.jsonl.*garbage.*delete it"):
        store_at(path)
    path.write_bytes(b"".join([*lines[:2], b'{"key": "b"}\n', lines[3]]))
    with pytest.raises(RunFileError, match="line 3"):
        store_at(path)


def test_a_file_cut_anywhere_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every length of the file, resuming finds all whole answers and can go on."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    whole = tmp_path / "whole.jsonl"
    with store_at(whole) as store:
        store.append("a", FULL)
        store.append("b", Generation("second"))
    content = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    path = tmp_path / "r.jsonl"
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        with store_at(path) as store:
            expected = sum(end <= length for end in ends[1:])
            assert len(store) == expected, length
            for key in "ab":
                if key not in store:
                    store.append(key, Generation(key))
        lines = path.read_bytes().splitlines()
        assert [json.loads(line).get("key") for line in lines] == [None, "a", "b"], length


@pytest.mark.parametrize("tail", [b"\0" * 700, b"\0" * 300 + b"\n" + b"\0" * 300, b'{"key": "z"\n'])
def test_zeros_and_halves_left_by_a_power_failure_are_dropped(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "r.jsonl"
    with store_at(path) as store:
        store.append("a", Generation("1"))
    path.write_bytes(path.read_bytes() + tail)
    with store_at(path) as store:
        assert list(store.generations) == ["a"]
        assert store.dropped_bytes == len(tail)
        store.append("b", Generation("2"))
    assert list(read_run(path)[1]) == ["a", "b"]


def test_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with store_at(path):
        with pytest.raises(LockedError, match=rf"process {os.getpid()} on .* holds"):
            store_at(path)
        assert read_run(path)[1] == {}
    store_at(path).close()


def test_a_lock_left_behind_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.lock").write_text("process 1 on elsewhere\n")
    store_at(tmp_path / "r.jsonl").close()
    assert not (tmp_path / "r.jsonl.lock").exists()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    real = os.write
    store = store_at(path)
    store.append("a", Generation("1"))
    room = [10]

    def write(descriptor: int, data: bytes | memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = real(descriptor, bytes(data)[: room[0]])
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match=r"No space left on device; .*make room") as caught:
        store.append("b", Generation("2"))
    assert caught.value.filename == str(path)
    assert "b" not in store
    monkeypatch.undo()
    store.append("c", Generation("3"))
    store.close()
    assert list(read_run(path)[1]) == ["a", "c"]


def test_every_64th_append_and_the_end_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure costs at most the last 64 answers, and the disk has the last one's bytes."""
    path = tmp_path / "r.jsonl"
    lengths: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        lengths.append(os.fstat(descriptor).st_size)
        real(descriptor)

    with store_at(path) as store:
        monkeypatch.setattr(os, "fsync", fsync)
        for index in range(200):
            store.append(str(index), Generation("x"))
            assert len(lengths) == (index + 1) // 64
    assert len(lengths) == 4
    assert lengths[-1] == path.stat().st_size


def test_a_failing_sync_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(tmp_path / "r.jsonl")
    for index in range(63):
        store.append(str(index), Generation("1"))

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error; the answers before this one are safe"):
        store.append("a", Generation("1"))
    with pytest.raises(OSError, match="Input/output error"):
        store.close()
    monkeypatch.undo()
    with store_at(tmp_path / "r.jsonl") as again:  # the lock was given back
        assert len(again) == 64


def test_keys_depend_on_all_that_matters() -> None:
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "é"}]}]
    base = request_key(messages, "abc", IDENTITY)
    assert base == request_key(json.loads(json.dumps(messages)), "abc", dict(IDENTITY))
    others = {
        request_key([*messages, *messages], "abc", IDENTITY),
        request_key(messages, "abd", IDENTITY),
        request_key(messages, None, IDENTITY),
        request_key(messages, "abc", {**IDENTITY, "model": "n"}),
        request_key(messages, "abc", IDENTITY, repeat=1),
        request_key(messages, "abc", IDENTITY, repeat=2),
    }
    assert len(others | {base}) == 7


# --- kill -9 ------------------------------------------------------------------------------------

_WRITER = """
import sys, time
from vlreward.engines.base import Generation
from vlreward.bench.run_store import RunStore
path, total, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with RunStore(path, identity={"model": "m"}) as store:
    for index in range(total):
        key = f"key-{index}"
        if key not in store:
            store.append(key, Generation("x" * (37 * index % 3000)))
            print(key, flush=True)
            time.sleep(pause)
print("complete", flush=True)
"""


def _kill_until_complete(tmp_path: Path, root: Path, total: int, kills: int, seed: int) -> None:
    """Write `total` answers with a process that is killed `kills` times before it can finish."""
    path = tmp_path / "run.jsonl"
    draw = random.Random(seed)
    acknowledged: set[str] = set()
    every = {f"key-{index}" for index in range(total)}
    for attempt in range(kills + 1):
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                _WRITER,
                str(path),
                str(total),
                "0.0001" if attempt < kills else "0",
            ],
            stdout=subprocess.PIPE,
            cwd=root,
            text=True,
        ) as process:
            assert process.stdout is not None
            if attempt < kills:
                for _ in range(draw.randrange(1, 50)):
                    acknowledged.add(process.stdout.readline().strip())
                time.sleep(draw.random() * 0.004)
                process.send_signal(signal.SIGKILL)
            acknowledged.update(line.strip() for line in process.stdout)
        if attempt < kills:
            assert process.returncode == -signal.SIGKILL
        # Every whole line that came through the pipe was acknowledged after its append.
        _, kept = read_run(path)
        assert acknowledged & every <= kept.keys()
    assert "complete" in acknowledged
    keys = [json.loads(line)["key"] for line in path.read_bytes().splitlines()[1:]]
    assert sorted(keys) == sorted(every)
    for key, generation in read_run(path)[1].items():
        assert generation.text == "x" * (37 * int(key[4:]) % 3000)


def test_killed_runs_lose_nothing(tmp_path: Path, root: Path) -> None:
    _kill_until_complete(tmp_path, root, total=1500, kills=4, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_many_times_loses_nothing(tmp_path: Path, root: Path, seed: int) -> None:
    _kill_until_complete(tmp_path, root, total=20_000, kills=40, seed=seed)

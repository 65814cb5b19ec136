"""The record of a run: one append-only JSONL file per suite, safe against `kill -9`.

The first line is a header (schema, version, what generated the answers), each further line one
answer under its key. Failures are never written, so the next run tries them again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vlreward import __version__
from vlreward._lock import FileLock, LockedError
from vlreward.bench import _answer_lines
from vlreward.bench._answer_lines import SCHEMA, RunFileError, RunMismatchError
from vlreward.engines.base import Generation

__all__ = [
    "SCHEMA",
    "LockedError",
    "RunFileError",
    "RunMismatchError",
    "RunStore",
    "read_run",
    "request_key",
]

_MAX_UNSYNCED = 64


def request_key(
    messages: list[dict[str, Any]],
    image_sha256: str | None,
    identity: Mapping[str, Any],
    *,
    repeat: int = 0,
) -> str:
    """The SHA-256 that an answer is kept under, in hexadecimal.

    Args:
        messages: Chat messages.
        image_sha256: Hash of the image file, or None without an image.
        identity: What the answer depends on beside these: `Engine.describe()`, which holds the
            model and the sampling.
        repeat: How often the same request came before in this run, where each occurrence is a
            draw of its own; 0 where answers are greedy, so that equal requests share one.

    Example:
        >>> request_key([{"role": "user", "content": "2+2?"}], None, {"model": "m"})[:12]
        '437ca025f3a8'
    """
    content: list[Any] = [messages, image_sha256, identity]
    if repeat:
        content.append(repeat)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class RunStore:
    """The answers of one suite, in memory and on disk.

    Opening a file that exists resumes it. A last line that was cut off by a crash is dropped and
    overwritten. Each answer is handed to the system in one write before `append` returns, and
    the disk is waited for at every 64th: `kill -9` loses no answer that was appended, a power
    failure at most the last 64.

    Args:
        path: The file, normally `run_<suite>.jsonl`; its directory is created.
        identity: What generated the answers, see `request_key`.
        about: More for the header, e.g. suite and address; kept from the first run on.
        overwrite: Begin anew where the file's answers come from another identity.

    Raises:
        LockedError: If another process writes this file.
        RunMismatchError: If the file's answers come from another identity, and are to be kept.
        RunFileError: If the file is damaged before its last line, or is no run file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        identity: Mapping[str, Any],
        about: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._identity = json.loads(json.dumps(dict(identity)))
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        self._descriptor = -1
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            content = self.path.read_bytes()
            whole = _answer_lines.whole_lines(content, self.path)
            self.header, self.generations = _answer_lines.read(content[:whole], self.path)
            self.dropped_bytes = len(content) - whole
            """Bytes of a last line that a crash had cut off, dropped on opening."""
            if self.header and overwrite and self.header.get("identity") != self._identity:
                self.header, self.generations, whole = {}, {}, 0
            if self.header:
                _answer_lines.check_identity(self.header.get("identity"), self._identity, self.path)
            if whole < len(content):
                os.ftruncate(self._descriptor, whole)
            self._size, self._unsynced = whole, 0
            if not self.header:
                self._begin(dict(about or {}))
        except BaseException:
            self._release()
            raise

    def __len__(self) -> int:
        return len(self.generations)

    def __contains__(self, key: str) -> bool:
        return key in self.generations

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()

    def get(self, key: str) -> Generation | None:
        """The recorded answer under `key`, None if there is none."""
        return self.generations.get(key)

    def append(self, key: str, generation: Generation, *, sample_id: str | None = None) -> None:
        """Record an answer.

        Args:
            key: Key from `request_key`; not recorded yet.
            generation: The answer.
            sample_id: Id of a sample that it answers, for people who read the file.

        Raises:
            ValueError: If the key is recorded already, or the store is closed.
            OSError: If the disk is full or fails; names the file. Nothing half-written remains.
        """
        if key in self.generations:
            raise ValueError(f"the key {key!r} is recorded in {str(self.path)!r} already")
        record: dict[str, Any] = {"key": key, "id": sample_id, **_answer_lines.to_json(generation)}
        if self._descriptor < 0:
            raise ValueError(f"the run file {str(self.path)!r} is closed")
        self._write(_answer_lines.line(record))
        self.generations[key] = generation
        self._unsynced += 1
        if self._unsynced >= _MAX_UNSYNCED:
            self.sync()

    def sync(self) -> None:
        """Return when every answer that was appended is on the disk.

        Raises:
            OSError: If the disk fails; names the file.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _named(error, self.path) from error
        self._unsynced = 0

    def close(self) -> None:
        """Sync what is left and release the file; without effect if that was done."""
        if self._descriptor < 0:
            return
        try:
            self.sync()
        finally:
            self._release()

    def _begin(self, about: dict[str, Any]) -> None:
        self.header = {
            "schema": SCHEMA,
            "vlreward": __version__,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **about,
            "identity": self._identity,
        }
        self._write(_answer_lines.line(self.header))
        self.sync()
        _sync_directory(self.path.parent)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)
            raise _named(error, self.path) from error
        self._size += len(line)

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._lock.release()


def read_run(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Generation]]:
    """Header and answers by key of a run file, without locking or changing it.

    Raises:
        RunFileError: If the file is damaged before its last line, or is no run file.
    """
    content = Path(path).read_bytes()
    return _answer_lines.read(content[: _answer_lines.whole_lines(content, Path(path))], Path(path))


def _named(error: OSError, path: Path) -> OSError:
    return OSError(
        error.errno,
        f"{error.strerror}; the answers before this one are safe: make room and run the same "
        "command again",
        str(path),
    )


def _sync_directory(path: Path) -> None:
    """Make the new file's name durable, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

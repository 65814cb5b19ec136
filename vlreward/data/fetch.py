"""`fetch`: download and unpack the data sets of the original recipes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from vlreward.data.bars import Bars, bars_for
from vlreward.data.download import RetryPolicy, discard, download
from vlreward.data.errors import FetchError
from vlreward.data.hub_files import repository_files
from vlreward.data.receipt import RECEIPT, Fetched, Receipt, flat
from vlreward.data.sources import PlanItem, fetch_plan
from vlreward.data.unpack import UnpackLimits, UnsafeArchiveError, unpack

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["RECEIPT", "FetchError", "Fetched", "fetch", "fetch_items", "fetch_plan"]

_STAGING = ".fetch"


def fetch(
    name: str,
    source: Literal["paddlemix", "hf"] = "hf",
    dest: str | Path = "data",
    *,
    overwrite: bool = False,
    keep_archives: bool = False,
    progress: bool = True,
    retry: RetryPolicy | None = None,
    limits: UnpackLimits | None = None,
    timeout: float = 30.0,
) -> list[Fetched]:
    """Download the data sets of a task and unpack them.

    What has been fetched before is left alone, and what was interrupted goes on where it stopped.
    Nothing appears under its final name before it is complete; `fetch-receipt.json` in the
    destination lists every address with the length and SHA-256 found.

    Args:
        name: `rec`, `counting` or `geometry`.
        source: `hf` for the original data sets, `paddlemix` for PaddleMIX's archive of them.
        dest: Directory, made if need be.
        overwrite: Replace files of the same name that were not fetched.
        keep_archives: Keep archives in `dest/.fetch` after they are unpacked.
        progress: Show progress bars on standard error.
        retry: How long to keep trying.
        limits: What an archive may grow to.
        timeout: Seconds without an answer after which a try has failed.

    Raises:
        FetchError: If something cannot be downloaded or is not safe to unpack.
        ValueError: If the name or source is unknown.
    """
    return fetch_items(
        fetch_plan(name, source),
        dest,
        overwrite=overwrite,
        keep_archives=keep_archives,
        progress=progress,
        retry=retry,
        limits=limits,
        timeout=timeout,
    )


def fetch_items(
    items: Sequence[PlanItem],
    dest: str | Path,
    *,
    overwrite: bool = False,
    keep_archives: bool = False,
    progress: bool = True,
    retry: RetryPolicy | None = None,
    limits: UnpackLimits | None = None,
    timeout: float = 30.0,
) -> list[Fetched]:
    """Download any list of items; see `fetch`."""
    import httpx

    job = _Job(
        Path(dest), overwrite, keep_archives, retry or RetryPolicy(), limits or UnpackLimits()
    )
    job.staging.mkdir(parents=True, exist_ok=True)
    headers = {"User-Agent": "vlreward"}
    client = httpx.Client(
        follow_redirects=True, timeout=timeout, headers=headers, verify=_certificates()
    )
    with _locked(job.staging), client, bars_for(progress) as bars:
        done = []
        for item in items:
            done += (
                job.repository(client, item, bars)
                if item.kind == "repository"
                else [job.single(client, item, bars)]
            )
    with contextlib.suppress(OSError):  # archives are kept, or another fetch has begun
        (job.staging / "lock").unlink()
        job.staging.rmdir()
    return done


@cache
def _certificates() -> ssl.SSLContext:
    """Those that httpx trusts, read once: that takes 30 ms."""
    import httpx

    return httpx.create_ssl_context()


class _Job:
    """One fetch into one destination."""

    def __init__(
        self,
        dest: Path,
        overwrite: bool,
        keep_archives: bool,
        retry: RetryPolicy,
        limits: UnpackLimits,
    ) -> None:
        self.dest, self.overwrite, self.keep_archives = dest, overwrite, keep_archives
        self.retry, self.limits = retry, limits
        self.staging = dest / _STAGING
        self.receipt = Receipt(dest, self.staging)

    def repository(self, client: httpx.Client, item: PlanItem, bars: Bars) -> list[Fetched]:
        done = []
        for file in repository_files(client, item, self.retry):
            done.append(self.single(client, file, bars))
            if PurePosixPath(file.to).name in item.unpack:
                done.append(self._unpack_beside(file, done[-1], bars))
        return done

    def single(self, client: httpx.Client, item: PlanItem, bars: Bars) -> Fetched:
        target = self._target(item.to)
        if (before := self.receipt.before(item.to, item.url)) is not None:
            return before
        staged = self.staging / f"{flat(item.to)}{PurePosixPath(item.url).suffix}"
        got = download(
            client,
            item.url,
            staged,
            size=item.size,
            sha256=item.sha256,
            retry=self.retry,
            progress=bars(item.to),
        )
        files = 1
        if item.kind == "archive":
            try:
                files = self._install_archive(staged, target, item.to, bars)
            except UnsafeArchiveError:
                raise  # it is kept, for a look or for other limits
            except FetchError:
                discard(staged)  # broken, so it must be downloaded again
                raise
        else:
            if target.exists() and not self.overwrite and not self.receipt.began(item.to):
                raise self._in_the_way([target])
            target.parent.mkdir(parents=True, exist_ok=True)
            self.receipt.begin(item.to)
            os.replace(staged, target)
        result = Fetched(item.to, got.url, got.bytes, got.sha256, got.checked, files)
        self.receipt.add(result)
        if item.kind == "file" or not self.keep_archives:
            discard(staged)
        return result

    def _unpack_beside(self, file: PlanItem, got: Fetched, bars: Bars) -> Fetched:
        """Unpack an archive of a repository into the directory that it lies in."""
        key = f"{file.to}/"
        if (before := self.receipt.before(key, file.url)) is not None:
            return before
        archive = self._target(file.to)
        files = self._install_archive(archive, archive.parent, key, bars)
        result = Fetched(key, got.url, got.bytes, got.sha256, got.checked, files)
        self.receipt.add(result)
        return result

    def _install_archive(self, archive: Path, target: Path, key: str, bars: Bars) -> int:
        fresh = self.staging / f"{flat(key)}.unpacked"
        shutil.rmtree(fresh, ignore_errors=True)
        bar, total = bars(f"unpack {archive.name}"), archive.stat().st_size
        files = unpack(archive, fresh, self.limits, progress=lambda done: bar(done, total))
        root = fresh
        entries = list(fresh.iterdir())
        if len(entries) == 1 and entries[0].is_dir() and entries[0].name == target.name:
            root = entries[0]  # x.zip that holds x/ becomes x/, not x/x/
        entries = sorted(root.iterdir())
        standing = [target / entry.name for entry in entries if (target / entry.name).exists()]
        if standing and not self.overwrite and not self.receipt.began(key):
            shutil.rmtree(fresh)
            raise self._in_the_way(standing)
        self.receipt.begin(key)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(root, target)
        else:
            for entry in entries:
                _replace(entry, target / entry.name, self.staging)
        shutil.rmtree(fresh, ignore_errors=True)
        return files

    def _target(self, to: str) -> Path:
        path = PurePosixPath(to)
        if path.is_absolute() or ".." in path.parts or not path.parts or _STAGING in path.parts:
            raise FetchError(f"expected a place below the destination, got {to!r}")
        return self.dest / path

    def _in_the_way(self, standing: list[Path]) -> FetchError:
        names = ", ".join(map(str, standing[:3])) + (", ..." if len(standing) > 3 else "")
        return FetchError(
            f"{names} exists and was not fetched: choose another destination, move it away, or "
            "say overwrite"
        )


def _replace(entry: Path, target: Path, staging: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        old = staging / "replaced"
        shutil.rmtree(old, ignore_errors=True)
        os.replace(target, old)
        os.replace(entry, target)
        shutil.rmtree(old)
    else:
        os.replace(entry, target)


@contextlib.contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Keep a second fetch out of the same destination, where the system has file locks."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with (staging / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError("another fetch into this directory is running", path=staging) from None
        yield

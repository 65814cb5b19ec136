"""`fetch`: download and unpack the data sets of the original recipes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from vlreward._lock import FileLock
from vlreward._text import one_line
from vlreward.data.download import Download, Progress
from vlreward.data.errors import FetchError
from vlreward.data.hub_files import repository_files
from vlreward.data.receipt import RECEIPT, Fetched, Receipt
from vlreward.data.retry import RetryPolicy, certificates
from vlreward.data.sources import PlanItem, fetch_plan
from vlreward.data.unpack import BrokenArchiveError, UnpackLimits, unpack

if TYPE_CHECKING:
    import httpx
    from rich.progress import Progress as Bars

__all__ = ["RECEIPT", "FetchError", "Fetched", "fetch", "fetch_plan"]

_STAGING = ".fetch"


def fetch(
    what: str | Sequence[PlanItem],
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
    destination lists every address with the length and SHA-256 found, and how far each has come.

    Args:
        what: `rec`, `counting` or `geometry`, or any list of items.
        source: `hf` for the original data sets, `paddlemix` for PaddleMIX's archive of them.
        dest: Directory, made if need be. Nothing is written through a symbolic link below it.
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
    import httpx

    items = fetch_plan(what, source) if isinstance(what, str) else what
    headers = {"User-Agent": "vlreward"}
    client = httpx.Client(
        follow_redirects=True, timeout=timeout, headers=headers, verify=certificates()
    )
    done = []
    try:
        with _locked(Path(dest) / _STAGING), client, _bars(progress) as bars:
            job = _Job(
                Path(dest),
                client,
                bars,
                overwrite,
                keep_archives,
                retry or RetryPolicy(),
                limits or UnpackLimits(),
            )
            for item in items:
                done += job.repository(item) if item.kind == "repository" else [job.single(item)]
    except OSError as error:
        path = error.filename or dest
        raise FetchError(f"{error.strerror or error}; the next run goes on", path=path) from error
    return done


def _bars(shown: bool) -> Bars:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )  # fmt: skip

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown,
    )


@dataclass
class _Job:
    """One fetch into one destination."""

    dest: Path
    client: httpx.Client
    bars: Bars
    overwrite: bool
    keep_archives: bool
    retry: RetryPolicy
    limits: UnpackLimits

    def __post_init__(self) -> None:
        self.staging = self.dest / _STAGING
        self.receipt = Receipt(self.dest)

    def repository(self, item: PlanItem) -> list[Fetched]:
        done = []
        for file in repository_files(self.client, item, self.retry):
            done.append(self.single(file))
            if PurePosixPath(file.to).name in item.unpack:
                done.append(self._unpack_beside(file, done[-1]))
        return done

    def single(self, item: PlanItem) -> Fetched:
        target = self._target(item.to)
        entry = self.receipt.entry(item.to, item.url)
        staged = self.staging / f"{_flat(item.to)}{PurePosixPath(item.url).suffix[:20]}"
        if entry.state == "done" and target.exists():
            self._tidy(staged)
            return entry.model_copy(update={"fresh": False})
        entry = Download(
            self.client,
            entry,
            staged,
            self.receipt.write,
            self.retry,
            size=item.size,
            sha256=item.sha256,
            progress=self._bar(item.to),
        ).run()
        if item.kind == "archive":
            try:
                entry = self._install_archive(staged, target, entry)
            except BrokenArchiveError:
                staged.unlink()  # it must be downloaded again
                raise
        else:
            entry = self._begin(entry, [target])
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
            entry = self._done(entry, 1)
        self._tidy(staged)
        return entry

    def _unpack_beside(self, file: PlanItem, got: Fetched) -> Fetched:
        """Unpack an archive of a repository into the directory that it lies in."""
        entry = self.receipt.entry(f"{file.to}/", file.url)
        if entry.state == "done":
            return entry.model_copy(update={"fresh": False})
        archive = self._target(file.to)
        known = {"bytes": got.bytes, "sha256": got.sha256, "checked": got.checked}
        entry = self.receipt.write(entry, state="staged", **known)
        return self._install_archive(archive, archive.parent, entry)

    def _install_archive(self, archive: Path, target: Path, entry: Fetched) -> Fetched:
        work = self.staging / f"{_flat(entry.to)}.unpacked"
        shutil.rmtree(work, ignore_errors=True)
        bar, total = self._bar(f"unpack {archive.name}"), archive.stat().st_size
        try:
            fresh = work / "new"
            files = unpack(archive, fresh, self.limits, progress=lambda done: bar(done, total))
            entries = list(fresh.iterdir())
            if len(entries) == 1 and entries[0].is_dir() and entries[0].name == target.name:
                fresh = entries[0]  # x.zip that holds x/ becomes x/, not x/x/
            entries = sorted(fresh.iterdir())
            entry = self._begin(entry, [target / made.name for made in entries])
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(fresh, target)
            else:
                for made in entries:
                    _replace(made, target / made.name, work)
            return self._done(entry, files)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _begin(self, entry: Fetched, places: list[Path]) -> Fetched:
        """Note that places are about to be filled; what was there must be ours, or given up."""
        standing = [place for place in places if os.path.lexists(place)]
        if standing and not self.overwrite and not entry.installing:
            names = ", ".join(map(str, standing[:3])) + (", ..." if len(standing) > 3 else "")
            raise FetchError(
                f"{names} exists and was not fetched: choose another destination, move it away, "
                "or say overwrite"
            )
        return self.receipt.write(entry, installing=True)

    def _done(self, entry: Fetched, files: int) -> Fetched:
        return self.receipt.write(entry, state="done", installing=False, files=files)

    def _bar(self, label: str) -> Progress:
        task = self.bars.add_task(one_line(label, 60), total=None)
        return lambda done, total: self.bars.update(task, completed=done, total=total)

    def _tidy(self, staged: Path) -> None:
        if not self.keep_archives:
            staged.unlink(missing_ok=True)

    def _target(self, to: str) -> Path:
        path = PurePosixPath(to)
        if path.is_absolute() or ".." in path.parts or not path.parts or _STAGING in path.parts:
            raise FetchError(f"expected a place below the destination, got {to!r}")
        for step in (path, *path.parents):
            if step.parts and (self.dest / step).is_symlink():
                raise FetchError(
                    "expected no symbolic link on the way to what is fetched: move it away, or "
                    "give what it leads to as the destination",
                    path=self.dest / step,
                )
        return self.dest / path


def _flat(to: str) -> str:
    """A place as one file name of a length that every disk takes."""
    name = to.strip("/").replace("%", "%25").replace("/", "%2F")
    digest = hashlib.sha256(to.encode("utf-8", "surrogatepass")).hexdigest()
    return name if len(name.encode("utf-8", "surrogatepass")) <= 200 else digest


def _replace(made: Path, target: Path, work: Path) -> None:
    if target.is_dir() and not target.is_symlink():  # no rename replaces a directory
        (work / "old").mkdir(exist_ok=True)
        os.replace(target, work / "old" / target.name)
    os.replace(made, target)


@contextlib.contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Keep a second fetch out of the same destination."""
    if staging.is_symlink():
        raise FetchError("expected a directory, got a symbolic link", path=staging)
    staging.mkdir(parents=True, exist_ok=True)
    lock = FileLock(staging / "lock")
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):  # something is left for the next run
            staging.rmdir()

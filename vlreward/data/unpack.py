"""Unpacking archives that were downloaded, without trusting them."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from vlreward.data.errors import FetchError

__all__ = ["UnpackLimits", "UnsafeArchiveError", "unpack"]

_BLOCK = 1 << 20


class UnsafeArchiveError(FetchError):
    """An archive that would write elsewhere, link elsewhere, or grow beyond the limits."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may grow to. The image sets of the recipes have 83,000 files and 14 GB."""

    max_files: int = 1_000_000
    """Number of files and links."""
    max_bytes: int = 200 << 30
    """Bytes of all files together."""
    max_ratio: float = 200.0
    """Bytes unpacked per byte of the archive, once `ratio_from` bytes are unpacked."""
    ratio_from: int = 64 << 20
    """Small archives may grow by any ratio up to this many bytes."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    kind: str  # file, folder, link (symbolic) or copy (hard link)
    open: Callable[[], IO[bytes] | None]
    link: str = ""


def unpack(
    archive: Path,
    into: Path,
    limits: UnpackLimits = UnpackLimits(),
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Unpack a zip, tar, tar.gz, tar.bz2 or tar.xz into a directory that does not exist yet.

    Members must lie inside the directory: no absolute names, drives or `..`. Links must lead to
    members of the archive, and are made after all files. Anything that is no file, directory or
    link is refused. Sizes are counted as they are written, whatever the archive says. Owners,
    modes and times are not restored.

    Args:
        archive: The archive.
        into: Directory to make; it is removed again if anything is wrong.
        limits: What the archive may grow to.
        progress: Called with the number of bytes of the archive that have been used.

    Returns:
        Number of files.

    Raises:
        UnsafeArchiveError: If the archive is not safe; names the member.
        FetchError: If it is broken or truncated.
    """
    into.mkdir(parents=True)
    try:
        with archive.open("rb") as raw:
            if raw.read(2) == b"PK":  # zipfile.is_zipfile also finds a zip at the end of a tar
                with zipfile.ZipFile(raw) as zipped:
                    return _Writer(archive, into, limits).write(_zip_members(zipped), raw, progress)
            raw.seek(0)
            with tarfile.open(fileobj=raw, mode="r:*") as tarred:
                count = _Writer(archive, into, limits).write(_tar_members(tarred), raw, progress)
                _check_end(tarred)
                return count
    except FetchError:
        shutil.rmtree(into)
        raise
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        NotImplementedError,  # a compression that zipfile lacks
        RuntimeError,  # encrypted
        ValueError,
        OSError,
    ) as error:
        shutil.rmtree(into)
        raise FetchError(f"cannot unpack: {type(error).__name__}: {error}", path=archive) from error


class _Writer:
    def __init__(self, archive: Path, into: Path, limits: UnpackLimits) -> None:
        self.archive, self.into, self.limits = archive, into, limits
        self.compressed = max(1, archive.stat().st_size)
        self.bytes = 0
        self.files: set[PurePosixPath] = set()
        self.links: dict[PurePosixPath, _Member] = {}

    def write(
        self, members: Iterator[_Member], raw: IO[bytes], progress: Callable[[int], object]
    ) -> int:
        for member in members:
            path = self._path(member.name)
            if member.kind == "folder":
                (self.into / path).mkdir(parents=True, exist_ok=True)
                continue
            if path in self.files or path in self.links or path == PurePosixPath("."):
                raise self._error(f"the name {member.name!r} comes twice or is none")
            if len(self.files) + len(self.links) >= self.limits.max_files:
                raise self._error(f"more than {self.limits.max_files} files")
            if member.kind == "file":
                self.files.add(path)
                self._file(member, self.into / path)
            elif member.kind in ("link", "copy"):
                self.links[path] = member
            else:
                raise self._error(f"{member.name!r} is a {member.kind}; only files are unpacked")
            progress(raw.tell())
        for path, member in self.links.items():
            self._link(path, member)
        return len(self.files) + len(self.links)

    def _path(self, name: str) -> PurePosixPath:
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts
        if outside or not name or "\\" in name or "\0" in name or name[1:2] == ":":
            raise self._error(f"{name!r} does not lie inside the archive")
        return path

    def _file(self, member: _Member, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        if source is None:
            raise self._error(f"{member.name!r} cannot be read")
        with source, target.open("xb") as file:
            while block := source.read(_BLOCK):
                self.bytes += len(block)
                self._check_growth()
                file.write(block)

    def _check_growth(self) -> None:
        if self.bytes > self.limits.max_bytes:
            raise self._error(f"grows to more than {self.limits.max_bytes} bytes")
        if self.bytes > max(self.limits.ratio_from, self.limits.max_ratio * self.compressed):
            raise self._error(f"grows to more than {self.limits.max_ratio:g} times its size")

    def _link(self, path: PurePosixPath, member: _Member) -> None:
        # All files are there and nothing is written through a link: these are made last, and
        # lead only to what is no link itself.
        base = path.parent if member.kind == "link" else PurePosixPath()
        target = PurePosixPath(os.path.normpath(base / member.link))
        inside = not target.is_absolute() and target.parts[:1] not in ((), ("..",))
        real = self.into / target
        steps = (self.into.joinpath(*target.parts[: i + 1]) for i in range(len(target.parts)))
        if not inside or any(step.is_symlink() for step in steps) or not real.exists():
            raise self._error(
                f"the link {member.name!r} leads to {member.link!r}, no file of the archive"
            )
        place = self.into / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if member.kind == "copy":
            os.link(real, place)
        else:
            place.symlink_to(os.path.relpath(real, place.parent))

    def _error(self, message: str) -> UnsafeArchiveError:
        return UnsafeArchiveError(f"refused: {message}", path=self.archive)


def _zip_members(zipped: zipfile.ZipFile) -> Iterator[_Member]:
    for info in zipped.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if info.is_dir():
            yield _Member(info.orig_filename, "folder", _nothing)
        elif kind == stat.S_IFLNK:
            if info.file_size > 4096:
                raise UnsafeArchiveError(
                    f"refused: the link {info.filename!r} is {info.file_size} bytes"
                )
            link = zipped.read(info).decode("utf-8", "surrogateescape")
            yield _Member(info.filename, "link", _nothing, link)
        elif kind in (0, stat.S_IFREG):
            yield _Member(info.orig_filename, "file", partial(zipped.open, info))
        else:
            yield _Member(info.filename, "special file", _nothing)


def _tar_members(tarred: tarfile.TarFile) -> Iterator[_Member]:
    while (info := tarred.next()) is not None:
        tarred.members.clear()  # type: ignore[attr-defined]  # else it keeps all headers
        if info.isdir():
            yield _Member(info.name, "folder", _nothing)
        elif info.issym():
            yield _Member(info.name, "link", _nothing, info.linkname)
        elif info.islnk():
            yield _Member(info.name, "copy", _nothing, info.linkname)
        elif info.isreg():
            yield _Member(info.name, "file", partial(tarred.extractfile, info))
        else:
            yield _Member(info.name, "special file", _nothing)


def _nothing() -> None:
    return None


def _check_end(tarred: tarfile.TarFile) -> None:
    """A tar that is cut between two members looks complete, but for its closing block of zeros."""
    file = tarred.fileobj
    assert file is not None
    file.seek(tarred.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("unexpected end of data")

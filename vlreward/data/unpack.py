"""Unpacking archives that were downloaded, without trusting them."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from vlreward.data._tree import Tree
from vlreward.data.errors import FetchError

__all__ = ["BrokenArchiveError", "UnpackLimits", "UnsafeArchiveError", "unpack"]

_BLOCK = 1 << 20
_MAX_HEADER = 1 << 20  # bytes of the headers of one member of a tar
_MAX_DIRECTORY = 64 << 20  # bytes of what a zip says about all its members
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    NotImplementedError,  # a feature that zipfile lacks
    RuntimeError,  # encrypted; RecursionError: headers of headers of headers
    ValueError,
    LookupError,
    OverflowError,
)
_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


class UnsafeArchiveError(FetchError):
    """An archive that would write elsewhere, holds links, or grows beyond the limits."""


class BrokenArchiveError(FetchError):
    """An archive that is damaged, cut short or none: it must be downloaded again."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may grow to. The image sets of the recipes have 83,000 files and 14 GB."""

    max_files: int = 1_000_000
    """Number of members."""
    max_bytes: int = 200 << 30
    """Bytes of all members together, headers included."""
    max_ratio: float = 200.0
    """Bytes unpacked per byte of the archive, once `ratio_from` bytes are unpacked."""
    ratio_from: int = 64 << 20
    """Small archives may grow by any ratio up to this many bytes."""


class _Member(NamedTuple):
    name: str
    kind: str  # file, folder, or what is refused
    open: Callable[[], IO[bytes] | None] = lambda: None


def unpack(
    archive: Path,
    into: Path,
    limits: UnpackLimits = UnpackLimits(),
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Unpack a zip, tar, tar.gz, tar.bz2 or tar.xz into a directory that does not exist yet.

    Only files and directories are made, each below a descriptor of the directory that it lies in,
    which no link leads to. Names must lie inside: not absolute, no drive, no `..`. All that is
    read counts as it is read, headers too, whatever the archive says. The archive is read to its
    end, so every checksum that it holds is checked. Owners, modes and times are not restored.

    Args:
        into: Directory to make; it is removed again if anything is wrong.
        progress: Called with the number of bytes of the archive that have been used.

    Returns:
        Number of files.

    Raises:
        UnsafeArchiveError: If the archive is not safe; names the member.
        BrokenArchiveError: If it is damaged or cut short.
        FetchError: If the disk is full or fails; nothing is wrong with the archive then.
    """
    into.mkdir(parents=True)
    try:
        with archive.open("rb") as raw, Tree(into) as tree:
            meter = _Meter(archive, limits)
            if raw.read(2) == b"PK":  # zipfile.is_zipfile also finds a zip at the end of a tar
                source = _Source(raw, meter, _MAX_DIRECTORY)
                with zipfile.ZipFile(source) as zipped:
                    source.allow(data=True)
                    return _write(_zip_members(zipped, meter), tree, meter, raw, progress)
            source = _Source(_decompressed(raw), meter, _MAX_HEADER)
            with tarfile.open(fileobj=source, mode="r:") as tarred:
                count = _write(_tar_members(tarred, source), tree, meter, raw, progress)
            source.drain()
            return count
    except BaseException as error:
        shutil.rmtree(into)
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NAMES:
            raise FetchError(
                f"cannot unpack: {error.strerror}. The archive is kept: run the same command again",
                path=archive,
            ) from error
        if isinstance(error, (*_BROKEN, OSError)) and not isinstance(error, FetchError):
            reason = f"{type(error).__name__}: {error}"
            raise BrokenArchiveError(f"cannot unpack: {reason}", path=archive) from error
        raise


def _write(
    members: Iterator[_Member],
    tree: Tree,
    meter: _Meter,
    raw: IO[bytes],
    progress: Callable[[int], object],
) -> int:
    files = 0
    for number, member in enumerate(members, 1):
        path = PurePosixPath(member.name)
        outside = path.is_absolute() or ".." in path.parts
        if outside or "\\" in member.name or "\0" in member.name or member.name[1:2] == ":":
            raise meter.refuse(f"{member.name!r} does not lie inside the archive")
        if number > meter.limits.max_files:
            raise meter.refuse(f"more than {meter.limits.max_files} members")
        if member.kind == "folder":
            tree.folder(path)
        elif member.kind != "file":
            raise meter.refuse(f"{member.name!r} is a {member.kind}; only files are unpacked")
        elif not path.parts:
            raise meter.refuse("a file without a name")
        else:
            source = member.open()
            if source is None:
                raise meter.refuse(f"{member.name!r} cannot be read")
            try:
                file = tree.create(path)
            except FileExistsError:
                raise meter.refuse(f"the name {member.name!r} comes twice") from None
            with source, file:
                while block := source.read(_BLOCK):
                    meter.add(len(block))
                    file.write(block)
            files += 1
        progress(raw.tell())
    return files


class _Meter:
    """Counts what comes out of an archive."""

    def __init__(self, archive: Path, limits: UnpackLimits) -> None:
        self.archive, self.limits = archive, limits
        self._bytes, self._size = 0, max(1, archive.stat().st_size)

    def add(self, n: int) -> None:
        self._bytes += n
        if self._bytes > self.limits.max_bytes:
            raise self.refuse(f"grows to more than {self.limits.max_bytes} bytes")
        if self._bytes > max(self.limits.ratio_from, self.limits.max_ratio * self._size):
            raise self.refuse(f"grows to more than {self.limits.max_ratio:g} times its size")

    def refuse(self, message: str) -> UnsafeArchiveError:
        return UnsafeArchiveError(f"refused: {message}", path=self.archive)


class _Source:
    """A file that libraries read headers from, no more than `allowed` bytes until `allow`."""

    def __init__(self, file: IO[bytes], meter: _Meter, allowed: int) -> None:
        self._file, self._meter, self._allowed = file, meter, allowed
        self._left: int | None = allowed
        self.last = b""
        """What was read last."""

    def allow(self, data: bool) -> None:
        """Let data be read, or as much of headers as is allowed."""
        self._left = None if data else self._allowed

    def read(self, n: int = -1) -> bytes:
        if self._left is None:
            return self._file.read(n)
        if n > self._left:
            raise self._meter.refuse(f"headers of more than {self._allowed} bytes")
        self.last = self._file.read(n if n >= 0 else self._left + 1)
        self._left -= len(self.last)
        if self._left < 0:
            raise self._meter.refuse(f"headers of more than {self._allowed} bytes")
        self._meter.add(len(self.last))
        return self.last

    def drain(self) -> None:
        """Read to the end, as a checksum may stand there."""
        while block := self._file.read(_BLOCK):
            self._meter.add(len(block))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    raw.seek(0)
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if head.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    return lzma.LZMAFile(raw) if head == b"\xfd7zXZ\0" else raw


def _zip_members(zipped: zipfile.ZipFile, meter: _Meter) -> Iterator[_Member]:
    for info in zipped.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            yield _Member(info.orig_filename, "folder")
        elif kind not in (0, stat.S_IFREG):
            yield _Member(info.filename, "link" if kind == stat.S_IFLNK else "special file")
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile decompresses a whole block of any other, however large that becomes.
            raise meter.refuse(f"{info.filename!r} is compressed by method {info.compress_type}")
        else:
            yield _Member(info.orig_filename, "file", partial(zipped.open, info))


def _tar_members(tarred: tarfile.TarFile, source: _Source) -> Iterator[_Member]:
    while True:
        source.allow(data=False)
        info = tarred.next()
        if info is None:
            break
        tarred.members.clear()  # type: ignore[attr-defined]  # else it keeps all headers
        tarred.pax_headers.clear()  # type: ignore[attr-defined]
        source.allow(data=True)
        if info.isdir():
            yield _Member(info.name, "folder")
        elif info.issym() or info.islnk():
            yield _Member(info.name, "link")
        elif info.isreg() and not info.issparse():
            yield _Member(info.name, "file", partial(tarred.extractfile, info))
        else:
            yield _Member(info.name, "special file")
    # A tar that is cut between two members looks complete, but for its closing block of zeros.
    if source.last != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("unexpected end of data")

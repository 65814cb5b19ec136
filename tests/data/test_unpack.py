"""Archives: good ones unpacked, all others refused without a trace."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import tarfile
import tempfile
import tracemalloc
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archives import tarred, zipped
from vlreward.data import unpack as unpack_module
from vlreward.data._tree import Tree
from vlreward.data.errors import FetchError
from vlreward.data.unpack import BrokenArchiveError, UnpackLimits, UnsafeArchiveError, unpack

_BODY = random.Random(1).randbytes(600_000)


def _zip_link(name: str, to: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("real/a", b"a")
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, to)
    return buffer.getvalue()


_SYM, _HARD = tarfile.SYMTYPE, tarfile.LNKTYPE

_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "soft": _SYM, "hard": _HARD,
          "pipe": tarfile.FIFOTYPE}  # fmt: skip
_MODES = {"file": 0o100644, "folder": 0o040755, "soft": 0o120777, "hard": 0o100644,
          "pipe": 0o010644}  # fmt: skip
_PATH = st.lists(st.sampled_from(["a", "b", "c", "outside", ".."]), min_size=1, max_size=5).map(
    "/".join
)
_PLACE = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
_MEMBER = st.tuples(
    _PLACE | _PATH, st.sampled_from(["file", "file", "folder", "soft", "hard", "pipe"]), _PATH
)


def _tree_tar(members: list[tuple[str, str, str]]) -> bytes:
    return tarred(
        *((name, b"x" if kind == "file" else (_TYPES[kind], to)) for name, kind, to in members)
    )


def _tree_zip(members: list[tuple[str, str, str]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, kind, to in members:
            info = zipfile.ZipInfo(f"{name}/" if kind == "folder" else name)
            info.external_attr = _MODES[kind] << 16
            archive.writestr(info, "" if kind == "folder" else to)
    return buffer.getvalue()


class _Spaces(io.RawIOBase):
    """A file of spaces that is held nowhere."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, n: int = -1) -> bytes:
        n = self._left if n < 0 else min(n, self._left)
        self._left -= n
        return b" " * n


class TestUnpack:
    def _unpack(self, tmp_path: Path, content: bytes, **limits: Any) -> tuple[int, Path]:
        archive = tmp_path / "archive"
        archive.write_bytes(content)
        into = tmp_path / "box" / "into"
        return unpack(archive, into, UnpackLimits(**limits)), into

    def _refused(self, tmp_path: Path, content: bytes, match: str, **limits: Any) -> None:
        with pytest.raises(UnsafeArchiveError, match=match):
            self._unpack(tmp_path, content, **limits)
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "box"]

    def _broken(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(BrokenArchiveError, match="archive: cannot unpack: "):
            self._unpack(tmp_path, content)
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "box"]

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
    def test_good_archives(self, tmp_path: Path, mode: str) -> None:
        files = {"a.txt": b"a", "b/c/d.bin": _BODY, "b/e": b""}
        content = zipped(files) if mode == "zip" else tarred(*files.items(), mode=mode)
        heard: list[int] = []
        (tmp_path / "archive").write_bytes(content)
        count = unpack(tmp_path / "archive", tmp_path / "into", progress=heard.append)
        assert count == 3
        found = {
            str(p.relative_to(tmp_path / "into")): p.read_bytes()
            for p in (tmp_path / "into").rglob("*")
            if p.is_file()
        }
        assert found == files
        assert 0 < max(heard) <= len(content)

    def test_a_tar_that_ends_in_a_zip_is_a_tar(self, tmp_path: Path) -> None:
        inner = zipped({"x": b"x"}, zipfile.ZIP_STORED)
        assert zipfile.is_zipfile(io.BytesIO(tarred(("inner.zip", inner))))
        _, into = self._unpack(tmp_path, tarred(("inner.zip", inner)))
        assert (into / "inner.zip").read_bytes() == inner

    @pytest.mark.parametrize(
        "name",
        ["../evil", "/evil", "a/../../evil", "a/..", "..", "C:/evil", "a\\..\\evil", "\\evil"],
    )
    def test_names_that_lead_outside(self, tmp_path: Path, name: str) -> None:
        expected = "does not lie inside"
        self._refused(tmp_path, zipped({"ok": b"", name: b"x"}), expected)
        (tmp_path / "tar").mkdir()
        self._refused(tmp_path / "tar", tarred(("ok", b""), (name, b"x")), expected)

    @pytest.mark.parametrize("kind", [_SYM, _HARD])
    @pytest.mark.parametrize("to", ["dir/a", "/etc/passwd", "../../outside", "none", ""])
    def test_every_link_is_refused(self, tmp_path: Path, kind: bytes, to: str) -> None:
        content = tarred(("dir/a", b"a"), ("link", (kind, to)))
        self._refused(tmp_path, content, "'link' is a link; only files are unpacked")

    @pytest.mark.parametrize("to", ["real/a", "/etc/passwd", "../../outside", "x" * 5000])
    def test_every_link_in_a_zip_is_refused(self, tmp_path: Path, to: str) -> None:
        self._refused(tmp_path, _zip_link("link", to), "'link' is a link; only files")

    def test_links_below_links_do_not_climb_out(self, tmp_path: Path) -> None:
        """The second link lies deeper by its name than on the disk, where it reaches the root."""
        (tmp_path / "victim").mkdir()
        deep, victim = "a/b/c/d/e/f/g/h/i/j", f"{tmp_path}/victim".lstrip("/")
        content = tarred(
            ("t/keep", b""),
            ("evil", b"evil"),
            (f"{victim}/x", b""),
            (f"{deep}/A", (_SYM, "../" * 10 + "t")),
            (f"{deep}/A/l", (_SYM, "../" * 11 + victim)),
            ("t/l/pwned", (_HARD, "evil")),
        )
        with pytest.raises(UnsafeArchiveError, match="is a link"):
            self._unpack(tmp_path, content)
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "box", "victim"]

    @pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
    def test_devices(self, tmp_path: Path, kind: bytes) -> None:
        self._refused(tmp_path, tarred(("dev", (kind, ""))), "only files are unpacked")

    def test_devices_in_a_zip(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            info = zipfile.ZipInfo("dev")
            info.external_attr = 0o020666 << 16
            archive.writestr(info, b"")
        self._refused(tmp_path, buffer.getvalue(), "only files are unpacked")

    def test_a_name_that_comes_twice(self, tmp_path: Path) -> None:
        self._refused(tmp_path, tarred(("a", b"1"), ("./a", b"2")), "comes twice")

    def test_a_file_where_a_directory_is(self, tmp_path: Path) -> None:
        self._broken(tmp_path, tarred(("a", b"1"), ("a/b", b"2")))

    def test_too_many_files(self, tmp_path: Path) -> None:
        content = zipped({str(i): b"" for i in range(11)})
        self._refused(tmp_path, content, "more than 10 members", max_files=10)

    def test_too_many_bytes(self, tmp_path: Path) -> None:
        content = tarred(*((str(i), bytes(1000)) for i in range(11)), mode="w:gz")
        self._refused(tmp_path, content, "grows to more than 10000 bytes", max_bytes=10_000)

    @pytest.mark.parametrize("mode", ["zip", "w:gz"])
    def test_bombs(self, tmp_path: Path, mode: str) -> None:
        files = {f"{i}": bytes(1 << 20) for i in range(3)}
        content = zipped(files) if mode == "zip" else tarred(*files.items(), mode=mode)
        assert len(content) < 15_000
        limits = {"ratio_from": 2 << 20}
        self._refused(tmp_path, content, "grows to more than 200 times its size", **limits)
        (tmp_path / "again").mkdir()
        assert self._unpack(tmp_path / "again", content)[0] == 3  # too small to be a danger

    def test_sizes_are_counted_as_they_are_written(self, tmp_path: Path) -> None:
        honest = zipped({"a": bytes(100_000)})
        lying = honest.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
        assert lying != honest
        self._broken(tmp_path, lying)  # the checksum is that of the first ten bytes

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
    @pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.8])
    def test_truncated(self, tmp_path: Path, mode: str, keep: float) -> None:
        files = {"a": _BODY[:5000], "b": _BODY[5000:50_000], "c": _BODY[50_000:60_000]}
        content = zipped(files) if mode == "zip" else tarred(*files.items(), mode=mode)
        self._broken(tmp_path, content[: int(len(content) * keep)])

    @pytest.mark.parametrize("blocks", [1, 11, 12, 13])
    def test_a_tar_that_is_cut_between_members(self, tmp_path: Path, blocks: int) -> None:
        content = tarred(("a", _BODY[:5000]), ("b", b"b"))  # 1 + 10, then 1 + 1 blocks
        self._broken(tmp_path, content[: blocks * 512])

    def test_flipped_bytes(self, tmp_path: Path) -> None:
        content = bytearray(zipped({"a": _BODY}, zipfile.ZIP_STORED))
        content[1000] ^= 1
        self._broken(tmp_path, bytes(content))

    def test_encrypted(self, tmp_path: Path) -> None:
        content = bytearray(zipped({"a": b"aaaa"}))
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
        self._broken(tmp_path, bytes(content))

    def test_no_archive(self, tmp_path: Path) -> None:
        self._broken(tmp_path, b"<html>not found</html>")

    @pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
    @pytest.mark.parametrize("end", [4, 8, 10, 20])
    def test_the_checksum_at_the_end_is_checked(self, tmp_path: Path, mode: str, end: int) -> None:
        content = bytearray(tarred(("a", _BODY[:5000]), mode=mode))
        content[-end] ^= 1
        self._broken(tmp_path, bytes(content))

    def test_flipped_bits_in_a_tgz(self, tmp_path: Path) -> None:
        """Stored, not deflated: nothing but the checksum tells."""
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=0) as file:
            file.write(tarred(("a", _BODY[:5000])))
        content = bytearray(buffer.getvalue())
        content[3000] ^= 1
        self._broken(tmp_path, bytes(content))

    @pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_headers_count(self, tmp_path: Path, kind: bytes, mode: str) -> None:
        size = 16 << 20
        info = tarfile.TarInfo("header")
        info.type, info.size = kind, size
        path = tmp_path / "archive"
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.addfile(info, _Spaces(size))
            archive.addfile(tarfile.TarInfo("a"))
        tracemalloc.start()
        try:
            with pytest.raises(UnsafeArchiveError, match="headers of more than 1048576 bytes"):
                unpack(path, tmp_path / "into")
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()

    def test_many_headers_count(self, tmp_path: Path) -> None:
        content = bytearray()
        for number in range(40):
            info = tarfile.TarInfo(f"{number}")
            info.pax_headers = {f"x{number}": "y" * 10_000}
            content += info.tobuf(tarfile.PAX_FORMAT)
        limits = {"max_bytes": 300_000}
        self._refused(tmp_path, bytes(content), "grows to more than 300000 bytes", **limits)

    def test_the_directory_of_a_zip_is_limited(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unpack_module, "_MAX_DIRECTORY", 70_000)
        content = zipped({f"{number:0100}": b"" for number in range(1000)})
        self._refused(tmp_path, content, "headers of more than 70000 bytes")

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_zip_of_blocks_that_inflate_at_once(self, tmp_path: Path, method: int) -> None:
        self._refused(
            tmp_path, zipped({"a": bytes(1000)}, method), f"compressed by method {method}"
        )

    def test_sparse_files(self, tmp_path: Path) -> None:
        info = tarfile.TarInfo("holes")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
        content = info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
        self._refused(tmp_path, content, "'holes' is a special file")

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
    def test_a_disk_that_fails_is_no_fault_of_the_archive(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def fail(*_: object) -> Any:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(Tree, "create", fail)
        with pytest.raises(FetchError, match=f"{os.strerror(code)}. The archive is kept") as caught:
            self._unpack(tmp_path, tarred(("a", b"a"), mode="w:gz"))
        assert type(caught.value) is FetchError
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "box"]

    @pytest.mark.parametrize("name", ["x" * 300, "a/" * 200 + "y" * 256])
    def test_names_that_no_disk_takes(self, tmp_path: Path, name: str) -> None:
        self._broken(tmp_path, tarred((name, b"a")))

    @settings(max_examples=150)
    @given(members=st.lists(_MEMBER, max_size=8), zipped=st.booleans())
    def test_no_tree_of_links_leads_outside(
        self, members: list[tuple[str, str, str]], zipped: bool
    ) -> None:
        with tempfile.TemporaryDirectory() as made:
            box = Path(made)
            (box / "outside" / "a").mkdir(parents=True)
            (box / "outside" / "b").write_bytes(b"mine")
            into = box / "1" / "2" / "into"
            (box / "archive").write_bytes(_tree_zip(members) if zipped else _tree_tar(members))
            good = False
            with suppress(FetchError):
                unpack(box / "archive", into)
                good = True
            assert into.exists() == good
            found = {str(p.relative_to(box)) for p in box.rglob("*") if into not in p.parents}
            expected = {"archive", "outside", "outside/a", "outside/b", "1", "1/2"}
            assert found - {"1/2/into"} == expected
            assert (box / "outside" / "b").read_bytes() == b"mine"
            assert not any(p.is_symlink() or (p.stat().st_nlink > 1 and p.is_file())
                           for p in into.rglob("*"))  # fmt: skip
            if good:
                # A zip knows no hard links: that one is a file.
                allowed = {"file", "folder", "hard"} if zipped else {"file", "folder"}
                assert {kind for _, kind, _ in members} <= allowed

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
    def test_mutated_archives_never_reach_outside(self, tmp_path: Path, mode: str) -> None:
        files = {"a": b"a" * 300, "b/c": _BODY[:2000], "link": b"b/c"}
        content = zipped(files) if mode == "zip" else tarred(*files.items(), mode=mode)
        dice = random.Random(mode)
        outcomes = set()
        for number in range(150):
            broken = bytearray(content)
            for _ in range(dice.randint(1, 4)):
                broken[dice.randrange(len(broken))] = dice.choice(b"/.\\\0\xff12PK")
            archive = tmp_path / "archive"
            archive.write_bytes(broken)
            into = tmp_path / "box" / f"{number}"
            try:
                unpack(archive, into)
                outcomes.add("good")
            except FetchError:
                assert not into.exists()
                outcomes.add("refused")
        assert "refused" in outcomes
        assert "good" in outcomes or ":" in mode
        assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "box"]


class TestTree:
    def test_no_step_may_be_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "root" / "real").mkdir(parents=True)
        (tmp_path / "root" / "link").symlink_to("../outside")
        (tmp_path / "root" / "real" / "link").symlink_to("/etc/passwd")
        with Tree(tmp_path / "root") as tree:
            for path in ("link/a", "link/b/c", "real/link", "real/link/a"):
                with pytest.raises(OSError):
                    tree.create(PurePosixPath(path))
            with pytest.raises(OSError):
                tree.folder(PurePosixPath("link/d"))
            with tree.create(PurePosixPath("real/a/b")) as file:
                file.write(b"b")
        assert list((tmp_path / "outside").iterdir()) == []
        assert (tmp_path / "root" / "real" / "a" / "b").read_bytes() == b"b"

    def test_no_descriptor_stays_open(self, tmp_path: Path) -> None:
        before = len(os.listdir("/proc/self/fd"))
        with Tree(tmp_path) as tree:
            for number in range(20):
                tree.create(PurePosixPath(f"a/{number % 3}/{number}")).close()
                with pytest.raises(OSError):
                    tree.folder(PurePosixPath(f"a/0/0/{number}"))
        assert len(os.listdir("/proc/self/fd")) == before

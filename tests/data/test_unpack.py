"""Archives: good ones unpacked, all others refused without a trace."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from vlreward.data.errors import FetchError
from vlreward.data.unpack import UnpackLimits, UnsafeArchiveError, unpack

_BODY = random.Random(1).randbytes(600_000)


def _zip(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _zip_link(name: str, to: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("real/a", b"a")
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, to)
    return buffer.getvalue()


def _tar(*members: tuple[str, Any], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return buffer.getvalue()


_SYM, _HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


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
        with pytest.raises(FetchError, match="archive: cannot unpack: "):
            self._unpack(tmp_path, content)
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["archive", "box"]

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
    def test_good_archives(self, tmp_path: Path, mode: str) -> None:
        files = {"a.txt": b"a", "b/c/d.bin": _BODY, "b/e": b""}
        content = _zip(files) if mode == "zip" else _tar(*files.items(), mode=mode)
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
        inner = _zip({"x": b"x"}, zipfile.ZIP_STORED)
        assert zipfile.is_zipfile(io.BytesIO(_tar(("inner.zip", inner))))
        _, into = self._unpack(tmp_path, _tar(("inner.zip", inner)))
        assert (into / "inner.zip").read_bytes() == inner

    @pytest.mark.parametrize(
        "name",
        ["../evil", "/evil", "a/../../evil", "a/..", "..", "C:/evil", "a\\..\\evil", "\\evil"],
    )
    def test_names_that_lead_outside(self, tmp_path: Path, name: str) -> None:
        expected = "does not lie inside"
        self._refused(tmp_path, _zip({"ok": b"", name: b"x"}), expected)
        (tmp_path / "tar").mkdir()
        self._refused(tmp_path / "tar", _tar(("ok", b""), (name, b"x")), expected)

    @pytest.mark.parametrize("kind", [_SYM, _HARD])
    @pytest.mark.parametrize(
        "to", ["/etc/passwd", "../../outside", "..", "none", ".", "", "dir/../.."]
    )
    def test_links_that_lead_outside(self, tmp_path: Path, kind: bytes, to: str) -> None:
        content = _tar(("dir/a", b"a"), ("link", (kind, to)))
        self._refused(tmp_path, content, "no file of the archive")

    @pytest.mark.parametrize("to", ["/etc/passwd", "../../outside", "none"])
    def test_links_in_a_zip_that_lead_outside(self, tmp_path: Path, to: str) -> None:
        self._refused(tmp_path, _zip_link("link", to), "no file of the archive")

    def test_links_inside(self, tmp_path: Path) -> None:
        content = _tar(
            ("sub/soft", (_SYM, "../real/a")), ("hard", (_HARD, "real/a")), ("real/a", b"a")
        )
        count, into = self._unpack(tmp_path, content)
        assert count == 3
        assert (into / "sub/soft").read_bytes() == (into / "hard").read_bytes() == b"a"
        (tmp_path / "zip").mkdir()
        _, into = self._unpack(tmp_path / "zip", _zip_link("l/ink", "../real/a"))
        assert (into / "l" / "ink").read_bytes() == b"a"

    def test_nothing_is_written_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "box" / "victim").mkdir(parents=True)
        content = _tar(("x", (_SYM, "../victim")), ("x/evil", b"x"))
        with pytest.raises(FetchError):
            self._unpack(tmp_path, content)
        assert list((tmp_path / "box").iterdir()) == [tmp_path / "box" / "victim"]
        assert list((tmp_path / "box" / "victim").iterdir()) == []

    def test_links_through_links(self, tmp_path: Path) -> None:
        content = _tar(("d/a", b"a"), ("one", (_SYM, "d")), ("two", (_SYM, "one/a")))
        self._refused(tmp_path, content, "'two' leads to 'one/a'")

    @pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
    def test_devices(self, tmp_path: Path, kind: bytes) -> None:
        self._refused(tmp_path, _tar(("dev", (kind, ""))), "only files are unpacked")

    def test_devices_in_a_zip(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            info = zipfile.ZipInfo("dev")
            info.external_attr = 0o020666 << 16
            archive.writestr(info, b"")
        self._refused(tmp_path, buffer.getvalue(), "only files are unpacked")

    def test_a_name_that_comes_twice(self, tmp_path: Path) -> None:
        self._refused(tmp_path, _tar(("a", b"1"), ("./a", b"2")), "comes twice")

    def test_a_file_where_a_directory_is(self, tmp_path: Path) -> None:
        self._broken(tmp_path, _tar(("a", b"1"), ("a/b", b"2")))

    def test_too_many_files(self, tmp_path: Path) -> None:
        content = _zip({str(i): b"" for i in range(11)})
        self._refused(tmp_path, content, "more than 10 files", max_files=10)

    def test_too_many_bytes(self, tmp_path: Path) -> None:
        content = _tar(*((str(i), bytes(1000)) for i in range(11)), mode="w:gz")
        self._refused(tmp_path, content, "grows to more than 10000 bytes", max_bytes=10_000)

    @pytest.mark.parametrize("mode", ["zip", "w:gz"])
    def test_bombs(self, tmp_path: Path, mode: str) -> None:
        files = {f"{i}": bytes(1 << 20) for i in range(3)}
        content = _zip(files) if mode == "zip" else _tar(*files.items(), mode=mode)
        assert len(content) < 15_000
        limits = {"ratio_from": 2 << 20}
        self._refused(tmp_path, content, "grows to more than 200 times its size", **limits)
        (tmp_path / "again").mkdir()
        assert self._unpack(tmp_path / "again", content)[0] == 3  # too small to be a danger

    def test_sizes_are_counted_as_they_are_written(self, tmp_path: Path) -> None:
        honest = _zip({"a": bytes(100_000)})
        lying = honest.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
        assert lying != honest
        self._broken(tmp_path, lying)  # the checksum is that of the first ten bytes

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
    @pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.8])
    def test_truncated(self, tmp_path: Path, mode: str, keep: float) -> None:
        files = {"a": _BODY[:5000], "b": _BODY[5000:50_000], "c": _BODY[50_000:60_000]}
        content = _zip(files) if mode == "zip" else _tar(*files.items(), mode=mode)
        self._broken(tmp_path, content[: int(len(content) * keep)])

    @pytest.mark.parametrize("blocks", [1, 11, 12, 13])
    def test_a_tar_that_is_cut_between_members(self, tmp_path: Path, blocks: int) -> None:
        content = _tar(("a", _BODY[:5000]), ("b", b"b"))  # 1 + 10, then 1 + 1 blocks
        self._broken(tmp_path, content[: blocks * 512])

    def test_flipped_bytes(self, tmp_path: Path) -> None:
        content = bytearray(_zip({"a": _BODY}, zipfile.ZIP_STORED))
        content[1000] ^= 1
        self._broken(tmp_path, bytes(content))

    def test_encrypted(self, tmp_path: Path) -> None:
        content = bytearray(_zip({"a": b"aaaa"}))
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
        self._broken(tmp_path, bytes(content))

    def test_no_archive(self, tmp_path: Path) -> None:
        self._broken(tmp_path, b"<html>not found</html>")

    @pytest.mark.parametrize("mode", ["zip", "w", "w:gz"])
    def test_mutated_archives_never_reach_outside(self, tmp_path: Path, mode: str) -> None:
        files = {"a": b"a" * 300, "b/c": _BODY[:2000], "link": b"b/c"}
        content = _zip(files) if mode == "zip" else _tar(*files.items(), mode=mode)
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
        assert outcomes == {"good", "refused"} or mode == "w:gz"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "box"]

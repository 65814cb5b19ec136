"""Finding and opening images."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from tests.pictures import noise
from vlreward.data.errors import DataError
from vlreward.data.images import (
    FORMATS,
    ImageFolder,
    image_sha256,
    image_size,
    open_image,
    resolve_image,
)


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


class TestResolve:
    def test_under_the_root(self, tmp_path: Path) -> None:
        file = _touch(tmp_path / "train2014" / "a.jpg")
        assert resolve_image("train2014/a.jpg", tmp_path) == file
        assert resolve_image("./train2014//a.jpg", str(tmp_path)) == file
        assert resolve_image(str(file), tmp_path) == file

    def test_directories_that_the_root_ends_in_count_once(self, tmp_path: Path) -> None:
        file = _touch(tmp_path / "data" / "Geo170K" / "images" / "test" / "0.png")
        name = "./Geo170K/images/test/0.png"
        for root in (
            tmp_path / "data",
            tmp_path / "data" / "Geo170K",
            tmp_path / "data" / "Geo170K" / "images",
            tmp_path / "data" / "Geo170K" / "images" / "test",
        ):
            assert resolve_image(name, root) == file, root

    def test_a_file_of_the_same_base_name_is_another_image(self, tmp_path: Path) -> None:
        _touch(tmp_path / "images" / "train" / "0.png")
        _touch(tmp_path / "0.png")
        for root in (tmp_path, tmp_path / "images", tmp_path / "images" / "train"):
            assert not resolve_image("images/test/0.png", root).exists()

    @pytest.mark.parametrize(
        "name", ["../a.jpg", "x/../../a.jpg", "/etc/hostname", "..", "a/../.."]
    )
    def test_names_stay_inside_the_root(self, tmp_path: Path, name: str) -> None:
        _touch(tmp_path / "a.jpg")
        with pytest.raises(DataError, match="lies outside the image root"):
            resolve_image(name, tmp_path / "root")

    def test_dots_that_stay_inside(self, tmp_path: Path) -> None:
        file = _touch(tmp_path / "a.jpg")
        assert resolve_image("x/../a.jpg", tmp_path) == file
        assert resolve_image("..a.jpg", tmp_path) == tmp_path / "..a.jpg"

    @pytest.mark.parametrize("name", ["", " ", "a\0b"])
    def test_names_that_are_none(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(DataError, match="expected the name of an image"):
            resolve_image(name, tmp_path)

    def test_flat(self, tmp_path: Path) -> None:
        file = _touch(tmp_path / "a.jpg")
        assert ImageFolder(tmp_path, flat=True).source("train2014/x/a.jpg") == file

    def test_absolute_names_may_lie_anywhere_if_asked_for(self, tmp_path: Path) -> None:
        file = _touch(tmp_path / "a.jpg")
        assert ImageFolder(tmp_path / "root", anywhere=True).source(str(file)) == file
        with pytest.raises(DataError, match="lies outside the image root"):
            ImageFolder(tmp_path / "root").source(str(file))
        with pytest.raises(DataError, match="lies outside the image root"):
            ImageFolder(tmp_path / "root", anywhere=True).source("../a.jpg")


class TestOpen:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_orientation_is_applied_once(
        self, tmp_path: Path, orientation: int, suffix: str
    ) -> None:
        image = Image.new("RGB", (30, 20), "black")
        image.paste("white", (0, 0, 10, 10))
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"a.{suffix}"
        image.save(path, exif=exif)
        opened = open_image(path)
        turned = ImageOps.exif_transpose(Image.open(path))
        assert opened.mode == "RGB"
        assert opened.tobytes() == turned.tobytes()
        assert opened.size == image_size(path) == ((30, 20) if orientation < 5 else (20, 30))
        assert open_image(path.read_bytes()).tobytes() == opened.tobytes()

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "I;16"])
    def test_every_mode_becomes_rgb(self, mode: str) -> None:
        buffer = io.BytesIO()
        Image.new(mode, (4, 3)).save(buffer, "TIFF" if mode == "CMYK" else "PNG")
        opened = open_image(buffer.getvalue())
        assert (opened.mode, opened.size) == ("RGB", (4, 3))

    def test_of_sixteen_bits_the_upper_ones_are_seen(self, tmp_path: Path) -> None:
        """All from 255 of 65,535 on was white."""
        levels = np.array([[0, 255, 256, 30_000, 65_535]], dtype=np.uint16)
        path = tmp_path / "a.png"
        Image.fromarray(levels).save(path)
        assert np.asarray(open_image(path))[0, :, 0].tolist() == [0, 0, 1, 117, 255]

    @pytest.mark.parametrize("kind", [np.float32, np.int32])
    def test_levels_without_an_end_are_refused(self, tmp_path: Path, kind: Any) -> None:
        Image.fromarray(np.full((2, 3), 1, dtype=kind)).save(tmp_path / "a.tiff")
        with pytest.raises(DataError, match=r"a\.tiff: .*expected 8 or 16 bits a pixel, got 32"):
            open_image(tmp_path / "a.tiff")

    def test_broken_images_name_the_file_and_the_sample(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        noise((64, 64), 50).save(path)
        whole = path.read_bytes()
        for content in (b"", b"GIF89a", b"no image", whole[: len(whole) // 2]):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"a\.jpg: cannot read the image of 'x/3': "):
                open_image(path, where="x/3")

    def test_flipped_bytes_never_escape_as_another_error(self) -> None:
        buffer = io.BytesIO()
        noise((16, 16), 50).save(buffer, "PNG")
        whole = buffer.getvalue()
        for place in range(0, len(whole), 7):
            broken = bytearray(whole)
            broken[place] ^= 0xFF
            try:
                open_image(bytes(broken))
            except DataError:
                continue

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="a: the image of 'x/3' does not exist"):
            open_image(tmp_path / "a", where="x/3")

    def test_too_large_is_refused_before_decoding(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.new("1", (2000, 1000)).save(path)
        with pytest.raises(DataError, match=r"2000 x 1000 is more than 1000000 pixels"):
            open_image(path, max_pixels=1_000_000)

    def test_decompression_bombs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.png"
        Image.new("1", (2000, 1000)).save(path)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
        with pytest.raises(DataError, match="too large to decode safely"):
            open_image(path)
        with pytest.raises(DataError, match="too large to decode safely"):
            image_size(path)

    @pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "JPEG2000"])
    def test_other_formats_are_refused_by_what_the_file_holds(
        self, tmp_path: Path, kind: str
    ) -> None:
        path = tmp_path / "a.png"
        Image.new("RGB", (16, 16)).save(path, kind)
        with pytest.raises(DataError, match="expected PNG, JPEG, WEBP, GIF, BMP or TIFF, got"):
            open_image(path)
        with pytest.raises(DataError, match="expected PNG, JPEG"):
            image_size(path.read_bytes())

    @pytest.mark.parametrize("kind", FORMATS)
    def test_formats_that_are_opened(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "a.image"
        Image.new("RGB", (5, 7)).save(path, kind)
        assert open_image(path).size == image_size(path) == (5, 7)

    def test_no_image_starts_a_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pillow hands EPS to Ghostscript, whatever the file is called."""
        for name in ("gs", "gswin32c", "gswin64c"):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        path = tmp_path / "a.png"
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
        with pytest.raises(DataError, match="got another format"):
            open_image(path)
        assert not (tmp_path / "started").exists()

    @pytest.mark.parametrize("error", [RuntimeError, IndexError, OverflowError, AssertionError])
    def test_whatever_a_decoder_raises_names_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        path = tmp_path / "a.png"
        Image.new("RGB", (5, 5)).save(path)

        def broken(*_: object) -> None:
            raise error("decoder gave up")

        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", broken)
        with pytest.raises(DataError, match=r"a\.png: cannot read the image: decoder gave up"):
            open_image(path)

    def test_hash(self, tmp_path: Path) -> None:
        content = bytes(range(256)) * 10_000
        (tmp_path / "a").write_bytes(content)
        expected = hashlib.sha256(content).hexdigest()
        assert image_sha256(tmp_path / "a") == image_sha256(content) == expected

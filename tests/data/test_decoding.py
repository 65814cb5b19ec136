"""Images are looked at before they are needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import counting_rows, noise
from vlreward.data import DataError, MissingImagesError
from vlreward.data.decoding import decode_images
from vlreward.resizing import Resizing

RESIZING = Resizing(28, 56 * 56, 401_408)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for n in range(3):
        noise((80, 60), 60).convert("RGB").save(tmp_path / f"good{n}.jpg")
    whole = (tmp_path / "good0.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    Image.new("RGB", (900, 4)).save(tmp_path / "thin.png")
    return tmp_path


def test_good_images_are_counted_once(images: Path) -> None:
    data = counting_rows(images, ["good0.jpg", "good1.jpg", "good0.jpg"])
    assert decode_images(data, RESIZING) == 2
    assert decode_images(data, RESIZING, "headers", threads=1) == 2
    assert decode_images(data, RESIZING, "none") == 0


def test_every_bad_image_is_named_with_file_and_row(images: Path) -> None:
    data = counting_rows(
        images, ["good0.jpg", "truncated.jpg", "text.png", "good1.jpg", "thin.png"]
    )
    with pytest.raises(DataError) as caught:
        decode_images(data, RESIZING)
    text = str(caught.value)
    assert text.startswith(f"{images / 'x.jsonl'}: expected readable images, got 3 bad among 5")
    assert [problem.row for problem in caught.value.problems] == [2, 3, 5]
    assert "row 5: expected an aspect ratio of at most 200" in text


def test_headers_find_what_is_no_image_but_no_truncated_one(images: Path) -> None:
    data = counting_rows(images, ["truncated.jpg", "text.png"])
    with pytest.raises(DataError) as caught:
        decode_images(data, RESIZING, "headers")
    assert [problem.row for problem in caught.value.problems] == [2]


def test_a_sample_is_decoded(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlreward.data.decoding.SAMPLE_SIZE", 2)
    data = counting_rows(images, [f"good{n}.jpg" for n in range(3)])
    assert decode_images(data, RESIZING, "sample") == 2


def test_a_missing_image_is_an_error_when_the_rows_are_loaded(images: Path) -> None:
    with pytest.raises(MissingImagesError, match=r"row 2: no image .*gone\.jpg"):
        counting_rows(images, ["good0.jpg", "gone.jpg"])
    assert len(counting_rows(images, ["good0.jpg", "gone.jpg"], on_missing="skip")) == 1


def test_a_terminal_sees_progress(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = counting_rows(images, [f"good{n}.jpg" for n in range(3)])
    assert decode_images(data, RESIZING) == 3
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert decode_images(data, RESIZING) == 3
    assert "checking images" in capsys.readouterr().err


def test_an_unknown_mode_is_an_error(images: Path) -> None:
    with pytest.raises(ValueError, match="expected mode"):
        decode_images(counting_rows(images, ["good0.jpg"]), RESIZING, "some")

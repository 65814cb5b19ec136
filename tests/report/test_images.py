"""Images in the page: the size limit, what is said about the rest, and what never gets in."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.pictures import noise
from vlreward.report.images import Found, ImageStore, Shown
from vlreward.report.images import embed_images as embed


def _noise(path: Path, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise(size, 90).convert(mode).save(path)
    return path


def embed_images(
    names: list[str], locate: Callable[[str], Path | None], out: Path, limit: float
) -> ImageStore:
    return embed([Found(name, locate(name)) for name in names], out, limit)


def _shown(store: ImageStore) -> dict[str, Shown]:
    return {found.name: shown for found, shown in store.shown.items()}


def _decoded(shown: Shown) -> Image.Image:
    assert shown.uri is not None
    return Image.open(io.BytesIO(base64.b64decode(shown.uri.partition(",")[2])))


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return [_noise(tmp_path / "images" / f"{i} é%.jpg").name for i in range(6)]


def test_all_fit(tmp_path: Path, names: list[str]) -> None:
    store = embed_images(names, lambda n: tmp_path / "images" / n, tmp_path / "page.html", 1)
    assert store.embedded == 6
    assert store.notes == []
    assert sum(len(shown.uri or "") for shown in store.shown.values()) == store.embedded_bytes


def test_beyond_the_limit_images_are_linked_and_it_is_said(
    tmp_path: Path, names: list[str]
) -> None:
    whole = embed_images(names, lambda n: tmp_path / "images" / n, tmp_path / "p.html", 1)
    limit = whole.embedded_bytes / 2
    store = embed_images(
        names, lambda n: tmp_path / "images" / n, tmp_path / "out" / "p.html", limit / 1e6
    )
    assert 0 < store.embedded < 6
    assert store.embedded_bytes <= limit
    assert _shown(store)[names[0]].uri is not None, "the most wanted image comes first"
    assert _shown(store)[names[5]].href == "./../images/5%20%C3%A9%25.jpg"
    assert f"{store.embedded} of 6 images are embedded (limit" in store.notes[0]
    assert f"{6 - store.embedded} are loaded from their files" in store.notes[0]


def test_nothing_is_embedded_at_limit_zero(tmp_path: Path, names: list[str]) -> None:
    store = embed_images(names, lambda n: tmp_path / "images" / n, tmp_path / "p.html", 0)
    assert store.embedded == store.embedded_bytes == 0
    assert all(shown.href for shown in store.shown.values())


def test_large_images_get_smaller_before_any_is_left_out(tmp_path: Path) -> None:
    paths = {f"{i}.jpg": _noise(tmp_path / f"{i}.jpg", (900, 600)) for i in range(2)}
    sides = {}
    for limit in (9.0, 0.24, 0.12):
        store = embed_images(list(paths), lambda n: paths[n], tmp_path / "p.html", limit)
        sides[limit] = max(_decoded(_shown(store)["0.jpg"]).size)
        assert store.embedded_bytes <= limit * 1e6
        assert _shown(store)["0.jpg"].size == (900, 600)
    assert sides[9.0] == 640
    assert sides[0.12] == 320
    assert sides[9.0] >= sides[0.24] >= sides[0.12]


def test_missing_and_broken_images_are_listed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    cut = _noise(tmp_path / "cut.jpg", (300, 300))
    cut.write_bytes(cut.read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("no image")
    names = ["broken.png", "cut.jpg", "text.jpg", *(f"gone-{i}.jpg" for i in range(12))]

    def locate(name: str) -> Path | None:
        path = tmp_path / name
        return path if path.exists() else None

    store = embed_images(names, locate, tmp_path / "p.html", 1)
    missing, unreadable = store.notes
    assert missing.startswith("image not found: 12 (gone-0.jpg, ")
    assert "gone-9.jpg and 2 more); give the right --image-root" in missing
    assert unreadable.startswith("image cannot be read: 3 (broken.png (")
    assert _shown(store)["gone-3.jpg"].why == "image file not found: gone-3.jpg"
    assert "cannot be read" in (_shown(store)["cut.jpg"].why or "")


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 9_000)).save(path)
    found = Found("large.png", path)
    why = embed([found], tmp_path / "p.html", 1).shown[found].why or ""
    assert why.endswith("large.png: 10000 x 9000 is more than 89478485 pixels")


def test_exif_turns_the_image_and_then_stays_outside(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a secret place"
    path = tmp_path / "turned.jpg"
    noise((60, 30), 90).convert("RGB").save(path, exif=exif)
    shown = embed_images(["t"], lambda _: path, tmp_path / "p.html", 1).shown[Found("t", path)]
    image = _decoded(shown)
    assert shown.size == image.size == (30, 60)
    assert not image.getexif()
    assert b"secret" not in base64.b64decode((shown.uri or "").partition(",")[2])


def test_transparency_is_white_and_drawings_stay_sharp(tmp_path: Path) -> None:
    path = tmp_path / "drawing.png"
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.putpixel((5, 5), (255, 0, 0, 255))
    image.save(path)
    shown = embed_images(["d"], lambda _: path, tmp_path / "p.html", 1).shown[Found("d", path)]
    assert (shown.uri or "").startswith("data:image/png")
    assert _decoded(shown).getpixel((0, 0)) == (255, 255, 255)
    assert _decoded(shown).getpixel((5, 5)) == (255, 0, 0)

"""Images for the page: downscaled data URIs up to a size limit, relative links beyond it."""

from __future__ import annotations

import base64
import io
import os
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ImageStore", "Shown", "embed_images"]

_SIDES = (640, 448, 320)
_PROBES = 12
_QUALITY = 80
_FEW_COLOURS = 64
_LISTED = 10
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Shown:
    """How the page shows one image."""

    uri: str | None = None
    """Data URI, if embedded."""
    href: str | None = None
    """URL relative to the page, if it is not embedded."""
    why: str | None = None
    """Why it is not shown, if it is neither."""
    size: tuple[int, int] | None = None
    """(width, height) of the original after EXIF orientation, if it was read."""


@dataclass(slots=True)
class ImageStore:
    """All images of a page by the name that the samples give, and what to say about them."""

    shown: dict[str, Shown] = field(default_factory=dict)
    """Each image by name."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know."""
    embedded: int = 0
    """Number of images embedded."""
    embedded_bytes: int = 0
    """Characters of all data URIs together."""


def embed_images(
    names: Sequence[str], locate: Callable[[str], Path | None], out: Path, max_embed_mb: float
) -> ImageStore:
    """Embed images in the given order until the limit is reached; link or leave out the rest.

    The longest side is 640 pixels, or 448 or 320 if not all images would fit otherwise. Nothing
    of the original file but its pixels gets into the page.

    Args:
        names: Images as the samples name them, most wanted first, without duplicates.
        locate: The file of a name, None if there is none.
        out: The page, for relative links.
        max_embed_mb: Limit of all data URIs together, in millions of bytes.
    """
    store = ImageStore()
    found = [(name, path) for name in names if (path := locate(name)) is not None]
    missing = [name for name in names if locate(name) is None]
    for name in missing:
        store.shown[name] = Shown(why=f"image file not found: {name}")
    _list(store.notes, missing, "image not found", "give the right --image-root")
    limit = int(max_embed_mb * 1e6)
    side = _side_that_fits([path for _, path in found], limit)
    unreadable: list[str] = []
    beyond: list[str] = []
    for name, path in found:
        if store.embedded_bytes >= limit:
            store.shown[name] = _link(path, out)
            beyond.append(name)
            continue
        try:
            uri, size = _encode(path, side)
        except (OSError, ValueError) as error:
            store.shown[name] = Shown(why=f"image cannot be read: {name}: {error}")
            unreadable.append(f"{name} ({error})")
            continue
        if store.embedded_bytes + len(uri) > limit:
            store.shown[name] = _link(path, out, size)
            beyond.append(name)
            continue
        store.embedded_bytes += len(uri)
        store.embedded += 1
        store.shown[name] = Shown(uri=uri, size=size)
    _list(store.notes, unreadable, "image cannot be read", "check the files")
    if beyond:
        linked = sum(store.shown[name].href is not None for name in beyond)
        store.notes.append(
            f"{store.embedded} of {len(names)} images are embedded (limit {max_embed_mb:g} MB, "
            f"--max-embed-mb); {linked} are loaded from their files by relative path, so they show "
            f"only while the page stays beside them; {len(beyond) - linked} are left out"
        )
    return store


def _list(notes: list[str], names: list[str], what: str, remedy: str) -> None:
    if names:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        listed = ", ".join(names[:_LISTED])
        notes.append(f"{what}: {len(names)} ({listed}{more}); {remedy}")


def _link(path: Path, out: Path, size: tuple[int, int] | None = None) -> Shown:
    try:
        relative = os.path.relpath(path.resolve(), out.resolve().parent)
    except ValueError:  # another drive on Windows
        return Shown(why=f"left out: beyond the size limit, and on another drive: {path.name}")
    url = quote(relative.replace(os.sep, "/").encode("utf-8", "surrogatepass"))
    return Shown(href=f"./{url}", size=size)


def _side_that_fits(paths: list[Path], limit: int) -> int:
    """The largest side at which all images should fit, from a few of them."""
    step = max(1, len(paths) // _PROBES)
    probes = paths[::step][:_PROBES]
    for side in _SIDES[:-1]:
        lengths = []
        for path in probes:
            try:
                lengths.append(len(_encode(path, side)[0]))
            except (OSError, ValueError):
                continue  # reported when its turn comes
        if not lengths or sum(lengths) / len(lengths) * len(paths) <= limit * 0.95:
            return side
    return _SIDES[-1]


def _encode(path: Path, side: int) -> tuple[str, tuple[int, int]]:
    """Data URI of the downscaled image, and the (width, height) of the original.

    Raises:
        OSError: If the file cannot be read or is no image.
        ValueError: If it is damaged or has over 89 megapixels.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # Pillow warns before it refuses: an image of over 89 megapixels is refused at once.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as opened:
                size = opened.size
                if opened.getexif().get(_ORIENTATION, 1) >= 5:  # turned by 90 degrees
                    size = (size[1], size[0])
                opened.draft("RGB", (side, side))
                image = _flat(ImageOps.exif_transpose(opened))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(str(error)) from error
        except (SyntaxError, EOFError, struct.error) as error:  # from damaged files
            raise ValueError(f"damaged: {error}") from error
    if image.size[0] > side or image.size[1] > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if image.getcolors(_FEW_COLOURS) is not None:  # a drawing: smaller and sharper as PNG
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        kind = "jpeg"
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind};base64,{text}", size


def _flat(image: Image.Image) -> Image.Image:
    """RGB, with transparency over white."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return image.convert("RGB")

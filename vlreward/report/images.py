"""Images for the page: downscaled data URIs up to a size limit, relative links beyond it."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vlreward.data.errors import DataError
from vlreward.data.images import in_eight_bits, opened_image, upright_size

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Found", "ImageStore", "Shown", "embed_images"]

_SIDES = (640, 448, 320)
_PROBES = 12
_QUALITY = 80
_FEW_COLOURS = 64
_LISTED = 10
_MAX_PIXELS = 89_478_485  # a page of thumbnails is not worth the memory of more


@dataclass(frozen=True, slots=True)
class Found:
    """An image that samples name, and where it is."""

    name: str
    """Name, as the samples give it."""
    source: Path | bytes | None
    """Its file, or its bytes where it is no file of its own; None if there is none."""
    outside: bool = False
    """Whether the name lies outside the directories of the images."""
    expected: bool = True
    """Whether the run or an option says where the image should be."""


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

    shown: dict[Found, Shown] = field(default_factory=dict)
    """How each image is shown."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know."""
    remarks: list[str] = field(default_factory=list)
    """What may be of use; nothing is wrong."""
    embedded: int = 0
    """Number of images embedded."""
    embedded_bytes: int = 0
    """Characters of all data URIs together."""


def embed_images(
    wanted: Sequence[Found],
    out: Path,
    max_embed_mb: float,
    show: Callable[[Found], Shown] | None = None,
) -> ImageStore:
    """Embed images in the given order until the limit is reached; link or leave out the rest.

    The longest side is 640 pixels, or 448 or 320 if not all images would fit otherwise. Nothing
    of the original file but its pixels gets into the page.

    Args:
        wanted: Images, most wanted first, without duplicates.
        out: The page, for relative links.
        max_embed_mb: Limit of all data URIs together, in millions of bytes.
        show: How each image that is there is shown, in place of all this.
    """
    store = ImageStore()
    there = {image: image.source for image in wanted if image.source is not None}
    missing = [image for image in wanted if image.source is None]
    for image in missing:
        why = "lies outside the image root" if image.outside else "file not found"
        store.shown[image] = Shown(why=f"image {why}: {image.name}")
    outside = [image.name for image in missing if image.expected and image.outside]
    gone = [image.name for image in missing if image.expected and not image.outside]
    unshipped = sum(not image.expected for image in missing)
    _list(store.notes, gone, "image not found", "give the right --image-root")
    if unshipped:
        store.remarks.append(
            f"The samples name {unshipped:,} images that did not come with them: what lies in an "
            "image is drawn to scale. With --image-root DIR, vlreward report shows the images."
        )
    remedy = "give an --image-root that holds them, or --absolute-images for absolute names"
    _list(store.notes, outside, "image outside the image root", remedy)
    if show is not None:
        store.shown |= {image: show(image) for image in there}
        return store
    limit = int(max_embed_mb * 1e6)
    side = _side_that_fits(list(there.values()), limit)
    unreadable: list[str] = []
    beyond: list[Found] = []
    for image, source in there.items():
        if store.embedded_bytes >= limit:
            store.shown[image] = _link(image.name, source, out)
            beyond.append(image)
            continue
        try:
            uri, size = _encode(source, side)
        except DataError as error:
            why = _without_path(error)
            store.shown[image] = Shown(why=f"image cannot be read: {image.name}: {why}")
            unreadable.append(f"{image.name} ({why})")
            continue
        if store.embedded_bytes + len(uri) > limit:
            store.shown[image] = _link(image.name, source, out, size)
            beyond.append(image)
            continue
        store.embedded_bytes += len(uri)
        store.embedded += 1
        store.shown[image] = Shown(uri=uri, size=size)
    _list(store.notes, unreadable, "image cannot be read", "check the files")
    if beyond:
        linked = sum(store.shown[image].href is not None for image in beyond)
        store.notes.append(
            f"{store.embedded} of {len(wanted)} images are embedded (limit {max_embed_mb:g} MB, "
            f"--max-embed-mb); {linked} are loaded from their files by relative path, so they show "
            f"only while the page stays beside them; {len(beyond) - linked} are left out"
        )
    return store


def _list(notes: list[str], names: list[str], what: str, remedy: str) -> None:
    if names:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        listed = ", ".join(names[:_LISTED])
        notes.append(f"{what}: {len(names)} ({listed}{more}); {remedy}")


def _without_path(error: DataError) -> str:
    """What was wrong, without directories of this machine."""
    return str(error).removeprefix(f"{error.path}: ").removeprefix("cannot read the image: ")


def _link(name: str, source: Path | bytes, out: Path, size: tuple[int, int] | None = None) -> Shown:
    if isinstance(source, bytes):
        return Shown(why=f"left out: beyond the size limit, and no file of its own: {name}")
    try:
        relative = os.path.relpath(source.resolve(), out.resolve().parent)
    except ValueError:  # another drive on Windows
        return Shown(why=f"left out: beyond the size limit, and on another drive: {source.name}")
    url = quote(relative.replace(os.sep, "/").encode("utf-8", "surrogatepass"))
    return Shown(href=f"./{url}", size=size)


def _side_that_fits(sources: list[Path | bytes], limit: int) -> int:
    """The largest side at which all images should fit, from a few of them."""
    step = max(1, len(sources) // _PROBES)
    probes = sources[::step][:_PROBES]
    for side in _SIDES[:-1]:
        lengths = []
        for source in probes:
            try:
                lengths.append(len(_encode(source, side)[0]))
            except DataError:
                continue  # reported when its turn comes
        if not lengths or sum(lengths) / len(lengths) * len(sources) <= limit * 0.95:
            return side
    return _SIDES[-1]


def _encode(source: Path | bytes, side: int) -> tuple[str, tuple[int, int]]:
    """Data URI of the downscaled image, and the (width, height) of the original.

    Raises:
        DataError: If the file cannot be read, is no image, is damaged or has over 89 megapixels.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it is refused below
        with opened_image(source, max_pixels=_MAX_PIXELS) as opened:
            size = upright_size(opened)
            opened.draft("RGB", (side, side))
            image = _flat(ImageOps.exif_transpose(opened))
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
    return in_eight_bits(image).convert("RGB")

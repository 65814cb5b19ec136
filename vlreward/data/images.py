"""Images of a data set: where they are, how large they are, and opening them.

Pillow is imported when an image is opened, not before. `open_image` and `image_size` apply the
EXIF orientation, so their sizes agree and match what a viewer shows. Only the formats of
`FORMATS` are opened: Pillow knows others that start programs (EPS calls Ghostscript).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from vlreward.data.errors import DataError
from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "ImageFolder",
    "ImageSource",
    "image_sha256",
    "image_size",
    "in_eight_bits",
    "open_image",
    "opened_image",
    "resolve_image",
    "upright_size",
]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""The image formats that are opened, by what a file holds, whatever its name ends in."""

MAX_PIXELS = 178_956_970
"""Largest image that is decoded, in pixels: twice 1 GiB / 4 / 3, where Pillow raises too."""

_ORIENTATION = 0x0112
_TRANSPOSED = (5, 6, 7, 8)


class ImageSource(Protocol):
    """Gives the images that the samples of a data set name."""

    def source(self, name: str) -> Path | bytes:
        """Where an encoded image is: its file, whether or not that exists, or its bytes.

        Raises DataError if there can be no such image.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Images as files under one directory; see `resolve_image` for how names are resolved."""

    root: Path
    """The directory."""
    flat: bool = False
    """Whether all images lie directly in the directory, under their base names."""
    anywhere: bool = False
    """Whether an absolute name may lie outside the directory."""

    def source(self, name: str) -> Path:
        """The file of an image, whether or not it exists.

        Raises:
            DataError: If the name is empty, has a NUL, or leaves the root.
        """
        if self.anywhere and os.path.isabs(name) and "\0" not in name:
            return Path(name)
        base = name.replace("\\", "/").rpartition("/")[2]
        return resolve_image(base if self.flat else name, self.root)


def resolve_image(name: str, root: str | os.PathLike[str]) -> Path:
    """The file that an image name means under an image root.

    `root/name` if that exists. Data sets also name images with directories that the root already
    ends in, such as `train2014/COCO_1.jpg` with the root `coco/train2014`: directories at the
    start of the name that repeat the end of the root are counted once. Nothing else is tried; in
    particular a file of the same base name in another directory is another image.

    The name stays inside the root: an absolute name must point into it, and `..` must not leave
    it. Links inside the root are followed wherever they lead.

    Args:
        name: Name as the data set gives it, with `/` between directories.

    Returns:
        The file; where nothing exists, the place `root/name` where it was expected.

    Raises:
        DataError: If the name is empty, has a NUL, or leaves the root.
    """
    root = Path(root)
    if not name.strip() or "\0" in name:
        raise DataError(f"expected the name of an image, got {name!r}")
    if os.path.isabs(name):
        inside = os.path.relpath(os.path.normpath(name), os.path.abspath(root))
    else:
        inside = os.path.normpath(name)
    if inside == ".." or inside.startswith(".." + os.sep):
        raise DataError(
            f"the image {name!r} lies outside the image root {str(root)!r}: give an image root "
            "that holds all images"
        )
    expected = root / inside
    if expected.is_file():
        return expected
    if "\\" in name and os.sep == "/":  # written on Windows
        return resolve_image(name.replace("\\", "/"), root)
    parts = PurePosixPath(inside).parts
    above = Path(os.path.abspath(root)).parts
    for length in range(min(len(parts) - 1, len(above) - 1), 0, -1):
        if parts[:length] == above[-length:]:
            shorter = root.joinpath(*parts[length:])
            if shorter.is_file():
                return shorter
    return expected


def image_size(source: Path | bytes, *, where: str = "") -> Size:
    """(width, height) in pixels after EXIF orientation, without decoding the pixels.

    Raises:
        DataError: If it is no image that can be opened; names the file and `where`.
    """
    with opened_image(source, where=where, max_pixels=None) as image:
        return upright_size(image)


def upright_size(image: Image) -> Size:
    """(width, height) in pixels of an opened image after EXIF orientation."""
    size = Size(*image.size)
    turned = image.getexif().get(_ORIENTATION) in _TRANSPOSED
    return Size(size.height, size.width) if turned else size


def open_image(source: Path | bytes, *, where: str = "", max_pixels: int = MAX_PIXELS) -> Image:
    """Decode an image to RGB, turned upright by its EXIF orientation.

    Transparency is dropped, as the image processors of transformers drop it; of 16 bits the upper
    eight are kept, which they would take for white.

    Args:
        source: File, or its bytes.
        where: What the image belongs to, for errors, e.g. the id of a sample.
        max_pixels: Larger images are refused before they are decoded.

    Raises:
        DataError: If the image is missing, unreadable, truncated or too large.
    """
    from PIL import ImageOps

    with opened_image(source, where=where, max_pixels=max_pixels) as image:
        ImageOps.exif_transpose(image, in_place=True)  # each copy costs as much as decoding
        whole = image.mode == "RGB" and "transparency" not in image.info
        image.load()
        return image if whole else in_eight_bits(image).convert("RGB")


def in_eight_bits(image: Image) -> Image:
    """An image whose levels go from 0 to 255; Pillow cuts others off there.

    Raises:
        ValueError: If it is not said how far its levels go.
    """
    from PIL import Image as PILImage

    if image.mode.startswith("I;16"):
        import numpy as np

        return PILImage.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            f"expected 8 or 16 bits a pixel, got 32 (Pillow's mode {image.mode}): save it so"
        )
    return image


def image_sha256(source: Path | bytes) -> str:
    """Hex digest of the bytes of the encoded image."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def opened_image(
    source: Path | bytes, *, where: str = "", max_pixels: int | None = MAX_PIXELS
) -> Iterator[Image]:
    """An image that Pillow has opened and not yet decoded, of one of `FORMATS`.

    Whatever decoding raises inside the block becomes a DataError: Pillow's decoders promise no
    kind of exception for damaged files.

    Args:
        max_pixels: Larger images are refused; None where none is decoded.

    Raises:
        DataError: If the image is missing, of another format, unreadable or too large.
    """
    from PIL import Image, UnidentifiedImageError

    path = None if isinstance(source, bytes) else source
    of = f" of {where!r}" if where else ""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file, formats=FORMATS) as image:
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise ValueError(f"{image.width} x {image.height} is more than {max_pixels} pixels")
            yield image
    except FileNotFoundError:
        raise DataError(f"the image{of} does not exist", path=path) from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"the image{of} is too large to decode safely: {error}", path=path
        ) from None
    except UnidentifiedImageError:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise DataError(
            f"cannot read the image{of}: expected {known}, got another format or a damaged file",
            path=path,
        ) from None
    except DataError:
        raise
    except Exception as error:  # a RuntimeError, an IndexError ...: it depends on the decoder
        raise DataError(f"cannot read the image{of}: {error}", path=path) from error

"""Images as every engine opens them: upright, RGB, and identified by their bytes."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageProblem", "image_sha256", "open_rgb", "png_bytes", "resized"]


class ImageProblem(ValueError):
    """An image that cannot be shown to a model: missing, damaged, too large, too thin."""


def open_rgb(path: Path) -> Image:
    """Open an image with its EXIF orientation applied, as RGB.

    Boxes refer to the upright image; `PIL.Image.open` alone does not turn it. Transparent parts
    become white, as in the Qwen-VL utilities and in browsers.

    Raises:
        ImageProblem: If the file is missing or is no readable image.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                image = ImageOps.exif_transpose(opened)
    except FileNotFoundError:
        raise ImageProblem(f"no image at {str(path)!r}; check the image root") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageProblem(f"the image {str(path)!r} is too large: {error}") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ImageProblem(f"expected a readable image at {str(path)!r}: {error}") from None
    if image.mode == "RGB":
        return image
    if "A" in image.getbands() or "transparency" in image.info:
        upper = image.convert("RGBA")
        white = Image.new("RGBA", upper.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, upper).convert("RGB")
    return image.convert("RGB")


def resized(image: Image, size: Size) -> Image:
    """The image at (width, height) in pixels, by bicubic interpolation as the Qwen-VL processors.

    The image itself is returned if it has that size already.
    """
    from PIL import Image as PILImage

    if image.size == tuple(size):
        return image
    return image.resize((size.width, size.height), PILImage.Resampling.BICUBIC)


def png_bytes(image: Image) -> bytes:
    """The image as PNG: lossless, at the fastest compression that still compresses."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def image_sha256(path: Path) -> str:
    """SHA-256 of an image file in hexadecimal, remembered while size and time stay the same.

    Raises:
        ImageProblem: If the file cannot be read.
    """
    try:
        stat = os.stat(path)
        return _sha256(str(path), stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError:
        raise ImageProblem(f"no image at {str(path)!r}; check the image root") from None
    except OSError as error:
        raise ImageProblem(f"expected a readable image at {str(path)!r}: {error}") from None


@lru_cache(maxsize=65536)
def _sha256(path: str, _size: int, _mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

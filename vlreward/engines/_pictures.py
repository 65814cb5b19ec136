"""Images as data URLs: the file's own bytes where the frame stays known, else resized, lossless.

A family that does not resize, or an image that its processor only rounds to its factor, needs no
pixel touched here: the server opens the file as it is and comes to the size that the frame is
computed with, by the same rule. Where a limit of pixels binds, server and client might know
different ones; then the image is resized here to a fixed point of that rule, which the server
leaves alone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlreward.data.errors import DataError
from vlreward.data.images import open_image, opened_image, upright_size
from vlreward.engines.values import GenerationError, Request
from vlreward.geometry import Size
from vlreward.resizing import Resizing

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Picture", "Pictures", "encode"]

_KEPT = 256 << 20
"""Bytes of encoded images that are kept for the next request with the same image."""
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xae\x42\x60\x82"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, ready to be put into a request."""

    kind: str
    """Media type, e.g. `image/png`."""
    base64: bytes
    """The encoded image in base64."""
    image_size: Size
    """(width, height) in pixels of the original image, upright."""
    input_size: Size | None
    """(width, height) in pixels at which the model sees it, None if the family does not resize."""


def encode(
    source: Path | bytes, resizing: Resizing | None, *, always: bool = False, compress: bool = True
) -> Picture:
    """An image as it is sent.

    Args:
        source: The image's file, or its bytes.
        resizing: How the server resizes; None if it does not.
        always: Resize here even what the server would resize alike.
        compress: Make the lossless form small rather than quick.

    Raises:
        DataError: If the image cannot be opened.
        ValueError: If no processor takes its shape.
    """
    if not always:
        with contextlib.suppress(DataError, OSError):  # what is wrong with it is said below
            found = _as_it_is(source, resizing)
            if found is not None:
                return found
    image = open_image(source)
    size = Size(*image.size)
    if resizing is not None:
        image = resizing.apply(image)
    seen = None if resizing is None else Size(*image.size)
    return Picture("image/png", base64.b64encode(_png(image, compress)), size, seen)


def _as_it_is(source: Path | bytes, resizing: Resizing | None) -> Picture | None:
    """The file's own bytes, if every server reads the same from them; None if it might not.

    Servers differ in whether they turn images upright and in what they put behind transparent
    ones; a file that is cut short is told here and not by the server.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    with opened_image(content) as image:
        kind, size = str(image.format), upright_size(image)
        plain = (
            kind in _ENDS
            and _ENDS[kind] in content[-64:]
            and image.mode in ("RGB", "L")
            and "transparency" not in image.info
            and getattr(image, "n_frames", 1) == 1
            and not (kind == "PNG" and content[24] > 8)  # bits of a channel
            and image.getexif().get(0x0112, 1) == 1
        )
    rounded = None if resizing is None else resizing.rounded(size)
    if not plain or (resizing is not None and rounded is None):
        return None
    return Picture(f"image/{kind.lower()}", base64.b64encode(content), size, rounded)


def _png(image: Image, compress: bool) -> bytes | memoryview:
    """The image as lossless PNG; Pillow's own encoder takes three to twenty times as long.

    What is not compressed lies in memory of this thread that the next image takes over: pages
    that the system must clear first cost as much as all else here.
    """
    import numpy as np

    width, height = image.size
    pixels = np.asarray(image).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = _SIGNATURE + _chunk(b"IHDR", header)
    row = 1 + 3 * width
    if compress or row > _BLOCK:  # differences to the pixel on the left, by their frequency alone
        rows = np.empty((height, row), np.uint8)
        rows[:, 0] = 1
        rows[:, 1:4] = pixels[:, :3]
        np.subtract(pixels[:, 3:], pixels[:, :-3], out=rows[:, 4:])
        packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
        return start + _chunk(b"IDAT", packer.compress(rows.data) + packer.flush()) + _END
    each = _BLOCK // row  # rows of a stored block, which has a head of five bytes
    blocks = -(-height // each)
    size = 2 + 5 * blocks + row * height + 4
    whole = len(start) + 8 + size + 4 + len(_END)
    if len(getattr(_scratch, "memory", b"")) < whole:
        _scratch.memory = bytearray(whole)
    memory = memoryview(_scratch.memory)[:whole]
    at = len(start) + 8
    memory[:at] = start + struct.pack(">I", size) + b"IDAT"
    memory[at : at + 2] = b"\x78\x01"
    checksum, end = 1, at + 2
    for block in range(blocks):
        part = pixels[block * each : (block + 1) * each]
        length = len(part) * row
        last = block == blocks - 1
        memory[end : end + 5] = struct.pack("<BHH", last, length, length ^ 0xFFFF)
        raw = memory[end + 5 : end + 5 + length]
        rows = np.frombuffer(raw, np.uint8).reshape(-1, row)
        rows[:, 0] = 0
        rows[:, 1:] = part
        checksum = zlib.adler32(raw, checksum)
        end += 5 + length
    memory[end : end + 4] = struct.pack(">I", checksum)
    memory[end + 4 : end + 8] = struct.pack(">I", zlib.crc32(memory[at - 4 : end + 4]))
    memory[end + 8 :] = _END
    return memory


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(name))
    return b"".join((struct.pack(">I", len(body)), name, body, struct.pack(">I", checksum)))


_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = _chunk(b"IEND", b"")
_BLOCK = 65_535
"""Most bytes of a stored block of deflate."""
_scratch = threading.local()


class Pictures:
    """Encodes each image once for all requests that show it, as long as memory allows.

    Args:
        pool: Encodes, as `encode` is told by the rest.
    """

    def __init__(
        self, pool: Executor, resizing: Resizing | None, *, always: bool, compress: bool
    ) -> None:
        self._pool, self._resizing = pool, resizing
        self._always, self._compress = always, compress
        self._kept: OrderedDict[Hashable, Future[Picture]] = OrderedDict()
        self._bytes = 0
        self.encoded = 0
        """Number of images that were encoded."""

    async def get(self, request: Request, source: Path | bytes) -> Picture | GenerationError:
        """An image of a request, or why it cannot be sent."""
        key = source if request.images else request.image_sha256 or source
        future = self._kept.get(key)
        fresh = future is None or future.cancelled()
        if future is None or fresh:
            self.encoded += 1
            future = self._pool.submit(
                encode, source, self._resizing, always=self._always, compress=self._compress
            )
            self._kept[key] = future
        self._kept.move_to_end(key)
        try:
            picture = future.result() if future.done() else await asyncio.wrap_future(future)
        except ValueError as error:
            self._kept.pop(key, None)
            return GenerationError("image", f"{error} (sample {request.meta.get('id', '')!r})")
        if fresh:
            self._count(picture)
        return picture

    def _count(self, picture: Picture) -> None:
        """Forget what was not asked for the longest, where there is too much."""
        self._bytes += len(picture.base64)
        while self._bytes > _KEPT and len(self._kept) > 1:
            key, oldest = next(iter(self._kept.items()))
            if not oldest.done():
                return
            del self._kept[key]
            if not oldest.cancelled() and oldest.exception() is None:
                self._bytes -= len(oldest.result().base64)

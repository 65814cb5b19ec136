"""Pictures for tests: other ones within a test, the same at each of its runs."""

from __future__ import annotations

import os
import zlib
from collections import Counter

import numpy as np
from PIL import Image

_made: Counter[str] = Counter()


def noise(size: tuple[int, int], sigma: float = 90) -> Image.Image:
    """Grey noise, as `Image.effect_noise`, which has no seed: sizes of files hung on luck."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    _made[test] += 1
    dice = np.random.default_rng(zlib.crc32(f"{test} {_made[test]}".encode()))
    pixels = dice.normal(128, sigma, (size[1], size[0])).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels)

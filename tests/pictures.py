"""Pictures for tests: other ones within a test, the same at each of its runs; and rows of them."""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlreward.data import Dataset, load

_made: Counter[str] = Counter()


def noise(size: tuple[int, int], sigma: float = 90) -> Image.Image:
    """Grey noise, as `Image.effect_noise`, which has no seed: sizes of files hung on luck."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    _made[test] += 1
    dice = np.random.default_rng(zlib.crc32(f"{test} {_made[test]}".encode()))
    pixels = dice.normal(128, sigma, (size[1], size[0])).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def counting_rows(root: Path, names: list[str], **options: Any) -> Dataset:
    """A row of counting for each picture of a directory, read as `load` is told."""
    rows = [{"image_path": name, "question": "?", "ground_truth": 1} for name in names]
    path = root / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load(path, image_root=root, **options)

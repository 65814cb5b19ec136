"""What runs of `vlreward-bench` are asked, and what they wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

__all__ = ["results", "write_rows"]


def results(out: Path) -> dict[str, dict[str, Any]]:
    """The suites of a run directory, by name."""
    found: dict[str, dict[str, Any]] = json.loads((out / "results.json").read_text())["results"]
    return found


def write_rows(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as a list, and the image `i.png` that they name beside them."""
    Image.new("RGB", (8, 8)).save(file.with_name("i.png"))
    file.write_text(json.dumps(rows))
    return file

"""Whether a directory holds another run, which must not be lost unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlreward.bench.run_files import samples_file
from vlreward.errors import OptionError

__all__ = ["occupy"]

_TOLD_APART_BY = ("suite", "file_sha256", "model", "rescored_from")


def occupy(out: Path, entries: Sequence[Mapping[str, Any]], overwrite: bool) -> None:
    """Make room for a run, unless it would replace another.

    A run may replace itself, and its own suite under other rules or with more samples: what was
    scored is the same. Any other is removed if that is asked for.

    Args:
        out: Directory of the run; need not exist.
        entries: What the run is about: suite, hash of the completions, model.
        overwrite: Remove the files of another run.

    Raises:
        OptionError: If `out` holds another run and is not to be overwritten.
    """
    results = out / "results.json"
    try:
        content = results.read_bytes()
    except FileNotFoundError:
        return
    try:
        found: dict[str, Any] = json.loads(content)["results"]
        before = {name: _identity(entry) for name, entry in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found, before = {}, {"results.json": (None,)}
    mine = {_identity(entry) for entry in entries}
    others = [name for name, identity in before.items() if identity not in mine]
    if not others:
        return
    if not overwrite:
        raise OptionError(
            f"{str(out)!r} holds another run ({', '.join(others[:5])}): write to another directory "
            "by --out, or replace it by --overwrite"
        )
    for name in found:
        (out / samples_file(name)).unlink(missing_ok=True)


def _identity(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(key) for key in _TOLD_APART_BY)

"""Where the files are that trainers load by path."""

from __future__ import annotations

from pathlib import Path

from vlreward.registry import unknown_name

__all__ = ["PLUGINS", "plugin_path"]

# ms-swift puts the directory of a plug-in first on sys.path, for itself and for the processes that
# it spawns. Hence a directory of their own, and names that hide no other module.
_FOLDER = Path(__file__).resolve().parent / "plugins"

PLUGINS = ("easyr1", "swift", "openrlhf")
"""Trainers that load a reward from a file."""


def plugin_path(trainer: str) -> Path:
    """The absolute path of the file for a trainer.

    Args:
        trainer: One of `PLUGINS`.

    Raises:
        UnknownNameError: If it is none of them; lists them.

    Example:
        >>> plugin_path("swift").name
        'vlreward_swift.py'
    """
    if trainer not in PLUGINS:
        raise unknown_name("trainer with a plug-in file", trainer, PLUGINS)
    return _FOLDER / f"vlreward_{trainer}.py"

"""Where public data sets are downloaded from. The addresses stand with the tasks that use them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal

from vlreward.registry import Registry

__all__ = ["SOURCES", "PlanItem", "Source", "fetch_plan", "on_hub"]

_HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One thing to download."""

    url: str
    """Address of a file, or of a data set repository of the Hugging Face hub; `{hub}` in it stands
    for the hub or its mirror."""
    to: str
    """Where it goes, below the destination: a file, or a directory if it is an archive or a
    repository."""
    kind: Literal["file", "archive", "repository"]
    """An archive is unpacked; of a repository every file is downloaded."""
    about: str
    """What it is."""
    size: int | None = None
    """Bytes to download; None if unknown before the server is asked."""
    sha256: str | None = None
    """Hex digest that the file must have; None if unknown before the server is asked."""
    unpack: tuple[str, ...] = ()
    """Of a repository: archives in it that are unpacked where they lie."""


def on_hub(repository: str, to: str, about: str, *unpack: str) -> PlanItem:
    """A data set repository of the Hugging Face hub, `OWNER/NAME`; see `PlanItem`."""
    return PlanItem(f"{{hub}}/datasets/{repository}", to, "repository", about, unpack=unpack)


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that can be fetched."""

    items: tuple[PlanItem, ...]
    """Where its publishers keep it."""
    archive: str | None = None
    """Address of the archive that PaddleMIX made of it, if there is one."""


SOURCES: Registry[Source] = Registry("data set", group="vlreward.sources")
"""Data sets that can be fetched, by name."""


def fetch_plan(name: str, source: Literal["paddlemix", "hf"] = "hf") -> tuple[PlanItem, ...]:
    """What `fetch` downloads, without asking any server.

    The environment variable HF_ENDPOINT names a mirror of the Hugging Face hub, as it does for
    Hugging Face's own tools.

    Args:
        source: `hf` for the original data sets, `paddlemix` for PaddleMIX's archive of them.

    Raises:
        UnknownNameError: If there is no data set of that name; lists the known ones.
        ValueError: If the source is unknown, or PaddleMIX has no archive of the data set.
    """
    found = SOURCES.get(name)
    if source == "paddlemix":
        if found.archive is None:
            raise ValueError(f"PaddleMIX has no archive of {name!r}; use source 'hf'")
        about = f"PaddleMIX's archive of images and annotations for {name}"
        return (PlanItem(found.archive, name, "archive", about),)
    if source != "hf":
        raise ValueError(f"expected source 'hf' or 'paddlemix', got {source!r}")
    hub = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    return tuple(replace(item, url=item.url.replace("{hub}", hub)) for item in found.items)

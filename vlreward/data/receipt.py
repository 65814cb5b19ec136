"""What a destination holds and how far each download has come: all that a fetch remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlreward._text import first_problem
from vlreward.data.errors import FetchError
from vlreward.files import replacing

__all__ = ["RECEIPT", "Fetched", "Receipt"]

RECEIPT = "fetch-receipt.json"
"""Name of the file in the destination that lists what was fetched, with the digests found."""


class Fetched(BaseModel):
    """One file or archive, and how far it has come."""

    model_config = ConfigDict(frozen=True)

    to: str
    """Where it goes, below the destination."""
    url: str
    """Where it is from."""
    state: Literal["downloading", "staged", "done"] = "downloading"
    """`staged` means downloaded and checked, `done` put in place as well."""
    installing: bool = False
    """Whether it is being put in place, so that what stands there may be its own."""
    validator: str | None = None
    """Entity tag or date of the version that is being downloaded."""
    total: int | None = None
    """Bytes of the whole, as the server says."""
    sha256: str | None = None
    """Hex digest: the one expected while it is downloading, the one found afterwards."""
    bytes: int = 0
    """Bytes downloaded, once it is staged."""
    checked: bool = False
    """Whether the digest was known beforehand. If not, only the length was checked."""
    files: int = 0
    """Number of files in place: 1, or those of the archive."""
    fresh: bool = Field(True, exclude=True)
    """False if it was in place before."""


class _Content(BaseModel):
    vlreward_fetch: Literal[1, 2]
    items: dict[str, Fetched]


class Receipt:
    """The receipt of one destination, written whole at every step.

    Raises:
        FetchError: If the file is damaged.
    """

    def __init__(self, dest: Path) -> None:
        self._path = dest / RECEIPT
        try:
            content = _Content.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            content = _Content(vlreward_fetch=2, items={})
        except ValidationError as error:
            raise FetchError(
                f"expected the receipt of a fetch ({first_problem(error)}): move it away to fetch "
                "again",
                path=self._path,
            ) from None
        self._items = content.items
        if content.vlreward_fetch == 1:  # which listed nothing but what was done
            for entry in content.items.values():
                self._items[entry.to] = entry.model_copy(update={"state": "done"})
        for torn in dest.glob(f".{RECEIPT}.*.partial"):
            torn.unlink()

    def entry(self, to: str, url: str) -> Fetched:
        """What is known about a thing from this address; a new entry if nothing is."""
        found = self._items.get(to)
        return found if found is not None and found.url == url else Fetched(to=to, url=url)

    def write(self, entry: Fetched, **changes: Any) -> Fetched:
        """Put down what is known now: the entry with these changes, which is returned."""
        self._items[entry.to] = entry = entry.model_copy(update=changes)
        content = _Content(vlreward_fetch=2, items=self._items)
        with replacing(self._path) as file:
            file.write(content.model_dump_json(indent=1, exclude_none=True) + "\n")
        return entry

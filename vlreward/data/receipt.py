"""What is complete in a destination, so that it is not fetched again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlreward.data.errors import FetchError

__all__ = ["RECEIPT", "Fetched", "Receipt", "flat"]

RECEIPT = "fetch-receipt.json"
"""Name of the file in the destination that lists what was fetched, with the digests found."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One thing that is complete in the destination."""

    to: str
    """Where it is, below the destination."""
    url: str
    """Where it is from."""
    bytes: int
    """Bytes downloaded."""
    sha256: str
    """Hex digest of the file or archive that was downloaded."""
    checked: bool
    """Whether the digest was known beforehand. If not, only the length was checked."""
    files: int
    """Number of files: 1, or those of the archive."""
    fresh: bool = True
    """False if it was there already."""


class Receipt:
    """The receipt of one destination.

    What is complete is in the receipt. What is about to be put in place is marked before, so that
    a run that was killed between the two does not find its own files in the way.
    """

    def __init__(self, dest: Path, staging: Path) -> None:
        self._path, self._staging = dest / RECEIPT, staging

    def before(self, to: str, url: str) -> Fetched | None:
        """What was fetched before from an address to a place, if it is still there.

        Raises:
            FetchError: If the receipt is damaged.
        """
        record = self._records().get(to)
        if record is None or record.get("url") != url or not (self._path.parent / to).exists():
            return None
        return Fetched(**{**record, "fresh": False})

    def add(self, result: Fetched) -> None:
        """Write down that something is complete."""
        record = asdict(result)
        del record["fresh"]
        content = {"vlreward_fetch": 1, "items": {**self._records(), result.to: record}}
        part = self._staging / "receipt.part"
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self._path)
        self._mark(result.to).unlink(missing_ok=True)

    def begin(self, to: str) -> None:
        """Mark that something is about to be put in place."""
        self._mark(to).touch()

    def began(self, to: str) -> bool:
        """Whether a run was killed while it put something in place."""
        return self._mark(to).exists()

    def _mark(self, to: str) -> Path:
        return self._staging / f"{flat(to)}.installing"

    def _records(self) -> dict[str, Any]:
        try:
            records = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(records["items"])
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise FetchError(
                f"expected the receipt of a fetch ({error}): move it away to fetch again",
                path=self._path,
            ) from None


def flat(to: str) -> str:
    """A place as one file name."""
    return to.strip("/").replace("%", "%25").replace("/", "%2F")

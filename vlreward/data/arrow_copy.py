"""A copy of rows in Arrow's own format, mapped into memory: any row at once, none held."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vlreward.data.urls import image_cache
from vlreward.files import replacing

__all__ = ["ArrowCopy", "copy_path"]


def copy_path(files: Sequence[Path], column: str) -> Path:
    """Where the copy of a column of some files is kept, of all columns for "".

    It lies in `vlreward/parquet` in the user's cache, under a name that changes with the files.
    """
    states = [(str(f.resolve()), s.st_size, s.st_mtime_ns) for f in files for s in [f.stat()]]
    key = hashlib.sha256(repr((states, column)).encode()).hexdigest()[:40]
    return image_cache().with_name("parquet") / f"{key}.arrow"


class ArrowCopy:
    """Rows in any order from a file of Arrow batches."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        self._starts = [0]
        for place in range(self._file.num_record_batches):
            self._starts.append(self._starts[-1] + self._file.get_batch(place).num_rows)

    @classmethod
    def write(cls, path: Path, schema: Any, batches: Iterable[Any]) -> ArrowCopy:
        """Write batches of a schema, unless the file is there already.

        Raises:
            OSError: If it cannot be written.
        """
        import pyarrow as pa

        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, "wb", sync=False) as file, pa.ipc.new_file(file, schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
        return cls(path)

    def record(self, index: int) -> dict[str, Any]:
        """A row, counted from 0."""
        place = bisect_right(self._starts, index) - 1
        batch = self._file.get_batch(place)
        return dict(batch.slice(index - self._starts[place], 1).to_pylist()[0])

"""The one way in which a file is written whole: aside, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Literal, overload

__all__ = ["replacing"]


@overload
def replacing(
    path: str | Path, mode: Literal["w"] = "w", *, sync: bool = True
) -> AbstractContextManager[IO[str]]: ...


@overload
def replacing(
    path: str | Path, mode: Literal["wb"], *, sync: bool = True
) -> AbstractContextManager[IO[bytes]]: ...


@contextmanager
def replacing(
    path: str | Path, mode: Literal["w", "wb"] = "w", *, sync: bool = True
) -> Iterator[IO[Any]]:
    """A file that takes the place of `path` when the block ends, or leaves no trace if it raises.

    Whoever reads `path` sees the old content or the new, never a part; so does the next run after
    a kill or on a full disk. Only a kill may leave the part behind, as a hidden file that ends in
    `.partial`. A symbolic link stays and what it leads to is replaced, as by `open`.

    Args:
        path: The file; its directory must exist.
        mode: `w` for UTF-8 text with `\\n` as it is, `wb` for bytes.
        sync: Wait until the disk has it, so that a power cut cannot empty it either. Say False for
            many small files that the next run can tell to be torn.

    Raises:
        OSError: If it cannot be written, or something that is no file is there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        code = errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(code, "expected a file or nothing to replace", str(path))
    # The name is cut so that the longest names that a disk takes can be written too.
    partial = target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.partial")
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": ""}
    try:
        with partial.open("xb" if mode == "wb" else "x", **text) as file:  # type: ignore[call-overload]
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

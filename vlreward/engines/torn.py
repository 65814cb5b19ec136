"""Files of a checkpoint that a power cut, a full disk or a broken download has cut short."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vlreward.engines.values import NoModelError

__all__ = ["check_whole", "torn_file"]

_MODEL = ("*.safetensors", "*_model*.bin", "*.json", "*.jinja")
_JSON = re.compile(r"(.*config|.*token.*|vocab|chat_template|.*\.index|trainer_state)\.json")
"""What libraries read of it; others lie there for people, as logs of a line each."""
_UNREAD = ("training_args.bin", "hf", "adapter")
"""Files and directories of checkpoints that nobody reads when a run goes on."""
_PADDLE = (".pdparams", ".pdopt", ".pdstates")
_PICKLED = (".pt", ".pth", ".bin", *_PADDLE)
_LARGEST_READ = 2**26


def check_whole(directory: str | Path) -> None:
    """Look at the files that are needed to load a model, as `torn_file` does.

    Args:
        directory: Where they lie; what is no directory is not looked at.

    Raises:
        NoModelError: If one is torn; says which, what is wrong with it, and what to do.
    """
    found = {path for pattern in _MODEL for path in Path(directory).glob(pattern)}
    flaw = _first(path for path in sorted(found) if path.name != "trainer_state.json")
    if flaw is not None:
        raise NoModelError(
            f"expected a whole model in {str(directory)!r}, got a torn file, {flaw}: download or "
            "save it again, or take an older checkpoint"
        )


def torn_file(directory: str | Path) -> str | None:
    """What is wrong with the first file of a checkpoint that is not whole; None if all are.

    Lengths are compared with what each format says of them, without reading weights: the header of
    safetensors, the directory at the end of torch's archives, the end of a pickle, and the metadata
    of a model that processes saved in pieces (FSDP). No code of a pickle is run.

    Args:
        directory: Directory of a checkpoint of either backend, in whatever layout.
    """
    root = Path(directory)
    return _first(p for p in sorted(root.rglob("*")) if _is_read(p.relative_to(root).parts))


def _is_read(parts: tuple[str, ...]) -> bool:
    """Hidden directories are those of downloads and editors."""
    hidden = any(part.startswith(".") for part in parts[:-1])
    return not hidden and parts[0] not in _UNREAD and parts[-1] not in _UNREAD


def _first(paths: Iterable[Path]) -> str | None:
    for path in paths:
        try:
            flaw = _flaw(path) if path.is_file() else None
        except OSError as error:
            flaw = f"cannot be read: {error}"
        if flaw is not None:
            return f"{path}: {flaw}"
    return None


def _flaw(path: Path) -> str | None:
    look = _pieces if path.name == ".metadata" else _LOOKS.get(path.suffix)
    if look is None or (look is _json and not _JSON.fullmatch(path.name)):
        return None
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
    if not size and look is not _piece:  # a process may have had nothing to write
        return "is empty"
    return f"begins with zeros ({size:,} bytes)" if size and not any(start) else look(path, size)


def _safetensors(path: Path, size: int) -> str | None:
    """8 bytes with the header's length, the header, and the tensors at the places that it names."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 + length:
            return f"expected {8 + length:,} bytes at least, got {size:,}"
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            ends = [entry["data_offsets"][1] for entry in header.values()]
        except (ValueError, LookupError, TypeError, AttributeError):
            return f"expected a header in JSON, got something else ({size:,} bytes)"
    return _length(8 + length + max(ends, default=0), size)


def _json(path: Path, size: int) -> str | None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        return f"expected JSON, got {size:,} bytes: {error}"
    one = path.parent / "model.safetensors"  # is taken in place of pieces
    if path.match("model*.safetensors.index.json") and not one.is_file():
        names = content.get("weight_map") if isinstance(content, dict) else None
        if not isinstance(names, dict):
            return "expected the key weight_map with the files of the weights"
        for name in sorted(set(map(str, names.values()))):
            if not (path.parent / name).is_file():
                return f"names {name}, which is not there"
    return None


def _pickled(path: Path, size: int) -> str | None:
    """An archive of torch's, or a pickle; what ends in .bin may be anything."""
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            return None
        file.seek(0)
        start = file.read(2)
        if start[:1] != pickle.PROTO:
            return None if path.suffix == ".bin" and start != b"PK"[: len(start)] else _cut(size)
        file.seek(0)
        if size > _LARGEST_READ:
            file.seek(-1, 2)
            whole = file.read() == pickle.STOP or path.suffix not in _PADDLE  # torch's old ones
            return None if whole else _cut(size)
        try:
            _Blind(file).load()
        except Exception:  # whatever torn opcodes lead to
            return _cut(size)
    return None


def _cut(size: int) -> str:
    return f"its content does not end in its {size:,} bytes"


def _piece(path: Path, size: int) -> str | None:
    """The metadata are written last."""
    there = (path.parent / ".metadata").is_file()
    return None if there else "is a piece of a model without .metadata, which is written last"


def _pieces(path: Path, size: int) -> str | None:
    try:
        with path.open("rb") as file:
            places = vars(_Blind(file).load())["storage_data"].values()
        ends: dict[str, int] = defaultdict(int)
        for place in map(vars, places):
            name = str(place["relative_path"])
            ends[name] = max(ends[name], place["offset"] + place["length"])
    except Exception:  # whatever torn opcodes lead to
        return _cut(size)
    for name, end in sorted(ends.items()):
        piece = path.parent / name
        if not piece.is_file():
            return f"names {name}, which is not there"
        if (flaw := _length(end, piece.stat().st_size)) is not None:
            return f"{name}: {flaw}"
    return None


def _length(expected: int, size: int) -> str | None:
    return None if size == expected else f"expected {expected:,} bytes, got {size:,}"


_LOOKS: dict[str, Callable[[Path, int], str | None]] = {
    ".safetensors": _safetensors,
    ".json": _json,
    ".jinja": lambda path, size: None,
    ".distcp": _piece,
    **dict.fromkeys(_PICKLED, _pickled),
}


class _Blind(pickle.Unpickler):
    """Reads a pickle to its end and builds nothing of it but containers and bags of attributes."""

    def find_class(self, module: str, name: str) -> Any:
        return _Bag

    def persistent_load(self, pid: Any) -> Any:
        return None


class _Bag(dict[Any, Any]):
    """Takes whatever a pickle does to an object."""

    def __init__(self, *args: Any) -> None:
        super().__init__()

    def __call__(self, *args: Any) -> _Bag:
        return _Bag()

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                vars(self).update(part)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def append(self, value: Any) -> None:
        """For what is a list there."""

    def extend(self, values: Any) -> None:
        """For what is a list there."""

    def add(self, value: Any) -> None:
        """For what is a set there."""

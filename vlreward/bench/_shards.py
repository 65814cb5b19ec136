"""The run file of a suite that several processes may write: one file each, joined at the end."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlreward.bench import _answer_lines
from vlreward.bench.run_store import RunStore, read_run
from vlreward.engines.base import Engine, Generation

__all__ = ["Shards"]


class Shards:
    """This process's view of a run: what is recorded, and where to record more.

    Process 0 writes the run file itself, process n writes `<file>.rank<n>`. Process 0 takes over
    the others' files at the end, and those that a crash left behind at the start, whatever the
    number of processes was then.

    Args:
        engine: Says which process this is, and lets the processes wait for each other. The rest
            is as for `RunStore`.
    """

    def __init__(
        self,
        path: Path,
        engine: Engine,
        identity: Mapping[str, Any],
        about: Mapping[str, Any],
        overwrite: bool = False,
    ) -> None:
        self._path, self._engine, self._identity = path, engine, identity
        self._known: dict[str, Generation] = {}
        if engine.rank == 0:
            self._store = RunStore(path, identity=identity, about=about, overwrite=overwrite)
            try:
                self._take_over(overwrite)
            except BaseException:
                self._store.close()
                raise
            engine.gather(None)
        else:
            engine.gather(None)
            self._known = read_run(path)[1]
            own = path.with_name(f"{path.name}.rank{engine.rank}")
            self._store = RunStore(own, identity=identity, about=about, overwrite=overwrite)

    def __len__(self) -> int:
        return len(self._known) + len(self._store)

    def get(self, key: str | None) -> Generation | None:
        """The recorded answer under `key`, None if there is none."""
        if key is None:
            return None
        return self._known.get(key) or self._store.get(key)

    def append(self, key: str, generation: Generation, *, sample_id: str | None) -> None:
        """Record an answer, see `RunStore.append`."""
        self._store.append(key, generation, sample_id=sample_id)

    def exchange(self, value: Any) -> list[Any]:
        """`value` of every process; afterwards `get` knows what all of them recorded.

        Waits until all processes are here, and joins their files.
        """
        if self._engine.rank:
            self._store.close()
        values = self._engine.gather(value)
        if self._engine.rank == 0:
            self._take_over()
        self._engine.gather(None)
        if self._engine.rank:
            self._known = read_run(self._path)[1]
        return values

    def close(self) -> None:
        """Sync and release this process's file."""
        self._store.close()

    def _take_over(self, overwrite: bool = False) -> None:
        for shard in sorted(self._path.parent.glob(f"{glob.escape(self._path.name)}.rank*")):
            if not shard.name.rpartition(".rank")[2].isdigit():
                continue
            header, generations = read_run(shard)
            if overwrite and header.get("identity") != dict(self._identity):
                os.unlink(shard)
                continue
            if header:
                _answer_lines.check_identity(header.get("identity"), dict(self._identity), shard)
            ids = _answer_lines.sample_ids(shard.read_bytes())
            for key, generation in generations.items():
                if key not in self._store:
                    self._store.append(key, generation, sample_id=ids.get(key))
            self._store.sync()
            os.unlink(shard)

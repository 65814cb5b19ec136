from __future__ import annotations

from pathlib import Path

import pytest

from vlreward.engines.torn import torn_file

torch = pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("files", [1, 4])
def test_pieces_that_torch_writes_are_whole(tmp_path: Path, files: int) -> None:
    """One of four has nothing to hold, as a process of many may have, and is empty."""
    from torch.distributed.checkpoint import FileSystemWriter, save

    folder = tmp_path / "pytorch_model_fsdp_0"
    state = {"model": {"a": torch.zeros(5, 3), "b": torch.ones(7)}, "step": 3}
    save(state, storage_writer=FileSystemWriter(folder, thread_count=files))
    pieces = sorted(folder.glob("*.distcp"))
    assert len(pieces) == files
    assert (pieces[-1].stat().st_size == 0) == (files == 4)
    assert torn_file(tmp_path) is None
    pieces[0].write_bytes(pieces[0].read_bytes()[:-1])
    assert "expected" in str(torn_file(tmp_path))

"""Writing weights: a run that dies while it writes leaves the model that was there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from vlreward_paddle.modeling import weights
from vlreward_paddle.modeling.weights import read_weights, write_weights


def numbers(value: float, count: int = 4) -> Iterator[tuple[str, np.ndarray]]:
    for i in range(count):
        yield f"w{i}", np.full(256, value, dtype=np.float32)


@pytest.mark.parametrize("size", [1 << 30, 2048])
def test_an_interrupted_write_leaves_the_old_model(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files were deleted first."""
    monkeypatch.setattr(weights, "MAX_SHARD", size)
    write_weights(numbers(1), tmp_path)

    def dying() -> Iterator[tuple[str, np.ndarray]]:
        yield from numbers(2, 3)
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        write_weights(dying(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_files_of_an_earlier_size_do_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MAX_SHARD", 2048)
    write_weights(numbers(1), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == names - {"model.safetensors.index.json"}
    assert len(names) == 3
    monkeypatch.setattr(weights, "MAX_SHARD", 1024)
    write_weights(numbers(2), tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    monkeypatch.setattr(weights, "MAX_SHARD", 1 << 30)
    write_weights(numbers(3), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert all((read_weights(tmp_path)(f"w{i}") == 3).all() for i in range(4))

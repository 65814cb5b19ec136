"""Files that a power cut has cut short, emptied or filled with zeros."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import PACKAGED
from vlreward.engines.adapters import base_of
from vlreward.engines.torn import check_whole, torn_file
from vlreward.engines.values import EngineError, NoModelError


@dataclass(frozen=True)
class _Place:
    """As torch.distributed.checkpoint notes the place of a tensor."""

    relative_path: str
    offset: int
    length: int


@dataclass
class _Metadata:
    storage_data: dict[Any, _Place]


class _Code:
    def __reduce__(self) -> Any:
        return pytest.fail, ("code of a pickle was run",)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"." * 400)
        file.writestr("archive/data/0", b"w" * 4000)


def _safetensors(path: Path) -> None:
    path.write_bytes((PACKAGED / "half/model.safetensors").read_bytes())


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state": [_Place("a", 0, 1)], "last": list(range(300))}))


def _pieces(path: Path) -> None:
    """A model in two pieces, as FSDP saves it."""
    places = {
        _Place(name, n, 0): _Place(name, n, 40) for name in ("__0_0", "__1_0") for n in (0, 60)
    }
    (path.parent / ".metadata").write_bytes(pickle.dumps(_Metadata(places)))
    for name in ("__0_0", "__1_0"):
        (path.parent / name).write_bytes(b"w" * 100)


_WRITERS: dict[str, Callable[[Path], object]] = {
    "model.safetensors": _safetensors,
    "optimizer.pt": _archive,
    "rng_state_0.pth": _archive,
    "global_step2/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt": _archive,
    "model_state.pdparams": _pickle,
    "optimizer.pdopt": _pickle,
    "trainer_state.bin": _pickle,
    "trainer_state.json": lambda path: path.write_text(json.dumps({"global_step": 2})),
    "optimizer.safetensors.index.json": lambda path: path.write_text('{"weight_map": {"a": "b"}}'),
}


@pytest.mark.parametrize("name", _WRITERS)
def test_a_file_cut_short_is_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    _WRITERS[name](path)
    whole = path.read_bytes()
    assert torn_file(tmp_path) is None
    for left in (0, 1, 5, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:left])
        found = torn_file(tmp_path)
        assert found is not None, left
        assert found.startswith(f"{path}: ")
        assert left == 0 or f"{left:,}" in found
    path.write_bytes(bytes(len(whole)))
    assert "begins with zeros" in str(torn_file(tmp_path))


def test_how_many_bytes_there_should_be_is_said(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    _safetensors(path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert str(torn_file(tmp_path)).endswith(f"expected {size:,} bytes, got {size - 1:,}")
    path.write_bytes(b"\x04" + bytes(7) + b"none" + bytes(9))
    assert "expected a header in JSON" in str(torn_file(tmp_path))


def test_pieces_are_as_long_as_their_metadata_say(tmp_path: Path) -> None:
    folder = tmp_path / "pytorch_model_fsdp_0"
    folder.mkdir()
    _pieces(folder / ".metadata")
    assert torn_file(tmp_path) is None
    (folder / "__1_0").write_bytes(b"w" * 99)
    assert str(torn_file(tmp_path)).endswith("__1_0: expected 100 bytes, got 99")
    (folder / "__1_0").unlink()
    assert "names __1_0, which is not there" in str(torn_file(tmp_path))
    (folder / ".metadata").write_bytes((folder / ".metadata").read_bytes()[:-9])
    assert "does not end" in str(torn_file(tmp_path))
    (folder / ".metadata").unlink()
    (folder / "__0_0.distcp").write_bytes(b"w" * 100)
    assert "without .metadata" in str(torn_file(tmp_path))


def test_a_pickle_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "rng_state_0.pth").write_bytes(pickle.dumps([_Code(), {_Code(): {1, 2}}]))
    assert torn_file(tmp_path) is None


def test_large_pickles_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlreward.engines.torn._LARGEST_READ", 100)
    monkeypatch.setattr("vlreward.engines.torn._Blind", None)
    path = tmp_path / "model_state.pdparams"
    _pickle(path)
    assert torn_file(tmp_path) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert "does not end" in str(torn_file(tmp_path))
    path.rename(tmp_path / "pytorch_model.bin")  # as torch wrote before 1.6: tensors come last
    assert torn_file(tmp_path) is None


def test_what_nobody_reads_may_be_torn(tmp_path: Path) -> None:
    """A kill while the copy for others is written leaves a checkpoint from which a run goes on."""
    (tmp_path / "hf").mkdir()
    for name in ("hf/model.safetensors", "training_args.bin", "README.md", "notes.bin"):
        (tmp_path / name).write_bytes(b"torn")
    assert torn_file(tmp_path) is None
    assert torn_file(tmp_path / "hf") is not None


def test_what_lies_beside_a_model_makes_none_torn(tmp_path: Path) -> None:
    """Notes of `hf download --local-dir`, logs of a line each, and an index of pieces that were
    put together since, of which libraries take the whole."""
    _safetensors(tmp_path / "model.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "log.json").write_text('{"step": 1}\n{"step": 2}\n')
    notes = tmp_path / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    (notes / "config.json.metadata").write_text("0" * 40 + "\n" + "1" * 40 + "\n1764000000.5\n")
    (tmp_path / "config.json.metadata").write_text("0" * 40)
    (notes / "tokenizer_config.json").write_text("")
    assert torn_file(tmp_path) is None
    check_whole(tmp_path)


def test_a_tensor_may_have_any_name(tmp_path: Path) -> None:
    header = json.dumps({"__a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "model.safetensors").write_bytes(content)
    assert torn_file(tmp_path) is None


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"weight_map": []}'])
def test_an_index_that_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    assert "expected the key weight_map" in str(torn_file(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"w"),
        ("config.json", b'{"model_type": '),
        ("tokenizer.json", b""),
        ("chat_template.jinja", b""),
        ("pytorch_model.bin", b"\x80\x04"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "model-00002.safetensors"}}'),
    ],
)
def test_a_model_that_is_not_whole_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    check_whole("Qwen/Qwen2-VL-2B-Instruct")
    check_whole(PACKAGED / "half")
    for other in ("optimizer.pt", "trainer_state.json"):  # of a checkpoint, to load a model
        (tmp_path / other).write_bytes(b"")
    check_whole(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NoModelError, match=rf"torn file, .*{re.escape(name)}: .*older checkpoint"):
        check_whole(tmp_path)


def test_a_torn_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "a/b"}))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"w")
    with pytest.raises(EngineError, match=r"adapter_model\.safetensors: expected 127 bytes"):
        base_of(str(tmp_path))

"""Sampling, engines by name, families."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from vlreward.engines import base
from vlreward.engines.base import (
    ENGINES,
    EngineConfig,
    EngineError,
    GenerationError,
    Request,
    Sampling,
    make_engine,
    resolve_family,
)
from vlreward.frames import FAMILIES
from vlreward.registry import Registry
from vlreward.types import Completion


def test_sampling_describes_what_matters() -> None:
    assert Sampling(9, seed=4, top_p=0.5).describe() == {"max_tokens": 9, "temperature": 0.0}
    assert Sampling(9, 0.7, 0.5, 4).describe() == {
        "max_tokens": 9,
        "temperature": 0.7,
        "top_p": 0.5,
        "seed": 4,
    }
    assert Sampling().greedy
    assert not Sampling(temperature=0.1).greedy


def test_each_batch_has_a_seed_of_its_own_that_stays() -> None:
    """Recorded sampled runs resume with the answers that they would have had."""
    sampling = Sampling(temperature=1.0, seed=4)
    assert sampling.batch_seed("a") == 2_815_262_572  # first four bytes of SHA-256 of "4 a"
    assert sampling.batch_seed("b") != sampling.batch_seed("a")
    assert Sampling(seed=4).batch_seed("a") is None
    assert Sampling(temperature=1.0).batch_seed("a") is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tokens": 0}, "max_tokens of at least 1, got 0"),
        ({"max_tokens": 1.5}, "max_tokens of at least 1, got 1.5"),
        ({"temperature": -1}, "temperature from 0 to 10, got -1"),
        ({"temperature": float("nan")}, "temperature from 0 to 10, got nan"),
        ({"top_p": 0}, "top_p above 0 and at most 1, got 0"),
        ({"top_p": 1.1}, "top_p above 0 and at most 1, got 1.1"),
    ],
)
def test_sampling_is_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**wrong)


def test_unknown_engines_list_the_known() -> None:
    with pytest.raises(
        KeyError, match=r"unknown engine 'opnai'; did you mean 'openai'\? Known: hf"
    ):
        make_engine("opnai", EngineConfig())
    assert ENGINES.names()[:3] == ["hf", "openai", "replay"]


def _with_entry_points(monkeypatch: pytest.MonkeyPatch, *entries: metadata.EntryPoint) -> None:
    registry: Registry[base.EngineFactory] = Registry("engine", "vlreward.engines")
    monkeypatch.setattr(base, "ENGINES", registry)
    monkeypatch.setattr(metadata, "entry_points", lambda group: metadata.EntryPoints(entries))


def test_a_reserved_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_entry_points(monkeypatch)
    with pytest.raises(
        ImportError, match=r"'paddle' (comes with|needs) .*pip install 'vlreward\[paddle\]'"
    ):
        make_engine("paddle", EngineConfig())


def test_a_reserved_engine_can_be_provided(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = metadata.EntryPoint("paddle", "vlreward.engines.replay:from_config", "vlreward.engines")
    _with_entry_points(monkeypatch, entry)
    engine = make_engine("paddle", EngineConfig(options={"completions": {}}))
    assert engine.name == "replay"


def test_replay_by_name() -> None:
    config = EngineConfig(
        model="Qwen/Qwen2-VL-2B", options={"completions": {"a": Completion("1")}, "source": "f"}
    )
    engine = make_engine("replay", config)
    assert engine.family is FAMILIES["qwen2-vl"]
    assert engine.describe() == {"engine": "replay", "model": "Qwen/Qwen2-VL-2B", "source": "f"}
    outcomes = dict(engine.generate(Request(k, [], meta={"id": k}) for k in "ab"))
    assert isinstance(outcomes["b"], GenerationError)
    assert not isinstance(outcomes["a"], GenerationError)
    engine.close()
    with pytest.raises(EngineError, match="needs recorded completions by sample id, got NoneType"):
        make_engine("replay", EngineConfig())


def test_families() -> None:
    assert resolve_family(None, "qwen2_5_vl", "my-model") is FAMILIES["qwen2.5-vl"]
    assert resolve_family(None, None, "Qwen/Qwen3-VL-4B") is FAMILIES["qwen3-vl"]
    assert resolve_family("internvl", "qwen2_vl") is FAMILIES["internvl"]
    assert resolve_family(None, "llava", "mine") is None
    with pytest.raises(ValueError, match="expected the name of one model family, got 'lava'"):
        resolve_family("lava")


def test_the_interface_loads_no_framework(root: Path) -> None:
    code = (
        "import sys, vlreward.engines.base, vlreward.bench.runner\n"
        "heavy = {'torch', 'transformers', 'httpx', 'PIL', 'rich', 'numpy'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)

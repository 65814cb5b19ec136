"""Sampling, engines by name, families."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vlreward.engines import base
from vlreward.engines.base import (
    ENGINES,
    Engine,
    EngineConfig,
    Generation,
    Outcome,
    Request,
    Sampling,
    make_engine,
    resolve_family,
)
from vlreward.errors import OptionError
from vlreward.frames import FAMILIES
from vlreward.geometry import Size
from vlreward.registry import Registry


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
        ({"max_tokens": 0}, "--max-tokens: expected at least 1, got 0"),
        ({"max_tokens": 1.5}, "--max-tokens: expected a whole number, got 1.5"),
        ({"temperature": -1}, "--temperature: expected at least 0, got -1"),
        ({"temperature": float("nan")}, "--temperature: expected a number, got nan"),
        ({"top_p": 0}, "--top-p: expected at least 1e-06, got 0"),
        ({"top_p": 1.1}, "--top-p: expected at most 1, got 1.1"),
    ],
)
def test_sampling_is_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EngineConfig(**wrong)


def test_unknown_engines_list_the_known() -> None:
    with pytest.raises(
        KeyError, match=r"unknown engine 'opnai'; did you mean 'openai'\? Known: .*hf"
    ):
        make_engine("opnai", EngineConfig())
    assert {"hf", "openai", "paddle"} <= set(ENGINES.names())


class Plugged(Engine):
    """What a plug-in has to write."""

    name = "plugged"

    def describe(self) -> dict[str, Any]:
        return self.shown()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        for request in requests:
            yield request.key, Generation("1")


def test_a_plug_in_writes_two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[base.EngineFactory] = Registry("engine", "vlreward.engines")
    monkeypatch.setattr(base, "ENGINES", registry)
    registry.register("plugged", Plugged)
    config = EngineConfig("Qwen/Qwen2-VL-2B", temperature=0.5, seed=3, options={"mine": 1})
    engine = make_engine("plugged", config)
    assert engine.describe() == {
        "engine": "plugged",
        "model": "Qwen/Qwen2-VL-2B",
        "sampling": {"max_tokens": 1024, "temperature": 0.5, "seed": 3},
        "image": None,
    }
    assert dict(engine.generate([Request("a", [])])) == {"a": Generation("1")}
    assert engine.family is FAMILIES["qwen2-vl"]
    assert engine.input_size(Size(640, 428)) is None
    assert (engine.rank, engine.world_size, engine.gather(7)) == (0, 1, [7])
    engine.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tokens": 0}, "--max-tokens: expected at least 1, got 0"),
        ({"max_tokens": 1.5}, "--max-tokens: expected a whole number, got 1.5"),
        ({"temperature": -1}, "--temperature: expected at least 0, got -1"),
        ({"temperature": float("nan")}, "--temperature: expected a number, got nan"),
        ({"top_p": 0}, "--top-p: expected at least 1e-06, got 0"),
        ({"timeout": float("inf")}, "--timeout: expected a number, got inf"),
        ({"concurrency": True}, "--concurrency: expected a whole number, got True"),
        ({"min_pixels": 9, "max_pixels": 8}, "--min-pixels: expected at most --max-pixels 8"),
        ({"family": "lava"}, "--family: expected the name of one model family, got 'lava'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_options_are_checked_for_whoever_gives_them(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        Plugged(EngineConfig(**wrong))


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

"""The benchmark's engine: its greedy answers are those of the engine `hf`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paddleformers", reason="needs the extra 'paddle'")

from tests.backends.paddle.questions import MODEL, requests
from vlreward.engines.base import (
    Engine,
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Request,
    Sampling,
)
from vlreward.geometry import Size
from vlreward_paddle.engine import PaddleEngine, from_config


@pytest.fixture(scope="module")
def engine() -> Any:
    made = PaddleEngine(MODEL, sampling=Sampling(max_tokens=64), batch_size=7)
    yield made
    made.close()


def test_answers_equal_those_of_transformers(engine: Any, cases: Path) -> None:
    expected = json.loads((cases / "answers.json").read_text())
    found = dict(engine.generate(requests()))
    assert found.keys() == expected.keys()
    same = 0
    for key, made in found.items():
        assert isinstance(made, Generation)
        assert made.input_size == Size(*expected[key]["input_size"])
        assert made.truncated == expected[key]["truncated"]
        same += made.text == expected[key]["text"]
    # Pixels differ in the last bits, so one near tie among the hundreds of tokens may fall apart.
    assert same >= len(expected) - 1
    assert len({made.input_size for made in found.values()}) > 2


def test_a_bad_image_fails_its_request_alone(engine: Any) -> None:
    good = requests()[0]
    bad = Request("bad", good.messages, b"no image", {"id": "row-7"})
    found = dict(engine.generate([bad, good]))
    assert isinstance(found["bad"], GenerationError)
    assert found["bad"].kind == "image"
    assert "row-7" in found["bad"].detail
    assert isinstance(found[good.key], Generation)


def test_seeded_sampling_repeats(engine: Any) -> None:
    drawn = []
    for seed in (1, 1, 2):
        engine.sampling = Sampling(max_tokens=16, temperature=1.5, seed=seed)
        drawn.append([made.text for _, made in engine.generate(requests()[:6])])
    engine.sampling = Sampling(max_tokens=64)
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_it_says_of_itself(engine: Any) -> None:
    assert isinstance(engine, Engine)
    said = engine.describe()
    json.dumps(said)
    assert said["engine"] == "paddle"
    assert said["model"] == "sft"
    assert said["fingerprint"]
    assert engine.family is not None
    assert engine.family.name == "qwen2.5-vl"
    assert engine.gather(3) == [3]
    assert engine.input_size(Size(120, 120)) == Size(112, 112)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="needs a model"):
        from_config(EngineConfig())
    with pytest.raises(EngineError, match=r"without config\.json"):
        from_config(EngineConfig(model=str(tmp_path)))
    with pytest.raises(EngineError, match="start several processes"):
        from_config(EngineConfig(model=MODEL, device_map="auto"))
    with pytest.raises(ValueError, match="expected a dtype of float32"):
        from_config(EngineConfig(model=MODEL, dtype="int8"))

"""The benchmark's engine: its greedy answers are those of the engine `hf`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward_paddle import rollout
from vlreward_paddle.adapters import set_adapter
from vlreward_paddle.engine import PaddleEngine
from vlreward_paddle.lora import AdapterOptions, adapter_weights, add_adapter, save_adapter
from vlreward_paddle.modeling import load_model
from vlreward_paddle.processing import QwenCodec
from vlreward_paddle.training import export


@pytest.fixture(scope="module")
def engine() -> Any:
    made = PaddleEngine(EngineConfig(MODEL, max_tokens=64, batch_size=7))
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


def test_memory_that_runs_out_halves_the_batch(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended the run; the engine `hf` always halved."""
    asked = requests()[:7]
    expected = dict(engine.generate(asked))
    whole, sizes = rollout.generate, []

    def small(model: Any, prompts: Any, sampling: Any) -> Any:
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise RuntimeError("ResourceExhaustedError: Out of memory error on GPU 0.")
        return whole(model, prompts, sampling)

    monkeypatch.setattr(rollout, "generate", small)
    with pytest.warns(UserWarning, match="out of memory with 7 requests at once"):
        found = dict(engine.generate(asked))
    assert {k: made.text for k, made in found.items()} == {
        k: made.text for k, made in expected.items()
    }
    assert engine.batch_size == 2
    engine.batch_size = 7
    monkeypatch.setattr(rollout, "generate", lambda *given: _fail())
    with pytest.warns(UserWarning, match="out of memory"):
        (outcome,) = {type(made) for made in dict(engine.generate(asked)).values()}
    assert outcome is GenerationError
    engine.batch_size = 7


def _fail() -> Any:
    raise MemoryError("can't allocate memory")


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


def test_an_adapter_is_run_as_it_is(engine: Any, tmp_path: Path) -> None:
    """Its answers are those of the model that it was merged into."""
    model = load_model(MODEL)
    add_adapter(model, AdapterOptions(True, 2, 32, 0.0))
    rng = np.random.default_rng(0)
    drawn = {k: rng.normal(0, 0.05, v.shape) for k, v in adapter_weights(model).items()}
    set_adapter(model, drawn)
    save_adapter(model, tmp_path / "adapter", MODEL)
    export(model, QwenCodec(MODEL), tmp_path / "whole")
    asked = requests()[:6]
    texts = []
    for name in ("adapter", "whole"):
        made = PaddleEngine(EngineConfig(str(tmp_path / name), max_tokens=24))
        texts.append({key: answer.text for key, answer in made.generate(asked)})  # type: ignore[union-attr]
        made.close()
    assert texts[0] == texts[1]
    plain = {key: answer.text for key, answer in engine.generate(asked)}
    assert texts[0] != plain


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="needs a model"):
        PaddleEngine(EngineConfig())
    with pytest.raises(EngineError, match=r"without config\.json"):
        PaddleEngine(EngineConfig(model=str(tmp_path)))
    with pytest.raises(OptionError, match="start several processes"):
        PaddleEngine(EngineConfig(model=MODEL, device_map="auto"))
    with pytest.raises(OptionError, match="has no use for --attn-implementation"):
        PaddleEngine(EngineConfig(model=MODEL, attn_implementation="sdpa"))
    with pytest.raises(OptionError, match="--dtype: expected float32"):
        PaddleEngine(EngineConfig(model=MODEL, dtype="int8"))

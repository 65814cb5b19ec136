"""The engine `vllm` with a stand-in for vLLM that answers by transformers; see docs/gpu.md for the
real one beside the engine `hf`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pictures import noise
from vlreward.engines.base import EngineConfig, EngineError, Generation, Request, make_engine
from vlreward.errors import OptionError
from vlreward.geometry import Size

pytestmark = pytest.mark.torch
pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")


class FakeLLM:
    """`vllm.LLM`, by the model of transformers; remembers what it was given."""

    made: FakeLLM

    def __init__(self, model: str, **options: Any) -> None:
        import torch
        from transformers import AutoModelForImageTextToText

        from vlreward.engines.processor import load_processor

        if "nonsense" in options:
            raise TypeError("unexpected keyword argument 'nonsense'")
        self.options = options
        self.model = AutoModelForImageTextToText.from_pretrained(model)
        self.processor = load_processor(model)
        self.model_config = SimpleNamespace(hf_config=self.model.config, dtype=torch.float32)
        self.calls: list[tuple[Any, Any]] = []
        FakeLLM.made = self

    def generate(self, prompts: Any, parameters: Any, use_tqdm: bool) -> list[Any]:
        self.calls.append((prompts, parameters))
        return [self._one(*pair) for pair in zip(prompts, parameters)]

    def _one(self, prompt: Any, given: Any) -> Any:
        if "too long" in prompt["prompt"]:
            raise ValueError("the prompt is longer than the maximum model length")
        images = prompt.get("multi_modal_data", {}).get("image")
        inputs = self.processor(text=[prompt["prompt"]], images=images, return_tensors="pt")
        output = self.model.generate(
            **inputs,
            max_new_tokens=given.max_tokens,
            do_sample=False,
            temperature=None,
            top_k=None,
            repetition_penalty=given.repetition_penalty,
            eos_token_id=given.stop_token_ids,
        )
        tokens = output[0, inputs["input_ids"].shape[1] :].tolist()
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=tokens)])


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(LLM=FakeLLM, SamplingParams=SimpleNamespace, __version__="0.26.0")
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    folder = tmp_path_factory.mktemp("images")
    asked = []
    for index, size in enumerate([(640, 428), (57, 300), (28, 28)]):
        path = folder / f"{index}.png"
        noise(size, 80).convert("RGB").save(path)
        content = [{"type": "image"}, {"type": "text", "text": "How many?"}]
        asked.append(Request(f"image {index}", [{"role": "user", "content": content}], path))
    content = [{"type": "text", "text": "1 + 1"}]
    return [*asked, Request("text", [{"role": "user", "content": content}])]


def _engine(tiny_dir: Path, *names: str, **options: Any) -> Any:
    (name,) = names or ("vllm",)
    return make_engine(name, EngineConfig(str(tiny_dir / "qwen2.5-vl"), max_tokens=12, **options))


@pytest.mark.parametrize("limits", [{}, {"max_pixels": 20_000}])
def test_answers_and_sizes_are_those_of_the_engine_hf(
    tiny_dir: Path, requests: list[Request], limits: dict[str, int]
) -> None:
    ours = dict(_engine(tiny_dir, **limits).generate(requests))
    theirs = dict(_engine(tiny_dir, "hf", **limits).generate(requests))
    assert ours.keys() == theirs.keys() == {request.key for request in requests}
    for key, mine in ours.items():
        other = theirs[key]
        assert isinstance(mine, Generation)
        assert isinstance(other, Generation)
        assert (mine.text, mine.truncated, mine.token_count, mine.input_size) == (
            (other.text, other.truncated, other.token_count, other.input_size)
        )
    assert len({generation.text for generation in ours.values()}) > 1


def test_images_come_as_large_as_they_are_to_be_seen(
    tiny_dir: Path, requests: list[Request]
) -> None:
    engine = _engine(
        tiny_dir, max_pixels=20_000, options={"tensor_parallel_size": 2}, dtype="float32"
    )
    list(engine.generate(requests))
    made = FakeLLM.made
    edges = made.options["mm_processor_kwargs"]["size"]
    assert edges == {"shortest_edge": 56 * 56, "longest_edge": 20_000}
    assert (made.options["tensor_parallel_size"], made.options["dtype"]) == (2, "float32")
    for prompts, _ in made.calls:
        for prompt in prompts:
            for image in prompt.get("multi_modal_data", {}).get("image", []):
                assert engine.input_size(Size(*image.size)) == Size(*image.size)
                assert prompt["prompt"].count("<|image_pad|>") == 1
    assert engine.describe()["vllm"] == "0.26.0"
    assert engine.describe()["repetition_penalty"] == 1.05


def test_draws_have_seeds_of_their_own(tiny_dir: Path, requests: list[Request]) -> None:
    engine = _engine(tiny_dir, temperature=0.7, seed=3)
    list(engine.generate(requests))
    given = [one for _, parameters in FakeLLM.made.calls for one in parameters]
    assert len({one.seed for one in given}) == len(given) == len(requests)
    assert {(one.temperature, one.top_k, one.top_p) for one in given} == {(0.7, 20, 1.0)}


def test_errors_name_the_remedy(tiny_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"cannot open .*'nonsense'.*--engine-options"):
        _engine(tiny_dir, options={"nonsense": 1})
    long = Request("long", [{"role": "user", "content": "too long"}])
    with pytest.raises(EngineError, match=r"max_model_len"):
        list(_engine(tiny_dir).generate([long]))
    with pytest.raises(OptionError, match="no use for --batch-size"):
        _engine(tiny_dir, batch_size=4)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="tensor_parallel_size"):
        _engine(tiny_dir)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError, match=r"vlreward\[vllm\]"):
        _engine(tiny_dir)

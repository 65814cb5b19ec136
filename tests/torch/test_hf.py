"""The transformers engine on tiny checkpoints: batches, sizes, limits, faults, processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.pictures import noise
from vlreward.bench.run_store import read_run
from vlreward.engines.base import (
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    make_engine,
)
from vlreward.frames import FAMILIES, smart_resize
from vlreward.geometry import Size

pytestmark = pytest.mark.torch
pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from vlreward.engines.hf import HFEngine  # noqa: E402
from vlreward.errors import OptionError  # noqa: E402

SIZES = [(640, 428), (100, 37), (57, 300), (28, 28), (500, 500), (31, 90)]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """Twelve questions over images of six sizes, and three without an image."""
    folder = tmp_path_factory.mktemp("images")
    asked = []
    for index, size in enumerate(SIZES):
        path = folder / f"{index}.png"
        noise(size, 80).convert("RGB").save(path)
        for text in ("How many?", "What is there, in a longer sentence?"):
            content = [{"type": "image"}, {"type": "text", "text": text}]
            asked.append(Request(f"{index} {text}", [{"role": "user", "content": content}], path))
    for index in range(3):
        content = [{"type": "text", "text": "1 + 1" + " + 1" * index}]
        asked.append(Request(f"text {index}", [{"role": "user", "content": content}]))
    return asked


def engine_for(tiny_dir: Path, family: str = "qwen2.5-vl", **options: Any) -> HFEngine:
    options = {"max_tokens": 12, "batch_size": 4, **options}
    return HFEngine(EngineConfig(str(tiny_dir / family), **options))


def answers(engine: HFEngine, requests: list[Request]) -> dict[str, Outcome]:
    outcomes = list(engine.generate(requests))
    assert len(outcomes) == len({key for key, _ in outcomes})
    return dict(outcomes)


def generations(engine: HFEngine, requests: list[Request]) -> dict[str, Generation]:
    found = answers(engine, requests)
    return {key: o for key, o in found.items() if isinstance(o, Generation)}


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
def test_batches_do_not_change_greedy_answers(
    tiny_dir: Path, requests: list[Request], family: str
) -> None:
    alone = generations(engine_for(tiny_dir, family, batch_size=1), requests)
    together = generations(engine_for(tiny_dir, family, batch_size=5), requests)
    assert alone.keys() == together.keys() == {request.key for request in requests}
    assert {k: (g.text, g.truncated, g.token_count) for k, g in alone.items()} == {
        k: (g.text, g.truncated, g.token_count) for k, g in together.items()
    }
    assert len({g.text for g in alone.values()}) > len(alone) / 2


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
def test_generation_equals_transformers_alone(
    tiny_dir: Path, requests: list[Request], family: str
) -> None:
    """The same text as the plain way that the checkpoints' model cards show, one by one."""
    import torch
    from transformers import AutoModelForImageTextToText

    from vlreward.engines.processor import load_processor

    processor = load_processor(tiny_dir / family)
    model = AutoModelForImageTextToText.from_pretrained(tiny_dir / family)
    ours = generations(engine_for(tiny_dir, family), requests)
    for request in requests:
        text = processor.apply_chat_template(
            request.messages, tokenize=False, add_generation_prompt=True
        )
        images = None
        if isinstance(request.image, Path):
            with Image.open(request.image) as image:
                images = [image.convert("RGB")]
        inputs = processor(text=[text], images=images, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **inputs, max_new_tokens=12, do_sample=False, temperature=None, top_k=None
            )
        tokens = output[0, inputs["input_ids"].shape[1] :]
        expected = processor.tokenizer.decode(tokens, skip_special_tokens=True)
        assert ours[request.key].text == expected
        assert ours[request.key].token_count == len(tokens)


def test_the_stop_token_tells_truncated_answers(tiny_dir: Path, requests: list[Request]) -> None:
    engine = engine_for(tiny_dir)
    ends = engine._config.eos_token_id
    found = generations(engine, requests)
    assert {g.truncated for g in found.values()} == {True, False}
    for generation in found.values():
        assert generation.token_count is not None
        assert generation.finish_reason == ("length" if generation.truncated else "stop")
        if generation.truncated:
            assert generation.token_count == 12
        tokenizer = engine._tokenizer
        assert not any(tokenizer.decode([end]) in generation.text[:-1] for end in ends[1:3])


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
@pytest.mark.parametrize("limits", [{}, {"max_pixels": 20_000}, {"min_pixels": 50_000}])
def test_input_sizes_are_those_of_smart_resize(
    tiny_dir: Path, requests: list[Request], family: str, limits: dict[str, int]
) -> None:
    """The size read from the processor's own grid equals ours, for every image."""
    engine = engine_for(tiny_dir, family, max_tokens=1, **limits)
    expected_limits = {"min_pixels": 56 * 56, "max_pixels": 28 * 28 * 400, **limits}
    for key, generation in generations(engine, requests).items():
        if key.startswith("text"):
            assert generation.image_size is None
            assert generation.input_size is None
            continue
        size = Size(*SIZES[int(key.split()[0])])
        assert generation.image_size == size
        assert generation.input_size == smart_resize(size, factor=28, **expected_limits)
        assert engine.input_size(size) == generation.input_size
    assert engine.describe()["image"] == {"factor": 28, **expected_limits}
    assert engine.family is FAMILIES[family]


def test_exif_orientation_is_applied(tiny_dir: Path, tmp_path: Path) -> None:
    image = noise((120, 60), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}]
    both = [Request(n, messages, tmp_path / f"{n}.png") for n in ("turned", "upright")]
    found = generations(engine_for(tiny_dir), both)
    assert found["turned"].image_size == Size(60, 120)
    assert found["turned"].text == found["upright"].text


def test_bad_images_fail_alone(tiny_dir: Path, requests: list[Request], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    Image.new("RGB", (4100, 20)).save(tmp_path / "thin.png")
    # Resized to 5628 x 28, which the processor refuses in its turn.
    Image.new("RGB", (5625, 41)).save(tmp_path / "thin-later.png")
    bad = [
        Request(name, requests[0].messages, tmp_path / f"{name}.png", {"id": f"id-{name}"})
        for name in ("none", "text", "thin", "thin-later")
    ]
    found = answers(engine_for(tiny_dir), [*requests[:3], *bad])
    for request in bad:
        outcome = found[request.key]
        assert isinstance(outcome, GenerationError)
        assert outcome.kind == "image"
        assert f"id-{request.key}" in outcome.detail
    assert all(isinstance(found[request.key], Generation) for request in requests[:3])


def test_sampling_with_a_seed_repeats(tiny_dir: Path, requests: list[Request]) -> None:
    def draw(seed: int) -> dict[str, str]:
        engine = engine_for(tiny_dir, temperature=1.0, top_p=0.95, seed=seed)
        found = generations(engine, requests)
        return {key: generation.text for key, generation in found.items()}

    assert draw(1) == draw(1) != draw(2)


def test_memory_that_runs_out_halves_the_batch(
    tiny_dir: Path, requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expected = generations(engine_for(tiny_dir), requests)
    engine = engine_for(tiny_dir, batch_size=8)
    generate = engine._model.generate

    def scarce(**inputs: Any) -> Any:
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(**inputs)

    monkeypatch.setattr(engine._model, "generate", scarce)
    with pytest.warns(UserWarning, match=r"out of memory with \d requests at once; .*--batch-size"):
        found = generations(engine, requests)
    assert {k: g.text for k, g in found.items()} == {k: g.text for k, g in expected.items()}
    assert engine.batch_size == 2


def test_a_request_that_never_fits_names_the_flags(
    tiny_dir: Path, requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(tiny_dir, batch_size=1)

    def never(**inputs: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(engine._model, "generate", never)
    outcome = answers(engine, requests[:1])[requests[0].key]
    assert isinstance(outcome, GenerationError)
    assert outcome.kind == "out_of_memory"
    for flag in ("--max-pixels (now 313600)", "--max-tokens (now 12)", "--dtype", "--device-map"):
        assert flag in outcome.detail


def test_other_errors_of_the_model_are_not_hidden(
    tiny_dir: Path, requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(tiny_dir)

    def broken(**inputs: Any) -> Any:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(engine._model, "generate", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        answers(engine, requests)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/checkpoint", "no directory '/no/such/checkpoint': check the path"),
        ("./ckpt", "no directory './ckpt'"),
        ("a/b/c", "no directory 'a/b/c'"),
    ],
)
def test_a_wrong_path_is_named(name: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        HFEngine(EngineConfig(name))


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(EngineError, match=r"there is no config.json; found notes.txt"):
        HFEngine(EngineConfig(str(tmp_path)))


def test_a_hub_name_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"'nobody/no-such-model'"):
        HFEngine(EngineConfig("nobody/no-such-model"))


def test_a_checkpoint_without_processor_is_refused(tiny_dir: Path, tmp_path: Path) -> None:
    """transformers hands out a bare tokenizer for a processor class that it does not know."""
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dir / "qwen2-vl", copy)
    (copy / "preprocessor_config.json").unlink()
    config = json.loads((copy / "config.json").read_text())
    config["model_type"] = config["text_config"]["model_type"] = "qwen2"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match="expected a processor with an image part"):
        HFEngine(EngineConfig(str(copy)))


def test_a_text_model_is_refused(tmp_path: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from vlreward.engines import checkpoint

    config = Qwen2Config(
        vocab_size=16,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(EngineError, match=r"cannot open .* as a vision-language model"):
        checkpoint.open_model(str(tmp_path), {})


def test_options_are_checked(tiny_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a torch dtype like bfloat16.*'bf16x'"):
        engine_for(tiny_dir, dtype="bf16x")
    with pytest.raises(ValueError, match="--batch-size: expected at least 1, got 0"):
        engine_for(tiny_dir, batch_size=0)
    with pytest.raises(OptionError, match="expected 784 <= min_pixels <= max_pixels, got"):
        engine_for(tiny_dir, min_pixels=8, max_pixels=9)
    with pytest.raises(OptionError, match="'hf' has no use for --concurrency, --timeout: leave"):
        engine_for(tiny_dir, concurrency=2, timeout=1)
    with pytest.raises(EngineError, match=r"package that is missing.*--attn-implementation sdpa"):
        engine_for(tiny_dir, attn_implementation="flash_attention_2")


def test_options_reach_the_model(tiny_dir: Path, requests: list[Request]) -> None:
    engine = engine_for(
        tiny_dir, dtype="bfloat16", attn_implementation="eager", device_map="auto", batch_size=15
    )
    described = engine.describe()
    assert (described["dtype"], described["attn"]) == ("bfloat16", "eager")
    assert described["repetition_penalty"] == 1.05
    assert len(generations(engine, requests)) == len(requests)
    engine.close()
    engine.close()


def test_a_checkpoint_that_changed_is_another_model(tiny_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "qwen2-vl"
    shutil.copytree(tiny_dir / "qwen2-vl", copy)
    before = engine_for(tmp_path, "qwen2-vl").describe()
    assert before == engine_for(tiny_dir, "qwen2-vl").describe()
    weights = next(copy.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    for index in range(len(content) // 2, len(content) - 1, 1000):  # As further training does.
        content[index] ^= 1
    weights.write_bytes(content)
    assert engine_for(tmp_path, "qwen2-vl").describe()["fingerprint"] != before["fingerprint"]


def test_without_torch_the_extra_is_named(root: Path) -> None:
    code = """
        import sys
        sys.modules["torch"] = None
        from vlreward.engines.base import EngineConfig, make_engine
        try:
            make_engine("hf", EngineConfig(model="m"))
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "pip install 'vlreward[hf]'" in done.stdout


def test_the_factory_needs_a_model() -> None:
    with pytest.raises(OptionError, match="needs a model: name it by --model"):
        make_engine("hf", EngineConfig())


_RANKS = """
import json, os, sys
from vlreward.engines.config import EngineConfig
from vlreward.engines.hf import HFEngine
from vlreward.bench.mixed import Prompts
from vlreward.bench.runner import run_suite
from vlreward.prompts import get_prompt
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample
checkpoint, out, image = sys.argv[1:4]
data = [Sample(id=str(i), question=f"How many {i}?", gold=CountGold(count=1), image=image)
        for i in range(7)]
data.append(data[0].model_copy(update={"id": "lost", "image": "gone.png"}))
engine = HFEngine(EngineConfig(checkpoint, max_tokens=6, batch_size=2))
done = run_suite(data, engine, out + "/run_x.jsonl", prompts=Prompts(get_prompt("r1-v")),
                 max_error_rate=0.5, progress=None)
rank, size = engine.rank, engine.world_size
with open(f"{out}/result-{size}-{rank}.json", "w") as file:
    json.dump({"texts": [c.generation and c.generation.text for c in done],
               "ids": [c.sample.id for c in done],
               "errors": [c.error and c.error.kind for c in done]}, file)
engine.close()
"""


def test_torchrun_splits_the_work(
    tiny_dir: Path, requests: list[Request], root: Path, tmp_path: Path
) -> None:
    """Two processes over gloo: the same answers as one, one run file, and nothing else left."""
    script = tmp_path / "ranks.py"
    script.write_text(_RANKS)
    results = {}
    for size in (1, 2):
        out = tmp_path / f"out{size}"
        out.mkdir()
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(size)),
            *("--master_port", "0", "--standalone", str(script)),
            *(str(tiny_dir / "qwen2-vl"), str(out), str(requests[0].image)),
        ]
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        results[size] = [
            json.loads((out / f"result-{size}-{rank}.json").read_text()) for rank in range(size)
        ]
        assert sorted(p.name for p in out.glob("run*")) == ["run_x.jsonl"]
        assert len(read_run(out / "run_x.jsonl")[1]) == 7
    (one,) = results[1]
    assert results[2] == [one, one]
    assert one["errors"] == [None] * 7 + ["image"]
    assert one["ids"] == [*map(str, range(7)), "lost"]

"""Model families: frame, order and resizing of each, and which one a name speaks of."""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlreward import families, frames, registry
from vlreward.cli import app
from vlreward.families import FAMILIES, ModelFamily, family_of
from vlreward.frames import Frame, smart_resize
from vlreward.geometry import Size

IMAGE = Size(640, 428)


@pytest.mark.parametrize(
    ("name", "frame", "factor", "min_pixels", "max_pixels"),
    [
        # Pixel limits as in each family's published preprocessor_config.json.
        ("qwen-vl", "norm999", None, None, None),
        ("qwen2-vl", "norm1000", 28, 3136, 12845056),
        ("qwen2.5-vl", "input_px", 28, 3136, 12845056),
        ("qwen3-vl", "norm1000", 32, 65536, 16777216),
        ("internvl", "norm1000", None, None, None),
        ("gemini", "norm1000", None, None, None),
    ],
)
def test_families(
    name: str, frame: str, factor: int | None, min_pixels: int | None, max_pixels: int | None
) -> None:
    family = FAMILIES[name]
    assert family.name == name
    assert family.frame.value == frame
    assert family.factor == factor
    if factor is None:
        assert family.input_size(IMAGE) is None
        return
    assert (family.min_pixels, family.max_pixels) == (min_pixels, max_pixels)
    assert family.input_size(IMAGE) == smart_resize(
        IMAGE, factor=factor, min_pixels=family.min_pixels, max_pixels=family.max_pixels
    )
    small = family.input_size(Size(4000, 3000), max_pixels=500_000)
    assert small is not None
    assert small.width * small.height <= 500_000
    large = family.input_size(Size(100, 100), min_pixels=500_000)
    assert large is not None
    assert large.width * large.height >= 500_000


def test_the_issue_of_2026_is_in_the_table() -> None:
    assert set(FAMILIES) >= {
        *("qwen3.5", "qwen3.6", "qwen3.8", "qwen3-omni", "glm-v", "mimo-vl", "deepseek-vl2"),
        *("llava-onevision-1.5", "kimi-vl", "ui-tars", "ui-tars-1.5", "seed1.5-vl", "minicpm-v"),
        *("paligemma", "florence-2", "kosmos-2", "molmo", "rex-omni", "cogvlm", "ovis2.5"),
    }
    assert all(family.source for family in FAMILIES.values())
    assert {name for name in FAMILIES if FAMILIES[name].axis_order == "yx"} == {
        "gemini",
        "paligemma",
    }


def test_families_are_found_where_they_were() -> None:
    assert frames.FAMILIES is FAMILIES
    assert frames.family_of is family_of
    assert frames.ModelFamily is ModelFamily


OTHER = ModelFamily("other-vl", Frame.NORM1000, "qwen2-vl", axis_order="yx", names=("ovl",))


def test_a_plug_in_adds_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("other-vl", f"{__name__}:OTHER", "vlreward.families")
    monkeypatch.setattr(entry.__class__, "load", lambda _: OTHER)
    known = families._Families(FAMILIES["qwen2-vl"])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: [entry])
    monkeypatch.setattr(families, "FAMILIES", known)
    assert list(known) == ["qwen2-vl", "other-vl"]
    assert len(known) == 2
    assert "other-vl" in known
    assert family_of("acme/OVL-7B") is OTHER
    with pytest.raises(registry.UnknownNameError, match="unknown model family 'qwen2-vi'"):
        known["qwen2-vi"]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "module", "config"),
    [
        ("qwen2-vl", "qwen2_vl", "Qwen2VLVisionConfig"),
        ("qwen2.5-vl", "qwen2_5_vl", "Qwen2_5_VLVisionConfig"),
        ("qwen3-vl", "qwen3_vl", "Qwen3VLVisionConfig"),
        ("qwen3.5", "qwen3_5", "Qwen3_5VisionConfig"),
        ("qwen3-omni", "qwen3_omni_moe", "Qwen3OmniMoeVisionEncoderConfig"),
        ("glm-v", "glm4v", "Glm4vVisionConfig"),
    ],
)
def test_factors_are_patch_times_merge_size_of_transformers(
    name: str, module: str, config: str
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    configs = getattr(transformers.models, module)
    vision = getattr(getattr(configs, f"configuration_{module}"), config)()
    assert FAMILIES[name].factor == vision.patch_size * vision.spatial_merge_size


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl"),
        ("qwen2_5_vl", "qwen2.5-vl"),
        ("/models/Qwen2-VL-2B", "qwen2-vl"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl"),
        ("Qwen/Qwen-VL-Chat", "qwen-vl"),
        ("OpenGVLab/InternVL3-8B", "internvl"),
        ("gemini-2.5-pro", "gemini"),
        ("Qwen/Qwen3.5-35B-A3B", "qwen3.5"),
        ("qwen3_5_moe", "qwen3.5"),
        ("Qwen/Qwen3-Omni-30B-A3B-Instruct", "qwen3-omni"),
        ("zai-org/GLM-4.1V-9B-Thinking", "glm-v"),
        ("glm4v_moe", "glm-v"),
        ("zai-org/GLM-4.6V", "glm-v"),
        ("XiaomiMiMo/MiMo-VL-7B-RL", "mimo-vl"),
        ("deepseek-ai/deepseek-vl2-tiny", "deepseek-vl2"),
        ("lmms-lab/LLaVA-OneVision-1.5-8B-Instruct", "llava-onevision-1.5"),
        ("moonshotai/Kimi-VL-A3B-Thinking-2506", "kimi-vl"),
        ("ByteDance-Seed/UI-TARS-7B-DPO", "ui-tars"),
        ("ByteDance-Seed/UI-TARS-1.5-7B", "ui-tars-1.5"),
        ("openbmb/MiniCPM-V-4_5", "minicpm-v"),
        ("google/paligemma2-3b-mix-448", "paligemma"),
        ("microsoft/Florence-2-large", "florence-2"),
        ("microsoft/kosmos-2-patch14-224", "kosmos-2"),
        ("allenai/Molmo-7B-D-0924", "molmo"),
        ("allenai/Molmo2-8B", "molmo2"),
        ("IDEA-Research/Rex-Omni", "rex-omni"),
        ("AIDC-AI/Ovis2.5-9B", "ovis2.5"),
        ("llava-hf/llava-1.5-7b-hf", "llava-1.5"),
    ],
)
def test_family_of(model: str, family: str) -> None:
    assert family_of(model) is FAMILIES[family]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        *(
            (model, "none")
            for model in ("", "Qwen2.5-7B", "Qwen/Qwen3-5B", "glm-4v-9b", "my-model")
        ),
        ("qwen2-vl-vs-internvl", "["),
    ],
)
def test_family_of_does_not_guess(model: str, named: str) -> None:
    with pytest.raises(ValueError) as error:
        family_of(model)
    assert f"got {model!r} which names {named}" in str(error.value)
    assert "known: qwen-vl, qwen2-vl" in str(error.value)
    assert str(error.value).endswith("Declare the frame explicitly")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "module", "processor"),
    [
        ("qwen2-vl", "qwen2_vl", "Qwen2VLImageProcessorPil"),
        ("glm-v", "glm4v", "Glm4vImageProcessorPil"),
        ("glm-v", "glm46v", "Glm46VImageProcessorPil"),
    ],
)
def test_input_sizes_are_those_of_transformers_image_processors(
    name: str, module: str, processor: str
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    numpy = pytest.importorskip("numpy")
    package = getattr(transformers.models, module)
    found = getattr(getattr(package, f"image_processing_pil_{module}"), processor)()
    family = FAMILIES[name]
    assert family.factor == found.patch_size * found.merge_size
    compared = 0
    for size in (Size(640, 480), Size(333, 1001), Size(57, 61), Size(2000, 1500), Size(100, 1500)):
        image = numpy.zeros((size.height, size.width, 3), dtype="uint8")
        grid = found(images=[image], return_tensors="np")["image_grid_thw"][0]
        limits = {}
        if name != "glm-v":
            limits = {
                "min_pixels": found.size["shortest_edge"],
                "max_pixels": found.size["longest_edge"],
            }
        seen = Size(int(grid[2]) * found.patch_size, int(grid[1]) * found.patch_size)
        assert family.input_size(size, **limits) == seen
        compared += 1
    assert compared == 5


def test_the_page_is_current(root: Path) -> None:
    """Made by `python docs/make_families.py`."""
    spec = importlib.util.spec_from_file_location("make_families", root / "docs/make_families.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (root / "docs/families.md").read_text("utf-8") == module.page()


def test_the_command_shows_every_family_and_how_its_example_is_read() -> None:
    result = CliRunner().invoke(app, ["families"])
    assert result.exit_code == 0, result.output
    for name, family in FAMILIES.items():
        assert name in result.output
        assert family.example, name
    assert "not read" not in result.output
    assert "box (100, 200, 300, 600)" in result.output
    assert "point (0.1, 0.2)" in result.output


def test_every_example_is_in_the_case_table(root: Path) -> None:
    cases = (root / "tests/cases/parsers/families.jsonl").read_text("utf-8").splitlines()
    texts = {(case["family"], case["text"].strip()) for case in map(json.loads, cases)}
    known = {name for name, _ in texts if name}
    missing = [
        name
        for name, family in FAMILIES.items()
        if not any(name == n and text.endswith(family.example) for n, text in texts)
    ]
    assert not missing
    assert known == set(FAMILIES)

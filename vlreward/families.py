"""Model families: in which frame and order each writes coordinates, and how it resizes images.

A frame and an order are declared, per family and per data set. They are never guessed from numbers
or keys, and never chosen with the ground truth: a model that sees no image can be made to look
right by either. A plug-in adds a family by an entry point in the group `vlreward.families`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from vlreward.frames import AxisOrder, Frame
from vlreward.geometry import Size
from vlreward.registry import Registry
from vlreward.resizing import Resizing

__all__ = ["FAMILIES", "ModelFamily", "family_of"]


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """How one family of models writes coordinates and resizes images."""

    name: str
    """Lower-case name, e.g. `qwen2.5-vl`."""
    frame: Frame
    """Frame of the coordinates that the family was trained to write."""
    prompt: str
    """Name of the prompt preset for grounding: its own evaluation's, else one that fits."""
    factor: int | None = None
    """Multiple to which both sides are resized; None if the family does not use `smart_resize`."""
    min_pixels: int = 56 * 56
    """Default smallest area of the family's image processor."""
    max_pixels: int = 28 * 28 * 16384
    """Default largest area of the family's image processor."""
    axis_order: AxisOrder = "xy"
    """Which coordinate comes first, under whatever key."""
    names: tuple[str, ...] = ()
    """Other names that models of the family go by, e.g. their `model_type`."""
    example: str = ""
    """A text in the form that the family writes: a box, or a point where it writes no boxes."""
    source: str = ""
    """Where frame, order and form are taken from."""

    def resizing(
        self, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> Resizing | None:
        """How the family's image processor resizes images, None if not by `smart_resize`.

        Args:
            min_pixels: Smallest area, if not the family's default.
            max_pixels: Largest area, if not the family's default.

        Raises:
            OptionError: If the limits leave no size.
        """
        if self.factor is None:
            return None
        return Resizing(
            self.factor,
            self.min_pixels if min_pixels is None else min_pixels,
            self.max_pixels if max_pixels is None else max_pixels,
        )

    def input_size(
        self, size: Size, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> Size | None:
        """(width, height) that the model sees for an image; see `resizing`."""
        resizing = self.resizing(min_pixels=min_pixels, max_pixels=max_pixels)
        return None if resizing is None else resizing.size(size)


class _Families(Mapping[str, ModelFamily]):
    """The known families by name; those of plug-ins are loaded when they are looked up."""

    def __init__(self, *families: ModelFamily) -> None:
        self._own = families

    @cached_property
    def _registry(self) -> Registry[ModelFamily]:
        registry = Registry[ModelFamily]("model family", group="vlreward.families")
        for family in self._own:
            registry.register(family.name, family)
        return registry

    def __getitem__(self, name: str) -> ModelFamily:
        return self._registry.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry.names())

    def __contains__(self, name: object) -> bool:
        return name in self._registry


_PX28: dict[str, Any] = {"factor": 28, "min_pixels": 56 * 56, "max_pixels": 28 * 28 * 16384}
_PX32: dict[str, Any] = {"factor": 32, "min_pixels": 256 * 256, "max_pixels": 4096 * 4096}
# Its processor counts an image as two frames, so that half of its limits holds for each.
_GLM: dict[str, Any] = {"factor": 28, "min_pixels": 112 * 112 // 2, "max_pixels": 28 * 28 * 7500}
_SWIFT = "ms-swift docs, Qwen3_8-Best-Practice: relative coordinates with a scale of 1000"
_SUPERVISION = "supervision 0.31.2, detection/vlm.py"

FAMILIES: Mapping[str, ModelFamily] = _Families(
    ModelFamily(
        "qwen-vl",
        Frame.NORM999,
        "qwen-vl",
        example="<ref>the man</ref><box>(100,200),(300,600)</box>",
        source="Bai et al. 2023, Qwen-VL",
    ),
    ModelFamily(
        *("qwen2-vl", Frame.NORM1000, "qwen2-vl"),
        **_PX28,
        example="<|object_ref_start|>the man<|object_ref_end|>"
        "<|box_start|>(100,200),(300,600)<|box_end|>",
        source="Wang et al. 2024, Qwen2-VL",
    ),
    ModelFamily(
        *("qwen2.5-vl", Frame.INPUT_PX, "qwen2.5-vl"),
        **_PX28,
        example='```json\n[\n\t{"bbox_2d": [100, 200, 300, 400], "label": "the man"}\n]\n```',
        source="Bai et al. 2025, Qwen2.5-VL; ms-swift docs, Custom-dataset",
    ),
    ModelFamily(
        *("qwen3-vl", Frame.NORM1000, "qwen3-vl"),
        **_PX32,
        example='[{"bbox_2d": [100, 200, 300, 600], "label": "the man"}]',
        source="Qwen3-VL cookbooks; ms-swift",
    ),
    *(
        ModelFamily(
            *(name, Frame.NORM1000, "qwen3-vl"),
            **_PX32,
            example='[{"bbox_2d": [100, 200, 300, 600], "label": "the man"}]',
            source=_SWIFT,
        )
        for name in ("qwen3.5", "qwen3.6")
    ),
    ModelFamily(
        "qwen3.8",
        Frame.NORM1000,
        "qwen3-vl",
        **_PX32,
        example='{"bbox_2d": [100, 200, 300, 600], "label": "the man"}',
        source=_SWIFT,
    ),
    ModelFamily(
        *("qwen3-omni", Frame.NORM1000, "qwen3-vl"),
        **_PX32,
        example='[{"bbox_2d": [100, 200, 300, 600], "label": "the man"}]',
        source="ms-swift docs, Custom-dataset",
    ),
    ModelFamily(
        *("internvl", Frame.NORM1000, "internvl"),
        example="<ref>the man</ref><box>[[100, 200, 300, 600]]</box>",
        source="OpenGVLab/InternVL eval/refcoco/evaluate_grounding.py",
    ),
    ModelFamily(
        *("glm-v", Frame.NORM1000, "qwen2.5-vl"),
        **_GLM,
        names=("glm-4.1v", "glm-4.5v", "glm-4.6v", "glm4v", "glm46v"),
        example="<|begin_of_box|>[[100,200,300,600]]<|end_of_box|>",
        source="zai-org/GLM-V README.md, examples/gui-agent",
    ),
    ModelFamily(
        *("mimo-vl", Frame.INPUT_PX, "qwen2.5-vl"),
        **_PX28,
        example='[{"bbox_2d": [100, 200, 300, 400], "label": "the man"}]',
        source="XiaomiMiMo/MiMo-VL examples/grounding.ipynb",
    ),
    ModelFamily(
        *("deepseek-vl2", Frame.NORM999, "internvl"),
        names=("deepseek-vl-v2",),
        example="<|ref|>the man<|/ref|><|det|>[[100, 200, 300, 600]]<|/det|>",
        source="deepseek-ai/DeepSeek-VL2 serve/app_modules/utils.py",
    ),
    ModelFamily(
        *("llava-onevision-1.5", Frame.NORM1000, "qwen2-vl"),
        **_PX28,
        example="<ref>the man</ref><box>(100,200),(300,600)</box>",
        source="LLaVA-OneVision-1.5 dataset_helpers.py; ms-swift template llava.py",
    ),
    ModelFamily(
        *("kimi-vl", Frame.NORM1, "qwen2.5-vl"),
        example="pyautogui.click(x=0.100, y=0.200)",
        source="likaixin2000/ScreenSpot-Pro-GUI-Grounding models/kimivl.py",
    ),
    ModelFamily(
        *("ui-tars", Frame.NORM1000, "qwen2-vl"),
        **_PX28,
        example="Thought: it is there.\nAction: click(start_box='(100,200)')",
        source="bytedance/UI-TARS README_v1.md",
    ),
    ModelFamily(
        *("ui-tars-1.5", Frame.INPUT_PX, "qwen2.5-vl"),
        **(_PX28 | {"min_pixels": 100 * 28 * 28}),
        example="Action: click(point='<point>100 200</point>')",
        source="bytedance/UI-TARS README_coordinates.md",
    ),
    ModelFamily(
        *("seed1.5-vl", Frame.NORM999, "qwen2.5-vl"),
        names=("seed-1.5-vl",),
        example="<bbox>100 200 300 600</bbox>",
        source="ByteDance-Seed/Seed1.5-VL GUI/action_parser.py and notebooks: 0-999",
    ),
    ModelFamily(
        *("minicpm-v", Frame.NORM1000, "internvl"),
        names=("minicpm-o", "minicpmv", "minicpmo"),
        example="<ref>the man</ref><box>100 200 300 600</box>",
        source="reported, not seen at a primary source",
    ),
    ModelFamily(
        *("paligemma", Frame.NORM1024, "internvl"),
        axis_order="yx",
        example="<loc0205><loc0102><loc0614><loc0307> the man",
        source=_SUPERVISION,
    ),
    ModelFamily(
        "florence-2",
        Frame.NORM1000,
        "internvl",
        example="the man<loc_100><loc_200><loc_300><loc_600>",
        source=_SUPERVISION,
    ),
    ModelFamily(
        *("kosmos-2", Frame.NORM1, "internvl"),
        example="<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object>",
        source="microsoft/unilm kosmos-2/demo/decode_string.py; transformers Kosmos2Processor",
    ),
    ModelFamily(
        *("molmo", Frame.NORM100, "internvl"),
        example='<point x="10.0" y="20.0" alt="the man">the man</point>',
        source="allenai/Molmo-7B-D model card: per cent",
    ),
    ModelFamily(
        *("molmo2", Frame.NORM1000, "internvl"),
        example='<points coords="1 1 100 200">the man</points>',
        source="allenai/Molmo2-8B model card",
    ),
    ModelFamily(
        *("rex-omni", Frame.NORM999, "qwen2.5-vl"),
        **_PX28,
        example="<|object_ref_start|>the man<|object_ref_end|>"
        "<|box_start|><100><200><300><600><|box_end|>",
        source="IDEA-Research/Rex-Omni rex_omni/parser.py",
    ),
    ModelFamily(
        *("cogvlm", Frame.NORM1000, "internvl"),
        example="the man [[100,200,300,600]]",
        source="Wang et al. 2023, CogVLM: three digits for each coordinate",
    ),
    ModelFamily(
        "ovis2.5",
        Frame.NORM1,
        "qwen2-vl",
        example="<ref>the man</ref><box>(0.100,0.200),(0.300,0.600)</box>",
        source="AIDC-AI/Ovis2.5 model card",
    ),
    ModelFamily(
        *("gemini", Frame.NORM1000, "qwen2.5-vl"),
        axis_order="yx",
        example='```json\n[{"box_2d": [200, 100, 600, 300], "label": "the man"}]\n```',
        source="cloud.google.com, bounding box detection: [ymin, xmin, ymax, xmax]",
    ),
    ModelFamily(
        "shikra",
        Frame.NORM1,
        "internvl",
        example="the man [0.100,0.200,0.300,0.600]",
        source="Chen et al. 2023, Shikra",
    ),
    ModelFamily(
        "ferret",
        Frame.NORM1000,
        "internvl",
        example="the man [100, 200, 300, 600]",
        source="You et al. 2023, Ferret",
    ),
    ModelFamily(
        *("llava-1.5", Frame.NORM1, "internvl"),
        names=("llava-v1.5", "llava-v1.6", "llava-next"),
        example="[0.10, 0.20, 0.30, 0.60]",
        source="Liu et al. 2023, LLaVA-1.5",
    ),
    ModelFamily(
        "moondream",
        Frame.NORM1,
        "internvl",
        example='{"objects": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.6}]}',
        source=_SUPERVISION,
    ),
)
"""The known families by name, those of plug-ins included."""


def family_of(model: str) -> ModelFamily:
    """The family that a model's name or `model_type` speaks of.

    Args:
        model: A model name, path or `model_type`, e.g. `Qwen/Qwen2.5-VL-3B-Instruct`,
            `qwen2_5_vl`.

    Raises:
        ValueError: If no family or more than one is named; lists the known ones.

    Example:
        >>> family_of("Qwen/Qwen2.5-VL-3B-Instruct").frame.value
        'input_px'
    """
    if model in FAMILIES:
        return FAMILIES[model]
    spans: dict[str, tuple[int, int]] = {}
    for name in FAMILIES:
        aliases = FAMILIES[name].names
        for match in (_pattern(alias).search(model.lower()) for alias in (name, *aliases)):
            if match:
                spans[name] = max(spans.get(name, (0, 0)), match.span(), key=lambda s: s[1] - s[0])
    # `ui-tars-1.5` also speaks of `ui-tars`: the longer name is meant.
    found = [
        name
        for name, (start, end) in spans.items()
        if not any(
            first <= start and end <= last and last - first > end - start
            for first, last in spans.values()
        )
    ]
    if len(found) != 1:
        raise ValueError(
            f"expected the name of one model family, got {model!r} which names "
            f"{found or 'none'}; known: {', '.join(FAMILIES)}. Declare the frame explicitly"
        )
    return FAMILIES[found[0]]


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str]:
    """The name however it is punctuated; a version at its end is not part of a longer number."""
    ends_in_version = name[-1].isdigit()
    dot = "[._]" if ends_in_version else "[^a-z0-9]*"
    parts = re.split(r"(\W)", name)
    pattern = "".join(
        dot if part == "." else "[^a-z0-9]*" if part == "-" else re.escape(part) for part in parts
    )
    return re.compile(pattern + (r"(?!\d)" if ends_in_version else ""))

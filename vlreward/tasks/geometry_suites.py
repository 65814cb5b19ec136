"""Suites of problems with a symbolic answer."""

from __future__ import annotations

from functools import partial

from vlreward.data.sources import PlanItem, Source, on_hub
from vlreward.suite import Suite

__all__ = ["SOURCE", "SUITES"]

_suite = partial(Suite, task="geometry", prompts={"r1": "r1-v", "baseline": "r1-v"})

SUITES = (
    _suite(
        name="geoqa_test",
        description="GeoQA test: 754 plane-geometry questions with drawn figures",
        file="geoqa_test_prompts.jsonl",
        n=754,
    ),
    _suite(
        name="geo170k_test",
        description="Geo170K test questions, as rows of image_path, question, ground_truth",
        file="geo170k_test.jsonl",
    ),
    _suite(
        name="scenes_geometry_test",
        description="Synthetic scenes, test seeds, three levels: compute a quantity of a drawn "
        "figure",
        n=300,
    ),
)

_FILE = "geoqa_test_prompts.jsonl"
_PROMPTS_AT = "https://raw.githubusercontent.com/Deep-Agent/R1-V/main/src/eval/prompts"

SOURCE = Source(
    (
        on_hub("leonardPKU/GEOQA_R1V_Train_8K", "GEOQA_R1V_Train_8K", "GEOQA-8k, for training"),
        on_hub(
            "Luckyjhg/Geo170K",
            "Geo170K",
            "Geo170K, whose images the GeoQA test set uses",
            "images.zip",
        ),
        PlanItem(f"{_PROMPTS_AT}/{_FILE}", _FILE, "file", "GeoQA test problems and answers"),
    ),
    archive="https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm/GEO.tar",
)
"""The addresses of PaddleMIX's `examples/r1_mllm/README.md`."""

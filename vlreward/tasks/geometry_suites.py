"""Suites of problems with a symbolic answer."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Suite

__all__ = ["SOURCE", "SUITES"]

_PROMPTS = {"r1": "r1-v", "baseline": "r1-v"}

SUITES = (
    Suite(
        name="geoqa_test",
        task="geometry",
        description="GeoQA test: 754 plane-geometry questions with drawn figures",
        file="geoqa_test_prompts.jsonl",
        n=754,
        prompts=_PROMPTS,
    ),
    Suite(
        name="geo170k_test",
        task="geometry",
        description="Geo170K test questions, as rows of image_path, question, ground_truth",
        file="geo170k_test.jsonl",
        n=None,
        prompts=_PROMPTS,
    ),
    Suite(
        name="scenes_geometry_test",
        task="geometry",
        description="Synthetic scenes, test seeds, three levels: compute a quantity of a drawn "
        "figure",
        file=None,
        n=300,
        prompts=_PROMPTS,
    ),
)

_FILE = "geoqa_test_prompts.jsonl"
_PROMPTS_AT = "https://raw.githubusercontent.com/Deep-Agent/R1-V/main/src/eval/prompts"

SOURCE = Source(
    (
        PlanItem(
            "{hub}/datasets/leonardPKU/GEOQA_R1V_Train_8K",
            "GEOQA_R1V_Train_8K",
            "repository",
            "GEOQA-8k, for training",
        ),
        PlanItem(
            "{hub}/datasets/Luckyjhg/Geo170K",
            "Geo170K",
            "repository",
            "Geo170K, whose images the GeoQA test set uses",
            unpack=("images.zip",),
        ),
        PlanItem(f"{_PROMPTS_AT}/{_FILE}", _FILE, "file", "GeoQA test problems and answers"),
    ),
    archive="https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm/GEO.tar",
)
"""The addresses of PaddleMIX's `examples/r1_mllm/README.md`."""

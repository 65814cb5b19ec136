"""Suites of item counting."""

from __future__ import annotations

from functools import partial

from vlreward.data.sources import PlanItem, Source, on_hub
from vlreward.suite import Suite

__all__ = ["COUNTBENCHQA", "PIXMO_COUNT", "SOURCE", "SUITES", "TALLYQA"]

_suite = partial(Suite, task="counting", prompts={"r1": "r1-v", "baseline": "r1-v"})

SUITES = (
    _suite(
        name="superclevr_test200",
        description="SuperCLEVR: count the items in 200 rendered images, 3 to 10 each",
        file="superclevr_test200_counting_problems.jsonl",
        n=200,
    ),
    _suite(
        name="countbenchqa",
        description="CountBenchQA: how many objects of a kind, 2 to 10, in web pictures",
        file="countbenchqa",
        split="test",
        fetch="countbenchqa",
        n=491,
    ),
    _suite(
        name="tallyqa_test",
        description="TallyQA test: simple and complex counting questions",
        file="tallyqa/test.json",
        fetch="tallyqa",
        n=38589,
    ),
    _suite(
        name="pixmo_count_test",
        description="PixMo-Count test: how many objects of a kind, checked by people",
        file="pixmo_count",
        split="test",
        images="pixmo_count/images",
        fetch="pixmo_count",
        n=540,
    ),
    _suite(
        name="scenes_count_test",
        description="Synthetic scenes, test seeds, three levels: count the objects of a kind",
        n=300,
    ),
)

_FILE = "superclevr_test200_counting_problems.jsonl"
_PROMPTS_AT = "https://raw.githubusercontent.com/Deep-Agent/R1-V/main/src/eval/prompts"

SOURCE = Source(
    (
        on_hub(
            "leonardPKU/clevr_cogen_a_train",
            "clevr_cogen_a_train",
            "CLEVR-70k counting, for training",
        ),
        PlanItem(
            "{hub}/datasets/tobiaslee/Super_clevr200/resolve/main/subsplit.tgz",
            "superclevr_200",
            "archive",
            "SuperCLEVR-200 images",
        ),
        PlanItem(f"{_PROMPTS_AT}/{_FILE}", _FILE, "file", "SuperCLEVR-200 questions and counts"),
    ),
    archive="https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm/Counting.tar",
)
"""The addresses of PaddleMIX's `examples/r1_mllm/README.md`."""

COUNTBENCHQA = Source((on_hub("vikhyatk/CountBenchQA", "countbenchqa", "CountBenchQA"),))
_TALLYQA = "TallyQA questions; the images are COCO's and Visual Genome's"
_TALLYQA_AT = "https://github.com/manoja328/tallyqa/raw/master/tallyqa.zip"
TALLYQA = Source((PlanItem(_TALLYQA_AT, "tallyqa", "archive", _TALLYQA),))
_PIXMO_COUNT = "PixMo-Count questions with the addresses of the images"
PIXMO_COUNT = Source((on_hub("allenai/pixmo-count", "pixmo_count", _PIXMO_COUNT),))

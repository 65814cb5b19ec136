"""Suites of item counting."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Suite

__all__ = ["COUNTBENCHQA", "PIXMO_COUNT", "SOURCE", "SUITES", "TALLYQA"]

_PROMPTS = {"r1": "r1-v", "baseline": "r1-v"}

SUITES = (
    Suite(
        name="superclevr_test200",
        task="counting",
        description="SuperCLEVR: count the items in 200 rendered images, 3 to 10 each",
        file="superclevr_test200_counting_problems.jsonl",
        n=200,
        prompts=_PROMPTS,
    ),
    Suite(
        name="countbenchqa",
        task="counting",
        description="CountBenchQA: how many objects of a kind, 2 to 10, in web pictures",
        file="countbenchqa",
        split="test",
        fetch="countbenchqa",
        n=491,
        prompts=_PROMPTS,
    ),
    Suite(
        name="tallyqa_test",
        task="counting",
        description="TallyQA test: simple and complex counting questions",
        file="tallyqa/test.json",
        fetch="tallyqa",
        n=38589,
        prompts=_PROMPTS,
    ),
    Suite(
        name="pixmo_count_test",
        task="counting",
        description="PixMo-Count test: how many objects of a kind, checked by people",
        file="pixmo_count",
        split="test",
        images="pixmo_count/images",
        fetch="pixmo_count",
        n=540,
        prompts=_PROMPTS,
    ),
    Suite(
        name="scenes_count_test",
        task="counting",
        description="Synthetic scenes, test seeds, three levels: count the objects of a kind",
        file=None,
        n=300,
        prompts=_PROMPTS,
    ),
)

_FILE = "superclevr_test200_counting_problems.jsonl"
_PROMPTS_AT = "https://raw.githubusercontent.com/Deep-Agent/R1-V/main/src/eval/prompts"

SOURCE = Source(
    (
        PlanItem(
            "{hub}/datasets/leonardPKU/clevr_cogen_a_train",
            "clevr_cogen_a_train",
            "repository",
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

COUNTBENCHQA = Source(
    (
        PlanItem(
            "{hub}/datasets/vikhyatk/CountBenchQA", "countbenchqa", "repository", "CountBenchQA"
        ),
    )
)
TALLYQA = Source(
    (
        PlanItem(
            "https://github.com/manoja328/tallyqa/raw/master/tallyqa.zip",
            "tallyqa",
            "archive",
            "TallyQA questions; the images are COCO's and Visual Genome's",
        ),
    )
)
PIXMO_COUNT = Source(
    (
        PlanItem(
            "{hub}/datasets/allenai/pixmo-count",
            "pixmo_count",
            "repository",
            "PixMo-Count questions with the addresses of the images",
        ),
    )
)

"""Suites of referring expression comprehension, with published numbers."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Reference, Suite

__all__ = ["SOURCE", "SUITES"]

_PROMPTS = {"r1": "rec-r1", "baseline": "rec-baseline"}
_MIX = "PaddleMIX r1_mllm README: 500 samples, fixed seed, its own rules"
_QWEN = "Qwen2.5-VL technical report: whole split, IoU >= 0.5"


def _published(
    baseline: float | None = None, trained: float | None = None, qwen7b: float | None = None
) -> tuple[Reference, ...]:
    rows = (
        ("Qwen2.5-VL-3B-Instruct", baseline, 500, _MIX),
        ("Qwen2.5-VL-3B-Instruct + 500 GRPO steps", trained, 500, _MIX),
        ("Qwen2.5-VL-7B-Instruct", qwen7b, None, _QWEN),
    )
    return tuple(
        Reference(model=model, acc=acc, n=n, source=source)
        for model, acc, n, source in rows
        if acc is not None
    )


def _refcoco(
    name: str,
    description: str,
    n: int | None,
    refs: tuple[Reference, ...] = (),
    images: str = "coco",
) -> Suite:
    return Suite(
        name=name,
        task="rec",
        description=description,
        file=f"{name}.json",
        images=images,
        n=n,
        prompts=_PROMPTS,
        references=refs,
    )


SUITES = (
    _refcoco("refcoco_val", "RefCOCO val", 10834, _published(0.886, 0.884, 0.900)),
    _refcoco("refcoco_testA", "RefCOCO testA (people)", 5657, _published(qwen7b=0.925)),
    _refcoco("refcoco_testB", "RefCOCO testB (objects)", 5095, _published(qwen7b=0.854)),
    _refcoco("refcocop_val", "RefCOCO+ val", 10758, _published(0.796, 0.836, 0.842)),
    _refcoco("refcocop_testA", "RefCOCO+ testA (people)", 5726, _published(qwen7b=0.891)),
    _refcoco("refcocop_testB", "RefCOCO+ testB (objects)", 4889, _published(qwen7b=0.769)),
    _refcoco("refcocog_val", "RefCOCOg (UMD) val", 4896, _published(0.818, 0.818, 0.872)),
    _refcoco("refcocog_test", "RefCOCOg (UMD) test", 9602, _published(qwen7b=0.872)),
    _refcoco(
        "refgta_subsample",
        "RefGTA subsample: rendered street scenes, out of domain",
        None,
        _published(0.718, 0.746),
        "refgta",
    ),
    Suite(
        name="scenes_rec_test",
        task="rec",
        description="Synthetic scenes, test seeds, three levels: find an object by its description",
        file=None,
        n=300,
        prompts=_PROMPTS,
    ),
)

_VLM_R1 = "{hub}/datasets/omlab/VLM-R1/resolve/main"

SOURCE = Source(
    (
        PlanItem(f"{_VLM_R1}/train2014.zip", "coco", "archive", "COCO train2014 images"),
        PlanItem(f"{_VLM_R1}/refgta.zip", "refgta", "archive", "RefGTA images"),
        PlanItem(
            f"{_VLM_R1}/rec_jsons_processed.zip",
            "rec_jsons_processed",
            "archive",
            "RefCOCO, RefCOCO+, RefCOCOg and RefGTA annotations",
        ),
    ),
    archive="https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm/REC.tar",
)
"""The addresses of PaddleMIX's `examples/r1_mllm/README.md`, which gives neither sizes nor
checksums; what the server says about them is checked and recorded."""

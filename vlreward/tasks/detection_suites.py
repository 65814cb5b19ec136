"""Suites of detection: COCO-style files, and the synthetic scenes."""

from __future__ import annotations

from functools import partial

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Suite

__all__ = ["COCO_VAL2017", "SUITES"]

_PROMPTS = {"r1": "detection-r1", "baseline": "detection-baseline"}
_suite = partial(Suite, task="detection", prompts=_PROMPTS)

SUITES = (
    _suite(
        name="coco_val2017",
        description="COCO val2017: every object of the 80 categories",
        file="coco_annotations/annotations/instances_val2017.json",
        images="coco_val2017/val2017",
        fetch="coco_val2017",
        n=5000,
    ),
    _suite(
        name="scenes_detection_test",
        description="Synthetic scenes, test seeds, three levels: all objects of a kind, or none",
        n=300,
    ),
)

_COCO = "https://s3.amazonaws.com/images.cocodataset.org"  # its own name has no certificate

COCO_VAL2017 = Source(
    (
        PlanItem(f"{_COCO}/zips/val2017.zip", "coco_val2017", "archive", "COCO val2017 images"),
        PlanItem(
            f"{_COCO}/annotations/annotations_trainval2017.zip",
            "coco_annotations",
            "archive",
            "COCO 2017 annotations, train and val",
        ),
    )
)

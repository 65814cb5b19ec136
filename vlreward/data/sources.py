"""Where the data sets of the original recipes are downloaded from.

The addresses are those of PaddleMIX's `examples/r1_mllm/README.md`. It lists one archive per task
that its authors put together (`paddlemix`), and the data sets that these were made from (`hf`).
Neither publishes sizes or checksums; what the server says about them is checked and recorded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from vlreward.registry import unknown_name

__all__ = ["DATA_SETS", "PlanItem", "fetch_plan"]

_BUCKET = "https://paddlenlp.bj.bcebos.com/datasets/paddlemix/playground/r1_mllm"
_PROMPTS = "https://raw.githubusercontent.com/Deep-Agent/R1-V/main/src/eval/prompts"
_HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One thing to download."""

    url: str
    """Address of a file, or of a data set repository of the Hugging Face hub."""
    to: str
    """Where it goes, below the destination: a file, or a directory if it is an archive or a
    repository."""
    kind: Literal["file", "archive", "repository"]
    """An archive is unpacked; of a repository every file is downloaded."""
    about: str
    """What it is."""
    size: int | None = None
    """Bytes to download; None if unknown before the server is asked."""
    sha256: str | None = None
    """Hex digest that the file must have; None if unknown before the server is asked."""
    unpack: tuple[str, ...] = ()
    """Of a repository: archives in it that are unpacked where they lie."""


def _rec(hub: str) -> tuple[PlanItem, ...]:
    base = f"{hub}/datasets/omlab/VLM-R1/resolve/main"
    return (
        PlanItem(f"{base}/train2014.zip", "coco", "archive", "COCO train2014 images"),
        PlanItem(f"{base}/refgta.zip", "refgta", "archive", "RefGTA images"),
        PlanItem(
            f"{base}/rec_jsons_processed.zip",
            "rec_jsons_processed",
            "archive",
            "RefCOCO, RefCOCO+, RefCOCOg and RefGTA annotations",
        ),
    )


def _counting(hub: str) -> tuple[PlanItem, ...]:
    name = "superclevr_test200_counting_problems.jsonl"
    return (
        PlanItem(
            f"{hub}/datasets/leonardPKU/clevr_cogen_a_train",
            "clevr_cogen_a_train",
            "repository",
            "CLEVR-70k counting, for training",
        ),
        PlanItem(
            f"{hub}/datasets/tobiaslee/Super_clevr200/resolve/main/subsplit.tgz",
            "superclevr_200",
            "archive",
            "SuperCLEVR-200 images",
        ),
        PlanItem(f"{_PROMPTS}/{name}", name, "file", "SuperCLEVR-200 questions and counts"),
    )


def _geometry(hub: str) -> tuple[PlanItem, ...]:
    name = "geoqa_test_prompts.jsonl"
    return (
        PlanItem(
            f"{hub}/datasets/leonardPKU/GEOQA_R1V_Train_8K",
            "GEOQA_R1V_Train_8K",
            "repository",
            "GEOQA-8k, for training",
        ),
        PlanItem(
            f"{hub}/datasets/Luckyjhg/Geo170K",
            "Geo170K",
            "repository",
            "Geo170K, whose images the GeoQA test set uses",
            unpack=("images.zip",),
        ),
        PlanItem(f"{_PROMPTS}/{name}", name, "file", "GeoQA test problems and answers"),
    )


_FROM_HUB = {"rec": _rec, "counting": _counting, "geometry": _geometry}
_FROM_BUCKET = {"rec": "REC.tar", "counting": "Counting.tar", "geometry": "GEO.tar"}

DATA_SETS: tuple[str, ...] = tuple(_FROM_HUB)
"""Names that can be fetched: one per task."""


def fetch_plan(name: str, source: Literal["paddlemix", "hf"] = "hf") -> tuple[PlanItem, ...]:
    """What `fetch` downloads, without asking any server.

    The environment variable HF_ENDPOINT names a mirror of the Hugging Face hub, as it does for
    Hugging Face's own tools.

    Args:
        name: `rec`, `counting` or `geometry`.
        source: `hf` for the original data sets, `paddlemix` for PaddleMIX's archive of them.

    Raises:
        ValueError: If the name or source is unknown.
    """
    if name not in DATA_SETS:
        raise ValueError(unknown_name("data set", name, _FROM_HUB))
    if source == "paddlemix":
        url = f"{_BUCKET}/{_FROM_BUCKET[name]}"
        about = f"PaddleMIX's archive of images and annotations for {name}"
        return (PlanItem(url, name, "archive", about),)
    if source != "hf":
        raise ValueError(f"expected source 'hf' or 'paddlemix', got {source!r}")
    return _FROM_HUB[name]((os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/"))

"""The benchmark suites: which data, which task, which published numbers stand beside yours."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vlreward.registry import unknown_name

__all__ = ["SUITES", "Reference", "Suite", "get_suite"]


class Reference(BaseModel):
    """A published accuracy, for comparison by eye; protocols differ, so read `source`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Model, as its publisher names it."""
    acc: float = Field(ge=0, le=1)
    """Accuracy as a fraction."""
    n: int | None = None
    """Number of samples; None for the whole split."""
    source: str
    """Who published it, and by which rules."""


class Suite(BaseModel):
    """One named evaluation set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name on the command line."""
    task: Literal["rec", "counting", "geometry"]
    """Task whose rules score it."""
    description: str
    """One line for `vlreward-bench list`."""
    file: str | None
    """Data file under the data root; None for suites that are generated."""
    n: int | None
    """Number of samples in the standard split, where known."""
    prompts: dict[str, str]
    """Prompt preset by method."""
    references: tuple[Reference, ...] = ()
    """Published numbers."""


_REC = {"r1": "rec-r1", "baseline": "rec-baseline"}
_R1V = {"r1": "r1-v", "baseline": "r1-v"}
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


def _rec(name: str, description: str, n: int | None, refs: tuple[Reference, ...] = ()) -> Suite:
    return Suite(
        name=name,
        task="rec",
        description=description,
        file=f"{name}.json",
        n=n,
        prompts=_REC,
        references=refs,
    )


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        _rec("refcoco_val", "RefCOCO val", 10834, _published(0.886, 0.884, 0.900)),
        _rec("refcoco_testA", "RefCOCO testA (people)", 5657, _published(qwen7b=0.925)),
        _rec("refcoco_testB", "RefCOCO testB (objects)", 5095, _published(qwen7b=0.854)),
        _rec("refcocop_val", "RefCOCO+ val", 10758, _published(0.796, 0.836, 0.842)),
        _rec("refcocop_testA", "RefCOCO+ testA (people)", 5726, _published(qwen7b=0.891)),
        _rec("refcocop_testB", "RefCOCO+ testB (objects)", 4889, _published(qwen7b=0.769)),
        _rec("refcocog_val", "RefCOCOg (UMD) val", 4896, _published(0.818, 0.818, 0.872)),
        _rec("refcocog_test", "RefCOCOg (UMD) test", 9602, _published(qwen7b=0.872)),
        _rec(
            "refgta_subsample",
            "RefGTA subsample: rendered street scenes, out of domain",
            None,
            _published(0.718, 0.746),
        ),
        Suite(
            name="superclevr_test200",
            task="counting",
            description="SuperCLEVR: count the items in 200 rendered images, 3 to 10 each",
            file="superclevr_test200_counting_problems.jsonl",
            n=200,
            prompts=_R1V,
        ),
        Suite(
            name="geoqa_test",
            task="geometry",
            description="GeoQA test: 754 plane-geometry questions with drawn figures",
            file="geoqa_test_prompts.jsonl",
            n=754,
            prompts=_R1V,
        ),
        Suite(
            name="geo170k_test",
            task="geometry",
            description="Geo170K test questions, as rows of image_path, question, ground_truth",
            file="geo170k_test.jsonl",
            n=None,
            prompts=_R1V,
        ),
        *(
            Suite(
                name=f"scenes_{name}_test",
                task=task,
                description=f"Synthetic scenes, test seeds, three levels: {what}",
                file=None,
                n=300,
                prompts=prompts,
            )
            for name, task, what, prompts in (
                ("rec", "rec", "find an object by its description", _REC),
                ("count", "counting", "count the objects of a kind", _R1V),
                ("geometry", "geometry", "compute a quantity of a drawn figure", _R1V),
            )
        ),
    )
}
"""The suites by name."""


def get_suite(name: str) -> Suite:
    """The suite called `name`.

    Raises:
        UnknownNameError: If there is none; names near matches and all suites.
    """
    try:
        return SUITES[name]
    except KeyError:
        raise unknown_name("suite", name, SUITES) from None

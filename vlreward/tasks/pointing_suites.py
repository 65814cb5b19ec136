"""Suites of GUI grounding: ScreenSpot, ScreenSpot-v2, ScreenSpot-Pro; and the synthetic scenes."""

from __future__ import annotations

from vlreward.data.sources import PlanItem, Source
from vlreward.suite import Reference, Suite

__all__ = ["SCREENSPOT", "SCREENSPOT_PRO", "SCREENSPOT_V2", "SUITES"]

_PROMPTS = {"r1": "pointing-r1", "baseline": "pointing-baseline"}
_SCREENS = (("desktop", 334), ("mobile", 502), ("web", 436))
_SCREENS_V2 = (("desktop", 334), ("mobile", 501), ("web", 437))
_QWEN = "Qwen2.5-VL-3B-Instruct's model card"
_SE_GUI = "README of likaixin2000/ScreenSpot-Pro-GUI-Grounding, 19 May 2025"
_FORK = "result files of IANNXANG/VLM-R1: first [x, y] of the answer, else the centre of a box"

_PRO = (
    Reference(model="Qwen2.5-VL-3B-Instruct", acc=0.239, source=_QWEN),
    Reference(model="SE-GUI-3B", acc=0.359, source=_SE_GUI),
    Reference(model="SE-GUI-7B", acc=0.472, source=_SE_GUI),
)
_CLICKS = {
    "desktop": Reference(model="Qwen2.5-VL-7B-Instruct", acc=0.847, source=_FORK),
    "mobile": Reference(model="Qwen2.5-VL-7B + 100 GRPO steps", acc=0.950, source=_FORK),
    "web": Reference(model="Qwen2.5-VL-7B + 10 GRPO steps", acc=0.876, source=_FORK),
}


def _suite(
    name: str,
    description: str,
    file: str | None,
    images: str | None,
    n: int,
    references: tuple[Reference, ...] = (),
) -> Suite:
    return Suite(
        name=name,
        task="pointing",
        description=description,
        file=file,
        images=images,
        fetch=None if file is None else file.partition("/")[0],
        n=n,
        prompts=_PROMPTS,
        references=references,
    )


SUITES = (
    *(
        _suite(
            f"screenspot_{screen}",
            f"ScreenSpot: click what an instruction names, {screen} screens",
            f"screenspot/metadata/screenspot_{screen}.json",
            "screenspot/images",
            n,
        )
        for screen, n in _SCREENS
    ),
    *(
        _suite(
            f"screenspot_v2_{screen}",
            f"ScreenSpot-v2, corrected: {screen} screens",
            f"screenspot_v2/screenspot_{screen}_v2.json",
            "screenspot_v2/screenspotv2_image",
            n,
            (_CLICKS[screen],),
        )
        for screen, n in _SCREENS_V2
    ),
    _suite(
        "screenspot_pro",
        "ScreenSpot-Pro: professional software on high-resolution screens",
        "screenspot_pro/annotations",
        "screenspot_pro/images",
        1581,
        _PRO,
    ),
    _suite(
        "scenes_pointing_test",
        "Synthetic scenes, test seeds, three levels: point at an object by its description",
        None,
        None,
        300,
    ),
)


def _source(repository: str, to: str, about: str, unpack: tuple[str, ...] = ()) -> Source:
    url = f"{{hub}}/datasets/{repository}"
    return Source((PlanItem(url, to, "repository", about, unpack=unpack),))


SCREENSPOT = _source("KevinQHLin/ScreenSpot", "screenspot", "ScreenSpot, screens and instructions")
SCREENSPOT_V2 = _source(
    "OS-Copilot/ScreenSpot-v2",
    "screenspot_v2",
    "ScreenSpot-v2, screens and instructions",
    ("screenspotv2_image.zip",),
)
SCREENSPOT_PRO = _source(
    "likaixin/ScreenSpot-Pro", "screenspot_pro", "ScreenSpot-Pro, screens and instructions"
)

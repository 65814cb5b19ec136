"""Suites of GUI grounding: ScreenSpot, ScreenSpot-v2, ScreenSpot-Pro; and the synthetic scenes."""

from __future__ import annotations

from functools import partial

from vlreward.data.sources import Source, on_hub
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


_suite = partial(Suite, task="pointing", prompts=_PROMPTS)

SUITES = (
    *(
        _suite(
            name=f"screenspot_{screen}",
            description=f"ScreenSpot: click what an instruction names, {screen} screens",
            file=f"screenspot/metadata/screenspot_{screen}.json",
            images="screenspot/images",
            fetch="screenspot",
            n=n,
        )
        for screen, n in _SCREENS
    ),
    *(
        _suite(
            name=f"screenspot_v2_{screen}",
            description=f"ScreenSpot-v2, corrected: {screen} screens",
            file=f"screenspot_v2/screenspot_{screen}_v2.json",
            images="screenspot_v2/screenspotv2_image",
            fetch="screenspot_v2",
            n=n,
            references=(_CLICKS[screen],),
        )
        for screen, n in _SCREENS_V2
    ),
    _suite(
        name="screenspot_pro",
        description="ScreenSpot-Pro: professional software on high-resolution screens",
        file="screenspot_pro/annotations",
        images="screenspot_pro/images",
        fetch="screenspot_pro",
        n=1581,
        references=_PRO,
    ),
    _suite(
        name="scenes_pointing_test",
        description="Synthetic scenes, test seeds, three levels: point at an object by its "
        "description",
        n=300,
    ),
)

_ABOUT = "{}, screens and instructions".format
SCREENSPOT = Source((on_hub("KevinQHLin/ScreenSpot", "screenspot", _ABOUT("ScreenSpot")),))
SCREENSPOT_V2 = Source(
    (
        on_hub(
            "OS-Copilot/ScreenSpot-v2",
            "screenspot_v2",
            _ABOUT("ScreenSpot-v2"),
            "screenspotv2_image.zip",
        ),
    )
)
SCREENSPOT_PRO = Source(
    (on_hub("likaixin/ScreenSpot-Pro", "screenspot_pro", _ABOUT("ScreenSpot-Pro")),)
)

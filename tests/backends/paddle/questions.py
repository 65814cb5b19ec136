"""Questions about scenes for the packaged tiny model, asked in torch and in Paddle."""

from __future__ import annotations

import io
from pathlib import Path

from tests.tiny import PACKAGED
from vlreward.engines.base import Request
from vlreward.prompts import get_prompt
from vlreward.scenes import LEVELS, TASKS, export_scenes, make_scene
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample

MODEL = str(PACKAGED / "sft")


def requests() -> list[Request]:
    """Two for each task and level; images of several sizes."""
    found = []
    for task in TASKS:
        template = get_prompt("rec-r1" if task == "rec" else "r1-v")
        for level in LEVELS:
            for number in range(2):
                scene = make_scene(task, "test", number, level=level)
                encoded = io.BytesIO()
                scene.image.save(encoded, "PNG")
                sample = Sample(
                    id="1", question=scene.question, gold=CountGold(count=0), image="1.png"
                )
                found.append(
                    Request(f"{task}-{level}-{number}", template.render(sample), encoded.getvalue())
                )
    return found


def evaluation_words(directory: Path, **more: object) -> list[str]:
    """The command line of a run that evaluates the half-trained model, in both backends."""
    rows = export_scenes("counting", directory / "train", 24)
    held_out = export_scenes("counting", directory / "test", 24, split="test")
    given = {
        "model": PACKAGED / "half",
        "data": rows,
        "eval_data": held_out,
        "output_dir": directory / "out",
        "max_completion_length": 48,
        "max_steps": 2,
        "beta": 0,
        **more,
    }
    return ["counting", *(word for k, v in given.items() for word in (f"--{k}", str(v)))]

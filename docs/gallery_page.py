"""The gallery: a drawn sample of each task, answers to it, and what each earns and why."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from PIL import Image

from vlreward.data import load
from vlreward.data.check_page import drawn
from vlreward.frames import Frame
from vlreward.scenes import export_scenes
from vlreward.scoring import score
from vlreward.tasks import TASKS, get_task
from vlreward.types import Completion, Sample

INTRO = """# Gallery

A drawn sample of each task with its gold, and completions with what was read of them, what they
earned and the failure code. The build makes this page with the functions that score training.

<style>.gold { fill: none; stroke: #d7263d; stroke-width: 2px; }</style>
"""
ANSWERS = (
    "<think>I look.</think><answer>{gold}</answer>",
    "The answer is {gold}.",
    "<think>One, or the other.</think><answer>{gold}</answer><answer>[1, 2, 3, 4]</answer>",
    "<think>I look.</think><answer></answer>",
    "<think>I look.</think><answer>I cannot tell</answer>",
)


def page() -> str:
    """The page as Markdown."""
    with tempfile.TemporaryDirectory() as directory:
        return INTRO + "\n".join(part for task in TASKS for part in section(task, Path(directory)))


def section(task: str, directory: Path) -> Iterator[str]:
    """One task: its question, picture, and a table of answers."""
    sample = a_sample(task, directory)
    image = Image.open(directory / str(sample.image))
    said = sample.gold.written(sample.frame, sample.image_size, sample.input_size)
    yield f"## {task}\n\n{escape(sample.question)}\n\n{drawn(sample, image.convert('RGB'))}\n"
    yield "| completion | read | terms | failure |\n|---|---|---|---|"
    for template in ANSWERS:
        text = template.format(gold=said)
        found = score(get_task(task), Completion(text), sample)
        terms = ", ".join(f"{name} {value:.2f}" for name, value in found.terms.items())
        read = "" if found.answer is None else f"`{cell(str(found.answer))}`"
        why = found.failure
        failure = f"`{why.code}`: {escape(cell(why.detail))}" if why else ""
        yield f"| `{cell(text)}` | {read} | {terms} | {failure} |"
    yield ""


def a_sample(task: str, directory: Path) -> Sample:
    """A scene of the task; for choices, one to count in with options."""
    drawn_task = "counting" if task == "choice" else task
    path = export_scenes(drawn_task, directory, 1, split="validation", level="medium", start=3)  # type: ignore[arg-type]
    (sample,) = load(path, task=drawn_task, image_root=directory)
    if task == "choice":
        count = sample.target
        options = [str(count + more) for more in (-1, 0, 1, 2)]
        listed = " ".join(f"{letter}. {text}" for letter, text in zip("ABCD", options))
        gold = {"task": task, "letters": ["B"], "options": options}
        fields = sample.model_dump() | {"gold": gold, "question": f"{sample.question} {listed}"}
        return Sample.model_validate(fields)
    frame = {"frame": Frame.ORIGINAL_PX} if sample.gold.located else {}
    return sample.model_copy(update=frame)


def cell(text: str) -> str:
    """Text for a table's cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")

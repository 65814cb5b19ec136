"""Scenes: a picture, a question about it, and the gold answer."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vlreward.files import replacing
from vlreward.geometry import Size
from vlreward.scenes.figures import Figure, draw_figure
from vlreward.scenes.problems import problems
from vlreward.scenes.referring import ask_count, refer
from vlreward.scenes.seeds import LEVELS, MORE_TASKS, Level, SceneSeed, Split, TaskName
from vlreward.scenes.shapes import SceneObject, draw_objects

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from vlreward.types import Sample

__all__ = ["SIZES", "Scene", "make_scene", "more_questions", "scenes"]

SIZES: dict[Level, tuple[Size, ...]] = {
    "easy": (Size(112, 112), Size(120, 120)),
    "medium": (Size(112, 112), Size(120, 120), Size(128, 96), Size(100, 150)),
    "hard": (Size(112, 112), Size(120, 120), Size(128, 96), Size(100, 150), Size(160, 120)),
}
"""(width, height) in pixels of the images of each level."""

Corners = tuple[int, int, int, int]
Gold = Corners | int | str | tuple[tuple[Corners, str], ...]

_PNG_END = bytes.fromhex("0000000049454e44ae426082")


@dataclass(frozen=True)
class Scene:
    """A picture with one question. Drawn when `image` is first asked for."""

    seed: SceneSeed
    """What the scene was drawn from."""
    size: Size
    """(width, height) of the image in pixels."""
    question: str
    """The question, without any instruction about the output format."""
    gold: Gold
    """rec, pointing: box (x1, y1, x2, y2) in pixels of the original image; counting: a whole
    number; geometry: exact LaTeX with unit; detection: each object's box and label."""
    expression: str | None = None
    """rec, pointing: the bare description, e.g. `the leftmost red circle`."""
    objects: tuple[SceneObject, ...] = ()
    """All but geometry: everything that is drawn."""
    figure: Figure | None = None
    """geometry: what is drawn."""
    topic: str = ""
    """What a worked answer says first, e.g. `red circles`."""
    cited: tuple[SceneObject, ...] = ()
    """Objects that a worked answer lists, in order."""
    steps: str = ""
    """geometry: the arithmetic of a worked answer."""
    question_index: int = 0
    """0 for the scene's own question; see `more_questions`."""

    @property
    def task(self) -> TaskName:
        """The task of the question, which `more_questions` may change."""
        if self.seed.task in MORE_TASKS and not self.question_index:
            return self.seed.task
        if self.figure is not None:
            return "geometry"
        return "counting" if isinstance(self.gold, int) else "rec"

    @property
    def level(self) -> Level:
        """Difficulty."""
        return self.seed.level

    @property
    def id(self) -> str:
        """Unique among all scenes, e.g. `rec-test-hard-17`."""
        tail = f"-q{self.question_index}" if self.question_index else ""
        seed = self.seed
        return f"{seed.task}-{seed.split}-{seed.level}-{seed.index}{tail}"

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return self.size.width

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        return self.size.height

    def pixels(self) -> NDArray[np.uint8]:
        """The picture as RGB of shape (height, width, 3)."""
        from vlreward.scenes.raster import paint_figure, paint_objects

        if self.figure is not None:
            return paint_figure(self.figure)
        return paint_objects(self.objects, self.size)

    @cached_property
    def image(self) -> Image.Image:
        """The picture as an RGB Pillow image."""
        from PIL import Image

        return Image.fromarray(self.pixels())

    def save_image(self, path: Path) -> None:
        """Write the picture as PNG, unless it is there whole; a torn one is made again."""
        with suppress(OSError), path.open("rb") as file:  # not there, or shorter than an ending
            file.seek(-len(_PNG_END), os.SEEK_END)
            if file.read() == _PNG_END:
                return
        with replacing(path, "wb", sync=False) as file:
            self.image.save(file, "PNG")

    def worked_answer(self, input_size: Size | None = None) -> str:
        """A completion that reasons aloud and is right: what supervised training imitates.

        It lists what it looks at before it answers: the objects of the kind with the rounded
        centres, or the labels and the arithmetic.

        Args:
            input_size: (width, height) of the image as the model sees it; coordinates are in its
                pixels. None for those of the original image.

        Example:
            >>> make_scene("counting", "test", 0, level="easy").worked_answer()
            '<think>orange squares: 10,42 31,69 60,78 69,12</think><answer>4</answer>'
        """
        to = input_size or self.size
        if self.figure is not None:
            return f"<think>{self.steps}</think><answer>{self.gold}</answer>"
        places = " ".join(
            f"{round(o.centre[0] * to.width / self.width)},"
            f"{round(o.centre[1] * to.height / self.height)}"
            for o in self.cited
        )
        if self.task == "counting":
            answer = str(self.gold)
        elif self.task == "detection":
            found = cast("tuple[tuple[Corners, str], ...]", self.gold)
            rows = (f'{{"bbox_2d": {self._in(box, to)}, "label": "{name}"}}' for box, name in found)
            answer = f"[{', '.join(rows)}]" if found else "None"
        else:
            x1, y1, x2, y2 = box = self._in(cast("Corners", self.gold), to)
            point = [(x1 + x2) // 2, (y1 + y2) // 2]
            answer = str(point) if self.task == "pointing" else f'{{"bbox_2d": {box}}}'
        return f"<think>{self.topic}: {places or 'none'}</think><answer>{answer}</answer>"

    def _in(self, box: Corners, to: Size) -> list[int]:
        """A box in whole pixels of an image of another size."""
        x1, y1, x2, y2 = box
        xs = [round(x * to.width / self.width) for x in (x1, x2)]
        ys = [round(y * to.height / self.height) for y in (y1, y2)]
        return [xs[0], ys[0], xs[1], ys[1]]

    def to_sample(self, input_size: Size | None = None) -> Sample:
        """The scene as a row of a data set, with predicted boxes in pixels of the resized image.

        Args:
            input_size: (width, height) of the image as the model sees it; None for that of
                Qwen2.5-VL's default limits.
        """
        from vlreward.frames import Frame, smart_resize
        from vlreward.tasks import gold_class
        from vlreward.types import Sample

        value: object = self.gold
        if self.task == "detection":
            found = cast("tuple[tuple[Corners, str], ...]", value)
            value = [{"bbox_2d": box, "label": name} for box, name in found]
        gold = gold_class(self.task).read(value, self.task)
        return Sample(
            id=self.id,
            question=self.question,
            expression=self.expression,
            gold=gold,
            image=f"{self.id}.png",
            image_size=self.size,
            input_size=input_size or smart_resize(self.size),
            frame=Frame.INPUT_PX if gold.located else None,
            metadata={"level": self.level, "split": str(self.seed.split)},
        )


def make_scene(
    task: TaskName,
    split: Split | str,
    index: int,
    level: Level = "medium",
    *,
    size: Size | None = None,
) -> Scene:
    """Draw the scene number `index` of a task, split and level.

    Args:
        task: `rec`, `counting`, `geometry`, `detection` or `pointing`.
        split: `train`, `validation` or `test`; a picture belongs to only one of them.
        index: 0 to 2^32 - 1.
        level: `easy`, `medium` or `hard`.
        size: (width, height) in pixels instead of one of `SIZES[level]`; at least 96 each.

    Raises:
        ValueError: If an argument is none of these; says which.
    """
    seed = SceneSeed(task, Split(split), level, index)
    if size is not None and min(size) < 96:
        raise ValueError(f"expected a size of at least 96 x 96 pixels, got {size!r}")
    for rng in seed.generators():
        chosen = rng.choice(SIZES[level]) if size is None else size
        if task == "geometry":
            figure = draw_figure(rng, level, chosen)
            if seed.split.owns((figure.shape, figure.values, figure.lines, figure.labels)):
                return _geometry(rng, seed, figure)
            continue
        objects = draw_objects(rng, level, chosen)
        if seed.split.owns((tuple(chosen), tuple((*o.box, o.shape, o.colour) for o in objects))):
            scene = _ask(rng, Scene(seed, chosen, "", 0, objects=objects), task)
            if scene is not None:
                return scene
    raise AssertionError("unreachable: generators() raises when it runs out")


def _geometry(rng: random.Random, seed: SceneSeed, figure: Figure) -> Scene:
    problem = rng.choice(problems(figure, seed.level, rng.choice(("cm", "m"))))
    return Scene(
        seed,
        figure.size,
        problem.question,
        problem.answer,
        figure=figure,
        topic=problem.quantity,
        steps=problem.steps,
    )


def _ask(rng: random.Random, scene: Scene, task: TaskName) -> Scene | None:
    if task in ("counting", "detection"):
        count = ask_count(rng, scene.objects, scene.level)
        name = count.kind.plural
        question, gold = f"How many {name} are there?", cast("Gold", len(count.items))
        if task == "detection":
            question = f"Find all {name}. The label of each is its colour and shape: red circle."
            gold = tuple((item.box, f"{item.colour} {item.shape}") for item in count.items)
        asked = replace(scene, question=question, gold=gold, expression=None)
        return replace(asked, topic=name, cited=count.items)
    found = refer(rng, scene.objects, scene.level)
    if found is None:
        return None
    origin = "" if found.side is None else f" from the {found.side}"
    return replace(
        scene,
        question=f"Where is {found.expression}?",
        gold=found.target.box,
        expression=found.expression,
        topic=found.kind.singular + origin,
        cited=found.candidates,
    )


def more_questions(scene: Scene, n: int) -> list[Scene]:
    """Up to `n` further questions about the picture of a scene, of both tasks that it allows.

    Several questions about one picture teach a small model far more than one: see
    `scripts/train_tiny_vlm`.
    """
    found = []
    for number in range(1, n + 1):
        rng = random.Random(scene.seed.value << 8 | number | 1 << 80)
        other: Scene | None
        if scene.figure is not None:
            other = _geometry(rng, scene.seed, scene.figure)
        else:
            other = _ask(rng, scene, rng.choice(("rec", "counting")))
        if other is not None:
            found.append(replace(other, question_index=number))
    return found


def scenes(
    task: TaskName, split: Split | str, n: int, *, level: Level | None = None, start: int = 0
) -> Iterator[Scene]:
    """`n` scenes, of one level or of all three in turn.

    Args:
        task: `rec`, `counting`, `geometry`, `detection` or `pointing`.
        split: `train`, `validation` or `test`.
        n: How many.
        level: One level; None for easy, medium, hard, easy, ...
        start: Index of the first.
    """
    for index in range(start, start + n):
        yield make_scene(task, split, index, level or LEVELS[index % len(LEVELS)])

"""Writes scenes to disk in the schemas of published data sets, for trainers."""

from __future__ import annotations

import json
from pathlib import Path

from vlreward.errors import OptionError
from vlreward.files import replacing
from vlreward.scenes.scene import scenes
from vlreward.scenes.seeds import Level, Split, TaskName

__all__ = ["export_scenes"]


def export_scenes(
    task: TaskName,
    directory: str | Path,
    n: int,
    *,
    split: Split | str = Split.TRAIN,
    level: Level | None = None,
    start: int = 0,
) -> Path:
    """Write `n` scenes as images and one JSON Lines file.

    Rows have the schema `rec` or `r1-v` of `vlreward.data.SCHEMAS`, so that `load` reads them like
    any other data; image names are relative to `directory`.

    Args:
        task: `rec`, `counting`, `geometry`, `detection` or `pointing`; name it to `load`, too.
        directory: Where to write; made if need be. Images that are there whole are kept.
        n: How many.
        split: `train`, `validation` or `test`.
        level: One level; None for all three in turn.
        start: Index of the first.

    Returns:
        The file: `TASK.jsonl`, of other splits than `train` `TASK_SPLIT.jsonl`.

    Raises:
        OptionError: If there is such a file and it holds no scenes.
    """
    directory = Path(directory)
    path = directory / (f"{task}.jsonl" if split == Split.TRAIN else f"{task}_{split}.jsonl")
    begin = f'{{"id": "{task}-{Split(split)}-'.encode()
    if path.is_file() and not path.read_bytes().startswith(begin):
        raise OptionError(f"{path} holds other rows than scenes: name another directory")
    (directory / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for scene in scenes(task, split, n, level=level, start=start):
        image = f"images/{scene.id}.png"
        scene.save_image(directory / image)
        row: dict[str, object] = {"id": scene.id, "width": scene.width, "height": scene.height}
        if task in ("rec", "pointing"):
            row |= {"image": image, "problem": scene.question, "solution": scene.gold}
            row["normal_caption"] = scene.expression
        else:
            gold: object = scene.gold
            if isinstance(gold, tuple):  # of detection
                gold = [{"bbox_2d": box, "label": name} for box, name in gold]
            row |= {"image_path": image, "question": scene.question, "ground_truth": gold}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    with replacing(path) as file:
        file.writelines(lines)
    return path

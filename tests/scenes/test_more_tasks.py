"""Scenes of detection and pointing: golds against the pictures, worked answers, exported files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlreward.bench.options import RunOptions
from vlreward.bench.suite_data import load_suite
from vlreward.data import load
from vlreward.data.sampling import Sampler
from vlreward.scenes import LEVELS, MORE_TASKS, export_scenes, make_scene, scenes
from vlreward.scenes.seeds import TaskName
from vlreward.scoring import score_batch
from vlreward.suite import get_suite
from vlreward.tasks import get_task
from vlreward.types import Completion


@pytest.mark.parametrize("task", MORE_TASKS)
def test_worked_answers_are_right_in_the_pixels_of_the_resized_image(task: TaskName) -> None:
    drawn = list(scenes(task, "test", 60))
    samples = [scene.to_sample() for scene in drawn]
    texts = [scene.worked_answer(sample.input_size) for scene, sample in zip(drawn, samples)]
    scores = score_batch(get_task(task), [Completion(text) for text in texts], samples)
    assert all(score.failure is None for score in scores)
    assert all(score.terms["format"] == 1 for score in scores)
    primary = get_task(task).primary
    assert all(score.metrics[primary] == 1 for score in scores)
    assert {scene.task for scene in drawn} == {task}


def test_detection_asks_for_none_one_and_several_objects_with_their_own_colours() -> None:
    drawn = list(scenes("detection", "test", 150))
    assert {len(scene.gold) for scene in drawn} >= {0, 1, 2, 3}  # type: ignore[arg-type]
    for scene in drawn:
        found = {(o.box, f"{o.colour} {o.shape}") for o in scene.cited}
        assert set(scene.gold) == found  # type: ignore[arg-type]
        pixels = scene.pixels()
        for item in scene.cited:
            middle = pixels[item.y + item.side // 2, item.x + item.side // 2]
            assert tuple(middle) == item.rgb


@pytest.mark.parametrize("level", LEVELS)
def test_pointing_asks_for_one_object(level: str) -> None:
    scene = make_scene("pointing", "test", 1, level)  # type: ignore[arg-type]
    assert scene.gold in [item.box for item in scene.objects]
    assert scene.expression is not None
    assert scene.to_sample().gold.located


@pytest.mark.parametrize("task", MORE_TASKS)
def test_exported_scenes_are_read_back(task: TaskName, tmp_path: Path) -> None:
    path = export_scenes(task, tmp_path, 9)
    dataset = load(path, task=task, image_root=tmp_path)
    drawn = scenes(task, "train", 9)
    assert [s.target for s in dataset] == [scene.to_sample().target for scene in drawn]


@pytest.mark.parametrize("task", MORE_TASKS)
def test_the_suites_are_generated(task: TaskName, tmp_path: Path) -> None:
    name = f"scenes_{task}_test"
    options = RunOptions(suites=[name], limit=6, out=tmp_path, model="m")
    dataset = load_suite(get_suite(name), options, None, Sampler())
    assert [sample.task for sample in dataset] == [task] * 6
    assert all((tmp_path / str(sample.image)).is_file() for sample in dataset)

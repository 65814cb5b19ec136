from __future__ import annotations

from pathlib import Path

import pytest

from vlreward.data import load
from vlreward.errors import OptionError
from vlreward.scenes import scenes
from vlreward.scenes.export import export_scenes
from vlreward.scenes.seeds import TASKS, TaskName


@pytest.mark.parametrize("task", TASKS)
def test_exported_scenes_load_like_any_other_data(task: TaskName, tmp_path: Path) -> None:
    path = export_scenes(task, tmp_path, 6, start=3)
    data = load(path, image_root=tmp_path, read_sizes=True)
    made = list(scenes(task, "train", 6, start=3))
    assert [sample.id for sample in data] == [scene.id for scene in made]
    for sample, scene in zip(data, made):
        assert sample.gold == scene.to_sample().gold
        assert sample.question == scene.question
        assert sample.image_size == scene.size
        with data.open_image(sample) as image:
            assert image.tobytes() == scene.image.convert("RGB").tobytes()


def test_a_split_has_its_own_file_and_the_rows_of_others_stay(tmp_path: Path) -> None:
    train = export_scenes("counting", tmp_path, 3)
    test = export_scenes("counting", tmp_path, 3, split="test")
    assert (train.name, test.name) == ("counting.jsonl", "counting_test.jsonl")
    assert export_scenes("counting", tmp_path, 4) == train
    assert len(load(train, task="counting")) == 4
    train.write_text('{"image_path": "mine.png", "question": "?", "ground_truth": 3}\n')
    with pytest.raises(OptionError, match=r"counting\.jsonl holds other rows than scenes"):
        export_scenes("counting", tmp_path, 3)
    assert "mine.png" in train.read_text()

"""The suites on small files of the published schemas, written anew; each names its source.

Sources: SeeClick's ScreenSpot, OS-Copilot/ScreenSpot-v2, likaixin/ScreenSpot-Pro, COCO's annotation
format, vikhyatk/CountBenchQA, manoja328/TallyQA_dataset, allenai/pixmo-count, AI4Math/MathVista,
AI4Math/MathVerse, MathLLMs/MathVision, hiyouga/geometry3k, and Inter-GPS's Geometry3K.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlreward.bench.evaluate import Evaluation
from vlreward.bench.mixed import Prompts
from vlreward.bench.options import RunOptions
from vlreward.bench.suite_data import load_suite
from vlreward.data import load
from vlreward.data.dataset import Dataset
from vlreward.data.errors import DataError
from vlreward.data.sampling import Sampler
from vlreward.data.schemas import schema_of
from vlreward.data.sources import fetch_plan
from vlreward.prompts import PRESETS, get_prompt
from vlreward.suite import SUITES, get_suite
from vlreward.tasks import TASKS, get_task
from vlreward.types import Completion

_SPOT = {"img_filename": "a.png", "bbox": [10, 20, 30, 40], "instruction": "close it",
         "data_type": "icon", "data_source": "windows"}  # fmt: skip
_PRO = {"img_filename": "word/a.png", "bbox": [10, 20, 40, 60], "instruction": "close it",
        "instruction_cn": "关闭", "id": "word_1", "application": "word", "platform": "windows",
        "img_size": [100, 80], "ui_type": "icon", "group": "Office"}  # fmt: skip
_COCO = {
    "info": {},
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
        {"id": 9, "file_name": "b.jpg", "width": 100, "height": 80},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 17, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 17, "bbox": [10, 20, 30, 40], "iscrowd": 0,
         "area": 900.5, "segmentation": [[10, 20, 40, 20, 40, 60]]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 90, 70], "iscrowd": 1, "area": 1},
    ],
}  # fmt: skip
_TALLY = {"image": "VG_100K_2/1.jpg", "answer": 3, "data_source": "amt", "question": "How many?",
          "image_id": 12, "question_id": 30091100, "issimple": False}  # fmt: skip
_PIXMO = {"image_url": "https://example.org/x.jpg", "image_sha256": "ab12", "count": 2,
          "points": {"x": [1.0, 2.0], "y": [3.0, 4.0]}, "label": "cups"}  # fmt: skip
_COUNTBENCH = {"image": "a.png", "text": "six cups", "question": "How many cups?", "number": 6}
_VISTA = {
    "pid": "1", "question": "Which is it?", "image": "images/1.jpg", "choices": ["Yes", "No"],
    "unit": None, "precision": None, "answer": "No", "question_type": "multi_choice",
    "answer_type": "text", "metadata": {"grade": "daily life"},
    "query": "Hint: answer with the letter.\nQuestion: Which is it?\nChoices:\n(A) Yes\n(B) No",
}  # fmt: skip
_VISTA_FREE = {**_VISTA, "pid": "2", "choices": None, "answer": "1.2", "precision": 1.0,
               "question_type": "free_form", "answer_type": "float", "query": "Q"}  # fmt: skip
_VERSE = {
    "sample_index": "1", "problem_index": "1", "problem_version": "Text Dominant",
    "question": "What is angle A?\nChoices:\nA:40°\nB:50°\nC:60°\nD:70°", "image": "v/1.png",
    "answer": "B", "question_type": "multi-choice", "metadata": {"subject": "Plane Geometry"},
    "query_wo": "…", "query_cot": "…", "question_for_eval": "…",
}  # fmt: skip
_VERSE_FREE = {**_VERSE, "sample_index": "2", "question": "What is x?", "answer": "2√{3}",
               "question_type": "free-form"}  # fmt: skip
_VISION = {"id": "3", "question": "How many?\n<image1>", "options": ["2", "4", "6"],
           "image": "images/3.jpg", "answer": "B", "solution": None, "level": 2,
           "subject": "counting"}  # fmt: skip
_VISION_PICTURES = {**_VISION, "id": "4", "options": ["A", "B", "C"]}
_VISION_FREE = {**_VISION, "id": "5", "options": [], "answer": "12"}
_GEO3K_CHOICES = {"id": 2401, "problem_text": "Find x.", "choices": ["3", "4", "5", "6"],
                  "answer": "C", "annot_text": "Find x."}  # fmt: skip


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _picture(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 80)).save(root / name)


def _suite(name: str, root: Path) -> Dataset:
    options = RunOptions(suites=[name], data_root=root, out=root / "out", model="m")
    return load_suite(get_suite(name), options, None, Sampler())


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_suite_is_whole(name: str) -> None:
    suite = get_suite(name)
    for task in (suite.task, *suite.also):
        assert task in TASKS
    assert {"r1", "baseline"} <= set(suite.prompts)
    assert set(suite.prompts.values()) <= set(PRESETS)
    if suite.fetch is not None:
        places = {item.to for item in fetch_plan(suite.fetch)}
        assert str(suite.file).partition("/")[0] in places
        assert suite.images is None or suite.images.partition("/")[0] in places


@pytest.mark.parametrize("file", ["screenspot/metadata/screenspot_web.json",
                                  "screenspot_v2/screenspot_web_v2.json"])  # fmt: skip
def test_screenspot(tmp_path: Path, file: str) -> None:
    _write(tmp_path / file, [_SPOT])
    v2 = "v2" in file
    _picture(
        tmp_path / ("screenspot_v2/screenspotv2_image" if v2 else "screenspot/images"), "a.png"
    )
    (sample,) = _suite("screenspot_v2_web" if v2 else "screenspot_web", tmp_path)
    assert tuple(sample.target) == (10, 20, 40, 60)
    assert sample.expression == "close it"
    assert sample.metadata == {"data_type": "icon", "data_source": "windows"}


def test_screenspot_pro_is_a_directory_of_files(tmp_path: Path) -> None:
    _write(tmp_path / "screenspot_pro/annotations/a.json", [_PRO])
    _write(tmp_path / "screenspot_pro/annotations/b.json", [{**_PRO, "id": "word_2"}])
    _picture(tmp_path / "screenspot_pro/images", "word/a.png")
    first, second = _suite("screenspot_pro", tmp_path)
    assert (first.id, second.id) == ("word_1", "word_2")
    assert tuple(first.target) == (10, 20, 40, 60)
    assert first.image_size == (100, 80)
    with pytest.raises(DataError, match="vlreward data fetch screenspot_v2"):
        _suite("screenspot_v2_web", tmp_path)


def test_screenspot_of_the_hub_is_in_shares_of_the_image(tmp_path: Path) -> None:
    row = {**_SPOT, "image": "a.png", "bbox": [0.1, 0.25, 0.4, 0.75]}
    del row["img_filename"]
    _write(tmp_path / "x.json", [row])
    _picture(tmp_path, "a.png")
    (sample,) = load(tmp_path / "x.json", image_root=tmp_path, read_sizes=True)
    assert tuple(sample.target) == (10, 20, 40, 60)


def test_coco(tmp_path: Path) -> None:
    _write(tmp_path / "coco_annotations/annotations/instances_val2017.json", _COCO)
    _picture(tmp_path / "coco_val2017/val2017", "a.jpg", "b.jpg")
    first, second = _suite("coco_val2017", tmp_path)
    assert [(tuple(box), label) for box, label in first.target] == [((10, 20, 40, 60), "cat")]
    assert first.question == "Find every object of these categories: person, cat."
    assert (first.id, first.image_size, first.metadata) == ("7", (100, 80), {"crowds": 1})
    assert second.target == ()


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": [{"image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1]}]},
        {"annotations": [{"image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1]}]},
        {"images": [{"file_name": "a.jpg"}]},
        {"categories": [{"name": "cat"}]},
    ],
)
def test_bad_coco_files_say_what_is_wrong(tmp_path: Path, change: dict[str, Any]) -> None:
    _write(tmp_path / "x.json", {**_COCO, **change})
    with pytest.raises(DataError, match="in COCO's format"):
        load(tmp_path / "x.json", task="detection")


def test_swift_rows(tmp_path: Path) -> None:
    row = {
        "messages": [
            {"role": "user", "content": "<image>Find the <ref-object> and the <ref-object>."},
            {"role": "assistant", "content": "<bbox><bbox>"},
        ],
        "images": ["a.png"],
        "objects": {"ref": ["cat", "dog"], "bbox": [[1, 2, 30, 40], [5, 6, 70, 75]]},
    }
    _write(tmp_path / "x.json", [row])
    (sample,) = load(tmp_path / "x.json")
    assert sample.question == "Find the cat and the dog."
    assert [label for _, label in sample.target] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("row", "count", "question", "image"),
    [
        (_TALLY, 3, "How many?", "VG_100K_2/1.jpg"),
        (_PIXMO, 2, "How many cups are there in the image?", "ab12.jpg"),
        (_COUNTBENCH, 6, "How many cups?", "a.png"),
    ],
)
def test_counting_files(
    tmp_path: Path, row: dict[str, Any], count: int, question: str, image: str
) -> None:
    _write(tmp_path / "x.json", [row])
    (sample,) = load(tmp_path / "x.json")
    assert (sample.task, sample.target) == ("counting", count)
    assert (sample.question, sample.image) == (question, image)


@pytest.mark.parametrize(
    ("row", "task", "gold", "asked"),
    [
        (_VISTA, "choice", "B. No", "Choices:\n(A) Yes\n(B) No"),
        ({k: v for k, v in _VISTA.items() if k != "query"}, "choice", "B. No", "(B) No"),
        (_VISTA_FREE, "geometry", "1.2", "Q"),
        (_VERSE, "choice", "B. 50°", "A:40°"),
        (_VERSE_FREE, "geometry", "2√{3}", "What is x?"),
        (_VISION, "choice", "B. 4", "How many?\n(A) 2\n(B) 4"),
        (_VISION_PICTURES, "choice", "B", "How many?"),
        (_VISION_FREE, "geometry", "12", "How many?"),
        (_GEO3K_CHOICES, "choice", "C. 5", "Find x.\n(A) 3"),
    ],
)
def test_mathematics_rows_say_their_task(
    tmp_path: Path, row: dict[str, Any], task: str, gold: str, asked: str
) -> None:
    _write(tmp_path / "x.json", [row])
    (sample,) = load(tmp_path / "x.json")
    assert (sample.task, sample.gold.text()) == (task, gold)
    assert asked in sample.question
    assert "<image" not in sample.question
    assert schema_of(row).name


def test_a_mixed_suite_scores_each_row_by_its_own_task(tmp_path: Path) -> None:
    _write(tmp_path / "mathverse/testmini.json", [_VERSE, _VERSE_FREE])
    _picture(tmp_path / "mathverse/images", "v/1.png")
    dataset = _suite("mathverse_testmini", tmp_path)
    assert [sample.task for sample in dataset] == ["choice", "geometry"]
    suite = get_suite("mathverse_testmini")
    evaluation = Evaluation(
        suite,
        get_task("choice"),
        list(dataset),
        [Completion("<answer>B</answer>"), Completion("<answer>$\\sqrt{12}$</answer>")],
        prompts=Prompts(get_prompt("answer-r1")),
        name=suite.name,
    )
    assert evaluation.summary().acc == 1.0


@pytest.fixture
def hub(tmp_path: Path) -> Callable[[list[dict[str, Any]], Any], Path]:
    """Saves rows as a data set of the Hugging Face kind, without a network."""
    if importlib.util.find_spec("datasets") is None:
        pytest.skip("the library datasets is not installed")
    import datasets

    def save(rows: list[dict[str, Any]], images: Any) -> Path:
        table = datasets.Dataset.from_list(rows)
        for column, kind in images(datasets).items():
            table = table.cast_column(column, kind)
        path = tmp_path / "hub"
        datasets.DatasetDict({"test": table, "train": table}).save_to_disk(str(path))
        return path

    return save


def test_geometry3k_has_a_column_of_lists_of_images(
    tmp_path: Path, hub: Callable[[list[dict[str, Any]], Any], Path]
) -> None:
    _picture(tmp_path, "a.png")
    row = {"images": [str(tmp_path / "a.png")], "problem": "<image>Find x.", "answer": "2√{3}"}
    path = hub([row], lambda d: {"images": d.Sequence(d.Image())})
    path.rename(tmp_path / "geometry3k")
    dataset = _suite("geometry3k_test", tmp_path)
    (sample,) = dataset
    assert (sample.task, sample.question, sample.target) == ("geometry", "Find x.", "2√{3}")
    assert dataset.images is not None
    assert dataset.images.source(str(sample.image))


def test_mathvista_takes_its_split_and_its_embedded_images(
    tmp_path: Path, hub: Callable[[list[dict[str, Any]], Any], Path]
) -> None:
    _picture(tmp_path, "a.png")
    rows = [{**row, "decoded_image": str(tmp_path / "a.png")} for row in (_VISTA,)]
    path = hub(rows, lambda d: {"decoded_image": d.Image()})
    (sample,) = load(path, split="test", task="choice")
    assert sample.image is not None
    assert sample.image.startswith("row:0:decoded_image")

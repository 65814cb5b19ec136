"""Detection: golds as data sets write them, what earns what, and the published rewards."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from vlreward.golds import pack, unpack
from vlreward.rewards import TaskReward
from vlreward.scoring import score_batch
from vlreward.tasks import get_task
from vlreward.tasks.detection import DetectionGold
from vlreward.types import Completion, FailureCode, Sample, Score

_BOXES = [[10, 20, 110, 220], [300, 40, 400, 140]]
_LABELLED = [
    {"bbox_2d": _BOXES[0], "label": "Cat"},
    {"bbox_2d": _BOXES[1], "label": "dog"},
]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(_LABELLED, id="VLM-R1"),
        pytest.param(f"```json\n{_LABELLED!r}\n```".replace("'", '"'), id="VLM-R1, fenced"),
        pytest.param(str(_LABELLED), id="a Python repr"),
        pytest.param(
            {"objects": {"ref": ["Cat", "dog"], "bbox": _BOXES, "bbox_type": "real"}}, id="ms-swift"
        ),
        pytest.param({"ref": ["Cat", "dog"], "bbox": _BOXES}, id="ms-swift's objects alone"),
        pytest.param(
            [
                {"id": 1, "bbox": [10, 20, 100, 200], "category_name": "Cat", "iscrowd": 0},
                {"id": 2, "bbox": [300, 40, 100, 100], "category_name": "dog", "area": 1e4},
            ],
            id="COCO: x, y, width, height",
        ),
        pytest.param(
            {
                "objects": {
                    "bbox": [[10, 20, 100, 200], [300, 40, 100, 100]],
                    "category": ["Cat", "dog"],
                    "area": [20000, 10000],
                }
            },
            id="COCO's columns",
        ),
        pytest.param({"boxes": _BOXES, "labels": ["Cat", "dog"]}, id="boxes and labels"),
        pytest.param(
            [
                {"Position": _BOXES[0], "Confidence": 1, "Label": "Cat"},
                {"Position": _BOXES[1], "Confidence": 1, "Label": "dog"},
            ],
            id="Visual-RFT with labels",
        ),
    ],
)
def test_golds_as_data_sets_write_them(value: Any) -> None:
    gold = DetectionGold.read(value)
    assert [list(box) for box in gold.boxes] == _BOXES
    assert gold.labels == ("Cat", "dog")
    assert unpack(pack(Sample(id="1", gold=gold)), "detection").gold == gold


@pytest.mark.parametrize(
    "value",
    [
        "None",
        "none",
        "null",
        "[]",
        [],
        None,
        "No Objects",
        "```json\n[]\n```",
        {"boxes": []},
        {"bbox_2d": None},
    ],
)
def test_no_object_is_a_gold(value: Any) -> None:
    gold = DetectionGold.read(value)
    assert gold.boxes == ()
    assert gold.text() == "none"
    assert gold.target(None, None) == ()


def test_boxes_without_labels() -> None:
    visual_rft = [{"Position": box, "Confidence": 1.0} for box in _BOXES]
    for value in (_BOXES, visual_rft, {"bbox": _BOXES}, str(_BOXES)):
        gold = DetectionGold.read(value)
        assert gold.labels is None
        assert [label for _, label in gold.target(None, None)] == ["", ""]
    assert len(DetectionGold.read(_BOXES[0]).boxes) == 1


def test_a_gold_in_a_frame() -> None:
    gold = DetectionGold.read({"bbox": [[0.1, 0.2, 0.5, 1.0]], "ref": ["x"], "bbox_type": "norm1"})
    sample = Sample(id="1", gold=gold, image_size=(200, 100))
    assert [list(box) for box, _ in sample.target] == [[20, 20, 100, 100]]
    with pytest.raises(ValueError, match="expected image_size"):
        gold.target(None, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"bbox_2d": [1, 2, 3], "label": "x"}], "four numbers"),
        ([{"bbox_2d": [5, 2, 3, 9], "label": "x"}], "x1 < x2"),
        ([{"label": "x"}], "expected a box under one of"),
        ([{"bbox_2d": [1, 2, 3, 4], "label": "x"}, {"bbox_2d": [1, 2, 3, 4]}], "or for none"),
        ({"boxes": _BOXES, "labels": ["x"]}, "a label for each box"),
        ([{"bbox": [1, 2, 3], "iscrowd": 0}], "COCO"),
        ([{"bbox_2d": [1, 2, 3, 4], "label": " "}], "not blank"),
        ("a cat", "expected a list of labelled boxes"),
        (7, "expected a list of labelled boxes"),
    ],
)
def test_bad_golds_say_what_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionGold.read(value)


def test_a_gold_outside_its_image_is_noticed() -> None:
    from vlreward.geometry import Size

    gold = DetectionGold.read(_LABELLED)
    assert gold.remark(Size(400, 300), 2) is None
    assert "leaves the image of 390 x 300 pixels by 10" in str(gold.remark(Size(390, 300), 2))
    with pytest.raises(ValueError, match="does not touch it"):
        gold.remark(Size(200, 300), 2)


def _score(answer: str, gold: Any = _LABELLED, **fields: Any) -> Score:
    sample = Sample.model_validate(
        {
            "id": "1",
            "gold": DetectionGold.read(gold).model_dump(),
            "frame": "original_px",
            "image_size": [640, 480],
            **fields,
        }
    )
    text = f"<think>looking</think><answer>{answer}</answer>"
    return score_batch(get_task("detection"), [Completion(text)], [sample])[0]


def test_what_a_perfect_model_writes_earns_everything() -> None:
    for gold in (_LABELLED, "None", _BOXES):
        for frame in ("original_px", "norm1000"):
            sample = Sample.model_validate(
                {
                    "id": "1",
                    "gold": DetectionGold.read(gold).model_dump(),
                    "frame": frame,
                    "image_size": [640, 480],
                }
            )
            written = sample.gold.written(sample.frame, sample.image_size)
            text = f"<think>looking</think><answer>{written}</answer>"
            (score,) = score_batch(get_task("detection"), [Completion(text)], [sample])
            assert score.terms == pytest.approx({"f1": 1, "format": 1})
            assert set(score.metrics.values()) == {1.0} or min(score.metrics.values()) > 0.999
    assert DetectionGold.read(_LABELLED).written() is None


def test_labels_are_compared_without_case_and_double_spaces() -> None:
    answer = '[{"bbox_2d": [10, 20, 110, 220], "label": "CAT "}]'
    assert _score(answer).terms["f1"] == pytest.approx(2 / 3)
    assert _score(answer.replace("CAT ", "dog")).terms["f1"] == 0
    assert _score(answer.replace('"CAT "', "null")).terms["f1"] == 0


def test_labels_do_not_count_where_the_gold_has_none() -> None:
    answer = (
        '[{"bbox_2d": [10, 20, 110, 220], "label": "anything"}, {"bbox_2d": [300, 40, 400, 140]}]'
    )
    assert _score(answer, _BOXES).terms["f1"] == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("I cannot tell", FailureCode.NO_BOX),
        ('[{"bbox_2d": [10, 20, 700, 220], "label": "cat"}]', FailureCode.OUT_OF_FRAME),
        ('[{"bbox_2d": [10, 20, 5, 220], "label": "cat"}]', FailureCode.INVALID_BOX),
        ("", FailureCode.EMPTY_ANSWER),
    ],
)
def test_failures_have_codes_and_earn_nothing(answer: str, code: FailureCode) -> None:
    for gold in (_LABELLED, "None"):
        score = _score(answer, gold)
        assert score.failure is not None
        assert score.failure.code is code
        assert score.terms["f1"] == 0


def test_a_box_that_leaves_the_frame_can_be_clipped() -> None:
    task = get_task("detection").configured(clip=True)
    sample = Sample.model_validate(
        {
            "id": "1",
            "gold": {"task": "detection", "boxes": [[0, 0, 10, 10]], "labels": ["cat"]},
            "frame": "original_px",
            "image_size": [10, 10],
        }
    )
    text = '<answer>[{"bbox_2d": [-5, 0, 12, 10], "label": "cat"}]</answer>'
    (score,) = score_batch(task, [Completion(text)], [sample])
    assert score.terms["f1"] == 1


def test_training_benchmark_and_packed_golds_agree() -> None:
    answer = '<answer>[{"bbox_2d": [15, 42, 172, 458], "label": "cat"}]</answer>'
    sample = Sample.model_validate(
        {
            "id": "1",
            "gold": DetectionGold.read(_LABELLED).model_dump(),
            "frame": "norm1000",
            "image_size": [640, 480],
        }
    )
    (score,) = score_batch(get_task("detection"), [Completion(answer)], [sample])
    reward = TaskReward("detection")
    assert reward([answer], solution=[pack(sample)]) == [score.value]
    columns = {"frame": ["norm1000"], "image_size": [[640, 480]]}
    assert reward([answer], solution=[str(_LABELLED)], **columns) == [score.value]
    assert reward([answer], solution=["None"], **columns) == [0.0]
    assert pickle.loads(pickle.dumps(reward))([answer], solution=[pack(sample)]) == [score.value]


def _visual_rft(answer: str) -> list[float | None]:
    reward = TaskReward("detection", protocol="visual-rft")
    return reward([answer], solution=[str(_LABELLED)], frame=["original_px"])


def test_visual_rft_sums_its_two_rewards() -> None:
    boxes = [{"Position": [v + 1 for v in box], "Confidence": 0.5} for box in _BOXES]
    assert _visual_rft(f"<answer>{boxes}</answer>") == [pytest.approx(0.97 + 0.5, abs=0.01)]


def test_flaw_visual_rft_takes_one_right_edge_for_a_right_answer() -> None:
    # math-verify reads the second number of a list of lists, which is the first box's top edge.
    junk = [{"Position": [500, 20, 501, 21], "Confidence": 0.5}]
    assert _visual_rft(f"<answer>{junk}</answer>") == [2.0]


@pytest.mark.parametrize("method", ["r1", "train"])
def test_vlm_r1_rewards_by_name(method: Any) -> None:
    task = get_task("detection", protocol="vlm-r1", method=method)
    names = ("map", "od_ap", "od_ap50", "odLength", "weighted_sum")
    sample = Sample(id="1", gold=DetectionGold.read(_LABELLED))
    answer = Completion(f"<answer>{sample.gold.written(get_frame('original_px'))}</answer>")
    (score,) = score_batch(task.with_terms(names), [answer], [sample])
    assert score.terms == pytest.approx(dict.fromkeys(names, 1.0))


def get_frame(name: str) -> Any:
    from vlreward.frames import Frame

    return Frame(name)


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("strict", '[{"bbox_2d": [10, 20, 110, 220], "label": "Cat"}]'),
        ("vlm-r1", '```json\n[{"bbox_2d": [10, 20, 110, 220], "label": "Cat"}, 7]\n```'),
        ("visual-rft", "[{'Position': [10, 20, 110, 220], 'Confidence': 1}]"),
        ("visual-rft", "[{'Position': [10, 20, 5, 220], 'Confidence': 1}]"),
    ],
)
def test_what_was_judged_can_be_drawn_after_json(protocol: str, answer: str) -> None:
    import json

    task = get_task("detection", protocol=protocol)
    sample = Sample(id="1", gold=DetectionGold.read(_LABELLED), frame=get_frame("original_px"))
    (score,) = score_batch(task, [Completion(f"<answer>{answer}</answer>")], [sample])
    assert task.shapes is not None
    shapes = task.shapes(json.loads(json.dumps(score.judged)))
    expected = [] if "5, 220" in answer else [(10, 20, 110, 220)]
    assert [shape.numbers for shape in shapes] == expected
    assert len(task.shapes(sample.target)) == 2
    assert task.shapes([]) == []

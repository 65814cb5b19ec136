"""The published rules: equal to the naive patterns, and to what their authors recorded."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.metrics.compat import MISSING_BOX, pixel_iou
from vlreward.tasks import published as compat
from vlreward.types import FailureCode, Parsed, ParseFailure

_INT = r"\[(\d+),\s*(\d+),\s*(\d+),\s*(\d+)]"
_DEC = r"(\s*-?\d*\.?\d+\s*)"
_FREE = r"(-?\d*\.?\d+)"
_MIXED = r"([-+]?\d*\.\d+|\d+)"

# The rules as the originals state them, written anew: where, pattern, number.
_NAIVE: dict[str, tuple[bool, str, Callable[[str], float]]] = {
    "vlm_r1_box": (True, rf"\{{.*{_INT}\s*.*\}}", int),
    "vlm_r1_training_box": (True, _INT, int),
    "paddlemix_r1_box": (True, rf"\[{_MIXED},\s*{_MIXED},\s*{_MIXED},\s*{_MIXED}\]", float),
    "vlm_r1_baseline_box": (False, rf"\[{_DEC},\s*{_DEC},\s*{_DEC},\s*{_DEC}\]", float),
    "paddlemix_baseline_box": (False, rf"{_FREE},\s*{_FREE},\s*{_FREE},\s*{_FREE}", float),
}


def _naive_box(name: str, text: str) -> tuple[float, ...] | None:
    tagged, pattern, number = _NAIVE[name]
    if tagged:
        answer = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
        if answer is None:
            return None
        text = answer.group(1).strip()
    match = re.search(pattern, text, re.DOTALL)
    return tuple(number(group) for group in match.groups()) if match else None


_PIECES = [
    *"[]{},.-+ \n019٣<>",
    *["[1, 2, 3, 4]", "[1.5,2,-3,.5]", "12", "1.2.3,", "1,", ", ", "\u2003", "{", "}", "{", "}"],
    *["<answer>", "</answer>", "<think>", "</think>", '{"bbox_2d": [1, 2, 3, 4], "label": "x"}'],
]
_texts = st.lists(st.sampled_from(_PIECES), max_size=22).map("".join)
_tagged = _texts.map(lambda s: f"<think>a</think><answer>{s}</answer>")


@pytest.mark.parametrize("name", sorted(_NAIVE))
@given(_texts | _tagged)
def test_boxes_equal_the_naive_rule(name: str, text: str) -> None:
    result = getattr(compat, name)(text)
    expected = _naive_box(name, text)
    if expected is None:
        assert isinstance(result, ParseFailure)
        tagged = _NAIVE[name][0]
        answered = re.search("<answer>(.*?)</answer>", text, re.DOTALL)
        assert result.code == ("no_box" if answered or not tagged else "no_answer")
    else:
        assert isinstance(result, Parsed)
        assert result.value == expected
        assert [type(v) for v in result.value] == [type(v) for v in expected]
        assert result.span is not None
        numbers = re.findall(r"-?\d*\.?\d+", text[slice(*result.span)])
        assert [float(n) for n in numbers] == pytest.approx([*expected])


@given(_texts | _tagged)
def test_formats_equal_the_naive_rules(text: str) -> None:
    structure = r"<think>.*?</think>\s*<answer>.*?"
    paddlemix = structure + r"\{.*\[\d+,\s*\d+,\s*\d+,\s*\d+\].*\}.*?</answer>"
    assert compat.paddlemix_training_format(text) == bool(re.fullmatch(paddlemix, text, re.DOTALL))
    # VLM-R1 src/open-r1-multimodal/src/open_r1/vlm_modules/qwen_module.py, format_reward_rec
    found = re.search(paddlemix, text, re.DOTALL) is not None
    assert compat.vlm_r1_training_format(text) == found
    r1_v = structure + "</answer>"
    assert compat.r1_v_training_format(text) == bool(re.fullmatch(r1_v, text, re.DOTALL))


@given(_texts)
def test_counts_and_texts_equal_the_naive_rules(text: str) -> None:
    match = re.search(r"<answer>\s*(\d+)\s*</answer>", text)
    result = compat.r1_v_count(text)
    assert isinstance(result, Parsed) == bool(match)
    if match and isinstance(result, Parsed):
        assert result.value == int(match.group(1))
        assert result.span == match.span(1)
    line = re.search(r"<answer>(.*?)</answer>", text)
    expected = line.group(1).strip() if line else text.strip()
    assert compat.r1_v_answer_text(text) == expected


@pytest.mark.parametrize("name", [name for name in compat.__all__ if name != "Corners"])
def test_rules_are_picklable(name: str) -> None:
    rule = getattr(compat, name)
    assert pickle.loads(pickle.dumps(rule)) is rule


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("vlm_r1_box", '<answer>{"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}</answer>', (5, 6, 7, 8)),
        (
            "vlm_r1_box",
            '<answer>{"a": [1,2,3,4]}</answer><answer>{[5,6,7,8]}</answer>',
            (1, 2, 3, 4),
        ),
        ("vlm_r1_box", "<answer><answer>{[0, 0, 0, 0]}</answer>", (0, 0, 0, 0)),
        ("vlm_r1_training_box", "<answer>[1, 2, 3, 4] [5, 6, 7, 8]</answer>", (1, 2, 3, 4)),
        ("vlm_r1_baseline_box", "[1.5, 2, 3, 4.] [ -1.5 , .5, 3, 4]", (-1.5, 0.5, 3.0, 4.0)),
        ("paddlemix_r1_box", "<answer>[-1, 2, 3, 4] [-1.5, 2, 3, 4]</answer>", (-1.5, 2, 3, 4)),
        ("paddlemix_baseline_box", "(9,8) 1.2.3, 4, 5, 6.7.8", (2.3, 4.0, 5.0, 6.7)),
    ],
)
def test_what_the_rules_read(name: str, text: str, value: tuple[float, ...]) -> None:
    result = getattr(compat, name)(text)
    assert isinstance(result, Parsed)
    assert result.value == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vlm_r1_box", "<answer>[1, 2, 3, 4]</answer>"),
        ("vlm_r1_box", "<answer>{[1.0, 2, 3, 4]}</answer>"),
        ("vlm_r1_box", "<answer>}[1, 2, 3, 4]{</answer>"),
        ("vlm_r1_training_box", "<answer>[-1, 2, 3, 4]</answer>"),
        ("paddlemix_r1_box", "<answer>[ 1, 2, 3, 4]</answer>"),
        ("vlm_r1_baseline_box", "[1e1, 2, 3, 4]"),
        ("paddlemix_baseline_box", "1 , 2 , 3 , 4"),
    ],
)
def test_what_the_rules_do_not_read(name: str, text: str) -> None:
    result = getattr(compat, name)(text)
    assert isinstance(result, ParseFailure)
    assert result.code is FailureCode.NO_BOX


def test_what_the_originals_could_not_score_is_a_failure() -> None:
    for digits in ("9" * 200, "9" * 5_000):
        for result in (
            compat.vlm_r1_box(f"<answer>{{[1, 2, 3, {digits}]}}</answer>"),
            compat.vlm_r1_baseline_box(f"[1, 2, 3, {digits}]"),
            compat.r1_v_count(f"<answer>{digits}</answer>"),
        ):
            assert isinstance(result, ParseFailure)
            assert result.code is FailureCode.BAD_NUMBER
    for name in _NAIVE:
        result = getattr(compat, name)("<answer>" + " " * 200_000 + "</answer>")
        assert isinstance(result, ParseFailure)
        assert result.code is FailureCode.TOO_LONG


def _results(path: Path) -> tuple[float, list[dict[str, Any]]]:
    recorded = json.loads(path.read_text("utf-8"))
    return recorded["accuracy"], recorded["results"]


@pytest.mark.parametrize(
    ("file", "rule", "accuracy"),
    [
        ("refcoco_val_qwen2_5vl_3b_instruct_r1_100", compat.vlm_r1_box, 89.6),
        ("refcoco_val_qwen2_5vl_3b_instruct_r1_500", compat.vlm_r1_box, 90.6),
        ("refcocop_val_qwen2_5vl_3b_instruct_r1_100", compat.vlm_r1_box, 82.8),
        ("refcoco_val_qwen2_5vl_3b_instruct_sft_100", compat.vlm_r1_baseline_box, 89.4),
        # Recorded as 0.0 because the boxes were rescaled and the gold was not.
        ("refcoco_val_qwen2_5vl_3b_instruct_baseline", compat.vlm_r1_baseline_box, 89.4),
    ],
)
def test_recorded_boxes_and_accuracy(
    file: str,
    rule: Callable[[str], Parsed[Any] | ParseFailure],
    accuracy: float,
    shared_data: Path,
) -> None:
    recorded, rows = _results(shared_data / f"recorded/rec/rec_results_{file}.json")
    correct = []
    for row in rows:
        result = rule(row["model_output"])
        box = result.value if isinstance(result, Parsed) else MISSING_BOX
        correct.append(int(pixel_iou(box, row["ground_truth"]) > 0.5))
        if not file.endswith("baseline"):
            assert list(box) == row["extracted_answer"]
            assert correct[-1] == row["correct"]
    assert 100 * sum(correct) / len(rows) == pytest.approx(accuracy, abs=1e-9)
    assert recorded == pytest.approx(0.0 if file.endswith("baseline") else accuracy)


@pytest.mark.parametrize(("run", "accuracy"), [("legacy", 48.0), ("r1_100", 80.0)])
def test_recorded_counts_and_accuracy(run: str, accuracy: float, shared_data: Path) -> None:
    name = f"counting_results_superclevr_200_qwen2vl_2b_instruct_{run}.json"
    recorded, rows = _results(shared_data / "recorded/counting" / name)
    correct = 0
    for row in rows:
        result = compat.r1_v_count(row["model_output"])
        value = result.value if isinstance(result, Parsed) else None
        assert value == row["extracted_answer"]
        correct += value == row["ground_truth"]
    assert 100 * correct / len(rows) == accuracy == recorded

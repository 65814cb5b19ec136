"""What thirty families write, each text read as its family means it, or refused truly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlreward.families import FAMILIES
from vlreward.frames import Frame, convert, x_first
from vlreward.geometry import Box, Size
from vlreward.judges import BoxJudge
from vlreward.parsers import BoxesParser, BoxParser, PointParser
from vlreward.types import Parsed, ParseFailure, Row

_CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/parsers/families.jsonl")
    .read_text("utf-8")
    .splitlines()
]
_IMAGE = Size(640, 480)


def _row(case: dict[str, Any]) -> Row:
    if case["family"] is None:
        return Row("any", None, Frame(case["frame"]), _IMAGE)
    family = FAMILIES[case["family"]]
    size = family.input_size(_IMAGE)
    return Row("any", None, family.frame, _IMAGE, size, axis_order=family.axis_order)


def _read(case: dict[str, Any]) -> Any:
    """What the text comes to in original pixels: a box, a point, or a failure."""
    row = _row(case)
    if case.get("read") == "point":
        point = PointParser(where="whole")(case["text"])
        if isinstance(point, ParseFailure):
            return point
        pair = x_first(point.value, row.axis_order)
        assert pair is not None
        assert row.frame is not None
        box = Box(pair.x, pair.y, pair.x + 1, pair.y + 1)
        sizes = {"image_size": row.image_size, "input_size": row.input_size}
        return convert(box, row.frame, Frame.ORIGINAL_PX, **sizes)[:2]
    parsed = BoxParser(where="whole")(case["text"])
    return parsed if isinstance(parsed, ParseFailure) else BoxJudge().many([parsed.value], [row])[0]


@pytest.mark.parametrize("case", _CASES, ids=[f"{c['family']}: {c['form']}" for c in _CASES])
def test_a_text_is_read_as_its_family_means_it(case: dict[str, Any]) -> None:
    got = _read(case)
    if "code" in case:
        assert isinstance(got, ParseFailure), got
        assert got.code == case["code"]
        return
    assert list(got) == pytest.approx(case.get("point") or case["box"], abs=1e-3)


@pytest.mark.parametrize("case", [c for c in _CASES if c.get("read") != "point"])
def test_detection_reads_the_same_with_its_label(case: dict[str, Any]) -> None:
    found = BoxesParser(where="whole")(case["text"])
    if case.get("nothing"):
        assert isinstance(found, Parsed)
        assert found.value == ()
    elif "box" in case:
        alone = BoxParser(where="whole")(case["text"])
        assert isinstance(found, Parsed)
        assert isinstance(alone, Parsed)
        ((box, label),) = found.value
        assert box == alone.value
        assert label == case.get("label")


def test_every_family_has_a_text() -> None:
    assert {case["family"] for case in _CASES if case["family"]} == set(FAMILIES)
    assert len(_CASES) >= 59
    assert all(case["source"] for case in _CASES)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ('{"padding": [1, 2, 3, 4]}', "got a list of 4 under the key 'padding'"),
        ("(1, 2), (3, 4), (5, 6)", "got 3 points"),
        ("[1, 2]", "got 1 point"),
        ("[1, 2, 3]", "got a list of 3"),
        ('{"bbox_2d": [1, 2, 3]}', "got a list of 3 under the key 'bbox_2d'"),
        ("None", "got 'None'"),
        ("<1><2><3>", "got 3 location tokens"),
    ],
)
def test_a_refusal_says_what_was_seen(text: str, remark: str) -> None:
    result = BoxParser(where="whole")(text)
    assert isinstance(result, ParseFailure)
    assert remark in result.detail

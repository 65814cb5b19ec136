"""`BoxParser` against a case table, JSON read by the standard library, and properties."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlreward.geometry import Box
from vlreward.parsers._keys import key_meaning
from vlreward.parsers.boxes import BoxParser
from vlreward.types import FailureCode, Parsed, ParseFailure

_CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/parsers/boxes.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", _CASES, ids=[case["comment"] for case in _CASES])
def test_case(case: dict[str, Any]) -> None:
    result = BoxParser(**case.get("parser", {}))(case["text"])
    if "box" in case:
        assert isinstance(result, Parsed), result
        assert list(result.value) == case["box"]
    else:
        assert isinstance(result, ParseFailure), result
        assert result.code == case["code"]
        assert 0 < len(result.detail) <= 200


def test_cases_are_many_and_distinct() -> None:
    assert len({case["comment"] for case in _CASES}) == len(_CASES) >= 80


def test_the_span_is_the_numbers_with_their_brackets() -> None:
    text = '<think>..</think><answer>{"bbox_2d": [1, 2, 30, 40], "label": "x"}</answer>'
    for parser in (BoxParser(), BoxParser(several_boxes="last")):
        result = parser(text)
        assert result.span is not None
        assert text[slice(*result.span)] == "[1, 2, 30, 40]"


def test_whole_numbers_stay_int() -> None:
    result = BoxParser()('<answer>{"bbox_2d": [1, 2.0, 30, 40]}</answer>')
    assert isinstance(result, Parsed)
    assert [type(v) for v in result.value] == [int, float, int, int]


def test_frozen_hashable_picklable() -> None:
    parser = BoxParser(where="whole", several_boxes="last")
    assert pickle.loads(pickle.dumps(parser)) == parser
    assert hash(parser) == hash(BoxParser(where="whole", several_boxes="last"))
    with pytest.raises(AttributeError):
        parser.where = "tag"  # type: ignore[misc]


@pytest.mark.parametrize("field", ["where", "several_answers", "several_boxes"])
def test_unknown_choices_are_refused(field: str) -> None:
    choice: dict[str, Any] = {field: "best"}
    with pytest.raises(ValueError, match=rf"expected {field} to be one of .*, got 'best'"):
        BoxParser(**choice)


# JSON as the standard library reads it, walked by the rules that the parser documents.

_KEYS = ("bbox_2d", "bbox", "box_2d")
_numbers = st.lists(
    st.integers(-9, 99) | st.floats(-9, 99, allow_nan=False), min_size=3, max_size=5
) | st.just([1, 2, 3, 4])
# Labels that look like structure, and quotes and backslashes that must be escaped.
_labels = st.lists(
    st.sampled_from(
        ['"', "\\", ",", ":", "}", "]", "'", " ", "bbox", "[5, 6, 70, 80]", "(1,2),(3,4)", "{"]
    )
).map("".join) | st.text(max_size=12)
_documents = st.recursive(
    _numbers | st.dictionaries(st.sampled_from(_KEYS), _numbers, min_size=1),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(
            st.sampled_from([*_KEYS, "label", "point_2d", "a"])
            | st.text(max_size=5).filter(lambda key: key_meaning(key).kind == "other"),
            inner | _labels | st.none() | st.integers() | st.booleans(),
            max_size=3,
        )
    ),
    max_leaves=8,
)


def _stated(value: Any, role: str) -> list[tuple[float, ...] | FailureCode]:
    """Boxes that a JSON value states, and whether under `box_2d`; `role` is `bare`, `other` or one
    of the box keys."""
    if isinstance(value, list):
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value):
            if role == "other" or (role == "bare" and len(value) != 4):
                return []
            if len(value) != 4:
                return [FailureCode.NO_BOX]
            a, b, c, d = value
            return [(a, b, c, d, role == "box_2d")]
        return [box for item in value for box in _stated(item, role)]
    if isinstance(value, dict):
        return [
            box
            for key, item in value.items()
            for box in _stated(item, _role(key))
            if not isinstance(item, (str, int))
        ]
    return []


def _role(key: str) -> str:
    key = json.dumps(key)[1:-1].strip().lower()
    return key if key in _KEYS else "other"


def _expected(stated: list[tuple[float, ...] | FailureCode], several: str) -> object:
    boxes = [box for box in stated if isinstance(box, tuple)]
    if not stated:
        return FailureCode.NO_BOX
    if several == "fail" and boxes and any(box != boxes[0] for box in stated):
        return FailureCode.MULTIPLE_BOXES
    chosen = stated[-1 if several == "last" else 0]
    if isinstance(chosen, FailureCode):
        return chosen
    x1, y1, x2, y2, _ = chosen
    return Box(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else FailureCode.INVALID_BOX


@settings(max_examples=200)
@given(
    _documents,
    st.sampled_from(["fail", "first", "last"]),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(["", "```json\n", "Here it is: "]),
    st.sampled_from(["", "\n```", " That is it."]),
)
def test_valid_json_is_read_as_json(
    document: Any, several: Any, indent: int | None, ascii_only: bool, before: str, after: str
) -> None:
    text = before + json.dumps(document, indent=indent, ensure_ascii=ascii_only) + after
    result = BoxParser(where="whole", several_boxes=several)(text)
    got = result.value if isinstance(result, Parsed) else result.code
    assert got == _expected(_stated(document, "bare"), several)


_PIECES = [
    *"[](){}:,\"'`\\<>\n 1459-.",
    *["bbox_2d", '"bbox_2d": ', '"box_2d":', "'bbox':", '"label": "a man"', "```json\n", "```"],
    *[
        "[1, 2, 30, 40]",
        "[1.5,2,3e1,40]",
        "(1,2)",
        "(1,2),(30,40)",
        "[[1,2,30,40]]",
        "nan",
        "1e999",
    ],
    *["<answer>", "</answer>", "<think>", "</think>", "<box>", "<ref>", "</ref>", "<|box_start|>"],
    *["the man's", '{"bbox_2d": [1, 2, 30, 40]', '{"bbox_2d": [5, 6, 70, 80], "label": "x"}'],
]
_hostile = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join) | st.text(max_size=60)
_parsers = st.builds(
    BoxParser,
    where=st.sampled_from(["tag", "whole"]),
    several_answers=st.sampled_from(["fail", "first", "last"]),
    several_boxes=st.sampled_from(["fail", "first", "last"]),
)


@given(_parsers, _hostile, st.booleans())
def test_any_text_gives_a_box_or_a_failure(parser: BoxParser, text: str, tagged: bool) -> None:
    text = f"<answer>{text}</answer>" if tagged else text
    result = parser(text)
    if result.span is not None:
        start, end = result.span
        assert 0 <= start <= end <= len(text)
    if isinstance(result, Parsed):
        assert result.span is not None
        assert all(abs(v) <= 1e12 for v in result.value)
    else:
        assert isinstance(result.code, FailureCode)
        assert len(result.detail) <= 200


def test_recorded_completions_state_the_recorded_box(shared_data: Path) -> None:
    files = sorted((shared_data / "recorded/rec").glob("*.json"))
    assert files
    for path in files:
        tagged = "_r1_" in path.name
        parser = BoxParser(where="tag" if tagged else "whole")
        for row in json.loads(path.read_text("utf-8"))["results"]:
            result = parser(row["model_output"])
            assert isinstance(result, Parsed)
            if "baseline" not in path.name:  # recorded after rescaling, see the data's README
                assert list(result.value) == row["extracted_answer"]


_numbers = st.sampled_from(["1", "2.5", "007", "30", "40.0", "-1", "1e2", "999999999", "1.", ".5"])
_spaces = st.sampled_from(["", " ", "\n", "\t", "  "])
_ones = st.builds(
    "{0}{1}{7}{2}{8}[{9}{3}, {4},{9}{5} ,{6}]{10}{11}{12}{13}".format,
    st.sampled_from(["", "```json\n", "```\n", "```", "``` json "]),
    st.sampled_from(["", "[", "[[", "("]),
    st.sampled_from(["", '{"bbox_2d": ', "{'bbox':", '{"box_2d": ', '{"label": ', '{"bbox_2d" ']),
    *[_numbers] * 4,
    *[_spaces] * 3,
    st.sampled_from(
        ["", ', "label": "a"', ", 'label': 'a [1, 2, 3, 4]'", ', "label": "a\\""', ","]
    ),
    st.sampled_from(["", "}", "]", "}}"]),
    st.sampled_from(["", "]", "\n]", "}", "]]"]),
    st.sampled_from(["", "\n```", "```", " and", "."]),
)


@settings(max_examples=400)
@given(_ones)
def test_the_usual_forms_are_read_as_the_scan_reads_them(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = repr(BoxParser(where="whole")(text))
        patch.setattr("vlreward.parsers.boxes._ONE", re.compile(r"(?!)"))
        assert repr(BoxParser(where="whole")(text)) == found


def test_recorded_completions_are_read_as_the_scan_reads_them(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((shared_data / "recorded").glob("*/*.json"))
    assert files
    texts = [
        row["model_output"] if "model_output" in row else str(row)
        for file in files
        for row in json.loads(file.read_text("utf-8"))["results"]
    ]
    parsers = (BoxParser(), BoxParser(where="whole"))
    found = [repr(parser(text)) for text in texts for parser in parsers]
    monkeypatch.setattr("vlreward.parsers.boxes._ONE", re.compile(r"(?!)"))
    assert [repr(parser(text)) for text in texts for parser in parsers] == found

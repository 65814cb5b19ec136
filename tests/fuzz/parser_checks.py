"""What must hold of every parser of text, on any text; for fuzzing and for replaying a corpus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from vlreward.parsers import tags
from vlreward.parsers.boxes import BoxesParser, BoxParser
from vlreward.parsers.choice import ChoiceParser
from vlreward.parsers.counts import CountParser
from vlreward.parsers.points import PointParser
from vlreward.tasks import published as compat
from vlreward.types import FailureCode, Parsed, ParseFailure

_BOXES = [
    BoxParser(),
    BoxParser(where="whole"),
    BoxParser(where="whole", several_boxes="first"),
    BoxParser(several_answers="last", several_boxes="last"),
]
_COUNTS = [
    CountParser(),
    CountParser(where="whole"),
    CountParser(where="whole", several_numbers="last"),
    CountParser(several_answers="first", several_numbers="first"),
]
_OTHERS: list[Any] = [
    BoxesParser(),
    BoxesParser(where="whole"),
    PointParser(),
    PointParser(where="whole", several_points="first"),
    ChoiceParser(),
    ChoiceParser(where="whole"),
]
_RULES = [
    compat.vlm_r1_box,
    compat.vlm_r1_baseline_box,
    compat.vlm_r1_training_box,
    compat.paddlemix_r1_box,
    compat.paddlemix_baseline_box,
    compat.r1_v_count,
]


def check(data: bytes) -> None:
    """Run every parser on a text and check what must hold of any result.

    Raises:
        AssertionError: If something does not hold.
    """
    text = data.decode("utf-8", "surrogateescape")
    for boxes in _BOXES:
        result = boxes(text)
        _check_result(result, text)
    for counts in _COUNTS:
        counted = counts(text)
        _check_result(counted, text)
    for other in _OTHERS:
        _check_result(other(text), text)
    for rule in _RULES:
        _check_result(rule(text), text)
    structured = tags.think_answer_structure(text)
    region = tags.answer_region(text)
    assert not structured or isinstance(region, Parsed) or region.code == "empty_answer"
    assert not compat.paddlemix_training_format(text) or compat.r1_v_training_format(text)
    assert isinstance(compat.r1_v_answer_text(text), str)


def _check_result(result: Parsed[Any] | ParseFailure, text: str) -> None:
    if result.span is not None:
        start, end = result.span
        assert 0 <= start <= end <= len(text), result
    if isinstance(result, ParseFailure):
        assert isinstance(result.code, FailureCode)
        assert 0 < len(result.detail) <= 200, result
    else:
        assert all(map(math.isfinite, _numbers(result.value))), result


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in an answer, however deep."""
    if isinstance(value, tuple):
        for part in value:
            yield from _numbers(part)
    elif value is not None and not isinstance(value, str):
        yield value

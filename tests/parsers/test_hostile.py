"""Hostile completions: bounded work, bounded time, and the corpus of the fuzzer."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from vlreward.parsers import _found, _scan, tags
from vlreward.parsers._found import TooComplex
from vlreward.parsers.boxes import BoxesParser, BoxParser
from vlreward.parsers.choice import ChoiceParser
from vlreward.parsers.counts import CountParser
from vlreward.parsers.points import PointParser
from vlreward.tasks import published as compat
from vlreward.types import FailureCode, ParseFailure

_FUZZ = Path(__file__).parents[1] / "fuzz"

_UNITS = [
    *"[]{}()\"'\\<1.-+a ,\n\t",
    *["\u2028", "百", "４", "\ud800", "[[", "({[", '\\"', '{"a', '{"a":', '{"a":["', "{a ", "{{"],
    *["[1,", "[1 ", "[ ", "[1,1,1,", "[1,1,1,1]", "[[1,1,2,2]]", "[0]", "[{},", "['a\",", '" '],
    *["(1,2),", "(1,", "(((1,1),(2,2)))", "1,", "1.1", "1e", "9" * 5_000 + ",", "[1e99999,"],
    *["<answer>", "</answer>", "<answer></answer>", "<answer>1</answer>", "<think>", "</think> "],
    *["<ref>", "<ref></ref>", "```json\n", '{"bbox_2d": [1,1,2,2]},', '"bbox_2d":[1,'],
    *['{"bbox_2d": [1,1,2,2], "label": "', "[nan,nan,nan,nan]", "one ", "twenty-", "minus half a "],
    *[
        "<loc0001>",
        "<loc_1>",
        "<1>",
        "<box>1 2 3 4</box>",
        "<box>1 2 3 4",
        "<box x='1' ",
        "<point ",
    ],
    *[
        "<patch_index_0001>",
        "top-left (1,2)",
        "x1=1 ",
        "x1: ",
        "x",
        "（",
        "1，",
        '{"x1": 1, ',
        "[1;2",
    ],
    *[
        '{"top_left": [1,2],',
        '{"bbox_2d": "[1,2,3,4]',
        "1 ",
        "[1 1 ",
        "[1,1,1,1;",
        "none",
        "(x=1, ",
    ],
    *["一", "三四", "一百", "第", "4 ", "1,234,", "4%", "-4", "x4"],
]
_FRAMES = [
    "%s",
    "<answer>%s",
    "<answer>%s</answer>",
    "<think>%s</think><answer>{[%s}</answer>",
    '<answer>[1,1,1,1] {"bbox_2d":%s}</answer>',
]

_PARSERS: dict[str, Callable[[str], object]] = {
    "box": BoxParser(),
    "box, whole": BoxParser(where="whole"),
    "box, last": BoxParser(where="whole", several_boxes="last"),
    "box, first": BoxParser(several_answers="first", several_boxes="first"),
    "boxes": BoxesParser(),
    "point": PointParser(),
    "point, whole": PointParser(where="whole"),
    "choice": ChoiceParser(),
    "choice, whole": ChoiceParser(where="whole"),
    "count": CountParser(),
    "count, whole": CountParser(where="whole"),
    "count, last": CountParser(several_answers="last", several_numbers="last"),
    "structure": tags.think_answer_structure,
    **{name: getattr(compat, name) for name in compat.__all__ if name != "Corners"},
}


def _fill(frame: str, unit: str, size: int) -> str:
    count = (size - len(frame)) // (len(unit) * frame.count("%s"))
    return frame.replace("%s", unit * count)


def _seconds(parser: Callable[[str], object], text: str, enough: float) -> float:
    """Least processor time of up to three runs; other threads and processes do not count."""
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        parser(text)
        best = min(best, time.thread_time() - start)
        if best < enough:
            break
    return best


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        (16_384, _FRAMES[3:4]),
        (tags.MAX_CHARS, _FRAMES[3:4]),
        (10**6, ["%s"]),
        pytest.param(16_384, _FRAMES[2:3], marks=pytest.mark.slow),
    ],
)
def test_hostile_completions_cost_under_5_ms(
    size: int, frames: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The promise is 5 ms; the limit here is ten times that, so that no slow machine fails it."""
    worst = (0.0, "", "", "")
    for frame in frames:
        for unit in _UNITS:
            text = _fill(frame, unit, size)
            for name, parser in _PARSERS.items():
                taken = _seconds(parser, text, max(0.003, worst[0]))
                worst = max(worst, (taken, name, unit[:20], frame))
    with capsys.disabled():
        print(f"\n  worst of {size:,} characters: {worst[0] * 1e3:.2f} ms for {worst[1:]}")
    assert worst[0] < 0.05, worst


# Those that return a truth value, or a text that they do not parse, have nothing to refuse.
_REFUSING = [
    name
    for name in _PARSERS
    if name not in ("structure", "r1_v_answer_text") and "format" not in name
]


@pytest.mark.parametrize("name", _REFUSING)
def test_a_completion_of_1_mb_is_refused(name: str) -> None:
    result = _PARSERS[name]("<answer>[1, 2, 30, 40]</answer>" * 40_000)
    assert isinstance(result, ParseFailure)
    assert result.code is FailureCode.TOO_LONG


def _steps(text: str) -> int:
    scan = _scan.Scan(text, len(text), text)
    scan.run(0)
    return scan._steps


@pytest.mark.parametrize("unit", [u for u in _UNITS if u not in ("[[", "({[", "{{")])
def test_the_steps_of_a_scan_grow_linearly(unit: str) -> None:
    few, some, many = (_steps(unit * n) for n in (8, 16, 31))  # at most 32 levels
    assert many - some <= 2 * (some - few) + 2


def test_the_steps_of_a_scan_are_bounded() -> None:
    for unit in _UNITS:
        text = "[" + unit * (100_000 // len(unit))
        scan = _scan.Scan(text, len(text), text)
        try:
            scan.run(0)
        except TooComplex:
            assert scan._steps <= 2 * _found.MAX_TOKENS + 32
        else:
            assert scan._steps <= _found.MAX_TOKENS


def test_a_hundred_labelled_boxes_are_within_bounds() -> None:
    rows = ",\n".join(
        f'\t{{"bbox_2d": [{n}, 2, {n + 30}, 40], "label": "a man, number {n}"}}' for n in range(100)
    )
    result = BoxParser(where="whole")(f"```json\n[\n{rows}\n]\n```")
    assert isinstance(result, ParseFailure)
    assert result.code is FailureCode.MULTIPLE_BOXES
    assert result.detail == "expected one box, got 100"


def _checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parser_checks", _FUZZ / "parser_checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_corpus_of_the_fuzzer_holds() -> None:
    check = _checks().check
    files = sorted((_FUZZ / "corpus_parsers").iterdir())
    assert len(files) >= 50
    for path in files:
        check(path.read_bytes())

"""No regular expression of the package backtracks: whatever the text, time grows with its length.

Every compiled pattern of every module is found by itself, so that a new one is tested too.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

import vlreward
from vlreward.metrics.text import MAX_REPETITION_CHARS
from vlreward.parsers.tags import MAX_CHARS
from vlreward.verify.exact.text import MAX_CHARACTERS

_METHODS = {
    *("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "scanner")
}
_LIMIT = 2 * 0.05  # seconds: a machine that does much else runs at half its speed
_CAPS = {
    "vlreward.bench.command.": 4_096,  # options of the command line
    "vlreward.bench.expectations.": 4_096,
    "vlreward.metrics.text._UNIT": MAX_REPETITION_CHARS,
    "vlreward.parsers._prose._PLACES": 16_384,
    "vlreward.parsers.standing._BOUNDED": 48,  # what stands before a number
    "vlreward.parsers.numbers.": 8_192,
    "vlreward.parsers.": MAX_CHARS,
    "vlreward.tasks.pointing_published.": MAX_CHARS,
    "vlreward.tasks.published.": MAX_CHARS,
    "vlreward.verify.": MAX_CHARACTERS,
}
# Used by another name, and never to search.
_MATCHED = {
    "vlreward.parsers._prose._BETWEEN",
    "vlreward.parsers._prose._BETWEEN_NAMED",
    "vlreward.parsers.choice._WRAPPERS",
    "vlreward.parsers.counts._USUAL_WHOLE",
    "vlreward.verify.exact.text._PHRASES",
}
# Runs of what quantifiers repeat, and beginnings of what patterns look for that never come true.
_UNITS = (
    *(" ", "\n", "a", "1", "1,", "1.5 ", "-", ".", "[", "{", "(", "<", "\\", "|", "a ", " a"),
    *("[1,", "</", "<s>", "<s> ", "<|a|>", "<answer>", "</answer>", "<think>", "<image>", "bbox"),
    *('"a":', "{'a': ", '"', "'", "_", "^", "=", "= ", "a=", "%", "$", "$ ", "°", "的", "٣", "e"),
    *("1 1", "1:", "1/", "1e", "-- ", "- 1", "* ", "# ", "```", "```json\n", "\x00", "\u2028"),
    *("\\text{", "\\a", "box"),
)


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    seen: set[int] = set()
    for info in pkgutil.walk_packages(vlreward.__path__, "vlreward."):
        try:
            module = importlib.import_module(info.name)
        except ImportError:  # an extra that is not installed
            continue
        for name, value in vars(module).items():
            for number, pattern in enumerate(_inside(value)):
                if id(pattern) not in seen:
                    seen.add(id(pattern))
                    yield f"{info.name}.{name}" + f"[{number}]" * bool(number), pattern


def _inside(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, type) and value.__module__.startswith("vlreward") and depth < 1:
        for member in vars(value).values():
            yield from _inside(member, depth + 1)
    elif isinstance(value, dict) and depth < 3:
        for member in value.values():
            yield from _inside(member, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)) and depth < 3:
        for member in value:
            yield from _inside(member, depth + 1)


_FOUND = dict(_patterns())


@functools.cache
def _uses() -> dict[str, set[str]]:
    """Names of the methods that the package calls on each name."""
    found: dict[str, set[str]] = {}
    called = re.compile(rf"(\w+)\.({'|'.join(_METHODS)})\b")
    for path in Path(vlreward.__file__).parent.rglob("*.py"):
        for name, method in called.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(method)
    return found


def _methods(name: str) -> set[str]:
    """Which of `search`, `match` and `fullmatch` the package calls, all where that is not seen."""
    if name.partition("[")[0] in _MATCHED:
        return {"match", "fullmatch"}
    used = _uses().get(name.rpartition(".")[2], {"search", "match", "fullmatch"})
    at_start = used & {"match", "fullmatch"}
    return at_start | {"search"} if used - at_start else at_start  # `sub` and the like search


def _longest(name: str) -> int:
    """The longest text that what uses a pattern hands it."""
    return next((size for start, size in _CAPS.items() if name.startswith(start)), 1_000_000)


@functools.cache
def _said(unit: str, start: str, end: str, size: int) -> str:
    return start + (unit * (size // len(unit) + 1))[:size] + end


def _seconds(calls: list[Callable[[Any], object]], text: str | bytes, enough: float) -> float:
    """Least processor time of up to three runs: what else a machine does fails nothing."""
    best = float("inf")
    for _ in range(3):
        started = thread_time()
        for call in calls:
            call(text)
        best = min(best, thread_time() - started)
        if best < enough:
            break
    return best


def test_the_patterns_are_found() -> None:
    assert len(_FOUND) > 50
    assert "vlreward.parsers.tags._PLAIN_STRUCTURE" in _FOUND


@pytest.mark.parametrize("name", sorted(_FOUND))
def test_a_million_characters_take_less_than_50_milliseconds(name: str) -> None:
    """Or as many as its users let through, if that is less."""
    longest = _longest(name)
    pattern = _FOUND[name]
    binary = isinstance(pattern.pattern, bytes)
    at_start = [getattr(pattern, method) for method in _methods(name) - {"search"}]
    searched = "search" in _methods(name)

    def all_matches(text: Any) -> None:
        deque(pattern.finditer(text), maxlen=0)

    worst = (0.0, "")
    for unit, start, end in product(_UNITS, ("", "x"), ("", "!")):
        # Short ones first: what backtracks would take hours for the long one.
        for size in (200, 4_000):
            said = _said(unit, start, end, min(size, longest))
            text = said.encode("utf-8") if binary else said
            taken = _seconds(at_start, text, _LIMIT / 5)
            assert taken < _LIMIT / 5, (said[:20], end, len(text), taken)
            if searched:
                taken = _seconds([all_matches], text, _LIMIT / 5)
                assert taken < _LIMIT / 2, ("all matches", said[:20], end, len(text), taken)
                if taken >= _LIMIT / 5:  # of which the first search is a part
                    taken = _seconds([pattern.search], text, _LIMIT / 5)
                    assert taken < _LIMIT / 5, ("search", said[:20], end, len(text), taken)
        worst = max(worst, (taken, unit))
    said = (worst[1] * (longest // len(worst[1]) + 1))[:longest]
    calls = [*at_start, pattern.search] if searched else at_start
    taken = _seconds(calls, said.encode("utf-8") if binary else said, _LIMIT)
    assert taken < _LIMIT, (worst[1], longest, taken)

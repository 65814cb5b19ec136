"""What runs in a worker process: one job at a time, from frame to frame.

Nothing of this module runs in the process that asks. A frame is a length of four bytes and JSON;
the first is the process id of a worker that is ready, the others are a verdict and a bounded
string, so that no expression is ever printed or pickled.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import Any

__all__ = ["MAX_REPLY", "limit_resources", "preload", "read_frame", "serve", "write_frame"]

MAX_REPLY = 4096
_MAX_DETAIL = 200
# Pairs that touch the parser, the simplifier and the solver, so that a first job is not slower.
_FIRST = ((r"\frac{x}{2}", "0.5x"), ("x+1", "x+2"), ("2x+y=3", "y=3-2x"))
_LENGTH = struct.Struct(">I")


def read_frame(fd: int) -> bytes | None:
    """The next frame, or None at the end of the stream."""
    head = _read_exactly(fd, _LENGTH.size)
    return None if head is None else _read_exactly(fd, _LENGTH.unpack(head)[0])


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = os.read(fd, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_frame(fd: int, payload: bytes) -> None:
    """Send one frame."""
    data = memoryview(_LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(fd, data) :]


def preload() -> None:
    """Import math-verify and let it build the tables that the first comparison needs."""
    import logging

    import math_verify  # noqa: F401 (fails here, where the reason is reported)

    logging.disable(logging.CRITICAL)
    for gold, answer in _FIRST:
        pair = {"golds": [gold], "answers": [answer], "decimals": 6, "ordered_tuples": True}
        _compare_pair(pair)


def limit_resources(memory_bytes: int) -> None:
    """Cap this process's memory, and forbid core dumps."""
    try:
        import resource
    except ImportError:  # Windows: only the deadline bounds a worker there
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = 0
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    limit = used + memory_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    if sys.platform != "darwin":  # where the call fails
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def serve(receive_fd: int, send_fd: int) -> None:
    """Answer jobs until the other end closes; leave after a job that ran out of memory.

    Args:
        receive_fd: Where jobs come from.
        send_fd: Where replies go to.
    """
    write_frame(send_fd, b"%d" % os.getpid())
    while True:
        frame = read_frame(receive_fd)
        if frame is None:
            return
        job = json.loads(frame)
        _limit_processor_time(job["deadline"])
        fatal = False
        try:
            outcome, detail = _run(job)
        except MemoryError:
            outcome, detail, fatal = "worker_died", "out of memory", True
        except RecursionError:
            outcome, detail = "too_complex", "nested too deeply"
        reply = json.dumps({"outcome": outcome, "detail": detail[:_MAX_DETAIL]})
        write_frame(send_fd, reply.encode("ascii"))
        if fatal:
            return


def _limit_processor_time(deadline: float) -> None:
    """A last resort, should the process that enforces the deadline be killed itself."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime + deadline) + 5
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or seconds < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _run(job: dict[str, Any]) -> tuple[str, str]:
    if job["job"] == "whole":
        return _compare_whole(job["output"], job["gold"])
    if job["job"] == "pair":
        return _compare_pair(job)
    raise ValueError(f"unknown job {job['job']!r}")


def _compare_whole(output: str, gold: str) -> tuple[str, str]:
    """As R1-V's evaluation: the model's parsed output in the place of the gold."""
    from math_verify import parse, verify

    answer = parse(output, parsing_timeout=None)
    right = parse(gold, parsing_timeout=None)
    return ("correct" if verify(answer, right, timeout_seconds=None) else "wrong"), ""


def _compare_pair(job: dict[str, Any]) -> tuple[str, str]:
    golds, problem = _parsed(job["golds"])
    if not golds:
        return "unparsable_gold", f"gold: {problem}"
    answers, problem = _parsed(job["answers"])
    if not answers:
        return "unparsable_answer", f"answer: {problem}"
    failure = ""
    for right in golds:
        for given in answers:
            try:
                if _equal(right, given, job["decimals"], job["ordered_tuples"]):
                    return "correct", ""
            except (MemoryError, RecursionError):
                raise
            except Exception as error:  # whatever a computer algebra system raises
                failure = f"{type(error).__name__} while comparing"
    return ("unparsable_answer", failure) if failure else ("wrong", "")


def _parsed(texts: list[str]) -> tuple[list[Any], str]:
    """What math-verify reads in the readings of one side, and why it is nothing."""
    found: list[Any] = []
    problem = "math-verify reads nothing in it"
    for text in texts:
        try:
            found += _parse(text)
        except (MemoryError, RecursionError):
            raise
        except Exception as error:
            problem = f"{type(error).__name__} while parsing it"
    return found, problem


def _parse(latex: str) -> list[Any]:
    from math_verify import LatexExtractionConfig, parse

    found: list[Any] = parse(
        f"${latex}$",
        [LatexExtractionConfig()],
        fallback_mode="no_fallback",
        parsing_timeout=None,
        raise_on_error=True,
    )
    return found


def _equal(gold: Any, answer: Any, decimals: int, ordered_tuples: bool) -> bool:
    from math_verify import verify
    from sympy import Float

    if not _comparable(gold, answer):
        return False
    items, left = _elements(gold), _elements(answer)
    if not ordered_tuples and items and left:
        if len(items) != len(left):
            return False
        for item in items:
            at = next(
                (i for i, other in enumerate(left) if _equal(item, other, decimals, False)), None
            )
            if at is None:
                return False
            del left[at]
        return True
    same = verify(
        gold,
        answer,
        float_rounding=decimals,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    if not same:
        return False
    numbers = [value for value in (gold, answer) if getattr(value, "is_number", False)]
    if len(numbers) == 2 and any(value.has(Float) for value in numbers):
        # math-verify rounds to decimal places alone, which makes all tiny values equal.
        first, second = complex(gold.evalf(30)), complex(answer.evalf(30))
        tolerance = 10.0**-decimals / 2 * min(1.0, 1000 * abs(first)) + 1e-15
        return abs(first - second) <= tolerance
    return True


def _comparable(gold: Any, answer: Any) -> bool:
    """Whether math-verify may compare them: it takes what is true or false for any relation."""
    from sympy import EmptySet
    from sympy.core.relational import Relational
    from sympy.logic.boolalg import BooleanAtom

    sides = (gold, answer)
    if any(isinstance(side, BooleanAtom) for side in sides):
        return False
    if any(side is EmptySet or side == EmptySet for side in sides):
        return bool(gold == answer)
    relations = [side for side in sides if isinstance(side, Relational)]
    if any(not relation.free_symbols for relation in relations):
        return False
    return len(relations) < 2 or bool(gold.free_symbols == answer.free_symbols)


def _elements(value: Any) -> list[Any]:
    """The elements of a tuple; math-verify reads one of two elements as an open interval."""
    from sympy import Interval, Tuple

    if isinstance(value, Tuple):
        return list(value.args)
    if isinstance(value, Interval) and value.left_open and value.right_open:
        return [value.start, value.end]
    return []

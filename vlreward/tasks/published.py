"""The answer rules of published code, bit for bit, so that its numbers can be reproduced.

Each function reads one completion as the named code does. The originals' regular expressions take
quadratic time or worse on hostile text; these give the same result in linear time. They differ in
three ways, none of which changes a score on the originals' data. Completions over 131,072
characters, and answers (or whole outputs that are read for boxes) over 16,384, are `too_long`.
Numbers over 1e100 or 4,300 digits are `bad_number`, where the originals raise or find no overlap
with any real box. What is missing is a failure, where the originals return (0, 0, 0, 0), which
overlaps nothing. Boxes are four plain numbers that need not be a valid box.

Sources: om-ai-lab/VLM-R1 `src/eval/test_rec_r1.py`, `test_rec_baseline.py`, its rewards;
PaddlePaddle/PaddleMIX `paddlemix/examples/r1_mllm/train/grpo_rec.py` and `eval/test_rec.py`;
Deep-Agent/R1-V `src/eval/test_qwen2vl_counting_superclevr.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vlreward.parsers.tags import MAX_CHARS, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = [
    "Corners",
    "paddlemix_baseline_box",
    "paddlemix_r1_box",
    "paddlemix_training_format",
    "r1_v_answer_text",
    "r1_v_count",
    "r1_v_training_format",
    "vlm_r1_baseline_box",
    "vlm_r1_box",
    "vlm_r1_training_box",
    "vlm_r1_training_format",
]

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 as written; may be inverted or degenerate."""

_MAX_ANSWER = 16_384
_MAX_DIGITS = 4_300  # what int() takes
_MAX_VALUE = 1e100  # products stay finite
_OPEN, _CLOSE = "<answer>", "</answer>"

# Within a pattern, neighbouring parts share no character, so a failed attempt costs one pass over
# what it read. `\d` and `\s` are the originals': they take other scripts' digits and spaces too.
_INTEGERS = re.compile(r"\[(\d+),\s*(\d+),\s*(\d+),\s*(\d+)\]")
_LAST_INTEGERS = re.compile(rf".*{_INTEGERS.pattern}", re.DOTALL)
_D = r"\s*(-?(?:\d+(?:\.\d+)?|\.\d+))\s*"
_DECIMALS = re.compile(rf"\[{_D},{_D},{_D},{_D}\]")
_M = r"([-+]?\d*\.\d+|\d+)"
_MIXED = re.compile(rf"\[{_M},\s*{_M},\s*{_M},\s*{_M}\]")
# No brackets: a match may start within a run of digits, but then it could start at its beginning,
# so other starts need not be tried.
_F = r"(-?(?:\d+(?:\.\d+)?|\.\d+))"
_FREE = re.compile(rf"(?:(?<!\d)|(?=[-.])){_F},\s*{_F},\s*{_F},\s*{_F}")
_PLAIN_ANSWERS = re.compile(r"<answer>([^<]*)</answer>")
_STRUCTURE = re.compile(r"</think>\s*<answer>")


def vlm_r1_box(text: str) -> Parsed[Corners] | ParseFailure:
    """VLM-R1's evaluation of r1 outputs: the last integer quadruple within `{...}` of the answer.

    The answer is the first `<answer>` with the next `</answer>`.
    """
    region = _first_answer(text)
    if isinstance(region, ParseFailure):
        return region
    braces = _braces(text, *region)
    return _corners(_LAST_INTEGERS.match(text, *braces) if braces else None, int, region)


def vlm_r1_baseline_box(text: str) -> Parsed[Corners] | ParseFailure:
    """VLM-R1's evaluation of baseline and sft outputs: the first decimal quadruple in brackets."""
    return _whole_output(text, _DECIMALS)


def vlm_r1_training_box(text: str) -> Parsed[Corners] | ParseFailure:
    """VLM-R1's training reward: the first integer quadruple in brackets of the answer.

    The reward rescales it from the resized input to the original image and takes the soft IoU.
    PaddleMIX's training reward reads the same, and gives 1 if the IoU is over 0.5, else 0.
    """
    region = _first_answer(text)
    if isinstance(region, ParseFailure):
        return region
    return _corners(_INTEGERS.search(text, *region), int, region)


def vlm_r1_training_format(text: str) -> bool:
    """VLM-R1's training format reward: somewhere think, answer, and in it `{...[a, b, c, d]...}`.

    What comes first is enough, since each part leaves the most to those behind it.
    """
    if len(text) > MAX_CHARS:
        return False
    think = text.find("<think>")
    structure = _STRUCTURE.search(text, think + len("<think>")) if think >= 0 else None
    if structure is None:
        return False
    brace = text.find("{", structure.end())
    box = _INTEGERS.search(text, brace + 1) if brace >= 0 else None
    if box is None:
        return False
    closing = text.find("}", box.end())
    return closing >= 0 and text.find(_CLOSE, closing) >= 0


def paddlemix_training_format(text: str) -> bool:
    """PaddleMIX's training format reward: think, answer, and within it `{...[a, b, c, d]...}`.

    Other tags may stand anywhere within the two, for example a second `<answer>`.
    """
    if len(text) > MAX_CHARS or not (text.startswith("<think>") and text.endswith(_CLOSE)):
        return False
    structure = _STRUCTURE.search(text, len("<think>"))
    if structure is None:
        return False
    braces = _braces(text, structure.end(), len(text) - len(_CLOSE))
    if braces and braces[1] - braces[0] > _MAX_ANSWER:
        return False
    return braces is not None and _INTEGERS.search(text, *braces) is not None


def paddlemix_r1_box(text: str) -> Parsed[Corners] | ParseFailure:
    """PaddleMIX's evaluation of r1 outputs: the first quadruple in brackets of the answer.

    Numbers are unsigned integers, or decimals with or without a sign.
    """
    region = _first_answer(text)
    if isinstance(region, ParseFailure):
        return region
    return _corners(_MIXED.search(text, *region), float, region)


def paddlemix_baseline_box(text: str) -> Parsed[Corners] | ParseFailure:
    """PaddleMIX's evaluation of baseline outputs: the first four decimals with commas between."""
    return _whole_output(text, _FREE)


def r1_v_count(text: str) -> Parsed[int] | ParseFailure:
    """R1-V's evaluation of counting: the first `<answer>` that holds digits and spaces alone."""
    if len(text) > MAX_CHARS:
        return too_long(MAX_CHARS, len(text))
    for match in _PLAIN_ANSWERS.finditer(text):
        digits = match[1].strip()
        if digits.isdecimal():
            start = match.start(1) + match[1].index(digits[0])
            span = (start, start + len(digits))
            if len(digits) > _MAX_DIGITS or int(digits) > _MAX_VALUE:
                return _bad_number(span)
            return Parsed(int(digits), span)
    return ParseFailure(FailureCode.NO_ANSWER, "expected <answer>digits</answer>, got none")


def r1_v_training_format(text: str) -> bool:
    """R1-V's training format reward: the whole text is think, white space, answer.

    Other tags may stand anywhere within the two.
    """
    if len(text) > MAX_CHARS or not (text.startswith("<think>") and text.endswith(_CLOSE)):
        return False
    structure = _STRUCTURE.search(text, len("<think>"), len(text) - len(_CLOSE))
    return structure is not None


def r1_v_answer_text(text: str) -> str:
    """What R1-V's training reward compares as text: the first answer on one line, or everything.

    Used where math-verify finds no equality.
    """
    start = text.find(_OPEN)
    while start >= 0:
        newline = text.find("\n", start)
        line_end = newline if newline >= 0 else len(text)
        end = text.find(_CLOSE, start, line_end)
        if end >= 0:
            return text[start + len(_OPEN) : end].strip()
        start = text.find(_OPEN, line_end)
    return text.strip()


def _whole_output(text: str, pattern: re.Pattern[str]) -> Parsed[Corners] | ParseFailure:
    if len(text) > _MAX_ANSWER:
        return too_long(_MAX_ANSWER, len(text))
    return _corners(pattern.search(text), float, (0, len(text)))


def _first_answer(text: str) -> tuple[int, int] | ParseFailure:
    """The span between the first `<answer>` and the next `</answer>`."""
    if len(text) > MAX_CHARS:
        return too_long(MAX_CHARS, len(text))
    start = text.find(_OPEN)
    end = text.find(_CLOSE, start) if start >= 0 else -1
    if end < 0:
        return ParseFailure(
            FailureCode.NO_ANSWER, "expected <answer>...</answer>, got no closed one"
        )
    start += len(_OPEN)
    return (start, end) if end - start <= _MAX_ANSWER else too_long(_MAX_ANSWER, end - start)


def _braces(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span from the first "{" to the last "}"."""
    first = text.find("{", start, end)
    last = text.rfind("}", start, end)
    return (first + 1, last) if 0 <= first < last else None


def _corners(
    match: re.Match[str] | None, number: Callable[[str], float], region: tuple[int, int]
) -> Parsed[Corners] | ParseFailure:
    if match is None:
        return ParseFailure(FailureCode.NO_BOX, "expected [x1, y1, x2, y2], got none", region)
    start, end = match.start(1), match.end(4)
    if any(len(group) > _MAX_DIGITS for group in match.groups()):
        return _bad_number((start, end))
    x1, y1, x2, y2 = corners = tuple(map(number, match.groups()))
    if any(abs(value) > _MAX_VALUE for value in corners):
        return _bad_number((start, end))
    return Parsed((x1, y1, x2, y2), (start, end))


def _bad_number(span: tuple[int, int]) -> ParseFailure:
    return ParseFailure(
        FailureCode.BAD_NUMBER,
        f"expected numbers of at most {_MAX_VALUE:g} and {_MAX_DIGITS} digits",
        span,
    )

r"""Where a model itself says that its answer stands: after thinking, in `\boxed{}` or tokens."""

from __future__ import annotations

import re

__all__ = ["after_thinking", "last_boxed", "last_marked", "marked"]

# Kimi-VL writes its own tags.
_THINKING = {"<think>": "</think>", "◁think▷": "◁/think▷"}
_BEGIN, _END = "<|begin_of_box|>", "<|end_of_box|>"  # GLM-V
_BRACE = re.compile(r"[{}]")
_BOXED = ("\\boxed", "\\fbox")


def after_thinking(text: str) -> tuple[int, int]:
    """The part of a whole output that is no thinking: from its last end to one that never ends.

    Example:
        >>> after_thinking("<think>3 or 4?</think>4")
        (22, 23)
        >>> after_thinking("<think>3 or 4?")
        (0, 0)
    """
    start, end = 0, len(text)
    if "think" not in text:
        return start, end
    for closing in _THINKING.values():
        closed = text.rfind(closing)
        start = max(start, closed + len(closing) if closed >= 0 else 0)
    for opening in _THINKING:
        opened = text.find(opening, start)
        end = min(end, opened if opened >= 0 else end)
    return start, end


def marked(text: str, start: int, end: int, *, repeated: bool = True) -> tuple[int, int]:
    r"""The span of what text[start:end] marks as the answer, if it marks one; else all of it.

    Args:
        text: Any text.
        start: Where to begin.
        end: Where to stop.
        repeated: Whether several marks that hold the same are one.

    Example:
        >>> marked(r"3 + 4 = \boxed{7}", 0, 17)
        (15, 16)
        >>> marked(r"\boxed{3} or \boxed{4}", 0, 22)
        (0, 22)
    """
    if text.find("\\", start, end) < 0 and text.find(_BEGIN, start, end) < 0:
        return start, end
    for spans in (_in_tokens, _boxes):
        found = spans(text, start, end)
        held = {text[first:last].strip() for first, last in found}
        if len(held) == 1 and held != {""} and (repeated or len(found) == 1):
            start, end = found[-1]
    return start, end


def last_boxed(text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    r"""The span of the contents of the last `\boxed{...}` whose braces balance, or None.

    Args:
        text: Any text.
        start: Where to begin.
        end: Where to stop; None for the end of the text.

    Example:
        >>> last_boxed(r"\boxed{1}, no: \boxed{\frac{1}{2}}")
        (22, 33)
    """
    return max(_boxes(text, start, len(text) if end is None else end), default=None)


def last_marked(text: str, start: int, end: int) -> tuple[int, int] | None:
    r"""The span of what GLM-V's tokens mark last in text[start:end], or else `last_boxed`'s."""
    found = _in_tokens(text, start, end)
    return found[-1] if found else last_boxed(text, start, end)


def _in_tokens(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    opened = text.find(_BEGIN, start, end)
    while opened >= 0:
        first = opened + len(_BEGIN)
        opened = text.find(_BEGIN, first, end)
        closed = text.find(_END, first, opened if opened >= 0 else end)
        if closed >= 0:
            found.append((first, closed))
    return found


def _boxes(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    opened: list[tuple[int, bool]] = []
    # Every brace is visited once; a box is closed by the brace that matches its own.
    for brace in _BRACE.finditer(text, start, end):
        at = brace.start()
        if not _escaped(text, at, start):
            if text[at] == "{":
                opened.append((at + 1, _opens_box(text, at, start)))
            elif opened:
                begin, box = opened.pop()
                if box:
                    found.append((begin, at))
    return found


def _escaped(text: str, at: int, start: int) -> bool:
    """Whether a single backslash precedes the brace; two are a line break."""
    if at <= start or text[at - 1] != "\\":
        return False
    return not (at - 2 >= start and text[at - 2] == "\\")


def _opens_box(text: str, at: int, start: int) -> bool:
    before = text[max(start, at - 8) : at].rstrip(" ")
    return before.endswith(_BOXED)

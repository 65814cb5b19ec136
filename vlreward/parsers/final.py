r"""Where a model itself says that its answer stands: after thinking, in `\boxed{}` or tokens."""

from __future__ import annotations

import re

__all__ = ["after_thinking", "last_boxed", "last_marked", "marked"]

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
    start = text.rfind("</think>") + 8
    start = start if start >= 8 else 0
    end = text.find("<think>", start)
    end = end if end >= 0 else len(text)
    if not text.isascii() and "◁" in text:  # Kimi-VL writes its own tags
        start = max(start, text.rfind("◁/think▷") + 8 if "◁/think▷" in text else 0)
        ends = (text.find(opening, start) for opening in ("<think>", "◁think▷"))
        end = min((at for at in ends if at >= 0), default=len(text))
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
    if text.find("box", start, end) < 0:  # none of the marks
        return start, end
    whole, tokens = (start, end), False
    for spans in (_in_tokens, _boxes):
        found = spans(text, start, end)
        held = {text[first:last].strip() for first, last in found}
        if len(held) == 1 and held != {""} and (repeated or len(found) == 1):
            start, end = found[-1]
            tokens = tokens or spans is _in_tokens
    if tokens:  # a box beside them must hold the same
        held = {text[slice(*box)] for box in _boxes(text, *whole)}
        held = {box.replace(_BEGIN, "").replace(_END, "").strip() for box in held}
        if held - {text[start:end].strip()}:
            return whole
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

"""What a model's message says, as endpoints answer it, as trainers trace it, as files record it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TEXTS", "said", "thought", "was_cut", "with_thinking", "written"]

TEXTS = ("content", "text", "value", "generated_text", "completion")
"""Where the text of a message, or of a part of one, stands."""
_CUT = ("length", "max_tokens", "max_output_tokens", "model_length")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_HIDDEN = (*_THOUGHTS, "image_url", "image", "tool_use")
_DEEPEST = 16


def said(content: Any, depth: int = 0) -> str:
    """The text of a message's content: a text, or parts of which those that are text count."""
    if isinstance(content, Mapping):
        content = next((content[k] for k in TEXTS if content.get(k) is not None), None)
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        return "" if content is None else str(content)
    if depth > _DEEPEST:
        return ""
    parts = (p for p in content if not (isinstance(p, Mapping) and p.get("type") in _HIDDEN))
    return "".join(p if isinstance(p, str) else said(p, depth + 1) for p in parts)


def thought(message: Mapping[str, Any]) -> str:
    """What a server took out of a message's text as its thinking; empty where there is none."""
    for name in _THOUGHTS:
        if isinstance(value := message.get(name), str) and value:
            return value
    content = message.get("content")
    parts = content if isinstance(content, (list, tuple)) else ()
    hidden = [p for p in parts if isinstance(p, Mapping) and p.get("type") in _THOUGHTS]
    return "".join(said(p.get(p["type"], p.get("text"))) for p in hidden)


def with_thinking(text: str, thinking: str | None) -> str:
    """A text as the model wrote it, with the thinking in its tags that was taken out of it.

    Without a text behind it the thinking is left open: what parses it does not tell whether it was.

    Example:
        >>> with_thinking("<answer>4</answer>", "two and two")
        '<think>two and two</think><answer>4</answer>'
    """
    if not thinking or "<think>" in text:
        return text
    return f"<think>{thinking}</think>{text}" if text else f"<think>{thinking}"


def written(message: Mapping[str, Any]) -> str:
    """A message as the model wrote it, with what a server took out of it as its thinking."""
    return with_thinking(said(message), thought(message))


def was_cut(about: Mapping[str, Any]) -> bool:
    """Whether what stands beside a completion says that it was cut at the longest length."""
    return any(_word(about.get(name)) in _CUT for name in ("finish_reason", "stop_reason"))


def _word(reason: Any) -> str:
    reason = reason.get("type") if isinstance(reason, Mapping) else reason
    return reason.lower() if isinstance(reason, str) else ""

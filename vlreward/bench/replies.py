"""What a model said, as it was recorded: texts, messages, choices, lists of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlreward._messages import TEXTS, was_cut, written
from vlreward._text import short

__all__ = ["Reply", "replies_in"]

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """One completion as it was recorded."""

    text: str
    """What the model wrote; empty where nothing was recorded."""
    missing: bool = False
    """Nothing was recorded: null, an empty list, a request that failed."""
    truncated: bool = False
    """The recording says that it was cut at the longest length."""
    tokens: int | None = None
    """Number of its tokens, if recorded."""


def replies_in(value: Any, depth: int = 0) -> list[Reply]:
    """The completions that a value holds: several where it is a list of texts or of choices.

    A list of messages is one conversation, whose last word of the assistant is the completion; a
    list of content parts is one message. A number is a completion of its digits.

    Raises:
        ValueError: If it is no completion; says what was found.

    Example:
        >>> [reply.text for reply in replies_in([["a", "b"]])]
        ['a', 'b']
        >>> replies_in([{"role": "user", "content": "?"}, {"role": "assistant", "content": "3"}])
        [Reply(text='3', missing=False, truncated=False, tokens=None)]
    """
    if depth > _DEEPEST:
        raise ValueError(f"expected a completion, got values nested too deeply: {short(value, 80)}")
    if value is None or value == []:
        return [Reply("", missing=True)]
    if isinstance(value, str):
        return [Reply(value)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [Reply(f"{value:g}" if isinstance(value, float) else str(value))]
    if isinstance(value, Mapping):
        return _in_object(value, depth)
    if isinstance(value, (list, tuple)):
        if all(isinstance(v, Mapping) for v in value):
            if any("role" in v or "from" in v for v in value):
                return [_last_word(value)]
            if any(isinstance(v.get("type"), str) for v in value):
                return [Reply(written({"content": value}))]
        if _are_likelihoods(value):
            raise ValueError(
                f"expected completions, got likelihoods of given answers: {short(value, 80)}; a "
                "model that was not asked to write cannot be scored"
            )
        if any(isinstance(v, (bool, int, float)) for v in value):
            raise ValueError(
                f"expected a completion as the model wrote it, got numbers: {short(value, 80)}"
            )
        return [reply for v in value for reply in replies_in(v, depth + 1)]
    raise ValueError(f"expected a completion as text, got {short(value, 80)}")


def _failed(value: Mapping[str, Any]) -> bool:
    """Whether this is what a batch records of a request that failed."""
    status = value.get("status_code")
    if type(status) is int and (status >= 400 or value.get("body") is None):
        return True
    told = any(value.get(name) is not None for name in (*TEXTS, "choices", "outputs", "body"))
    return not told and (bool(value.get("error")) or value.get("object") == "error")


def _in_object(value: Mapping[str, Any], depth: int) -> list[Reply]:
    if _failed(value):
        return [Reply("", missing=True)]
    for name in ("body", "output", "message", "delta"):  # of a batch's response, of a choice
        if isinstance(value.get(name), Mapping):
            return [_told(r, value) for r in replies_in(value[name], depth + 1)]
    choices = value.get("choices", value.get("outputs"))
    if isinstance(choices, (list, tuple)) and (choices or value.get("completion") in (None, "")):
        return [_told(r, value) for c in choices or (None,) for r in replies_in(c, depth + 1)]
    if not any(name in value for name in TEXTS):
        raise ValueError(f"expected a completion, got an object with the keys {sorted(value)[:12]}")
    if isinstance(value.get("text"), list):  # several, as lighteval has them
        return [_told(reply, value) for reply in replies_in(value["text"], depth + 1)]
    text = written(value)
    empty = not text and all(value.get(name) is None for name in TEXTS)
    return [_told(Reply(text, missing=empty), value)]


def _told(reply: Reply, about: Mapping[str, Any]) -> Reply:
    """The reply with what an object around it says of its end and its length."""
    usage = about.get("usage")
    one = len(about.get("choices") or ()) <= 1
    tokens = None
    if isinstance(usage, Mapping) and one:
        tokens = usage.get("output_tokens", usage.get("completion_tokens"))
    return replace(
        reply,
        truncated=reply.truncated or was_cut(about),
        tokens=tokens if type(tokens) is int and tokens >= 0 else reply.tokens,
    )


def _last_word(turns: Any) -> Reply:
    names = [str(t.get("role", t.get("from"))).lower() for t in turns]
    for turn, name in zip(reversed(turns), reversed(names)):
        if name in ("assistant", "gpt", "model", "bot"):
            text = written(turn)
            return Reply(text, missing=not text and turn.get("content", turn.get("value")) is None)
    raise ValueError(f"expected messages with one of the assistant, got those of {names[:8]}")


def _are_likelihoods(value: Any) -> bool:
    """Pairs of a logarithm and whether it is the greediest, as lm-eval's multiple choice has."""
    pairs = [v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v for v in value]
    return all(
        isinstance(p, (list, tuple)) and len(p) == 2 and str(p[1]) in ("True", "False")
        for p in pairs
    )

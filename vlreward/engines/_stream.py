"""A reply that comes as a stream of events, put together as the reply that would have come whole.

For `stream` among the options, and for endpoints that know no other way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from vlreward._messages import said, thought

__all__ = ["is_stream", "joined"]


def is_stream(content: bytes) -> bool:
    """Whether a reply is made of server-sent events."""
    return content.lstrip()[:1] not in (b"{", b"[") and b"\ndata:" in b"\n" + content[:65_536]


def joined(content: bytes) -> Any:
    """The reply: an error where an event tells of one or is no JSON, or an answer has no end."""
    about: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    pieces: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    done = False
    for line in content.splitlines():
        data = line[5:].strip() if line.startswith(b"data:") else b""
        if not data or data == b"[DONE]":
            done = done or bool(data)
            continue
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return {"error": f"an event that is no JSON: {data[:200].decode('utf-8', 'replace')}"}
        if not isinstance(event, dict) or event.get("error"):
            return event
        about |= {k: event[k] for k in ("model", "usage") if event.get(k) is not None}
        for choice in _dicts(event.get("choices")):
            index = choice.get("index")
            place = index if isinstance(index, int) else 0
            kept = choices.setdefault(place, {"finish_reason": None})
            kept |= {k: v for k, v in choice.items() if k not in ("delta", "message") and v}
            for delta in _dicts([choice.get("delta")]):
                pieces[place, "content"].append(said(delta.get("content")))
                pieces[place, "reasoning_content"].append(thought(delta))
    if not done and not all(choice["finish_reason"] for choice in choices.values()):
        return {"error": "a stream that ended before its answer did"}
    for place, choice in choices.items():
        names = ("content", "reasoning_content")
        choice["message"] = {name: "".join(pieces[place, name]) for name in names}
    return {**about, "choices": [choices[place] for place in sorted(choices)]}


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []

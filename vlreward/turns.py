"""Chat messages of a row: the question, the answer, and the images among their parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from vlreward._text import short
from vlreward.golds import literal

__all__ = ["IMAGE_TAG", "Chat", "read_chat", "shown_question", "with_names"]

IMAGE_TAG = "<image>"
"""What stands for an image in a text."""
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_CONTROL = re.compile(
    r"<\|(?:vision_start|image_pad|video_pad|vision_end|im_start|im_end|endoftext)\|>"
)

_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "bot": "assistant", "model": "assistant", "system": "system",
}  # fmt: skip
_PICTURES = ("image", "image_url", "input_image")


class Chat(NamedTuple):
    """What one question and its answer say."""

    question: str
    """Text of the user, with `<image>` where an image stands."""
    answer: str | None
    """Text of the assistant, if it spoke."""
    system: str | None
    """The system's prompt, if there is one."""
    images: list[Any]
    """Images that stand in the messages themselves."""


def read_chat(value: Any) -> Chat:
    """A text, or messages with `role` and `content` or with `from` and `value`.

    Raises:
        ValueError: If it is neither, or more than one question with at most one answer.

    Example:
        >>> read_chat([{"role": "user", "content": "<image>How many?"},
        ...            {"role": "assistant", "content": "3"}]).question
        '<image>How many?'
    """
    if isinstance(value, str):
        listed = literal(value) if value.lstrip().startswith("[") else None
        if not _are_messages(listed):
            return Chat(value, None, None, [])
        value = listed
    if not _are_messages(value):
        raise ValueError(f"expected a text or a list of messages, got {short(value, 120)}")
    images: list[Any] = []
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    roles = []
    for message in value:
        name = message.get("role", message.get("from"))
        role = _ROLES.get(str(name).lower())
        if role is None:
            raise ValueError(f"expected turns of a user and an assistant, got one of {name!r}")
        content = message.get("content", message.get("value"))
        text = _text(content, images if role == "user" else [])
        roles += [role] if role != "system" else []
        said[role].append(text)
    if roles not in (["user"], ["user", "assistant"]):
        raise ValueError(
            f"expected one question and at most one answer, got the turns {', '.join(roles)}"
        )
    answer, system = said["assistant"], "\n".join(said["system"])
    return Chat(said["user"][0], answer[0] if answer else None, system or None, images)


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(m, Mapping) and ("role" in m or "from" in m) for m in value)
    )


def _text(content: Any, images: list[Any]) -> str:
    """The text of a message; its parts that are images are added to `images`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        if content is None or isinstance(content, Mapping):
            raise ValueError(f"expected the text of a message, got {short(content, 80)}")
        return str(content)  # a number as an answer
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in _PICTURES:
            found = next((part[k] for k in (*_PICTURES, "url") if part.get(k) is not None), None)
            if found is not None:
                images.append(found)
            texts.append(IMAGE_TAG)
        elif kind in ("text", "input_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            raise ValueError(f"expected texts and images in a message, got {short(part, 80)}")
    return "".join(texts)


def shown_question(text: str, image: Any) -> str:
    """The question, with `<image>` only where each of several images has its place in it.

    Raises:
        ValueError: If it holds a token by which models tell images and turns.
    """
    text = text.replace(_QWEN_IMAGE, IMAGE_TAG)
    if (token := _CONTROL.search(text)) is not None:
        raise ValueError(
            f"expected words in the question, got {token[0]!r}, which a model does not read as "
            "text: take it out"
        )
    several = len(image) if isinstance(image, (list, tuple)) else 1
    if several > 1 and text.count(IMAGE_TAG) == several:
        return text.strip()
    return _without_tags(text)


def with_names(question: str, objects: Any) -> str:
    """A question of ms-swift's, where each `<ref-object>` stands for the next name of `objects`."""
    names = objects.get("ref") if isinstance(objects, Mapping) else None
    for name in dict.fromkeys(names or ()):
        question = question.replace("<ref-object>", str(name), 1)
    return question


def _without_tags(text: str) -> str:
    """A text without the tags that stand for images.

    Example:
        >>> _without_tags("<image>\\nHow many <image>?"), _without_tags("as <image> shows")
        ('How many?', 'as shows')
    """
    whole, *parts = text.split(IMAGE_TAG)
    for part in parts:
        gap = " " if whole[-1:].isspace() and part[:1].isspace() else ""
        whole = whole.rstrip() + gap + part.lstrip()
    return whole.strip()

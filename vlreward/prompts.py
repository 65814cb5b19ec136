"""Prompt templates and the named presets of published trainers and evaluations.

A preset is data, identified by its hash: two runs with equal hashes asked in the same words. It
also says where the answer stands in the completion, because that depends on what was asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlreward.registry import unknown_name
from vlreward.types import Sample

__all__ = ["PRESETS", "Message", "PromptTemplate", "get_prompt"]

Message = dict[str, Any]
"""A chat message: a role and a content list of `{"type": "image"}` and `{"type": "text", ...}`."""

_FIELD = re.compile(r"\{(question|expression)\}")
_STRAY_FIELD = re.compile(r"\{(\w*)\}")


class PromptTemplate(BaseModel):
    """How a sample is put to a model.

    Example:
        >>> from vlreward.types import OtherGold
        >>> template = PromptTemplate(name="t", text="{question} Answer with a number.")
        >>> gold = OtherGold(task="cups", value=2)
        >>> sample = Sample(id="1", question="How many cups?", gold=gold)
        >>> template.text_for(sample)
        'How many cups? Answer with a number.'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    """Name of the preset."""
    text: str
    """User text; `{question}` and `{expression}` stand for the sample's fields of that name."""
    answer_in: Literal["tag", "whole"] = "tag"
    """Where the answer stands: inside `<answer>`, or anywhere in the completion."""
    system: str | None = None
    """System message, or None for none (the model's chat template may still add its own)."""
    source: str = ""
    """Where the wording comes from."""

    @field_validator("text")
    @classmethod
    def _fields_are_known(cls, value: str) -> str:
        if unknown := set(_STRAY_FIELD.findall(value)) - {"question", "expression"}:
            raise ValueError(
                f"expected only the fields {{question}} and {{expression}}, got {sorted(unknown)}"
            )
        if not _FIELD.search(value):
            raise ValueError(f"expected {{question}} or {{expression}} in the text, got {value!r}")
        return value

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of everything that the model is shown."""
        shown = json.dumps([self.system, self.text], ensure_ascii=False)
        return hashlib.sha256(shown.encode()).hexdigest()[:12]

    def text_for(self, sample: Sample) -> str:
        """The user text for one sample. Braces inside the sample's fields are left alone.

        Raises:
            ValueError: If the template uses a field that the sample lacks.
        """

        def fill(match: re.Match[str]) -> str:
            value = getattr(sample, match.group(1))
            if not value:
                raise ValueError(
                    f"prompt {self.name!r} needs the field {match.group(1)!r}, but sample "
                    f"{sample.id!r} has {value!r}; use another prompt preset or add the field"
                )
            return str(value)

        return _FIELD.sub(fill, self.text)

    def render(self, sample: Sample) -> list[Message]:
        """The chat messages for one sample, the image before the text.

        The image is a bare `{"type": "image"}` entry, as processors' chat templates and TRL
        expect it; there is none if the sample has no image. Several images stand where the
        question has `<image>` for each of them, else all before the text.
        """
        text = self.text_for(sample)
        images = len(sample.images) or int(sample.image is not None)
        parts = text.split("<image>") if images > 1 else [text]
        placed = len(parts) == images + 1
        content: list[Message] = [] if placed else [{"type": "image"} for _ in range(images)]
        for number, part in enumerate(parts if placed else [text]):
            if number:
                content.append({"type": "image"})
            if part.strip() or not placed:
                content.append({"type": "text", "text": part})
        messages: list[Message] = [{"role": "user", "content": content}]
        if self.system is not None:
            messages.insert(0, {"role": "system", "content": self.system})
        return messages


class _Presets(Mapping[str, PromptTemplate]):
    """The presets that the registered tasks declare."""

    @cached_property
    def _by_name(self) -> dict[str, PromptTemplate]:
        from vlreward.tasks import every_task

        found: dict[str, PromptTemplate] = {}
        for task in every_task():
            for preset in (*task.prompts, task.prompt):
                if found.setdefault(preset.name, preset) != preset:
                    raise ValueError(
                        f"the prompt preset {preset.name!r} of task {task.name!r} is declared "
                        "already, with another text; choose another name"
                    )
        return found

    def __getitem__(self, name: str) -> PromptTemplate:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


PRESETS: Mapping[str, PromptTemplate] = _Presets()
"""The presets of all tasks by name."""


def get_prompt(name: str) -> PromptTemplate:
    """The preset called `name`.

    Raises:
        UnknownNameError: If there is none; names near matches and all presets.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise unknown_name("prompt preset", name, PRESETS) from None

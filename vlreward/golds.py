"""Gold envelopes: one string that carries a gold with its image size and frame.

Some trainers pass one ground-truth value to a reward and nothing else. `pack` makes that value;
`unpack` reads it back, and also reads golds as data sets write them: lists, dicts, JSON, Python
reprs, inside `<answer>`, followed by special tokens. Nothing else reads golds; what a bare value
means, the task's own class says (`vlreward.types.Gold.read`).
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vlreward._text import first_problem, short
from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.types import AnyGold, AxisOrder, Gold, Sample

__all__ = [
    "Envelope",
    "claimant",
    "is_envelope",
    "literal",
    "pack",
    "read_gold",
    "unpack",
    "untagged",
]

_MAX_CHARS = 20_000
_SPECIAL = r"(?:<\|[^|<>]{1,64}\|>|</?s>|<pad>|<eos>)"
_FIRST_TOKEN = re.compile(rf"{_SPECIAL}\s*")
_LAST_TOKEN = re.compile(rf"{_SPECIAL}\Z")
_LONGEST_TOKEN = 68
_TAG = re.compile(r"</?answer>")
_OPEN, _CLOSE = "<answer>", "</answer>"
_THINK = "<think>"
_FENCE = re.compile(r"```(?:json)?\s*([\[{].*)```\Z", re.DOTALL)


class Envelope(BaseModel):
    """A gold with what is needed to compare an answer with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    vlreward: int = 1
    """Version of this format."""
    gold: AnyGold
    """The gold; its `task` says for which task."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image, if known."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees, if known."""
    frame: Frame | None = None
    """Frame of predicted coordinates, if declared."""
    axis_order: AxisOrder | None = None
    """Which coordinate of a predicted pair comes first, if declared."""
    image_index: int | None = Field(default=None, ge=0)
    """Which of several images of its row the gold lies in, from 0."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """What else the data says of the row."""

    @field_validator("vlreward")
    @classmethod
    def _version_is_known(cls, value: int) -> int:
        if value != 1:
            raise ValueError(f"expected an envelope of version 1, got {value!r}; upgrade vlreward")
        return value


def pack(sample: Sample) -> str:
    """The envelope of a sample as one line of JSON.

    Example:
        >>> from vlreward.types import OtherGold
        >>> pack(Sample(id="1", gold=OtherGold(task="colour", value="red")))
        '{"vlreward":1,"gold":{"task":"colour","value":"red"}}'
    """
    several = sample.gold.located and sample.image in sample.images
    envelope = Envelope(
        gold=sample.gold,
        image_size=sample.image_size,
        input_size=sample.input_size,
        frame=sample.frame,
        axis_order=sample.axis_order,
        image_index=sample.images.index(sample.image or "") if several else None,
        metadata=sample.metadata,
    )
    said = {name for name, value in envelope if value is not None and value != {}}
    return envelope.model_dump_json(include=said)


def unpack(value: Any, task: str, kind: type[Gold] | None = None) -> Envelope:
    """Read a gold in any of the accepted forms.

    Args:
        value: An envelope (text or dict), or a bare gold of the task, as a value, JSON, Python
            repr, `<answer>`-wrapped, or followed by special tokens: see the `read` of the task's
            class of golds.
        task: Task that a bare gold belongs to. An envelope names its own, which wins.
        kind: Class of the task's golds; by default that of the registered task.

    Raises:
        ValueError: If the value is no gold of the task; says what was expected and found.

    Example:
        >>> unpack("<answer> [1.5, 2, 30, 40] </answer><|im_end|>", "colour").gold.value
        [1.5, 2, 30, 40]
    """
    if kind is None:
        from vlreward.tasks import gold_class

        kind = gold_class(task)
    found = read_gold(value, task, kind)
    return found if isinstance(found, Envelope) else Envelope(gold=found)


def read_gold(value: Any, task: str, kind: type[Gold]) -> Gold | Envelope:
    """As `unpack`, but a bare gold as it is, without an envelope around it."""
    bare = untagged(value)
    fields = _envelope_in(bare)
    try:
        if fields is None:
            return kind.read(bare, task)
        gold = fields.get("gold")
        if isinstance(gold, dict) and gold.get("task") == task:
            fields = {**fields, "gold": kind.model_validate(gold)}
        return Envelope.model_validate(fields)
    except ValidationError as error:
        raise ValueError(f"bad gold {short(value, 120)}: {first_problem(error)}") from None


def untagged(value: Any) -> Any:
    """A text without special tokens at its ends and without the answer tags around it.

    Anything but a text is given back as it is; numpy arrays and scalars as Python values.

    Raises:
        ValueError: If the text is longer than 20,000 characters, or holds answer tags that do not
            enclose all of it exactly once.

    Example:
        >>> untagged("<answer> 3 </answer><|im_end|>")
        '3'
    """
    if not isinstance(value, str):
        return value.tolist() if hasattr(value, "tolist") else value
    if len(value) > _MAX_CHARS:
        raise ValueError(f"expected a gold of at most {_MAX_CHARS} characters, got {len(value)}")
    if value.startswith("{") and value.endswith("}"):  # an envelope as it was packed
        return value
    start, text = 0, value.strip()
    while match := _FIRST_TOKEN.match(text, start):
        start = match.end()
    end = len(text)
    while match := _LAST_TOKEN.search(text, max(start, end - _LONGEST_TOKEN), end):
        end = len(text[: match.start()].rstrip())
    text = text[start:end]
    if text.startswith(_THINK):  # a worked solution before the answer
        _, closed, after = text.partition("</think>")
        text = after.strip() if closed and after.strip().startswith(_OPEN) else text
    if text.startswith(_OPEN) and text.endswith(_CLOSE):
        text = text[len(_OPEN) : -len(_CLOSE)].strip()
    if _TAG.search(text):
        raise ValueError(
            f"expected '<answer>...</answer>' around the whole gold, got {short(value, 120)}"
        )
    fenced = _FENCE.match(text)
    return fenced[1].strip() if fenced else text


def literal(value: Any) -> Any:
    """What a text holds as JSON or as a Python literal; the text itself if it holds neither.

    Example:
        >>> literal("{'box': (1, 2)}"), literal("red")
        ({'box': (1, 2)}, 'red')
    """
    if not isinstance(value, str) or len(value) > _MAX_CHARS:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def claimant(value: Any, *, typed: bool = False) -> str | None:
    """Name of the one task that a bare gold can belong to, None if it could belong to several.

    Args:
        value: A bare gold, with or without answer tags.
        typed: Whether the data set writes numbers as numbers, so that a text of digits is a text.

    Raises:
        ValueError: As `untagged` does.
    """
    from vlreward.tasks import TASKS

    bare = untagged(value)
    if (fields := _envelope_in(bare)) is not None:
        gold = fields.get("gold")
        return gold.get("task") if isinstance(gold, dict) else None
    found = [task for task in TASKS if TASKS.get(task).gold.claims(bare, typed=typed)]
    return found[0] if len(found) == 1 else None


def is_envelope(value: Any) -> bool:
    """Whether `unpack` takes a value for an envelope: an object, or a text in any of its forms."""
    try:
        return _envelope_in(untagged(value)) is not None
    except ValueError:
        return False  # whoever reads it says what is wrong with it


def _envelope_in(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        value = literal(value) if value.startswith("{") and "gold" in value else None
    return value if isinstance(value, dict) and ("vlreward" in value or "gold" in value) else None

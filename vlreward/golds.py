"""Gold envelopes: one string that carries a gold with its image size and frame.

Some trainers pass one ground-truth value to a reward and nothing else. `pack` makes that value;
`unpack` reads it back, and also reads golds as data sets write them: lists, dicts, JSON, Python
reprs, inside `<answer>`, followed by special tokens.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from vlreward.frames import Frame
from vlreward.geometry import Size
from vlreward.types import Gold, Sample

__all__ = ["Envelope", "pack", "unpack"]

_MAX_CHARS = 20_000
_SPECIAL = r"(?:<\|[^|<>]{1,64}\|>|</?s>|<pad>|<eos>)"
_EDGES = re.compile(rf"^(?:\s*{_SPECIAL})*\s*|(?:\s*{_SPECIAL})*\s*$")
_ANSWER = re.compile(r"\A<answer>(.*)</answer>\Z", re.DOTALL)
_BOX_KEYS = ("box", "bbox_2d", "bbox", "solution")


class Envelope(BaseModel):
    """A gold with what is needed to compare a box with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    vlreward: int = 1
    """Version of this format."""
    gold: Gold
    """The gold; its `task` says for which task."""
    image_size: Size | None = None
    """(width, height) in pixels of the original image, if known."""
    input_size: Size | None = None
    """(width, height) in pixels of the image that the model sees, if known."""
    frame: Frame | None = None
    """Coordinate frame of predicted boxes, if declared."""

    @field_validator("vlreward")
    @classmethod
    def _version_is_known(cls, value: int) -> int:
        if value != 1:
            raise ValueError(f"expected an envelope of version 1, got {value!r}; upgrade vlreward")
        return value


def pack(sample: Sample) -> str:
    """The envelope of a sample as one line of JSON.

    Example:
        >>> pack(Sample(id="1", gold={"task": "counting", "count": 3}))
        '{"vlreward":1,"gold":{"task":"counting","count":3}}'
    """
    envelope = Envelope(
        gold=sample.gold,
        image_size=sample.image_size,
        input_size=sample.input_size,
        frame=sample.frame,
    )
    return envelope.model_dump_json(exclude_none=True)


def unpack(value: Any, task: str) -> Envelope:
    """Read a gold in any of the accepted forms.

    Args:
        value: An envelope (text or dict), or a bare gold: four numbers (x1, y1, x2, y2) in pixels
            of the original image for `rec`, a whole number for `counting`, an expression for
            `geometry`; as a value, JSON, Python repr, `<answer>`-wrapped, or followed by special
            tokens.
        task: Task that a bare gold belongs to. An envelope names its own, which wins.

    Raises:
        ValueError: If the value is no gold of the task; says what was expected and found.

    Example:
        >>> unpack("<answer> [1.5, 2, 30, 40] </answer><|im_end|>", "rec").gold.box
        Box(x1=1.5, y1=2.0, x2=30.0, y2=40.0)
    """
    if isinstance(value, str):
        value = _from_text(value, task)
    if isinstance(value, dict) and ("vlreward" in value or "gold" in value):
        return _validated(value, value)
    return _validated({"gold": _bare_gold(value, task)}, value)


def _from_text(text: str, task: str) -> Any:
    if len(text) > _MAX_CHARS:
        raise ValueError(f"expected a gold of at most {_MAX_CHARS} characters, got {len(text)}")
    if not (text.startswith("{") and text.endswith("}")):  # an envelope as it was packed
        text = _EDGES.sub("", text)
    if match := _ANSWER.match(text):
        text = match.group(1).strip()
    if task == "geometry" and not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _bare_gold(value: Any, task: str) -> Any:
    if task == "rec":
        if isinstance(value, dict):
            found = [key for key in _BOX_KEYS if key in value]
            if len(found) != 1:
                raise ValueError(
                    f"expected a gold with one of the keys {', '.join(_BOX_KEYS)}, got {value!r}"
                )
            value = value[found[0]]
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected four numbers (x1, y1, x2, y2) as gold box, got {value!r}")
        return {"task": "rec", "box": value}
    if task == "counting":
        value = value.get("count", value) if isinstance(value, dict) else value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if hasattr(value, "item"):
            value = value.item()
        return {"task": "counting", "count": value}
    if task == "geometry":
        value = value.get("expression", value) if isinstance(value, dict) else value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = repr(value)
        return {"task": "geometry", "expression": value}
    return {"task": task, "value": value}


def _validated(fields: dict[str, Any], value: Any) -> Envelope:
    try:
        return Envelope.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"bad gold {_short(value)}: {where}: {first['msg']}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."

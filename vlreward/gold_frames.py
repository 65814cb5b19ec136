"""How golds write their coordinates: declared by an option, a column or a key; never guessed.

What looks as if another declaration were right is reported (`suspicion`), with the option that
would fit, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.geometry import Size

__all__ = [
    "BESIDE",
    "COCO_KEYS",
    "FramedValue",
    "GoldFrame",
    "Layout",
    "excess",
    "image_index",
    "in_corners",
    "leaving",
    "suspicion",
]

Layout = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
"""What four numbers of a box are: corners, corner and size, centre and size, corners y first."""

_CORNERS: dict[str, Callable[[float, float, float, float], list[float]]] = {
    "xyxy": lambda a, b, c, d: [a, b, c, d],
    "xywh": lambda x, y, w, h: [x, y, x + w, y + h],
    "cxcywh": lambda x, y, w, h: [x - w / 2, y - h / 2, x + w / 2, y + h / 2],
    "yxyx": lambda a, b, c, d: [b, a, d, c],
}
_ALIASES = {
    **dict.fromkeys(("real", "pixel", "absolute"), Frame.ORIGINAL_PX),
    "norm_1000": Frame.NORM1000,
    "norm_1": Frame.NORM1,  # of older files of ms-swift
}
_FRAME_KEYS = ("frame", "bbox_type")
_INDEX_KEYS = ("image_index", "image_id")
BESIDE = (*_FRAME_KEYS, *_INDEX_KEYS)
"""Keys beside the boxes of a gold that say where they are."""
COCO_KEYS = ("iscrowd", "area", "category_id")
"""Keys of COCO's annotations, beside which `bbox` is x, y, width, height."""
_NO_BOXES = frozenset((
    *COCO_KEYS, *BESIDE, "label", "labels", "Label", "category", "categories", "category_name",
    "name", "class", "ref", "id", "score", "confidence", "Confidence", "segmentation",
))  # fmt: skip
"""Keys under which four numbers are something else than a box."""


@dataclass(frozen=True, slots=True)
class GoldFrame:
    """What `--gold-frame` declares: `norm1000`, `original_px:xywh`, `norm1:cxcywh` ..."""

    frame: Frame
    """Frame of the coordinates."""
    layout: Layout = "xyxy"
    """What the four numbers of a box are."""

    @classmethod
    def parse(cls, value: str | Frame | GoldFrame) -> GoldFrame:
        """Read a declaration.

        Raises:
            OptionError: If it names no frame or no layout; lists those that there are.

        Example:
            >>> GoldFrame.parse("norm1:xywh")
            GoldFrame(frame=<Frame.NORM1: 'norm1'>, layout='xywh')
        """
        if isinstance(value, GoldFrame):
            return value
        name, _, layout = str(value).strip().partition(":")
        if name in get_args(Layout) and not layout:
            name, layout = Frame.ORIGINAL_PX.value, name
        frame = _ALIASES.get(name)
        if frame is None and name in list(Frame):
            frame = Frame(name)
        if frame is None or (layout or "xyxy") not in get_args(Layout):
            raise OptionError(
                f"gold frame: expected one of {', '.join(Frame)}, with :xywh, :cxcywh or :yxyx "
                f"behind it if the numbers of a box are not x1, y1, x2, y2; got {str(value)!r:.80}"
            )
        return cls(frame, layout or "xyxy")  # type: ignore[arg-type]  # checked above


class FramedValue(NamedTuple):
    """What is written as a gold, with its boxes as corners x1, y1, x2, y2."""

    corners: Any
    """The value, which may be read again: COCO's `bbox` has become `bbox_2d`, and a frame beside
    the boxes names no layout."""
    frame: GoldFrame | None
    """What says how they were written, if anything does."""


def in_corners(value: Any, declared: GoldFrame | None = None) -> FramedValue:
    """A gold with its boxes as corners, by what is said of them: the only place that decides.

    What stands beside the boxes, as `frame` or as ms-swift's `bbox_type`, wins over what is
    declared elsewhere; a `bbox` beside COCO's keys is x, y, width, height unless another layout
    than corners stands there too; everything else is in corners already.

    Args:
        declared: What a column or an option says.

    Raises:
        OptionError: If what stands beside the boxes names no frame.
        ValueError: If boxes of one gold name several, or only some of them name one.

    Example:
        >>> in_corners({"bbox": [10, 20, 5, 5]}, GoldFrame.parse("xywh")).corners
        {'bbox': [10, 20, 15, 25]}
    """
    found = _key(value, _FRAME_KEYS)
    said = None if found is None else GoldFrame.parse(_only_one(found, "frame"))
    frame = said or declared
    layout = "xyxy" if frame is None else frame.layout
    own = layout if said is not None and layout != "xyxy" else "xywh"
    named = None if said is None else said.frame.value
    return FramedValue(_relaid(value, _CORNERS[layout], _CORNERS[own], named), frame)


def image_index(value: Any) -> Any:
    """Which image of its row a gold says that it lies in, None if it does not say.

    Raises:
        ValueError: If its boxes lie in several images.
    """
    return _only_one(_key(value, _INDEX_KEYS), "image")


def _only_one(found: Any, what: str) -> Any:
    """What a key says, also where it says it once for each box."""
    if not isinstance(found, (list, tuple)):
        return found
    if len(set(map(str, found))) > 1:
        raise ValueError(f"expected all boxes in one {what}, got the {what}s {list(found)!r:.80}")
    return found[0] if found else None


def _key(value: Any, keys: Sequence[str]) -> Any:
    """What the first of the keys says, of the gold or in its objects one by one."""
    if isinstance(value, Mapping):
        for key in keys:
            # COCO's `image_id` is a number of its file.
            if value.get(key) is not None and not (key == "image_id" and _is_coco(value)):
                return value[key]
        return _key(value.get("objects"), keys)
    if isinstance(value, (list, tuple)):
        said = [_key(item, keys) for item in value if isinstance(item, Mapping)]
        return said if any(item is not None for item in said) else None
    return None


def _is_coco(fields: Mapping[str, Any]) -> bool:
    return any(key in fields for key in COCO_KEYS)


def _four(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 4
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    )


_Corners = Callable[..., list[float]]
_SCALARS = frozenset((int, float, str))


def _relaid(value: Any, corners: _Corners, own: _Corners, frame: str | None = None) -> Any:
    """Boxes as corners, by `own` those that COCO's keys declare; beside them `frame` is named."""
    if _four(value):
        return corners(*value)
    inside = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, (Mapping, list, tuple)) and _SCALARS.issuperset(map(type, inside)):
        return value  # there may be a hundred thousand of them, and a server waits
    if isinstance(value, Mapping):
        made = {}
        for key, inner in value.items():
            if key == "bbox" and _is_coco(value) and "bbox_2d" not in value and _holds_box(inner):
                made["bbox_2d"] = _relaid(inner, own, own)
            elif key in _FRAME_KEYS and inner is not None and frame is not None:
                made[key] = frame
            else:
                made[key] = inner if key in _NO_BOXES else _relaid(inner, corners, own, frame)
        return made
    if isinstance(value, (list, tuple)):
        return [_relaid(inner, corners, own, frame) for inner in value]
    return value


def _holds_box(value: Any) -> bool:
    return _four(value) or (
        isinstance(value, (list, tuple)) and bool(value) and all(map(_four, value))
    )


def _boxes(value: Any, known: bool = False) -> Iterator[tuple[Sequence[float], bool]]:
    """Each box, and whether keys beside it declare its layout."""
    if _four(value):
        yield value, known
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _NO_BOXES:
                yield from _boxes(inner, known or _is_coco(value))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _boxes(inner, known)


def suspicion(
    value: Any, frame: Frame, image_size: Size | None, tolerance: float
) -> tuple[str, str] | None:
    """What makes the boxes of a gold look as if they were declared wrongly, and what would fit.

    Args:
        frame: The frame that holds for it.
        image_size: (width, height) in pixels, if known.
        tolerance: Pixels of the image by which a box may leave it, see `excess`.

    Returns:
        What is seen and the option that would fit, or None.

    Example:
        >>> suspicion([0.1, 0.2, 0.5, 0.6], Frame.ORIGINAL_PX, None, 2)
        ('the gold box [0.1, 0.2, 0.5, 0.6] lies within 0..1', '--gold-frame norm1')
    """
    found = [(list(map(float, box)), known) for box, known in _boxes(value)]
    boxes = [box for box, _ in found]
    if not boxes or not all(math.isfinite(v) for box in boxes for v in box):
        return None
    low, high = min(map(min, boxes)), max(map(max, boxes))
    if high <= 1 and low >= 0 and frame is not Frame.NORM1:
        return f"the gold box {_shown(boxes[0])} lies within 0..1", "--gold-frame norm1"
    for box, known in found:
        x1, y1, x2, y2 = box
        if x2 <= x1 or y2 <= y1:
            fits = min(box) >= 0 and x2 > 0 and y2 > 0
            beyond = excess((x1, y1, x1 + x2, y1 + y2), frame, image_size)
            if fits and not known and (beyond is None or beyond <= tolerance):
                named = f"--gold-frame {frame.value}:xywh"
                return f"the gold box {_shown(box)} looks like x, y, width, height", named
            continue
        beyond = excess(box, frame, image_size)
        if beyond is not None and beyond > tolerance:
            fit = _fitting(high, low, frame)
            return f"the gold box {_shown(box)} {leaving(beyond, image_size, frame)}", fit
    return None


def excess(box: Sequence[float], frame: Frame, image_size: Size | None) -> float | None:
    """By how many pixels of its image a box leaves it; negative where it does not.

    Args:
        box: Corners in `frame`.
        frame: Its frame.
        image_size: (width, height) in pixels; where it is not known the image counts as 1000 x
            1000 pixels.

    Returns:
        Pixels, or None where the image's size does not tell the frame's extent.
    """
    extent = frame.extent(image_size)
    if extent is None:
        return None
    across, down = (side / most for side, most in zip(image_size or (1000, 1000), extent))
    x1, y1, x2, y2 = box
    return max(max(-x1, x2 - extent[0]) * across, max(-y1, y2 - extent[1]) * down)


def leaving(beyond: float, image_size: Size | None, frame: Frame) -> str:
    """What `excess` found, in words."""
    if image_size is None:
        return f"leaves its frame {frame.value}"
    width, height = image_size
    return f"leaves the image of {width} x {height} pixels by {round(beyond, 3):g}"


def _fitting(high: float, low: float, frame: Frame) -> str:
    if low < 0:
        return "no frame holds negative coordinates"
    sides = {Frame.NORM1000: 1000, Frame.NORM1024: 1024}
    fits = next((f for f, side in sides.items() if high <= side and f is not frame), None)
    if fits is not None:
        return f"--gold-frame {fits.value}"
    if frame is not Frame.ORIGINAL_PX:
        return f"--gold-frame {Frame.ORIGINAL_PX.value}"
    return "the image, or its size, is another one than the gold's"


def _shown(box: Sequence[float]) -> str:
    return f"[{', '.join(f'{round(v, 3):g}' for v in box)}]"

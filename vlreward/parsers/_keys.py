"""What a JSON key, an XML attribute or a word before `=` says about the numbers that follow it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

__all__ = ["Meaning", "key_meaning", "named_box", "named_point"]

Kind = Literal["box", "place", "point", "label", "side", "corner", "wrapper", "other"]


class Meaning(NamedTuple):
    """What a key announces."""

    kind: Kind
    """`place` is a box or a point by its length, `side` one coordinate, `corner` a pair of them;
    `wrapper` says nothing either way."""
    name: str = ""
    """`x1`, `top_left` ...: which side or corner; `yx`, `?`, `xywh`, `yxyx`: how a box is written;
    for labels the rank, smaller is better."""


_WHOSE = r"(?:the|pred|predicted|target|object|detected|final|gt|data)?"
_BOX = re.compile(
    _WHOSE + r"(?:(?:bound|bnd|bounding)?box(?:es)?|bbox(?:es)?|rect(?:angle)?s?|xyxy|yxyx|xywh)"
    r"(?:2d)?(?:normalized|norm|pixels?|px)?(?:coordinates?|coords?|xyxy|yxyx|xywh)?s?"
)
_PLACE = re.compile(
    _WHOSE
    + r"(?:positions?|locations?|coordinates?|coords?|regions?|areas?|startbox|endbox)(?:2d)?"
)
_POINT = re.compile(
    r"(?:the|pred|predicted|target|click|center|centre|start|end|touch|key)?"
    r"(?:points?(?:2d)?|center|centre|clicks?|xy)(?:xy)?(?:coordinates?|coords?|position)?"
)
_LABELS = (
    *("label", "textcontent", "class", "classname", "category", "categoryname", "name", "object"),
    *("objectname", "ref", "phrase", "text", "description", "caption", "title", "type"),
)
_SIDES = {
    "x1": "x1 xmin minx left xleft leftx topleftx tlx startx xstart",
    "y1": "y1 ymin miny top ytop topy toplefty tly starty ystart",
    "x2": "x2 xmax maxx right xright rightx bottomrightx brx endx xend",
    "y2": "y2 ymax maxy bottom ybottom bottomy bottomrighty bry endy yend",
    **{name: name for name in ("x0", "y0", "x", "y")},
    "w": "w width",
    "h": "h height",
    "cx": "cx centerx xcenter centrex xcentre",
    "cy": "cy centery ycenter centrey ycentre",
}
_CORNERS = {
    "top_left": "topleft upperleft lefttop topleftcorner upperleftcorner tl min 左上角 左上",
    "bottom_right": "bottomright lowerright rightbottom bottomrightcorner lowerrightcorner br max"
    " 右下角 右下",
}
_EXACT = {
    **{name: Meaning("label", str(rank)) for rank, name in enumerate(_LABELS, 10)},
    **{word: Meaning("side", side) for side, words in _SIDES.items() for word in words.split()},
    **{
        word: Meaning("corner", corner)
        for corner, words in _CORNERS.items()
        for word in words.split()
    },
    **{word: Meaning("wrapper") for word in ("answer", "finalanswer", "result", "output")},
}
_DROPPED = str.maketrans("", "", " _-\t\n.{}\\")


@lru_cache(maxsize=1024)
def key_meaning(key: str) -> Meaning:
    """What a key announces, however it is spelled: case, spaces, `_` and `-` do not matter.

    Example:
        >>> key_meaning("Bounding_Box").kind, key_meaning("image_size").kind
        ('box', 'other')
        >>> key_meaning("box_2d")
        Meaning(kind='box', name='?')
        >>> key_meaning("xmin")
        Meaning(kind='side', name='x1')
    """
    bare = key.lower().translate(_DROPPED)
    if bare in _EXACT:
        return _EXACT[bare]
    if _BOX.fullmatch(bare):
        for order in ("xywh", "yxyx"):
            if bare.endswith(order):
                return Meaning("box", order)
        # Gemini writes y first under it, GLM-V x first: the key alone does not tell.
        return Meaning("box", "?" if bare in ("box2d", "boxes2d") else "")
    if _PLACE.fullmatch(bare):
        return Meaning("place")
    return Meaning("point") if _POINT.fullmatch(bare) else Meaning("other")


def named_box(parts: dict[str, float]) -> tuple[float, float, float, float] | None:
    """The corners (x1, y1, x2, y2) that coordinates with names make, None if they make no box."""
    if parts.keys() >= {"x0", "y0", "x1", "y1"}:
        return parts["x0"], parts["y0"], parts["x1"], parts["y1"]
    if parts.keys() >= {"x1", "y1", "x2", "y2"}:
        return parts["x1"], parts["y1"], parts["x2"], parts["y2"]
    if parts.keys() >= {"cx", "cy", "w", "h"}:
        dx, dy = parts["w"] / 2, parts["h"] / 2
        return parts["cx"] - dx, parts["cy"] - dy, parts["cx"] + dx, parts["cy"] + dy
    for x, y in (("x", "y"), ("x1", "y1")):
        if parts.keys() >= {x, y, "w", "h"}:
            return parts[x], parts[y], parts[x] + parts["w"], parts[y] + parts["h"]
    return None


def named_point(parts: dict[str, float]) -> tuple[float, float] | None:
    """The point (x, y) that two coordinates with names make, None if they make none."""
    for x, y in (("x", "y"), ("cx", "cy")):
        if parts.keys() == {x, y}:
            return parts[x], parts[y]
    return None

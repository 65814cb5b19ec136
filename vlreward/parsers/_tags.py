"""Boxes and points in tags and special tokens: `<box>1 2 3 4</box>`, `<loc0123>`, `<point x=…>`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vlreward.parsers._found import NUMBER, Order, S, Stated, read_numbers
from vlreward.parsers._keys import key_meaning, named_box

if TYPE_CHECKING:
    from vlreward.parsers._scan import Scan

__all__ = ["Tags"]

_REFERENCES = {
    "<ref>": "</ref>",
    "<|object_ref_start|>": "<|object_ref_end|>",
    "<|ref|>": "<|/ref|>",
    "<phrase>": "</phrase>",
    "<p>": "</p>",
    "<label>": "</label>",
}
_REFERENCE = re.compile("|".join(map(re.escape, _REFERENCES)))
# Four location tokens are a box, two a point: PaliGemma, Florence-2, Rex-Omni and its kin.
_PALIGEMMA = re.compile(r"(?:<loc[0-9]{4}>){1,64}")
_MASKED = re.compile(r"(?:\s?<seg[0-9]{3}>){0,16}([^<>;]{0,1000})")  # what follows, a mask or none
_LOCATIONS = re.compile(r"(?:<(?:loc_|bin_?)?[0-9]{1,4}>){1,64}(?!\|<)")
_KOSMOS = re.compile(r"<patch_index_([0-9]{4})><patch_index_([0-9]{4})>")
_DIGITS = re.compile(r"[0-9]{1,4}")
_SIDE = 32  # Kosmos-2's patches on each side of the image
_TAG = re.compile(r"<\|?([A-Za-z_]\w{0,31})((?:\s[^<>]{0,1000})?)\|?/?>")
_SEP = rf"(?:{S},{S}|\s{{1,64}})"
_CONTENT = re.compile(
    rf"{S}({NUMBER})(?:{_SEP}({NUMBER})(?:{_SEP}({NUMBER}){_SEP}({NUMBER}))?)?{S}<"
)
_ATTRIBUTE = re.compile(
    rf"""(?<![\w:-])([\w:-]{{1,32}}){S}={S}["']?({NUMBER})(?:px)?(?=["'\s/,]|\Z)"""
)
_BOX_ATTRIBUTE = re.compile(  # `data-bbox="1 2 3 4"` of Qwen's HTML
    rf"""(?<![\w:-])([\w:-]{{1,32}}){S}={S}(["'])[\[(]?{S}({NUMBER}){_SEP}({NUMBER}){_SEP}({NUMBER}){_SEP}"""
    rf"""({NUMBER}){S}[\])]?\2"""
)
_QUOTED = re.compile(r"""(coords|alt|label|name)\s{0,64}=\s{0,64}(?:"([^"]*)"|'([^']*)')""")
_MARKS = re.compile(r"([0-9]{1,4}) ([0-9]{3,4}) ([0-9]{3,4})(?=[\s:;,.]|\Z)")  # index x y: Molmo 2
_ENUMERATED = re.compile(r"([xy])([0-9]{0,3})")
_MARKUP = re.compile(r"_?(?:start|begin|end|of)_?")


class Tags:
    """What stands between `<` and `>` outside of structures, and the labels that it gives."""

    __slots__ = ("_end", "_labels", "_last", "_parts", "_scan", "_text", "_unclosed")

    def __init__(self, scan: Scan, text: str) -> None:
        self._scan = scan
        self._text = text
        self._end = scan.end
        self._labels: list[tuple[int, int, str]] = []
        self._last = 0
        self._parts: dict[str, float] = {}
        self._unclosed: set[str] = set()

    def read(self, pos: int) -> int:
        """Read what stands at the `<` at `pos`; where to go on."""
        text, end = self._text, self._end
        match = _REFERENCE.match(text, pos, end)
        if match:
            return self._reference(match)
        match = _PALIGEMMA.match(text, pos, end) or _LOCATIONS.match(text, pos, end)
        if match:
            return self._locations(match)
        match = _KOSMOS.match(text, pos, end)
        if match:
            box = _patches(int(match[1]), int(match[2]))
            self._scan.boxes.append(Stated(match.span(), box, "named"))
            return match.end()
        match = _TAG.match(text, pos, end)
        return self._tag(match) if match else pos + 1

    def finish(self) -> None:
        """Give the labels to what follows each."""
        boxes, points = self._scan.boxes, self._scan.points
        ends = [mark[:2] for mark in self._labels[1:]] + [(len(boxes), len(points))]
        for (box, point, label), (last_box, last_point) in zip(self._labels, ends):
            for stated in (*boxes[box:last_box], *points[point:last_point]):
                if stated.label is None:
                    stated.label = label

    def _label(self, label: str) -> None:
        label = label.strip(" \t\n,;:.")
        if label:
            self._labels.append((len(self._scan.boxes), len(self._scan.points), label[:1000]))

    def _reference(self, match: re.Match[str]) -> int:
        closing = _REFERENCES[match.group()]
        if closing not in self._unclosed:
            close = self._text.find(closing, match.end(), self._end)
            if close >= 0:
                self._label(self._scan.original[match.end() : close])
                return close + len(closing)
            self._unclosed.add(closing)  # never look for it again, or this would be quadratic
        return match.end()

    def _locations(self, match: re.Match[str]) -> int:
        text, scan = self._text, self._scan
        tokens = _DIGITS.findall(match.group())
        scan.count(len(tokens))
        start, stop = match.span()
        order: Order = "written"
        if match.re is _PALIGEMMA:  # y first, as only PaliGemma writes it; the label follows
            order = "ambiguous"
            after = _MASKED.match(text, stop, self._end)
            assert after is not None
            self._label(after[1])
        elif match.group().startswith("<loc_"):
            before = text[max(self._last, start - 1000, text.rfind(">", 0, start) + 1) : start]
            self._label(before)
        self._last = stop
        if len(tokens) % 4 == 0:
            for first in range(0, len(tokens), 4):
                scan.add_box((start, stop), tokens[first : first + 4], order)
        elif len(tokens) == 2:
            scan.add_point((start, stop), tokens, order)
        else:
            scan.note(f"{len(tokens)} location tokens")
        return stop

    def _tag(self, match: re.Match[str]) -> int:
        """A tag with a name: numbers in its attributes, or as all that it holds."""
        text, scan = self._text, self._scan
        name = _MARKUP.sub("", match[1].lower())
        kind, side = key_meaning(name)
        content = _CONTENT.match(text, match.end(), self._end)
        atoms = [atom for atom in content.groups() if atom is not None] if content else []
        span = (match.start(), content.end() - 1) if content else match.span()
        if match[2]:
            self._attributes(match, kind == "point")
        elif kind == "side" and len(atoms) == 1:
            values = read_numbers(atoms)
            if not isinstance(values, str):
                self._parts[side] = values[0]
                if named_box(self._parts):
                    scan.add_named(self._parts, span)
                    self._parts = {}
            return span[1]
        elif len(atoms) == 4 and kind in ("box", "place"):
            scan.add_box(span, atoms)
            return span[1]
        elif len(atoms) == 2 and kind in ("box", "place", "point"):
            scan.add_point(span, atoms)
            return span[1]
        return match.end()

    def _attributes(self, match: re.Match[str], pointing: bool) -> None:
        text = match[2]
        quoted = {name: a or b for name, a, b in _QUOTED.findall(text)}
        pairs = _ATTRIBUTE.findall(text)
        self._scan.count(len(pairs))
        for name in ("label", "name", "alt"):
            if name in quoted:
                self._label(quoted[name])
                break
        if not pointing:
            for key, _, *atoms in _BOX_ATTRIBUTE.findall(text):
                meaning = key_meaning(key)
                if meaning.kind == "box" and meaning.name in ("", "?"):
                    self._scan.count(1)
                    order: Order = "ambiguous" if meaning.name else "written"
                    self._scan.add_box(match.span(), atoms, order)
                    return
            parts = {}
            for key, number in pairs:
                meaning = key_meaning(key)
                values = read_numbers([number])
                if meaning.kind == "side" and not isinstance(values, str):
                    parts[meaning.name] = values[0]
            if parts:
                self._scan.add_named(parts, match.span())
            return
        if "coords" in quoted:
            # The text begins with the number of the image, then index, x and y of each point.
            for _, x, y in _MARKS.findall(quoted["coords"]):
                self._scan.count(1)
                self._scan.add_point(match.span(), (x, y))
            return
        numbered: dict[str, dict[str, str]] = {}
        for key, number in pairs:
            found = _ENUMERATED.fullmatch(key)
            if found:
                numbered.setdefault(found[2], {})[found[1]] = number
        for point in numbered.values():
            if len(point) == 2:
                self._scan.add_point(match.span(), (point["x"], point["y"]), "named")


def _patches(first: int, last: int) -> tuple[float, float, float, float]:
    """The box between two patches of Kosmos-2, in [0, 1]: their centres, or edges in one line."""
    x1, y1, x2, y2 = first % _SIDE, first // _SIDE, last % _SIDE, last // _SIDE
    near, far = (0.0, 1.0) if x1 == x2 or y1 == y2 else (0.5, 0.5)
    return (x1 + near) / _SIDE, (y1 + near) / _SIDE, (x2 + far) / _SIDE, (y2 + far) / _SIDE

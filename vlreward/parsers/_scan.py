"""One linear pass over a text that finds every place where a box or a point is stated."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from vlreward.parsers._keys import Meaning, key_meaning, named_box, named_point
from vlreward.parsers._stated import LIMIT, NUMBER, Order, S, Stated, TooComplex, read_numbers
from vlreward.parsers._tags import Tags
from vlreward.parsers.tags import excerpt
from vlreward.types import FailureCode

__all__ = ["Scan"]

_MAX_TOKENS = 2_000  # a list of a hundred labelled boxes has about 500
_MAX_DEPTH = 32

# Neighbouring parts of each pattern share no character, so a failed match costs one pass over
# what it read; a match that starts at a bracket reads no further than the next one.
_N = rf"{S}([-+.0-9][-+.0-9eE]{{0,127}}){S}"  # whether it is a number is seen when it is read
_M = rf"{S}{NUMBER}{S}"
_QUAD = rf"{_N},{_N},{_N},{_N}(?:,{S})?"
_END = rf"(?={S}(?:[,:}}\]]|\Z))"
_KEY = rf"""{S}(?:"([^"\\]{{0,64}})"|'([^'\\]{{0,64}})'|([^\W\d]\w{{0,64}})){S}:{S}"""
_STRINGS = rf""""([^"\\]*)"{_END}|'([^'\\]*)'{_END}"""
_KEYED = rf"""{_KEY}(?:([\[(]{_QUAD}[\])])|{_STRINGS}|({NUMBER}){_END}|(["']))?"""
# A bracket or separator with what follows it. Groups 2-5 are four numbers, 6 marks an opening
# bracket that a structure follows, 7-9 are a key, with 10 (11-14) four numbers, 15-16 a string,
# 17 a number or 18 the quote of a string that is not that simple; 19-20 a string in a list, 21 the
# quote of one that is not that simple. Outside of structures only opening brackets count.
_FREE = re.compile(
    rf"""([\[({{<])(?:{_QUAD}[\])}}>]|(?=(?<=[\[(]){S}[\[({{])()|(?<=\{{){_KEYED})?"""
)
_TOKEN = re.compile(
    rf"""([\[({{,:\])}}])(?:(?<=[\[({{]){_QUAD}[\])}}]|(?=(?<=[\[(]){S}[\[({{])()"""
    rf"""|(?<=[{{,]){_KEYED}|(?<=[\[({{,:]){S}(?:{_STRINGS}|(["'])))?"""
)
_ROW, _STRUCTURED, _KEYED_ROW, _KEYED_NUMBER, _KEYED_QUOTE, _LIST_QUOTE = 5, 6, 10, 17, 18, 21
_PAIR = re.compile(rf"[\[(]{_N},{_N}[\])]")
_PLAIN_PAIR = rf"[\[(]{_M},{_M}[\])]"
_PAIRS = re.compile(rf"{_PLAIN_PAIR}(?:{S},{S}{_PLAIN_PAIR}){{0,1999}}")  # as many as tokens
_ATOM = (
    rf"""(?:"[^"\\]{{0,64}}"|'[^'\\]{{0,64}}'|{NUMBER}\s(?:px|pixels)"""
    r"""|[^\s,()\[\]{}"'<>:]{1,100})"""
)
_LIST = re.compile(rf"[\[(]{S}(?:{_ATOM}(?:{S},{S}{_ATOM}){{0,31}}(?:{S},)?{S})?[\])]")
_ATOMS = re.compile(_ATOM)
_NUMBERS = re.compile(NUMBER)
_SPACED = re.compile(rf"[\[(]{S}{NUMBER}(?:\s{{1,64}}{NUMBER}){{3}}{S}[\])]")
_ROWS = re.compile(rf"[\[(]{_M}(?:,{_M}){{3}}(?:;{_M}(?:,{_M}){{3}}){{1,63}}[\])]")
_WRITTEN = re.compile(rf"{S}[\[(]?{_N}(?:,{_N},{_N})?,{_N}[\])]?{S}")
_SPECIAL = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
_AFTER_STRING = re.compile(rf"{S}(?:[,:}}\]]|\Z)")
_STRUCTURE = re.compile(rf"""(?<=\{{){S}["'}}]|(?<=[\[(]){S}["'\[({{]""")
_REST = re.compile(r"[\s\]})`]{0,64}\Z")  # brackets that close what is open, and a fence
_CLOSER = {"[": "]", "(": ")", "{": "}"}

_BARE = Meaning("wrapper")
_OTHER = Meaning("other")
_READ = ("wrapper", "box", "place")  # kinds under which four numbers are a box
_POINTS = ("wrapper", "place", "point")


_Outer = tuple[int, Meaning, str, int, int, "str | None", str, "dict[str, float] | None"]


class Scan:
    """What a text states; `run` fills the attributes."""

    __slots__ = (
        *("_closers", "_key", "_label", "_outer", "_parts", "_rank", "_steps", "_tags", "_text"),
        *("boxes", "corner_keys", "end", "original", "points", "role", "seen"),
    )

    def __init__(self, text: str, end: int, original: str, corner_keys: bool = True) -> None:
        """Be ready to read.

        Args:
            text: What to read.
            end: Where to stop.
            original: The same text, from which labels are taken.
            corner_keys: Whether keys such as `top_left` name the corners of a box.
        """
        self.boxes: list[Stated] = []
        """Every box, well or badly stated, in order."""
        self.points: list[Stated] = []
        """Every point, likewise."""
        self.seen: Counter[str] | None = None
        """What else was seen, and how often."""
        self.end = end
        self.original = original
        self.role = _BARE
        self.corner_keys = corner_keys
        self._text = text
        self._key = ""
        self._closers: list[str] = []
        self._outer: list[_Outer] = []  # what each open bracket interrupted
        self._label: str | None = None  # of the object that is open
        self._rank = "99"
        self._parts: dict[str, float] | None = None
        self._steps = 0
        self._tags: Tags | None = None

    @property
    def remark(self) -> str:
        """What else was seen, for a person: `3 points, a list of 4 under the key 'foo'`."""
        shown = []
        if self.points:
            shown.append("1 point" if len(self.points) == 1 else f"{len(self.points)} points")
        for what, times in (self.seen or Counter()).most_common(2):
            shown.append(what if times == 1 else f"{times} times {what}")
        return ", ".join(shown)

    def run(self, pos: int) -> None:
        """Read the text from `pos`, once.

        Raises:
            TooComplex: If there are more than 2,000 tokens or 32 levels of structure.
        """
        text, end, closers = self._text, self.end, self._closers
        free, token = _FREE.search, _TOKEN.search
        steps = 0
        while pos < end:
            match = token(text, pos, end) if closers else free(text, pos, end)
            if match is None:
                break
            steps += 1
            if steps > _MAX_TOKENS:
                self.count(steps)
            start, pos = match.span()
            kind = match.lastindex or 0
            char = text[start]
            if _STRUCTURED < kind <= _KEYED_QUOTE:
                if char == "{":
                    self._open("}", start)
                pos = self._keyed(match, kind)
            elif kind == _ROW:
                self.add_box((start, pos), match.group(2, 3, 4, 5))
            elif char in "]})":
                if _REST.match(text, pos, end):
                    break
                if char in closers:
                    while self._close(pos) != char:  # a missing closing bracket is forgiven
                        pass
            elif char in ",:":
                if closers[-1] == "}":
                    self.role = _OTHER
                if kind == _LIST_QUOTE:
                    pos = self._string_end(pos - 1)[1]
            elif char == "<":
                self._tags = self._tags or Tags(self, text)
                pos = self._tags.read(start)
            else:
                pos = self._bracket(match, kind)
        while closers:
            self._close(end)
        if self._tags:
            self._tags.finish()
        self._steps += steps

    def _keyed(self, match: re.Match[str], kind: int) -> int:
        """A key, with the value that follows if it is simple; where to go on."""
        pos = match.end()
        row = match.group(11, 12, 13, 14) if kind == _KEYED_ROW else None
        content = match.span(kind)
        if kind == _KEYED_QUOTE:
            last, pos = self._string_end(content[0])
            content = (content[1], last)
        if self._closers[-1] == "}":
            self._key = key = match[7] or match[8] or match[9] or ""
            self.role = meaning = key_meaning(key)
            if kind > _KEYED_ROW and meaning.kind != "other":
                self._valued(meaning, content)
        if row:
            self.add_box(content, row)
        return pos

    def _bracket(self, match: re.Match[str], kind: int) -> int:
        """An opening bracket that neither four numbers nor a key follow; where to go on."""
        text, end, start, pos = self._text, self.end, match.start(), match.end()
        bracket = text[start]
        if bracket != "{" and kind != _STRUCTURED:
            after = self._values(start)
            if after is not None:
                return after
        if not self._closers and kind != _STRUCTURED:
            if not _STRUCTURE.match(text, pos, end):
                return pos
            inner = _TOKEN.match(text, start, end)  # there is one
            assert inner is not None
            pos, kind = inner.end(), inner.lastindex or 0
        self._open(_CLOSER[bracket], start)
        return self._string_end(pos - 1)[1] if kind == _LIST_QUOTE else pos

    def add_box(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note four numbers as what their place makes them.

        Args:
            span: Where they stand.
            atoms: The numbers, as a pattern of numbers found them.
            order: Whether x comes first.
        """
        a, b, c, d = atoms
        try:
            values = (int(a), int(b), int(c), int(d))
        except ValueError:
            self._place(span, read_numbers(atoms), order)
            return
        role = self.role
        if max(values) > LIMIT:
            self._place(span, read_numbers(atoms), order)
        elif role.name or role.kind not in _READ:
            self._place(span, values, order)
        else:
            self.boxes.append(Stated(span, values, order))

    def _place(self, span: tuple[int, int], values: tuple[float, ...] | str, order: Order) -> None:
        kind, form = self.role
        if kind not in _READ:
            self.note(self._under(4))
        elif isinstance(values, str):
            self.boxes.append(_bad_number(span, values))
        elif not form:
            self.boxes.append(Stated(span, values, order))
        elif form == "?":
            self.boxes.append(Stated(span, values, "ambiguous"))
        else:
            a, b, c, d = values
            corners = (b, a, d, c) if form == "yxyx" else (a, b, a + c, b + d)
            self.boxes.append(Stated(span, corners, "named"))

    def add_point(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note two numbers as what their place makes them; see `add_box`."""
        kind = self.role.kind
        values = read_numbers(atoms)
        if kind in _POINTS:
            if isinstance(values, str):
                self.points.append(_bad_number(span, values))
            else:
                self.points.append(Stated(span, values, order))
        elif kind == "corner" and self.corner_keys and not isinstance(values, str):
            self._corner(values, "written")
        elif kind == "box":
            self.boxes.append(Stated.wrong(span, FailureCode.NO_BOX, self._under(2)))
        else:
            self.note(self._under(2))

    def note(self, what: str) -> None:
        """Remember what was seen besides."""
        if self.seen is None:
            self.seen = Counter()
        if len(self.seen) < 8 or what in self.seen:
            self.seen[what] += 1

    def count(self, tokens: int) -> None:
        """Count work against the limit.

        Raises:
            TooComplex: If there are more than 2,000 tokens of structure.
        """
        self._steps += tokens
        if self._steps > _MAX_TOKENS:
            raise TooComplex(f"expected at most {_MAX_TOKENS} tokens of structure")

    def _under(self, length: int) -> str:
        under = "" if self.role is _BARE else f" under the key {self._key[:40]!r}"
        return f"a list of {length}{under}"

    def _open(self, closer: str, start: int) -> None:
        if len(self._closers) == _MAX_DEPTH:
            raise TooComplex(f"expected at most {_MAX_DEPTH} levels of brackets")
        self._closers.append(closer)
        found = len(self.boxes), len(self.points)
        self._outer.append(
            (start, self.role, self._key, *found, self._label, self._rank, self._parts)
        )
        self._label = self._parts = None
        self._rank = "99"
        if closer == "}":
            self.role = _OTHER

    def _close(self, pos: int) -> str:
        label, parts = self._label, self._parts
        (start, self.role, self._key, boxes, points, self._label, self._rank, self._parts) = (
            self._outer.pop()
        )
        if parts:
            self.add_named(parts, (start, pos))
        if label is not None:
            for stated in self.boxes[boxes:]:
                stated.label = stated.label or label
            for stated in self.points[points:]:
                stated.label = stated.label or label
        return self._closers.pop()

    def add_named(self, parts: dict[str, float], span: tuple[int, int]) -> bool:
        """Note coordinates with names, if they make a box or a point; whether they do."""
        order: Order = "written" if "written" in parts else "named"
        box, point = named_box(parts), named_point(parts)
        if box:
            self.boxes.append(Stated(span, box, order))
        elif point and self.role.kind == "corner":
            self._corner(point, order)
        elif point:
            self.points.append(Stated(span, point, order))
        return bool(box or point)

    def _corner(self, point: tuple[float, ...], order: Order) -> None:
        """The value of a key such as `top_left`: half of a box."""
        which = "1" if self.role.name == "top_left" else "2"
        parts = self._named()
        parts["x" + which], parts["y" + which] = point
        if order == "written":
            parts["written"] = 1

    def _named(self) -> dict[str, float]:
        if self._parts is None:
            self._parts = {}
        return self._parts

    def _valued(self, meaning: Meaning, content: tuple[int, int]) -> None:
        """A text or number under a key that says something."""
        kind = meaning.kind
        if kind == "label":
            if meaning.name < self._rank:
                self._label = _plain(self.original[content[0] : content[1]])
                self._rank = meaning.name
        elif kind == "side":
            values = read_numbers([self._text[slice(*content)]])
            if not isinstance(values, str):
                self._named()[meaning.name] = values[0]
        else:
            match = _WRITTEN.fullmatch(self._text, *content)
            if match:
                atoms = [group for group in match.groups() if group is not None]
                (self.add_box if len(atoms) == 4 else self.add_point)(content, atoms)

    def _string_end(self, start: int) -> tuple[int, int]:
        """Where the string that opens at `start` ends, and where to go on.

        A quote closes it if what may follow a JSON string follows; so a quote inside an unescaped
        label does not. Every string of valid JSON ends where it should.
        """
        text, end, quote = self._text, self.end, self._text[start]
        pos = start + 1
        while True:
            self.count(1)
            close = text.find(quote, pos, end)
            if close < 0:
                return end, end
            escapes = close - pos - len(text[pos:close].rstrip("\\"))
            if escapes % 2 == 0 and _AFTER_STRING.match(text, close + 1, end):
                return close, close + 1
            pos = close + 1

    def _values(self, pos: int) -> int | None:
        """Numbers in brackets at `pos`: note what they are; where they end, None if none are."""
        self.count(4)
        text, end = self._text, self.end
        match = _PAIRS.match(text, pos, end)
        if match:
            return self._pairs(match)
        match = _SPACED.match(text, pos, end) or _ROWS.match(text, pos, end)
        if match:
            numbers = _NUMBERS.findall(match.group())
            for first in range(0, len(numbers), 4):
                self.add_box(match.span(), numbers[first : first + 4])
            return match.end()
        match = _LIST.match(text, pos, end)
        if match and text[match.end() - 1] == _CLOSER[text[pos]]:
            self._list(match.span(), _ATOMS.findall(match.group()[1:-1]))
            return match.end()
        return None

    def _list(self, span: tuple[int, int], atoms: list[str]) -> None:
        numeric = any(_like_a_number(atom) for atom in atoms)
        if len(atoms) == 4 and (numeric or self.role.kind == "box"):
            self._place(span, read_numbers(atoms), "written")
        elif len(atoms) == 2 and numeric:
            self.add_point(span, atoms)
        elif atoms and self.role.kind == "box":
            detail = self._under(len(atoms))
            self.boxes.append(Stated.wrong(span, FailureCode.NO_BOX, detail))
        elif numeric:
            self.note(self._under(len(atoms)))

    def _pairs(self, match: re.Match[str]) -> int:
        """Pairs in brackets: two are a box in parentheses or as the value of a box key."""
        text, stop = self._text, match.end()
        pairs = list(_PAIR.finditer(text, match.start(), stop))
        self.count(len(pairs))
        if len(pairs) == 2 and (text[match.start()] == "(" or self.role.kind == "box"):
            self.add_box(match.span(), [*pairs[0].groups(), *pairs[1].groups()])
        elif len(pairs) > 1 and self.role.kind == "box":
            detail = f"{len(pairs)} points under the key {self._key[:40]!r}"
            self.boxes.append(Stated.wrong(match.span(), FailureCode.NO_BOX, detail))
        else:
            for pair in pairs:
                self.add_point(pair.span(), pair.groups())
        return stop


def _bad_number(span: tuple[int, int], atom: str) -> Stated:
    return Stated.wrong(span, FailureCode.BAD_NUMBER, f"the number {excerpt(atom)}")


def _plain(label: str) -> str:
    """A JSON string's contents without its escapes, if they are valid."""
    if "\\" in label:
        try:
            return str(json.loads(f'"{label}"', strict=False))
        except ValueError:
            pass
    return label


def _like_a_number(atom: str) -> bool:
    """Whether it was meant as a number: digits come first, or it is a name of NaN or infinity."""
    atom = atom.strip("\"'")
    return (
        atom[:1].isdecimal() or atom.lstrip("+-.")[:1].isdecimal() or bool(_SPECIAL.fullmatch(atom))
    )

"""One linear pass over a text that finds every place where a box or a point is stated."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from vlreward.parsers._keys import Meaning, key_meaning, named_box, named_point
from vlreward.parsers._stated import NUMBER, Order, S, Stated, TooComplex, read_numbers
from vlreward.parsers._tags import Tags
from vlreward.parsers.tags import excerpt
from vlreward.types import FailureCode

__all__ = ["Scan"]

_MAX_TOKENS = 2_000  # a list of a hundred labelled boxes has about 500
_MAX_DEPTH = 32

# Neighbouring parts of each pattern share no character, so a failed match costs one pass over
# what it read; a match that starts at a bracket reads no further than the next one.
_N = rf"{S}({NUMBER}){S}"
_M = rf"{S}{NUMBER}{S}"
_QUAD = rf"{_N},{_N},{_N},{_N}(?:,{S})?"
_END = rf"(?={S}(?:[,:}}\]]|\Z))"
_KEY = rf"""{S}(?:"([^"\\]{{0,64}})"|'([^'\\]{{0,64}})'|([^\W\d]\w{{0,64}})){S}:{S}"""
_STRINGS = rf""""([^"\\]*)"{_END}|'([^'\\]*)'{_END}"""
_OBJECT = rf"""(?<=\{{){S}(?:["'}}]|[^\W\d]\w{{0,64}}{S}:)"""
# Outside of structures only what opens one counts: an opening bracket, with the four numbers that
# it holds (2-5), or a mark (6) that a structure follows.
_FREE = re.compile(rf"([\[({{<])(?:{_QUAD}[\])}}>]|(?=(?<=[\[(]){S}[\[({{])()|(?={_OBJECT})())?")
# Inside: a bracket or separator, with what follows it. Groups 2-5 four numbers, 6 a bracket
# follows, 7-9 a key, with 10-11 its string, 12 its number or 13 a string that is not that simple;
# 14-15 a string in a list, 16 one that is not that simple.
_TOKEN = re.compile(
    rf"""([\[({{,:\])}}])(?:(?<=[\[({{]){_QUAD}[\])}}]|(?=(?<=[\[(]){S}[\[({{])()"""
    rf"""|(?<=[{{,]){_KEY}(?:{_STRINGS}|({NUMBER}){_END}|(["']))?"""
    rf"""|(?<=[\[({{,]){S}(?:{_STRINGS}|(["'])))?"""
)
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
_STRUCTURE = re.compile(rf"""{_OBJECT}|(?<=[\[(]){S}["'\[({{]""")
_CLOSER = {"[": "]", "(": ")", "{": "}"}

_BARE = Meaning("wrapper")
_OTHER = Meaning("other")
_READ = ("wrapper", "box", "place")  # kinds under which four numbers are a box
_POINTS = ("wrapper", "place", "point")


class _Level:
    """One open bracket."""

    __slots__ = ("boxes", "closer", "key", "label", "outer", "parts", "points", "rank", "start")

    def __init__(self, closer: str, start: int, outer: Meaning, key: str, scan: Scan) -> None:
        self.closer = closer
        self.start = start
        self.outer = outer
        self.key = key
        self.boxes = len(scan.boxes)
        self.points = len(scan.points)
        self.label: str | None = None
        self.rank = "99"
        self.parts: dict[str, float] | None = None


class Scan:
    """What a text states; `run` fills the attributes."""

    __slots__ = (
        *("_key", "_levels", "_steps", "_text", "boxes", "end", "original", "points", "role"),
        "seen",
    )

    def __init__(self, text: str, end: int, original: str) -> None:
        """Be ready to read.

        Args:
            text: What to read.
            end: Where to stop.
            original: The same text, from which labels are taken.
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
        self._text = text
        self._key = ""
        self._levels: list[_Level] = []
        self._steps = 0

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
        text, end, levels = self._text, self.end, self._levels
        free, token = _FREE.search, _TOKEN.search
        tags = Tags(self, text)
        while True:
            self._steps += 1
            if self._steps > _MAX_TOKENS:
                raise TooComplex(f"expected at most {_MAX_TOKENS} tokens of structure")
            if not levels:
                match = free(text, pos, end)
                if match is None:
                    break
                kind = match.lastindex
                if kind == 5:
                    self.add_box(match.span(), match.group(2, 3, 4, 5))
                    pos = match.end()
                    continue
                pos = match.start()
                if kind == 1:
                    if match[1] == "<":
                        pos = tags.read(pos)
                        continue
                    after = None if match[1] == "{" else self._values(pos)
                    if after is not None:
                        pos = after
                        continue
                    if not _STRUCTURE.match(text, pos + 1, end):
                        pos += 1
                        continue
            match = token(text, pos, end)
            if match is None:
                break
            kind, char, pos = match.lastindex, match[1], match.end()
            if kind == 5:
                self.add_box(match.span(), match.group(2, 3, 4, 5))
                continue
            if char in "[(" and kind != 6:
                after = self._values(match.start())
                if after is not None:
                    pos = after
                    continue
            if char == ",":
                if levels and levels[-1].closer == "}":
                    self.role = _OTHER
            elif char == ":":
                self.role = _OTHER if levels and levels[-1].closer == "}" else self.role
            elif char in "[({":
                self._open(char, match.start())
            elif levels and (levels[-1].closer == char or self._closes(char)):
                while self._close(pos) != char:  # a missing closing bracket inside is forgiven
                    pass
            if kind is None or kind < 7:
                continue
            if kind in (13, 16):
                last, after = self._string_end(pos - 1)
                content = (pos, last)
                pos = after
            else:
                content = match.span(kind)
            if kind < 14 and levels and levels[-1].closer == "}":
                key = match[7] or match[8] or match[9] or ""
                self._take_key(key, content if kind > 9 else None)
        while levels:
            self._close(end)
        tags.finish()

    def add_box(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note four numbers as what their place makes them.

        Args:
            span: Where they stand.
            atoms: The numbers; each must be one but for its unit and quotes.
            order: Whether x comes first.
        """
        kind, form = self.role
        if kind not in _READ:
            self.note(f"a list of {len(atoms)} under the key {self._key[:40]!r}")
            return
        values = read_numbers(atoms)
        if isinstance(values, str):
            code, detail = FailureCode.BAD_NUMBER, f"the number {excerpt(values)}"
            self.boxes.append(Stated(span, None, order, None, code, detail))
            return
        if form:
            a, b, c, d = values
            if form == "?":
                order = "doubtful"
            else:
                order = "named"
                values = (b, a, d, c) if form == "yxyx" else (a, b, a + c, b + d)
        self.boxes.append(Stated(span, values, order))

    def add_point(
        self, span: tuple[int, int], atoms: Sequence[str], order: Order = "written"
    ) -> None:
        """Note two numbers as what their place makes them; see `add_box`."""
        kind = self.role.kind
        values = read_numbers(atoms)
        if kind in _POINTS:
            wrong = f"the number {excerpt(values)}" if isinstance(values, str) else ""
            code = FailureCode.BAD_NUMBER
            got = None if isinstance(values, str) else values
            self.points.append(Stated(span, got, order, None, code, wrong))
        elif kind == "corner" and not isinstance(values, str):
            self._corner(values, "written")
        elif kind == "box":
            self.boxes.append(Stated(span, None, detail=self._under(2)))
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

    def _open(self, bracket: str, start: int) -> None:
        if len(self._levels) == _MAX_DEPTH:
            raise TooComplex(f"expected at most {_MAX_DEPTH} levels of brackets")
        self._levels.append(_Level(_CLOSER[bracket], start, self.role, self._key, self))
        if bracket == "{":
            self.role = _OTHER

    def _closes(self, bracket: str) -> bool:
        return any(level.closer == bracket for level in self._levels)

    def _close(self, pos: int) -> str:
        level = self._levels.pop()
        self.role, self._key = level.outer, level.key
        if level.parts:
            self.add_named(level.parts, (level.start, pos))
        if level.label is not None:
            for stated in (*self.boxes[level.boxes :], *self.points[level.points :]):
                if stated.label is None:
                    stated.label = level.label
        return level.closer

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
        if self._levels:
            parts = self._parts()
            parts["x" + which], parts["y" + which] = point
            if order == "written":
                parts["written"] = 1

    def _parts(self) -> dict[str, float]:
        level = self._levels[-1]
        if level.parts is None:
            level.parts = {}
        return level.parts

    def _take_key(self, key: str, content: tuple[int, int] | None) -> None:
        """A key of an object, with where its text or number stands if it has one."""
        self._key = key
        self.role = meaning = key_meaning(key)
        if content is None:
            return
        kind = meaning.kind
        text = self._text[slice(*content)]
        if kind == "label":
            level = self._levels[-1]
            if meaning.name < level.rank:
                level.label, level.rank = _plain(self.original[slice(*content)]), meaning.name
        elif kind == "side":
            values = read_numbers([text])
            if not isinstance(values, str):
                self._parts()[meaning.name] = values[0]
        elif kind != "other":
            match = _WRITTEN.fullmatch(text)
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
        match = _LIST.match(text, pos, end)
        if match and text[match.end() - 1] == _CLOSER[text[pos]]:
            self._list(match.span(), _ATOMS.findall(match.group()[1:-1]))
            return match.end()
        match = _SPACED.match(text, pos, end) or _ROWS.match(text, pos, end)
        if match:
            numbers = _NUMBERS.findall(match.group())
            for first in range(0, len(numbers), 4):
                self.add_box(match.span(), numbers[first : first + 4])
            return match.end()
        return None

    def _list(self, span: tuple[int, int], atoms: list[str]) -> None:
        numeric = any(_like_a_number(atom) for atom in atoms)
        if len(atoms) == 4 and (numeric or self.role.kind == "box"):
            self.add_box(span, atoms)
        elif len(atoms) == 2 and numeric:
            self.add_point(span, atoms)
        elif atoms and self.role.kind == "box":
            self.boxes.append(Stated(span, None, detail=self._under(len(atoms))))
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
            self.boxes.append(Stated(match.span(), None, detail=detail))
        else:
            for pair in pairs:
                self.add_point(pair.span(), pair.groups())
        return stop


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

"""One linear pass over a text that finds every place where a box or a point is stated."""

from __future__ import annotations

import json
import re

from vlreward.parsers._found import MAX_TOKENS, NUMBER, Found, S, TooComplex, read_numbers
from vlreward.parsers._keys import Meaning, key_meaning
from vlreward.parsers._lists import NUMBERS, read_list
from vlreward.parsers._tags import Tags

__all__ = ["Scan"]

_MAX_DEPTH = 32

# Neighbouring parts of each pattern share no character, so a failed match costs one pass over
# what it read; a match that starts at a bracket reads no further than the next one.
_QUAD = rf"{NUMBERS},{NUMBERS},{NUMBERS},{NUMBERS}(?:,{S})?"
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
_ROW, _STRUCTURED, _KEYED_ROW, _KEYED_QUOTE, _LIST_QUOTE = 5, 6, 10, 18, 21
_WRITTEN = re.compile(rf"{S}[\[(]?{NUMBERS}(?:,{NUMBERS},{NUMBERS})?,{NUMBERS}[\])]?{S}")
_AFTER_STRING = re.compile(rf"{S}(?:[,:}}\]]|\Z)")
_STRUCTURE = re.compile(rf"""(?<=\{{){S}["'}}]|(?<=[\[(]){S}["'\[({{]""")
_REST = re.compile(r"[\s\]})`]{0,64}\Z")  # brackets that close what is open, and a fence
_CLOSER = {"[": "]", "(": ")", "{": "}"}

_OTHER = Meaning("other")
_Outer = tuple[int, Meaning, str, int, int, "str | None", str, "dict[str, float] | None"]


class Scan(Found):
    """The one who reads: `run` finds all that a text states."""

    __slots__ = ("_closers", "_label", "_outer", "_rank", "_tags", "_text")

    def __init__(self, text: str, end: int, original: str, corner_keys: bool = True) -> None:
        """Be ready to read.

        Args:
            text: What to read.
            end: Where to stop.
            original: The same text, from which labels are taken.
            corner_keys: Whether keys such as `top_left` name the corners of a box.
        """
        super().__init__(end, original, corner_keys)
        self._text = text
        self._closers: list[str] = []
        self._outer: list[_Outer] = []  # what each open bracket interrupted
        self._label: str | None = None  # of the object that is open
        self._rank = "99"
        self._tags: Tags | None = None

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
            if steps > MAX_TOKENS:
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
            self.key = key = match[7] or match[8] or match[9] or ""
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
            after = read_list(self, text, start)
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

    def _open(self, closer: str, start: int) -> None:
        if len(self._closers) == _MAX_DEPTH:
            raise TooComplex(f"expected at most {_MAX_DEPTH} levels of brackets")
        self._closers.append(closer)
        found = len(self.boxes), len(self.points)
        self._outer.append(
            (start, self.role, self.key, *found, self._label, self._rank, self._parts)
        )
        self._label = self._parts = None
        self._rank = "99"
        if closer == "}":
            self.role = _OTHER

    def _close(self, pos: int) -> str:
        label, parts = self._label, self._parts
        (start, self.role, self.key, boxes, points, self._label, self._rank, self._parts) = (
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


def _plain(label: str) -> str:
    """A JSON string's contents without its escapes, if they are valid."""
    if "\\" in label:
        try:
            return str(json.loads(f'"{label}"', strict=False))
        except ValueError:
            pass
    return label

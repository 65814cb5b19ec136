"""One linear pass over a text that finds every place where a box is stated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from vlreward.parsers.tags import excerpt
from vlreward.types import FailureCode

__all__ = ["Candidate", "TooComplex", "candidates"]

_MAX_TOKENS = 2_000  # a list of a hundred labelled boxes has about 1,500
_MAX_DEPTH = 32
_MAX_DIGITS = 64  # characters of one number
_LIMIT = 1e12  # larger coordinates are no coordinates, and their areas could overflow
_KEYS = ("bbox_2d", "bbox", "box_2d")

# Neighbouring parts of each pattern share no character, so a failed match costs one pass over
# what it read; a match that starts at a bracket reads no further than the next one. White space
# that no answer has is not understood, which bounds the cost of giving it back.
_S = r"\s{0,64}"
_NUMBER = r"[-+]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[eE][-+]?[0-9]{1,5})?"
_N = rf"{_S}({_NUMBER}){_S}"
_QUAD = re.compile(rf"\[{_N},{_N},{_N},{_N}(?:,{_S})?\]|\({_N},{_N},{_N},{_N}(?:,{_S})?\)")
_NAKED = re.compile(rf"{_N},{_N},{_N},{_N}")
_PAIR = rf"\({_N},{_N}\)"
_PAIRS = re.compile(rf"{_PAIR}(?:{_S},{_S}{_PAIR}){{0,31}}")
_MORE_PAIRS = re.compile(rf"(?:{_S},{_S}{_PAIR}){{1,32}}")
_ATOM = r"""(?:"[^"\\]{0,64}"|'[^'\\]{0,64}'|[^\s,()\[\]{}"'<>:]{1,100})"""
_LIST = re.compile(rf"[\[(]{_S}(?:{_ATOM}(?:{_S},{_S}{_ATOM}){{0,31}}(?:{_S},)?{_S})?[\])]")
_ATOMS = re.compile(_ATOM)
_FULL_NUMBER = re.compile(_NUMBER)
_NUMBERS = re.compile(_NUMBER)
_SPECIAL = re.compile(r"[-+]?(?:nan|inf|infinity)", re.IGNORECASE)

_OPENING = re.compile(r"[\[({]")
_OPENING_OR_REFERENCE = re.compile(r"[\[({]|<ref>|<\|object_ref_start\|>")
_OBJECT = re.compile(rf"""\{{{_S}(?:["'}}]|[A-Za-z_]\w{{0,64}}{_S}:)""")
_NESTED = re.compile(rf"""\[{_S}["'\[({{]""")
_TOKEN = re.compile(r"""\s*([^\s"'\[\](){}:,]{1,100}|.)""", re.DOTALL)
_AFTER_STRING = re.compile(rf"{_S}(?:[,:}}\]]|\Z)")
_CLOSER = {"[": "]", "(": ")", "{": "}"}
_REFERENCES = {"<ref>": "</ref>", "<|object_ref_start|>": "<|object_ref_end|>"}


class Candidate(NamedTuple):
    """One place that states a box, well or badly."""

    span: tuple[int, int]
    """Half-open character range of the numbers with their brackets."""
    values: tuple[float, float, float, float] | None
    """The four numbers in the order written; None if `code` says what is wrong with them."""
    key: str | None = None
    """The JSON key that the numbers stand under; None for a bare list or pairs of corners."""
    code: FailureCode = FailureCode.NO_BOX
    """What is wrong if there are no values."""
    detail: str = ""
    """The same for a person."""


class TooComplex(Exception):
    """The text has more structure than any honest answer; the message says which limit."""


class _Role(Enum):
    BARE = "numbers in brackets are a box if there are four"
    KEYED = "numbers in brackets are the value of a box key"
    OTHER = "numbers in brackets are something else's"


def candidates(text: str, start: int, end: int) -> tuple[list[Candidate], str]:
    """Every box stated in text[start:end], and a remark on what else was seen.

    A box is a bracketed quadruple, or two pairs of corners, that stands free or in free lists, or
    the value of one of the box keys at any depth. Values of other keys, contents of strings and of
    `<ref>…</ref>`, and lists of another length that stand free are none. Structures need not be
    closed. If there is nothing else, four numbers with commas and no brackets are a box.

    Raises:
        TooComplex: If there are more than 2,000 tokens or 32 levels of structure.
    """
    scan = _Scan(text, end)
    found = list(scan.run(start))
    if not found:
        naked = _NAKED.fullmatch(text, start, end)
        if naked:
            found.append(_quad(naked))
    return found, scan.remark


class _Scan:
    """The state of one pass: a stack of open brackets, and whose value comes next."""

    def __init__(self, text: str, end: int) -> None:
        self.text = text
        self.end = end
        self.remark = ""
        self._closers: list[str] = []
        self._outer: list[tuple[_Role, str | None]] = []
        self._role = _Role.BARE
        self._key: str | None = None
        self._steps = 0
        self._unclosed: set[str] = set()
        referring = any(tag in text for tag in _REFERENCES)
        self._opening = _OPENING_OR_REFERENCE if referring else _OPENING

    def run(self, pos: int) -> Iterator[Candidate]:
        text, end = self.text, self.end
        before = word = ""  # the last token, and the last word or string: a key if ":" follows
        while True:
            self._step()
            if not self._closers:
                opening = self._opening.search(text, pos, end)
                if opening is None:
                    return
                pos, token = opening.start(), opening.group()
                if token[0] == "<":
                    pos = self._skip_reference(token, opening.end())
                    continue
            else:
                match = _TOKEN.match(text, pos, end)
                if match is None:
                    return
                pos, token = match.start(1), match.group(1)
            if token in _CLOSER:
                values = None if token == "{" else self._values(pos)
                if values is not None:
                    pos, found = values
                    yield from found
                elif (
                    self._closers or _OBJECT.match(text, pos, end) or _NESTED.match(text, pos, end)
                ):
                    self._open(token)
                    pos += 1
                else:
                    pos += 1
            elif token in "\"'" and before in ("[", "(", "{", ",", ":"):
                first, (last, pos) = pos + 1, self._string_end(pos)
                word = text[first : min(last, first + 64)]
                if before == ":" and self._role is _Role.KEYED:
                    quad = _QUAD.fullmatch(text, first, last)
                    if quad:
                        yield _quad(quad, self._key)
            else:
                if token == ":":
                    self._take_key(word)
                elif token == ",":
                    self._end_value()
                elif token in ("]", ")", "}"):
                    self._close(token)
                else:
                    word = token[:64]
                pos += len(token)
            before = token

    def _step(self, tokens: int = 1) -> None:
        self._steps += tokens
        if self._steps > _MAX_TOKENS:
            raise TooComplex(f"expected at most {_MAX_TOKENS} tokens of structure")

    def _open(self, bracket: str) -> None:
        if len(self._closers) == _MAX_DEPTH:
            raise TooComplex(f"expected at most {_MAX_DEPTH} levels of brackets")
        self._closers.append(_CLOSER[bracket])
        self._outer.append((self._role, self._key))
        if bracket == "{":
            self._role = _Role.OTHER

    def _close(self, bracket: str) -> None:
        # A missing closing bracket inside is forgiven, one too many is ignored.
        if bracket in self._closers:
            closer = ""
            while closer != bracket:
                closer = self._closers.pop()
                self._role, self._key = self._outer.pop()

    def _take_key(self, word: str) -> None:
        if self._closers[-1:] == ["}"]:
            self._key = word.strip().lower()
            self._role = _Role.KEYED if self._key in _KEYS else _Role.OTHER

    def _end_value(self) -> None:
        if self._closers[-1:] == ["}"]:
            self._role = _Role.OTHER

    def _string_end(self, start: int) -> tuple[int, int]:
        """Where the string that opens at `start` ends, and where to go on.

        A quote closes it if what may follow a JSON string follows; so a quote inside an unescaped
        label does not. Every string of valid JSON ends where it should.
        """
        text, end, quote = self.text, self.end, self.text[start]
        pos = start + 1
        while True:
            self._step()
            close = text.find(quote, pos, end)
            if close < 0:
                return end, end
            escapes = close - pos - len(text[pos:close].rstrip("\\"))
            if escapes % 2 == 0 and _AFTER_STRING.match(text, close + 1, end):
                return close, close + 1
            pos = close + 1

    def _skip_reference(self, opening: str, pos: int) -> int:
        closing = _REFERENCES[opening]
        if closing not in self._unclosed:
            close = self.text.find(closing, pos, self.end)
            if close >= 0:
                return close + len(closing)
            self._unclosed.add(closing)  # never look for it again, or this would be quadratic
        return pos

    def _values(self, pos: int) -> tuple[int, list[Candidate]] | None:
        """Numbers in brackets at `pos`: where they end, and the boxes that they are."""
        self._step(4)
        text, end = self.text, self.end
        key = self._key if self._role is _Role.KEYED else None
        match = _QUAD.match(text, pos, end)
        if match:
            return match.end(), [] if self._role is _Role.OTHER else [_quad(match, key)]
        match = _PAIRS.match(text, pos, end)
        if match:
            return self._pairs(match, key)
        match = _LIST.match(text, pos, end)
        if not match or text[match.end() - 1] != _CLOSER[text[pos]]:
            return None
        atoms = _ATOMS.findall(match.group()[1:-1])
        if self._role is not _Role.OTHER:
            if key or (len(atoms) == 4 and any(_like_a_number(atom) for atom in atoms)):
                return match.end(), [_candidate(match.span(), atoms, key)]
            if any(_like_a_number(atom) for atom in atoms):
                self._note(f"a list of {len(atoms)}")
        return match.end(), []

    def _pairs(self, match: re.Match[str], key: str | None) -> tuple[int, list[Candidate]]:
        numbers = _NUMBERS.findall(match.group())
        stop = match.end()
        more = _MORE_PAIRS.match(self.text, stop, self.end)
        while more:
            self._step(32)
            stop = more.end()
            more = _MORE_PAIRS.match(self.text, stop, self.end)
        if self._role is _Role.OTHER:
            return stop, []
        if len(numbers) == 4:
            return stop, [_candidate(match.span(), numbers, key)]
        self._note(f"{len(numbers) // 2} points" if stop == match.end() else "many points")
        return stop, []

    def _note(self, remark: str) -> None:
        self.remark = self.remark or remark


def _quad(match: re.Match[str], key: str | None = None) -> Candidate:
    numbers = [group for group in match.groups() if group is not None]
    return _candidate(match.span(), numbers, key)


def _candidate(span: tuple[int, int], atoms: list[str], key: str | None) -> Candidate:
    if len(atoms) != 4:
        return Candidate(span, None, key, FailureCode.NO_BOX, f"a list of {len(atoms)}")
    values = []
    for atom in atoms:
        number = _read_number(atom) if _is_number(atom) else None
        if number is None or not -_LIMIT <= number <= _LIMIT:
            return Candidate(span, None, key, FailureCode.BAD_NUMBER, f"the number {excerpt(atom)}")
        values.append(number)
    x1, y1, x2, y2 = values
    return Candidate(span, (x1, y1, x2, y2), key)


def _read_number(text: str) -> float:
    """A coordinate as written: an int if it is written as one, else a float."""
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _is_number(atom: str) -> bool:
    return len(atom) <= _MAX_DIGITS and _FULL_NUMBER.fullmatch(atom) is not None


def _like_a_number(atom: str) -> bool:
    """Whether it was meant as a number: digits come first, or it is a name of NaN or infinity."""
    atom = atom.strip("\"'")
    return (
        atom[:1].isdecimal() or atom.lstrip("+-.")[:1].isdecimal() or bool(_SPECIAL.fullmatch(atom))
    )

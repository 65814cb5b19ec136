"""`ChoiceParser`: which option of a multiple-choice question a completion names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from vlreward.parsers.standing import undisputed
from vlreward.parsers.tags import AnswerParser, answer_region, excerpt, too_long
from vlreward.types import FailureCode, Parsed, ParseFailure

__all__ = ["Choice", "ChoiceParser", "plain_option"]

_MAX_ANSWER = 4_096  # characters
_MAX_LINES = 2_000

# Every pattern is anchored and neighbouring parts share no character: one pass over what it reads.
_S = r"[ \t\n]{0,32}"
_WRAPPERS = (
    re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\s?\{(.*)\}\Z", re.DOTALL),
    re.compile(r"\*\*(.*)\*\*\Z", re.DOTALL),
    re.compile(r"""```(?:json|text)?\s(.*)```\Z""", re.DOTALL),
    re.compile(r"""(["'`$*_])(.*)\1\Z""", re.DOTALL),
    re.compile(r"\\(?:\((.*)\\\)|\[(.*)\\\])\Z", re.DOTALL),
    re.compile(
        r"<(b|i|u|p|em|strong|span|code|mark|div|answer|final|result|option|choice|letter|output|box)>(.*)</\1>\Z",
        re.DOTALL,
    ),
    re.compile(r"[【「『《](.*)[】」』》]\Z", re.DOTALL),
    re.compile(
        r"""\{\s?["'](?:final_)?(?:answer|option|choice|letter)["']\s?:\s?(.*)\}\Z""", re.DOTALL
    ),
)
_WRAPPING = tuple("\\*`\"'$_<【「『《{")
_SO = rf"(?:so|thus|hence|therefore)\b,?{_S}"
_B = r"(?:\*\*(?=[\s:=]))?"  # of "**Answer:** B"
_LEAD = re.compile(
    rf"(?:{_SO})?(?:(?:the|my)\b{_S})?(?:(?:correct|right|final|best)\b{_S})?"
    rf"(?:answer|option|choice)\b{_B}{_S}(?:is\b)?{_S}[:=]?{_B}{_S}"
    rf"|(?:{_SO}|I(?:'ll|{_S}would)?{_S}(?:choose|pick|select){_S})"
    r"(?=[(\[*]{0,3}(?-i:[A-Z])[)\].*]{0,4}\Z)"
    r"|(?:(?:所以|因此|因而|综上|故),?\s?)?(?:[本此该]题)?(?:的?(?:正确|最终)?(?:答案|选项)(?:应?[是为选])?"
    r"|应?选择?(?=[\s:(\[*]{0,4}[A-Z]))\s?:?\s?",
    re.IGNORECASE,
)
_ONE = rf"(?:\({_S}([A-Za-z]){_S}\)|\[{_S}([A-Za-z]){_S}\]|([A-Za-z]))"
_LETTER = re.compile(rf"{_ONE}{_S}[.):]?\Z")
_RIGHT = re.compile(
    rf"{_ONE}{_S}(?:is{_S}(?:(?:the{_S})?(?:correct|right)(?:{_S}(?:answer|option|choice))?"
    rf"|the{_S}answer)|是?(?:正确|对)的?)\Z"
)
_WITH_TEXT = re.compile(
    r"(?:\(([A-Za-z])\)(?:[.:](?=\s))?|\[([A-Za-z])\]|([A-Z])\s{0,4}[.):、]|([a-z])[.)]"
    r"|([A-Z])\s{1,4}[-–—](?=\s))\s{0,32}(\S.*)\Z",
    re.DOTALL,
)
# These read an answer with single spaces, so that no two parts compete for white space.
_SEVERAL = re.compile(r"\(?[A-Z]\)?(?:(?: ?[,;&、] ?(?:and )?| and | )\(?[A-Z]\)?){1,25}\.?\Z")
# What MATH and AMC answers begin with: "\\textbf{(B)}\\ 12".
_STYLED = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s?\{([^{}]{1,32})\}(?:\\[ ,;!]|[~ ]){0,8}")
_RUN = re.compile(r"[A-Z]{2,10}\Z")
_EITHER = re.compile(
    r"(?:either )?\(?[A-Z]\)?(?:(?: ?/ ?|,? or )\(?[A-Z]\)?){1,25}\.?\Z", re.IGNORECASE
)
_HEDGES = (
    "or no not nor cannot neither either never maybe perhaps possibly probably might could may"
    " would should wrong incorrect false unsure uncertain unlikely doubt wait actually instead but"
    " though although unless except rather correction option answer choice nope nah unclear unknown"
    " guess think believe suppose seem seems appear appears likely tentative tentatively rejected"
    " also eliminate eliminated exclude excluded discard discarded ruled"
)
_HEDGE_WORDS = frozenset(_HEDGES.split())
_WORD = re.compile(r"\w+")
# Each alternative begins with a character, so that most places are passed over at a glance.
_HEDGE = re.compile(
    r"[?✗✘❌❎×¬不非错或吗]|[nN]['’][tT]\b|[hH](?<!\w.)[mM]{2,}\b|[uU](?<!\w.)[mM]+\b|[\[(][A-Z][\])]"
    r"|[A-Z](?<!\w.)[.):](?:\s|\Z)|(?:and|[,;]) [A-Z]\b|[A-Z](?<=\A.)\.?\Z|\.(?:(?<=\A.)|\.\.)"
    r"|\n\s{0,8}\(?[A-Z]\)?\.?\s{0,8}(?:\n|\Z)"
)


class Choice(NamedTuple):
    """What an answer names, before the options are looked at."""

    letters: tuple[str, ...]
    """Capital letters in the order named, none twice; empty if the answer names none for sure."""
    text: str
    """The content: what stands after a letter, or the whole answer where no letter leads."""
    whole: str
    """The whole answer without wrapping, for options whose content looks like letters."""
    lead: str = ""
    """The letter that stands before `text`, named for sure or not."""


@dataclass(frozen=True, slots=True)
class ChoiceParser(AnswerParser[Choice]):
    r"""Reads the option that a completion names.

    Understood: a letter (`B`, `(b)`, `**B.**`, `\boxed{B}`, `Option B`, `The correct answer is B.`,
    `B is correct`, `故选B`, `{"answer": "B"}`), a letter with its content (`B. a red car`), content
    alone, and several letters (`A, C`, `A and C`, `ACD`). A letter counts where the whole answer is
    one of these forms and nowhere else: it is never looked for in a sentence, so `not B`, `B is
    wrong`, `A or B` and `I think B, but it could be C` name none. Where one answer is marked, by
    `\boxed{}` or GLM-V's tokens, and not denied, the whole answer is what the mark holds. Content
    that may take the letter back (`B. Not sure`, `B. or C`) leaves it `lead` alone: whether it is
    an option's content, the task's judge says.

    Example:
        >>> parse = ChoiceParser()
        >>> parse("<answer>The answer is (B) a red car.</answer>").value
        Choice(letters=('B',), text='a red car.', whole='(B) a red car.', lead='B')
        >>> parse("<answer>A or B</answer>").code.value
        'multiple_answers'
        >>> parse("<answer>anything but B</answer>").value.letters
        ()
    """

    def __call__(self, text: str) -> Parsed[Choice] | ParseFailure:
        """Read the choice of one completion, of a whole output in its last line.

        Returns:
            The choice with the span of the answer. Or a failure: those of `answer_region`;
            `multiple_answers` for alternatives (`A or B`), or for lines that name different
            letters in a whole output; `too_long`.
        """
        if len(text) > self.max_chars:
            return too_long(self.max_chars, len(text))
        region = answer_region(text, self.where, self.several_answers)
        if isinstance(region, ParseFailure):
            return region
        answer, span = region.value, region.span
        assert span is not None
        if len(answer) == 1 and "A" <= answer <= "Z":
            return Parsed(Choice((answer,), "", answer), span)  # as most answers are
        span = undisputed(text, *span)
        answer = text[slice(*span)]
        lines = answer.splitlines()
        block = answer.startswith(("```", "{")) and len(answer) <= _MAX_ANSWER
        if self.where == "whole" and 1 < len(lines) <= _MAX_LINES and not block:
            return self._last_line(lines, span)
        if len(answer) > _MAX_ANSWER:
            return too_long(_MAX_ANSWER, len(answer), span)
        return _read(answer, span)

    def _last_line(
        self, lines: list[str], span: tuple[int, int] | None
    ) -> Parsed[Choice] | ParseFailure:
        last = lines[-1].strip()[:_MAX_ANSWER]
        outcome = _read(last, span)
        if isinstance(outcome, ParseFailure) or _LEAD.match(_normal(last).lstrip("*#_ ")):
            return outcome
        # Nobody says that the last line is the answer: it may be the last of a list of options.
        named = {outcome.value.letters}
        for line in lines[:-1]:
            other = _read(line[:_MAX_ANSWER], span)
            if isinstance(other, Parsed) and other.value.letters:
                named.add(other.value.letters)
        if len(named) > 1:
            found = ", ".join("".join(letters) or "none" for letters in sorted(named)[:4])
            return ParseFailure(
                FailureCode.MULTIPLE_ANSWERS, f"expected one choice, got {found}", span
            )
        return outcome


def plain_option(text: str) -> str:
    """The content of an option as it is compared: no case, white space or wrapping, no end dot.

    Example:
        >>> plain_option(" **A  Red Car.**") == plain_option("a red car")
        True
    """
    return " ".join(_unwrapped(_normal(text)).casefold().rstrip(".").split())


def _read(answer: str, span: tuple[int, int] | None) -> Parsed[Choice] | ParseFailure:
    whole = _unwrapped(_normal(answer))
    for _ in range(3):  # "Final answer: the correct option is (B)"
        bare = whole.lstrip("#*_ ")
        lead = _LEAD.match(bare)
        if lead is None or lead.end() == len(bare):
            break
        whole = _unwrapped(bare[lead.end() :])
    if styled := _STYLED.match(whole):
        whole = f"{styled[1]} {whole[styled.end() :]}".rstrip()
    flat = " ".join(whole.split())
    if _EITHER.match(flat):
        return ParseFailure(
            FailureCode.MULTIPLE_ANSWERS, f"expected one choice, got {excerpt(whole)}", span
        )
    return Parsed(_choice(whole, flat), span)


def _choice(whole: str, flat: str) -> Choice:
    if match := _LETTER.match(whole) or _RIGHT.match(whole.rstrip(".! ")):
        return Choice((_group(match).upper(),), "", whole)
    if _SEVERAL.match(flat):
        return Choice(tuple(dict.fromkeys(filter(str.isupper, flat))), "", whole)
    if _RUN.match(whole) and list(whole) == sorted(set(whole)):
        return Choice(tuple(whole), "", whole)
    if match := _WITH_TEXT.match(whole):
        lead, text = _group(match).upper(), match[6].strip()
        return Choice(() if _hedged(text) else (lead,), text, whole, lead)
    return Choice((), whole, whole)


def _hedged(text: str) -> bool:
    """Whether content may take back the letter that leads it."""
    words = _WORD.findall(text.lower())
    return bool(_HEDGE.search(text)) or not _HEDGE_WORDS.isdisjoint(words)


def _group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _normal(text: str) -> str:
    # Full-width letters and brackets are those of Chinese answers.
    return unicodedata.normalize("NFKC", text).replace("。", ".").strip()


def _unwrapped(text: str) -> str:
    for _ in range(4):
        text = text.strip()
        if not text.startswith(_WRAPPING):
            break
        bare = text.rstrip(".") if text.endswith((".", "**.", "}.")) and len(text) > 3 else text
        for wrapper in _WRAPPERS:
            if match := wrapper.match(bare):
                inner = match[match.lastindex or 0]
                text = inner if inner.strip() else text
                break
        else:
            break
    return text.strip()

"""Multiple choice: one letter or several, or the content of an option."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from vlreward._text import short
from vlreward.geometry import Size
from vlreward.golds import literal
from vlreward.parsers.choice import Choice, ChoiceParser, plain_option
from vlreward.parsers.tags import excerpt
from vlreward.prompts import PromptTemplate
from vlreward.schema import OPTION_KEYS, has_options
from vlreward.task import FORMAT, AnswerTerm, Recipe, TaskSpec
from vlreward.tasks.choice_schemas import (
    CHOICE_SCHEMAS,
    MOST_OPTIONS,
    OPTION_PREFIX,
    option_texts,
)
from vlreward.types import FailureCode, Gold, ParseFailure, Row, Sample

__all__ = ["CHOICE", "ChoiceGold", "ChoiceJudge", "ChoiceTarget"]

_LETTERS = re.compile(r"\(?[A-Z]\)?\.?(?:\s*,\s*\(?[A-Z]\)?)*\Z")
_RUN = re.compile(r"[A-Z]{2,10}\Z")
_ANSWER_KEYS = ("letters", "answer", "letter", "solution", "gt_answer")


class ChoiceTarget(NamedTuple):
    """What an answer is compared with."""

    letters: tuple[str, ...]
    """The right letters, in order."""
    options: tuple[str, ...] | None
    """The content of each option, in the order of the letters; None where it is not known."""


class ChoiceGold(Gold):
    """The right letter or letters, with the options where they are known."""

    task: Literal["choice"] = "choice"
    """Task that this gold belongs to."""
    letters: tuple[str, ...] = Field(min_length=1)
    """Capital letters; all of them must be named."""
    options: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=MOST_OPTIONS)
    """The content of each option, A first, without the letters."""

    @field_validator("letters")
    @classmethod
    def _are_letters(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(len(v) == 1 and v in string.ascii_uppercase for v in value):
            raise ValueError(f"expected capital letters, got {value!r}")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _letters_have_options(self) -> ChoiceGold:
        if self.options is not None and self.letters[-1] not in (known := _known(self.options)):
            raise ValueError(f"expected letters up to {known[-1]}, got {self.letters!r}")
        return self

    @classmethod
    def read(cls, value: Any, task: str = "choice") -> ChoiceGold:
        """A letter, letters (`A, C`, `AC` or a list), or an object with an answer and options.

        The object has `answer` (or `letters`, `letter`, `solution`) and `options` (or `choices`),
        a list or an object by letter. Its answer is a letter, letters, or the content of an option.

        Raises:
            ValueError: If it is none of these, or the answer is none of the options.
        """
        value = literal(value)
        options = None
        if isinstance(value, dict):
            listed = next((value[key] for key in OPTION_KEYS if value.get(key)), None)
            found = [key for key in _ANSWER_KEYS if value.get(key) is not None]
            if len(found) != 1:
                raise ValueError(
                    f"expected one of the keys {', '.join(_ANSWER_KEYS)}, got {short(value, 120)}"
                )
            options, value = None if listed is None else option_texts(listed), value[found[0]]
        if isinstance(value, (list, tuple)) and len(value) <= MOST_OPTIONS:
            return cls(letters=tuple(map(str, value)), options=options)
        text = value.strip() if isinstance(value, str) else short(value)
        if options is not None and not (len(text) == 1 and text in _known(options)):
            named = _of_content(text, options)
            if named:
                return cls(letters=(named,), options=options)
        prefixed = OPTION_PREFIX.match(text)
        if prefixed and options and _of_content(text[prefixed.end() :], options) == prefixed[1]:
            return cls(letters=(prefixed[1],), options=options)
        text = text.upper() if len(text) == 1 else text
        if _LETTERS.match(text) or (_RUN.match(text) and list(text) == sorted(set(text))):
            return cls(letters=tuple(re.findall("[A-Z]", text)), options=options)
        wanted = "content with `options` beside it, in the row or the gold"
        if options:
            wanted = f"the content of one of the options {short(options, 80)}"
        raise ValueError(f"expected a letter, or {wanted}, got {short(value, 80)}")

    @classmethod
    def claims(cls, value: Any, *, typed: bool) -> bool:
        """An answer beside its options."""
        value = literal(value) if isinstance(value, str) and value.startswith("{") else value
        return has_options(value) and any(value.get(key) is not None for key in _ANSWER_KEYS)

    def target(self, image_size: Size | None, input_size: Size | None) -> ChoiceTarget:
        """The letters and the options."""
        return ChoiceTarget(self.letters, self.options)

    def written(self, *_where: Any, **_how: Any) -> str:
        """The letters."""
        return ", ".join(self.letters)

    def text(self) -> str:
        """The letters with the content of their options."""
        if self.options is None:
            return ", ".join(self.letters)
        named = (f"{v}. {self.options[string.ascii_uppercase.index(v)]}" for v in self.letters)
        return "; ".join(named)


def _known(options: Sequence[str]) -> str:
    return string.ascii_uppercase[: len(options)]


def _of_content(text: str, options: Sequence[str]) -> str | None:
    """The letter of the one option with this content."""
    plain = plain_option(text)
    found = [i for i, option in enumerate(options) if plain_option(option) == plain]
    return string.ascii_uppercase[found[0]] if len(found) == 1 and plain else None


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", plain_option(text)))


def _lists(text: str, own: str, options: Sequence[str]) -> bool:
    """Whether a text has nothing but words of options, and all of one beside the own."""
    words = _words(text)
    others = [_words(option) - _words(own) for option in options]
    return words <= _words(own).union(*others) and any(o and o <= words for o in others)


@dataclass(frozen=True, slots=True)
class ChoiceJudge:
    """Finds the letters that an answer names, with the options where they are known."""

    def many(
        self, answers: Sequence[Choice], samples: Sequence[Sample | Row]
    ) -> list[tuple[str, ...] | ParseFailure]:
        """Letters in order, or why there are none, for each answer."""
        return [self._one(answer, sample.target) for answer, sample in zip(answers, samples)]

    def _one(self, answer: Choice, target: ChoiceTarget) -> tuple[str, ...] | ParseFailure:
        options = target.options
        if options is None:
            return tuple(sorted(answer.letters)) if answer.letters else _no_option(answer, options)
        known = _known(options)
        # An option's letter is that letter; letters that run together may be content ("AC").
        if answer.whole.upper() not in [*known] and (named := _of_content(answer.whole, options)):
            return (named,)
        if answer.lead:
            named = _of_content(answer.text, options)
            own = options[known.index(answer.lead)] if answer.lead in known else ""
            if own and plain_option(own) == plain_option(answer.text):
                return (answer.lead,)
            # Content of another option or of several, what may take the letter back, or else.
            if (
                named is not None
                or not answer.letters
                or not _words(own) & _words(answer.text)
                or _lists(answer.text, own, options)
            ):
                return _no_option(answer, options)
        if not answer.letters or any(letter not in known for letter in answer.letters):
            return _no_option(answer, options)
        return tuple(sorted(answer.letters))


def _no_option(answer: Choice, options: Sequence[str] | None) -> ParseFailure:
    several = options is not None and answer.lead and _of_content(answer.text, options)
    last = "" if options is None else f" from A to {_known(options)[-1]}"
    return ParseFailure(
        FailureCode.MULTIPLE_ANSWERS if several else FailureCode.UNPARSABLE_ANSWER,
        f"expected a letter{last} or an option, got {excerpt(answer.whole)}",
    )


def _exact(letters: tuple[str, ...], target: ChoiceTarget) -> float:
    return float(letters == target.letters)


def _overlap(letters: tuple[str, ...], target: ChoiceTarget) -> float:
    """Letters in common over letters in either: 1 if all and no others are named."""
    named, right = set(letters), set(target.letters)
    return len(named & right) / len(named | right)


R1_PROMPT = PromptTemplate(
    name="choice-r1",
    text="{question} First output the thinking process in <think> </think> tags and then output "
    "the letter of the right option in <answer> </answer> tags.",
    source="this project",
)
BASELINE_PROMPT = PromptTemplate(
    name="choice-baseline",
    text="{question} Answer with the letter of the right option and nothing else.",
    answer_in="whole",
    source="this project",
)
MIXED_PROMPTS = (
    PromptTemplate(
        name="answer-r1",
        text="{question} First output the thinking process in <think> </think> tags and then "
        "output the final answer in <answer> </answer> tags: of a question with options the letter "
        "alone, else the number or expression.",
        source="this project; for suites with choices and expressions",
    ),
    PromptTemplate(
        name="answer-baseline",
        text="{question} Reason first. Then give the final answer alone in the last line: of a "
        "question with options the letter, else the number or expression.",
        answer_in="whole",
        source="this project; for suites with choices and expressions",
    ),
)

_STRICT = TaskSpec(
    name="choice",
    version="1",
    gold=ChoiceGold,
    prompt=R1_PROMPT,
    prompts=MIXED_PROMPTS,
    parser=ChoiceParser(where="tag"),
    judge=ChoiceJudge(),
    terms=(AnswerTerm("exact", _exact), FORMAT),
    extra_terms=(AnswerTerm("overlap", _overlap),),
    metrics=(AnswerTerm("acc", _exact), AnswerTerm("overlap", _overlap)),
    schemas=CHOICE_SCHEMAS,
    recipe=Recipe(),
)
_BASELINE = _STRICT.model_copy(
    update={"method": "baseline", "parser": ChoiceParser(where="whole"), "prompt": BASELINE_PROMPT}
)
CHOICE = _STRICT.model_copy(update={"variants": (_BASELINE,)})
"""Strict, in the answer tag and anywhere."""

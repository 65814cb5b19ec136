"""Blind completions: constants, hedges, universal answers, format tricks, mutations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random
from typing import NamedTuple

from vlreward.frames import Frame
from vlreward.types import Sample

__all__ = ["Candidate", "constants", "hedges", "mutations", "tricks", "universals"]


class Candidate(NamedTuple):
    """A completion that is given to every question, and the kind of idea that it is."""

    kind: str
    """`constant`, `hedge`, `universal`, `trick` or `mutation`."""
    answer: str
    """What stands in the answer tags, where `text` does not say otherwise."""
    text: str
    """The whole completion."""


_UNIVERSAL = (
    *("0=0", "0=1", "x=x", "x=x+1", "1=1", "x", "y=x", r"x \in \mathbb{R}", "any", "all"),
    *("all real numbers", r"\mathbb{R}", "[-oo, oo]", r"(-\infty, \infty)", r"\infty", "oo", "nan"),
    *("inf", "-inf", r"\emptyset", r"\{\}", "{}", "[]", "()", "", " ", "None", "null", "no answer"),
    *("True", "False", "true", "yes", "no", "?", "...", "*", ".*", "_", "answer", "the answer"),
    *("gold", "solution", "{answer}", "<answer>", "correct", "none of the above"),
    *("all of the above", "A, B, C, D", "ABCD", "A or B or C or D", r"\text{A or B}"),
    *("0*x", "0/0", "1/0", "x/x", r"\pm 1", r"x \ne 0", "x > 0 or x <= 0", "0 <= 1"),
    *("[0, 0, 1000000, 1000000]", "[-1000000, -1000000, 1000000, 1000000]", "[0, 0, 0, 0]"),
    *("[nan, nan, nan, nan]", '{"bbox_2d": null}', "(0, 0)", "1e400", "999999999999"),
)
_JOINS = ("{} or {}", "{}, {}", "{} and {}", "{} {}", "{}/{}", "{}; {}", "{} = {}", "not {} but {}")
_SOFTENED = (
    *("maybe {}", "not {}", "at least {}", "more than {}", "about {}", "between 0 and {}"),
    *("{} or more", "{}?", "≠ {}", "<= {}", ">= {}", "±{}", r"\pm {}", "{} units", "{} (or not)"),
    *("it is {} or something else", "any number except {}", "{}...", "{}%", "{}°"),
)
_WRAPPINGS = (
    "<think>a</think><answer>{}</answer><answer>{}</answer>",
    "<think><answer>{}</answer></think><answer>{}</answer>",
    "<answer>{}</answer><think>a</think><answer>{}</answer>",
    "<think>a</think><answer><answer>{}</answer></answer>",
    "<think>a</think><answer>```json\n{}\n```</answer>",
    "<think>a</think><answer>[{}, {}]</answer>",
    '<think>a</think><answer>{{"answer": "{}"}}</answer>',
    "<think>a</think><answer>\\boxed{{{}}}</answer>",
    "<think>a</think><answer>\\boxed{{{}}} \\boxed{{{}}}</answer>",
    "<think>a</think><answer>{}",
    "<answer>{}</answer>",
    "{}",
    "\\boxed{{{}}}",
    "<think>a</think><answer>{}</answer>" + " <answer>{}</answer>" * 8,
)


def wrapped(answer: str) -> str:
    """A completion in think/answer structure."""
    return f"<think>a</think><answer>{answer}</answer>"


def constants(samples: Sequence[Sample], frame: Frame | None, most: int) -> list[str]:
    """The most frequent golds as a model would write them, and golds at random.

    Args:
        samples: Samples with the sizes that `frame` needs.
        frame: Frame in which located answers are written; None for tasks without one.
        most: How many at most.
    """
    written = (
        sample.gold.written(frame, sample.image_size, sample.input_size, whole_numbers=False)
        for sample in samples
    )
    counted = Counter(text for text in written if text is not None)
    return [text for text, _ in counted.most_common(most)]


def hedges(plain: Sequence[str]) -> Iterator[Candidate]:
    """Several constants at once, and constants in words that commit to nothing."""
    few = plain[:8]
    for first, second in combinations(few, 2):
        for join in _JOINS:
            answer = join.format(first, second)
            yield Candidate("hedge", answer, wrapped(answer))
    for n in range(3, len(few) + 1):
        for join in (" or ", ", ", " ", "\n"):
            answer = join.join(few[:n])
            yield Candidate("hedge", answer, wrapped(answer))
    for answer in few:
        for words in _SOFTENED:
            hedge = words.replace("{}", answer)
            yield Candidate("hedge", hedge, wrapped(hedge))


def universals() -> Iterator[Candidate]:
    """Answers that are true of everything, of nothing, or mean nothing."""
    for answer in _UNIVERSAL:
        yield Candidate("universal", answer, wrapped(answer))


def tricks(plain: Sequence[str]) -> Iterator[Candidate]:
    """Constants in formats that a lenient reader takes for several answers or for none."""
    few = plain[:6]
    for wrapping in _WRAPPINGS:
        holes = wrapping.count("{}")
        for start, answer in enumerate(few):
            answers = [few[(start + i) % len(few)] for i in range(holes)]
            yield Candidate("trick", answer, wrapping.format(*answers))


def mutations(
    best: Sequence[Candidate], plain: Sequence[str], rng: Random, n: int
) -> Iterator[Candidate]:
    """Changes of what scored: another constant beside it, pieces doubled, dropped or exchanged.

    Args:
        best: What scored, the best first; not empty.
        plain: Constants to add or exchange.
        rng: Source of chance.
        n: How many.
    """
    for _ in range(n):
        text = rng.choice(best).text
        other = rng.choice(plain)
        cut, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        way = rng.randrange(5)
        if way == 0:
            text = text.replace("</answer>", f"{rng.choice(', |/ or ')}{other}</answer>", 1)
        elif way == 1:
            text = f"{text}<answer>{other}</answer>"
        elif way == 2:
            text = text[:cut] + text[end:]
        elif way == 3:
            text = text[:cut] + text[cut:end] * 2 + text[end:]
        else:
            text = text[:cut] + other + text[cut:]
        yield Candidate("mutation", text, text[:4096])

"""Answers that must not pass: hedges, mutants and universal answers, made from golds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

__all__ = ["ANSWERS", "UNIVERSAL", "hedges", "mutants"]

UNIVERSAL = (
    "0=1", "0=0", "x=x", "x=x+1", "1=1", "1<2", "0<1", "1>2", r"\emptyset", r"\varnothing",
    r"\{\}", "true", "false", "True", "yes or no", "any", "all", "none", "any number",
    "all real numbers", r"\mathbb{R}", r"(-\infty,\infty)", r"x \in \mathbb{R}", "x", "y", "n",
    "x=y", "y=x", r"\infty", "NaN", "nan", "None", "null", "?", "*", ".", "0*x", "0/0", "x/x",
    "x-x", r"x \ne x", r"x \ne 0", "x>0 or x<=0", "x<0 or x>=0", "A, B, C, D",
    "A or B or C or D", "ABCD", "(A)(B)(C)(D)", "A-D", "the answer", "answer", "correct",
    "see above", r"\pm", r"\text{}", r"\boxed{}", "=", "f(x)", "f(x)=f(x)", "a=b",
    "a=a", r"\frac{x}{x}", "2=2=2", "0 \\le 1", "x \\le x", "x=1 or x \\ne 1",
)  # fmt: skip
"""Answers that are true of everything, of nothing, or that say nothing."""

ANSWERS = (
    *UNIVERSAL, "5", "-5", "0.5", "1/2", "50%", "5 cm", "5 厘米", "12平方厘米", "x+1", "2x",
    "h/2", r"10\tan 30^\circ", "2πr", "No", "Yes", "AB", "∠ABC", "e^2", r"\log 2", r"\log_2 64",
    "4.0 + PE + PF", "2N3", "A", "(B)", "C. 5", "不是5", "5不对", "无解", "(1, 2)", "{1, 2}",
    "[1, 2)", "1, 2", "x<3", "x=5", "1:2", "10:30", "10:30 a.m.",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "110_2", "30'", "f'(x)=2x", r"\int_0^1 x dx",
    r"\sum_{k=1}^{n} k", r"\frac{x", "((", "}{", "\\", "$$", "", " ", "#", "1/0", "2 3",
    "9" * 513, "2^(10^10)", "x^{x^{x^{2}}}", "the base is 5 and the height is 3", "\u202e5",
    "５", "\x00", "😀", r"\text{13}", r"\overrightarrow{AB}", "1e400", "0.\\overline{3}",
    "3 to 4", "1 h 30 min", "5!", "5!!",
)  # fmt: skip
"""A hundred answers of all kinds, hostile ones among them."""

_JOINS = (
    "{} or {}", "{}, {}", "{} and {}", "{}/{}", "{}; {}", "{} {}", "either {} or {}",
    "{} (or {})", "{} or maybe {}", "{}或{}", "not {} but {}", "{}, no, {}",
    r"{}\text{{ or }}{}", "({}) ({})", "{} = {}", r"\boxed{{{}}}\boxed{{{}}}", "{}|{}",
    "{} ~ {}",
)  # fmt: skip


def hedges(golds: Sequence[str], count: int, seed: int = 0) -> Iterator[tuple[str, str, str]]:
    """Two different golds and an answer that names both."""
    random = Random(seed)
    for number in range(count):
        first, second = random.sample(list(golds), 2)
        yield first, second, _JOINS[number % len(_JOINS)].format(first, second)


def mutants(gold: str, count: int, seed: int = 0) -> list[str]:
    """Answers near `gold` in which one sign, digit, letter or bracket is another."""
    random = Random(f"{gold} {seed}")
    return list(islice(dict.fromkeys(_mutated(gold, random, 20 * count)), count))


_SWAPS = {"+": "-", "-": "+", "<": ">", ">": "<", "(": "[", "≤": "<", "≥": ">", "*": "+", "/": "*",
          "√": "2*", "π": "e", "°": "'", ":": ","}  # fmt: skip


def _mutated(gold: str, random: Random, tries: int) -> Iterator[str]:
    places = [at for at, character in enumerate(gold) if character in _SWAPS]
    digits = [found.span() for found in re.finditer(r"\d+", gold)]
    for _ in range(tries):
        kind = random.randrange(4)
        if kind == 0 and digits:
            start, end = random.choice(digits)
            value = int(gold[start:end]) + random.choice((1, 2, 7, 10))
            yield f"{gold[:start]}{value}{gold[end:]}"
        elif kind == 1 and digits:
            start, end = random.choice(digits)
            yield f"{gold[:start]}{gold[start:end]}{random.randrange(1, 10)}{gold[end:]}"
        elif kind == 2 and places:
            at = random.choice(places)
            yield gold[:at] + _SWAPS[gold[at]] + gold[at + 1 :]
        elif kind == 3:
            yield random.choice(("-({})", "2*({})", "({})+1", "({})^3", "({})/7")).format(gold)

"""Metrics of a completion's text and length that serve as reward terms.

They never raise on text, take linear time, and look at no more than a fixed number of characters.
Lengths are numbers of tokens where the caller knows them; any other unit works if it is the same
throughout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence

__all__ = [
    "MAX_REPETITION_CHARS",
    "OPEN_R1_TAGS",
    "THINK_ANSWER_TAGS",
    "cosine_length",
    "ngram_repetition",
    "repetition",
    "soft_overlong",
    "tag_count",
]

MAX_REPETITION_CHARS = 16_384
"""`repetition` looks at this many characters at the end of a text, where loops show."""

THINK_ANSWER_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""The tags of the think/answer structure."""

OPEN_R1_TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
"""The tags with the line breaks that open-r1's tag count asks for."""

_MAX_TAG_CHARS = 1 << 20

# Scripts written without spaces (kana, bopomofo, Han and its extensions): one unit a character.
# Other characters form words between white space.
_UNSPACED = "\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def repetition(text: str, *, n: int = 3) -> float:
    """Share of the text's n-grams that repeat an earlier one; its negative is the usual penalty.

    1 - (distinct n-grams) / (n-grams), over the lower-cased units of the text: words between
    white space, and single characters of Chinese and Japanese. Of a longer text only the last
    `MAX_REPETITION_CHARS` characters count.

    Args:
        text: The completion.
        n: Units per n-gram, positive.

    Returns:
        A number in [0, 1): 0 if nothing repeats or there are fewer than `n` units.

    Raises:
        ValueError: If `n` is not positive.

    Source: Yeo et al. 2025, Demystifying Long Chain-of-Thought Reasoning, arXiv 2502.03373,
    appendix C.2; for text without such characters, the word n-grams of open-r1's
    `get_repetition_penalty_reward` (English).

    Example:
        >>> repetition("the red cube the red cube the red cube", n=3)
        0.5714285714285714
        >>> repetition("红色红色红色", n=2)
        0.6
    """
    return ngram_repetition(_UNIT.findall(text[-MAX_REPETITION_CHARS:].lower()), n=n)


def ngram_repetition(tokens: Sequence[Hashable], *, n: int = 3) -> float:
    """Share of n-grams that repeat an earlier one: 1 - (distinct n-grams) / (n-grams).

    Args:
        tokens: Token ids, words or characters.
        n: Tokens per n-gram, positive. Time grows with `n` times the number of tokens.

    Returns:
        A number in [0, 1): 0 if nothing repeats or there are fewer than `n` tokens.

    Raises:
        ValueError: If `n` is not positive.

    Source: arXiv 2502.03373, appendix C.2; on token ids, minus this is TRL's
    `get_repetition_penalty_reward(n)`.

    Example:
        >>> ngram_repetition([5, 5, 5, 5, 5], n=2)
        0.75
    """
    if n <= 0:
        raise ValueError(f"expected n-grams of at least one unit, got n={n!r}")
    total = len(tokens) - n + 1
    if total <= 0:
        return 0.0
    distinct = len(set(zip(*(tokens[i:] for i in range(n)))))
    return 1 - distinct / total


def cosine_length(length: int, max_length: int, *, short: float = 1.0, long: float = 0.5) -> float:
    """A value that goes from `short` to `long` along half a cosine as the length grows.

    long + (short - long) / 2 * (1 + cos(pi * min(length / max_length, 1))).

    Args:
        length: Length of the completion, in tokens, not negative.
        max_length: Length from which on the value is `long`, in tokens, positive.
        short: Value at length 0. The defaults are those for a right answer; for a wrong one the
            source uses short=-1.0, long=-0.5, so that long attempts lose less.
        long: Value at `max_length` and beyond.

    Returns:
        A number between `short` and `long`.

    Raises:
        ValueError: If `length` is negative or `max_length` not positive.

    Source: Yeo et al. 2025, arXiv 2502.03373, appendix C.1; TRL's `get_cosine_scaled_reward`.

    Example:
        >>> cosine_length(50, 100)
        0.75
    """
    _check_lengths(length, max_length)
    progress = min(length / max_length, 1.0)
    return long + (short - long) / 2 * (1 + math.cos(math.pi * progress))


def soft_overlong(length: int, max_length: int, margin: int) -> float:
    """DAPO's soft overlong punishment.

    0 up to max_length - margin, then (max_length - margin - length) / margin, which falls in a
    straight line to -1 at max_length, and -1 beyond.

    Args:
        length: Length of the completion, in tokens, not negative.
        max_length: Largest expected length, in tokens, positive.
        margin: Length of the slope before `max_length`, in tokens, 0 to `max_length`; 0 punishes
            only what is longer than `max_length`.

    Returns:
        A number in [-1, 0].

    Raises:
        ValueError: If a number is out of range.

    Source: Yu et al. 2025, DAPO, arXiv 2503.14476, equation 13.

    Example:
        >>> soft_overlong(90, max_length=100, margin=20)
        -0.5
    """
    _check_lengths(length, max_length)
    if not 0 <= margin <= max_length:
        raise ValueError(f"expected 0 <= margin <= max_length={max_length!r}, got {margin!r}")
    if length <= max_length - margin:
        return 0.0
    if length <= max_length:
        return (max_length - margin - length) / margin
    return -1.0


def tag_count(text: str, *, tags: Sequence[str] = THINK_ANSWER_TAGS) -> float:
    """Share of the tags that occur exactly once: 0.25 for each of the four default tags.

    The order of the tags does not matter, so this is a hint on the way to the format and no
    check of it. A text longer than 1,048,576 characters scores 0.

    Args:
        text: The completion.
        tags: Strings to look for, at least one, none of them empty.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: If there are no tags or one is empty.

    Source: open-r1's `tag_count_reward`, which asks for the line breaks of `OPEN_R1_TAGS`.

    Example:
        >>> tag_count("<think>two</think><answer>2</answer><answer>3</answer>")
        0.5
    """
    if not tags or not all(tags):
        raise ValueError(f"expected at least one tag and no empty one, got {tags!r}")
    if len(text) > _MAX_TAG_CHARS:
        return 0.0
    return sum(text.count(tag) == 1 for tag in tags) / len(tags)


def _check_lengths(length: int, max_length: int) -> None:
    if length < 0 or max_length <= 0:
        raise ValueError(
            f"expected length >= 0 and max_length > 0, got {length!r} and {max_length!r}"
        )

"""Completions as trainers decode them: with end tokens, or behind their prompt."""

from __future__ import annotations

import re

__all__ = ["IMAGE_TOKENS", "response_of", "strip_end"]

_END = (
    "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>", "<|return|>",
    "<end_of_turn>", "<turn|>", "<|pad|>", "<pad>", "<eos>", "</s>", "[PAD]", "[EOS]",
    "<end_of_utterance>", "<｜end▁of▁sentence｜>", "<|user|>", "<|observation|>",
)  # fmt: skip
IMAGE_TOKENS = (
    "<|vision_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_end|>", "<img>",
    "<IMG_CONTEXT>", "</img>", "<image>", "<|image|>", "<|image>", "<image|>", "<boi>", "<eoi>",
    "<start_of_image>", "<image_soft_token>", "<end_of_image>", "[IMG]", "[IMG_BREAK]", "[IMG_END]",
)  # fmt: skip
"""Tokens that stand for an image: once in a prompt, often once for each patch when tokenized."""

_FIRST = r"(?=<(?:[|ibeI]|/i|st)|\[I)"  # spares most texts the alternatives
_TOKEN = _FIRST + "(?:" + "|".join(map(re.escape, IMAGE_TOKENS)) + ")"
_IMAGES = re.compile(rf"{_TOKEN}(?:\s*{_TOKEN})*\s*")
_SPACE = re.compile(r"\s*")
_ENDS_REVERSED = re.compile(rf"(?:\s*(?:{'|'.join(re.escape(token[::-1]) for token in _END)}))*")
_LONGEST_PADDING = 65_536
_LEAST, _PLACES = 16, 64


def strip_end(text: str) -> str:
    """A completion without the end and padding tokens behind it.

    Tokens inside the text, and those of boxes such as `<|box_end|>`, stay.

    Example:
        >>> strip_end("<answer>4</answer><|im_end|><|endoftext|><|endoftext|>")
        '<answer>4</answer>'
    """
    if not text.rstrip().endswith(_END):
        return text
    # From the end, where it can be matched in linear time; nobody pads with more than that.
    tail = _ENDS_REVERSED.match(text[: -_LONGEST_PADDING - 1 : -1])
    return text[: len(text) - tail.end()] if tail else text


def response_of(query: str, prompt: str) -> str:
    """What a model wrote, from the decoded text of prompt and response together.

    The prompt is looked for at the start only: a response that repeats it, or that opens another
    turn, is a response still. The prompt's image tokens may be expanded in the query, and its
    beginning may be cut off, as trainers do with prompts that are too long. Linear in both texts.

    Args:
        query: Decoded tokens of prompt and response, special tokens included.
        prompt: The prompt as it was before it was tokenized.

    Returns:
        The response, without the end tokens behind it.

    Raises:
        ValueError: If the query does not begin with the prompt.

    Example:
        >>> prompt = "<|im_start|>user\\n<|image_pad|>How many?<|im_end|>\\n"
        >>> expanded = prompt.replace("<|image_pad|>", "<|image_pad|>" * 300)
        >>> response_of(expanded + "3<|im_end|>", prompt)
        '3'
    """
    start = len(prompt) if query.startswith(prompt) else _after_expanded(query, prompt)
    if start is None:
        start = _after_cut(query, prompt)
    if start is None:
        raise ValueError(
            f"expected a query that begins with its prompt; the prompt begins {prompt[:60]!r} and "
            f"ends {prompt[-60:]!r}, the query begins {query[:60]!r}"
        )
    return strip_end(query[start:])


def _after_expanded(query: str, prompt: str) -> int | None:
    """Where the prompt ends in the query if runs of image tokens are one and the same."""
    here = there = 0
    found = False
    for run in _IMAGES.finditer(prompt):
        found = True
        piece = prompt[there : run.start()].rstrip()
        if not query.startswith(piece, here):
            return None
        here += len(piece)
        space = _SPACE.match(query, here)
        expanded = _IMAGES.match(query, space.end() if space else here)
        if expanded is None:
            return None
        here, there = expanded.end(), run.end()
    rest = prompt[there:]
    if not found or not query.startswith(rest, here):
        return None
    return here + len(rest)


def _after_cut(query: str, prompt: str) -> int | None:
    """Where the prompt ends in the query if the prompt's beginning was cut off: its longest
    suffix that the query begins with, which must at least hold the turn of the assistant."""
    tail = prompt[-_LEAST:]
    found, at = None, query.find(tail)
    for _ in range(_PLACES):  # a text that repeats the end of its prompt costs no more
        end = at + len(tail)
        if at < 0 or end > len(prompt):
            break
        if prompt.endswith(query[:end]):
            found = end
        at = query.find(tail, at + 1)
    return found

"""The small tokenizer: whole words of the scenes, whole numbers to 255, bytes for all else."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from vlreward.prompts import PRESETS
from vlreward.scenes import LEVELS, TASKS, more_questions, scenes

__all__ = ["CHAT_TEMPLATE", "SPECIAL_TOKENS", "build_tokenizer"]

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen2.5-VL's tokens for turns, images and videos."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}\
{% for part in message['content'] %}\
{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}\
<|vision_start|><|image_pad|><|vision_end|>\
{% elif part['type'] == 'video' or 'video' in part %}\
<|vision_start|><|video_pad|><|vision_end|>\
{% elif 'text' in part %}{{ part['text'] }}{% endif %}\
{% endfor %}{% endif %}<|im_end|>
{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""Qwen2.5-VL's format of turns, without a default system message."""

NUMBERS = 256
# What the packaged model was trained on: prompts that came later are spelt in bytes.
_PROMPTS = (
    *("rec-r1", "rec-baseline", "rec-baseline-vlm-r1", "r1-v", "r1-v-train"),
    *("qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "internvl"),
)
_SPLIT = (
    r'\{"bbox_2d": \[|\]\}|\\frac\{|\\sqrt\{|\}\{|\\pi|</?think>|</?answer>'
    r"|, |; |: | ?\p{L}+|\p{N}+|[^\s\p{L}\p{N}]|\s"
)


def _words() -> list[str]:
    """Every piece of text that the scenes and the prompts are made of, in a fixed order."""
    texts: list[str] = [" ".join(PRESETS[name].text.split()) for name in _PROMPTS]
    texts += ["user\n", "assistant\n", "system\n", "  Output", "Output"]
    for task in TASKS:
        for level in LEVELS:
            for scene in scenes(task, "train", 400, level=level):
                for item in [scene, *more_questions(scene, 4)]:
                    texts += [item.question, item.worked_answer()]
    split = _splitter()
    found = {piece for text in dict.fromkeys(texts) for piece, _ in split.pre_tokenize_str(text)}
    return sorted(piece for piece in found if not piece.isdigit())


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(_SPLIT), "isolated")


def _as_bytes(piece: str, alphabet: dict[int, str]) -> str:
    return "".join(alphabet[byte] for byte in piece.encode())


def _byte_alphabet() -> dict[int, str]:
    """The printable stand-in of each byte that byte-level tokenizers use."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(rest)}


def build_tokenizer(extra_texts: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Build the tokenizer; equal sources give an equal one.

    A piece that is in the vocabulary is one token; any other is spelt in bytes, so every text
    round-trips.

    Args:
        extra_texts: Further pieces that become one token each.
    """
    alphabet = _byte_alphabet()
    vocab: dict[str, int] = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    pieces = [*map(str, range(NUMBERS)), *_words(), *extra_texts]
    for piece in [*alphabet.values(), *(_as_bytes(piece, alphabet) for piece in pieces)]:
        vocab.setdefault(piece, len(vocab))
    tokenizer = Tokenizer(BPE(vocab, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            _splitter(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=4096,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )

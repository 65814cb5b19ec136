"""Tiny Qwen-VL checkpoints with random weights, laid out as the published ones.

`write_letters` writes one whose tokens are bytes, for what engines do with any text;
`write_answers` one whose tokens are whole answers, so that an untrained model already answers some
questions rightly by chance, and group-relative advantages are not all zero. What has been recorded
of them depends on their seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["FAMILIES", "PACKAGED", "SPECIAL", "word_tokenizer", "write_answers", "write_letters"]

PACKAGED = Path(str(files("vlreward.data"))) / "tiny_vlm"
"""Where the trained ones are that come with the package: `half` and `sft`."""
FAMILIES = {
    "qwen2-vl": ("Qwen2VL", "Qwen2VLProcessor"),
    "qwen2.5-vl": ("Qwen2_5_VL", "Qwen2_5_VLProcessor"),
    "qwen3-vl": ("Qwen3VL", "Qwen3VLProcessor"),
}
"""By name: what the classes of transformers begin with, and the processor's class."""
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_BOXES = ("[0, 0, 56, 56]", "[0, 0, 84, 84]", "[28, 28, 84, 84]", "[10, 10, 40, 60]")
_ANSWERS = tuple(
    f"<think>so</think><answer>{answer}</answer>"
    for answer in (
        *map(str, range(6)),
        *(f'{{"bbox_2d": {box}}}' for box in _BOXES),
        r"2\sqrt{3}",
        "30°",
        "12 cm^2",
    )
)
_WORDS = ("5", "no", "maybe", "box", "\n", "user", "assistant", "system")
_MESSAGES = (
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' CASES%}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The wording and layout of the Qwen2-VL chat template, for text and images.
_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
) + _MESSAGES.replace("CASES", "or 'image' in part or 'image_url' in part ")
_BARE_TEMPLATE = "{%- for message in messages -%}" + _MESSAGES.replace("CASES", "")


def write_letters(path: Path, family: str) -> Path:
    """Write a checkpoint of `qwen2-vl` or `qwen2.5-vl` with one token a byte, 64 dimensions.

    Weights are drawn wide enough that the greedy answer depends on the image, and one token in 23
    ends it, so that some answers stop before the limit and others do not.
    """
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(BPE({letter: index for index, letter in enumerate(letters)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = (*SPECIAL, "<|box_start|>", "<|box_end|>")
    tokenizer = _wrapped(raw, special, _TEMPLATE)
    text = {
        "max_position_embeddings": 4096,
        "initializer_range": 0.3,
        "rope_parameters": _rope(1_000_000.0, [2, 3, 3]),
    }
    vision: dict[str, Any] = {"initializer_range": 0.3, "patch_size": 14}
    if family == "qwen2-vl":
        vision |= {"embed_dim": 32, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "intermediate_size": 64, "window_size": 112}
    model = _model(family, tokenizer, 64, text, vision)
    with torch.no_grad():
        for token in special:  # Never generated, so that no answer holds an image token.
            model.lm_head.weight[tokenizer.convert_tokens_to_ids(token)] = 0
    config = model.generation_config
    config.pad_token_id, end = map(tokenizer.convert_tokens_to_ids, (SPECIAL[0], SPECIAL[2]))
    config.eos_token_id = [end, *range(0, 256, 23)]
    # As the published checkpoints have it: greedy decoding must override the draw and keep the
    # penalty, in every engine alike.
    config.do_sample, config.temperature, config.top_k = True, 0.7, 20
    config.repetition_penalty = 1.05
    images = {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 400},
    }
    return _save(path, family, model, tokenizer, {**images, "patch_size": 14})


def write_answers(path: Path, family: str) -> Path:
    """Write a checkpoint of a family with whole answers as tokens, 48 dimensions."""
    tokenizer = word_tokenizer(
        (*SPECIAL, "<unk>", *_WORDS, *_ANSWERS),
        _BARE_TEMPLATE,
        extra_special_tokens=[SPECIAL[1], *SPECIAL[3:]],
    )
    hidden, patch = 48, 16 if family == "qwen3-vl" else 14
    section = [hidden // 8 - 2 * (hidden // 24), hidden // 24, hidden // 24]
    text = {
        "head_dim": hidden // 4,
        "max_position_embeddings": 2048,
        "rope_parameters": _rope(10000.0, section),
    }
    vision: dict[str, Any] = {"patch_size": patch}
    if family == "qwen2-vl":
        vision |= {"embed_dim": 16, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 16, "intermediate_size": 32, "window_size": 56}
    if family == "qwen3-vl":
        del vision["window_size"]
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    model = _model(family, tokenizer, hidden, text, vision)
    images = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "patch_size": patch,
        "size": {"longest_edge": 112 * 112, "shortest_edge": 8 * patch * patch},
    }
    _save(path, family, model, tokenizer, images)
    # Otherwise transformers may choose the tokenizer class of the model's family.
    settings_path = path / "tokenizer_config.json"
    settings = json.loads(settings_path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings["processor_class"] = FAMILIES[family][1]
    settings_path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return path


def word_tokenizer(words: Sequence[str], template: str, **more: Any) -> Any:
    """A tokenizer of transformers whose tokens are words; ids are their places.

    Args:
        words: All tokens; those of `SPECIAL` and `<unk>` among them.
        template: The chat template.
        more: Options of `PreTrainedTokenizerFast`.
    """
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel

    raw = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.decoder = decoders.Fuse()
    special = [word for word in words if word in SPECIAL or word == "<unk>"]
    return _wrapped(raw, special, template, unk_token="<unk>", padding_side="left", **more)


def _wrapped(raw: Any, special: Sequence[str], template: str, **more: Any) -> Any:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    raw.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        chat_template=template,
        **more,
    )


def _rope(theta: float, section: list[int]) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta, "mrope_section": section}


def _model(
    family: str, tokenizer: Any, hidden: int, text: dict[str, Any], vision: dict[str, Any]
) -> Any:
    """A model of two layers, drawn with the seed 0."""
    import torch
    import transformers

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        **text,
    }
    sizes = {"depth": 2, "num_heads": 2, "spatial_merge_size": 2, "temporal_patch_size": 2}
    outside = {"hidden_size": hidden} if family == "qwen2-vl" else {"out_hidden_size": hidden}
    if family == "qwen2.5-vl":
        outside["fullatt_block_indexes"] = [1]  # type: ignore[assignment]
    config = getattr(transformers, f"{FAMILIES[family][0]}Config")(
        text_config=text,
        vision_config={**sizes, **outside, **vision},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    return getattr(transformers, f"{FAMILIES[family][0]}ForConditionalGeneration")(config)


def _save(path: Path, family: str, model: Any, tokenizer: Any, images: dict[str, Any]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    settings = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": FAMILIES[family][1],
        "merge_size": 2,
        "temporal_patch_size": 2,
        **images,
    }
    (path / "preprocessor_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return path

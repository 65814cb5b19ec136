"""Random-weight Qwen-VL checkpoints of a few thousand parameters, written in under a second.

Their vocabulary has whole answers as single tokens, so an untrained model already answers some
questions rightly by chance, and group-relative advantages are not all zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ANSWERS", "FAMILIES", "QWEN25_3B", "write_checkpoint"]

FAMILIES = ("qwen2-vl", "qwen2.5-vl", "qwen3-vl")

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<unk>",
)
_BOXES = ("[0, 0, 56, 56]", "[0, 0, 84, 84]", "[28, 28, 84, 84]", "[10, 10, 40, 60]")
ANSWERS = tuple(
    f"<think>so</think><answer>{answer}</answer>"
    for answer in (
        *map(str, range(6)),
        *(f'{{"bbox_2d": {box}}}' for box in _BOXES),
        r"2\sqrt{3}",
        "30°",
        "12 cm^2",
    )
)
"""Completions that are one token each."""
_WORDS = ("5", "no", "maybe", "box", "\n", "user", "assistant", "system")

CHAT_TEMPLATE = (
    "{%- for message in messages -%}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PROCESSORS = {
    "qwen2-vl": "Qwen2VLProcessor",
    "qwen2.5-vl": "Qwen2_5_VLProcessor",
    "qwen3-vl": "Qwen3VLProcessor",
}


QWEN25_3B: dict[str, Any] = {
    "text_config": {
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "max_position_embeddings": 128_000,
        "layer_types": ["full_attention"] * 36,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [16, 24, 24],
        },
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 2048,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
    "tie_word_embeddings": True,
}
"""https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/config.json"""


def _tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    pieces = (*SPECIAL, *_WORDS, *ANSWERS)
    tokenizer = Tokenizer(WordLevel({p: i for i, p in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        extra_special_tokens=list(SPECIAL[1:2] + SPECIAL[3:7]),
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _config(family: str, tokenizer: Any, hidden: int) -> Any:
    import transformers

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": hidden // 4,
        "max_position_embeddings": 2048,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [hidden // 8 - 2 * (hidden // 24), hidden // 24, hidden // 24],
        },
        "tie_word_embeddings": False,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    vision: dict[str, Any] = {
        "depth": 2,
        "num_heads": 2,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    if family == "qwen2-vl":
        vision |= {"embed_dim": 16, "hidden_size": hidden, "mlp_ratio": 2, "patch_size": 14}
    elif family == "qwen2.5-vl":
        vision |= {
            "hidden_size": 16,
            "intermediate_size": 32,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        }
    else:
        vision |= {
            "hidden_size": 16,
            "intermediate_size": 32,
            "out_hidden_size": hidden,
            "patch_size": 16,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        }
    name = {"qwen2-vl": "Qwen2VL", "qwen2.5-vl": "Qwen2_5_VL", "qwen3-vl": "Qwen3VL"}[family]
    config = getattr(transformers, f"{name}Config")(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    return name, config


def write_checkpoint(
    path: Path, family: str, *, hidden: int = 48, max_pixels: int = 112 * 112, seed: int = 0
) -> Path:
    """Write model, tokenizer and image processor of a family as the hub's checkpoints have them."""
    import torch
    import transformers

    torch.manual_seed(seed)
    tokenizer = _tokenizer()
    name, config = _config(family, tokenizer, hidden)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    path.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    # Otherwise transformers may choose the tokenizer class of the model's family.
    settings_path = path / "tokenizer_config.json"
    settings = json.loads(settings_path.read_text(encoding="utf-8"))
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": _PROCESSORS[family],
    }
    settings_path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    factor = 32 if family == "qwen3-vl" else 28
    image = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "Qwen2VLImageProcessor",
        "merge_size": 2,
        "patch_size": factor // 2,
        "processor_class": _PROCESSORS[family],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": max_pixels, "shortest_edge": 2 * factor * factor},
        "temporal_patch_size": 2,
    }
    (path / "preprocessor_config.json").write_text(json.dumps(image, indent=2), encoding="utf-8")
    return path

"""Generation as it must be for training: prompts as vLLM reads them, and no tokens of images."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

__all__ = ["ban_image_tokens", "image_tokens", "mend_prompts", "one_token_an_image"]

_TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")


def image_tokens(config: Any) -> list[int]:
    """The tokens that stand for images and videos, or around them: no completion may hold one.

    A sampled one is taken for a place of an image, of which there are too few then.
    """
    found = {getattr(config, name, None) for name in _TOKENS}
    return sorted(token for token in found if isinstance(token, int))


def ban_image_tokens(training: Any, config: Any) -> None:
    """Exclude `image_tokens` from sampling, by transformers or by vLLM.

    Args:
        training: A `GRPOConfig`; what its `generation_kwargs` say of other tokens stays.
        config: The model's configuration.
    """
    given = dict(training.generation_kwargs or {})
    banned = image_tokens(config)
    if training.use_vllm:
        # Keys are whole numbers, which JSON of a command line cannot have.
        own = {int(token): bias for token, bias in (given.get("logit_bias") or {}).items()}
        given["logit_bias"] = {**own, **dict.fromkeys(banned, -100.0)}
    else:
        given["suppress_tokens"] = sorted({*banned, *(given.get("suppress_tokens") or ())})
    training.generation_kwargs = given


def mend_prompts(llm: Any, image_token: int) -> None:
    """Let a `vllm.LLM` be given prompts with one image token for each image, whoever calls it.

    A processor has expanded the image in the prompts of TRL 1.16; vLLM expands the first of these
    tokens again, and the model reads an image and its length in empty places (huggingface/trl
    #6294, #6401). Prompts that are right already are left as they are.
    """
    generate = llm.generate

    @functools.wraps(generate)
    def mended(prompts: Any, *args: Any, **kwargs: Any) -> Any:
        return generate([_mended(prompt, image_token) for prompt in prompts], *args, **kwargs)

    llm.generate = mended


def _mended(prompt: Any, image_token: int) -> Any:
    images = prompt.get("multi_modal_data", {}).get("image") if isinstance(prompt, dict) else None
    if images is None or "prompt_token_ids" not in prompt:
        return prompt
    count = len(images) if isinstance(images, (list, tuple)) else 1
    ids = one_token_an_image(prompt["prompt_token_ids"], image_token)
    if (runs := ids.count(image_token)) != count:
        raise ValueError(
            f"expected one run of image tokens in a prompt for each of its {count} images, got "
            f"{runs}: does a question hold the token of an image as text?"
        )
    return {**prompt, "prompt_token_ids": ids}


def one_token_an_image(ids: Sequence[int], image_token: int) -> list[int]:
    """Token ids with each run of image tokens made one.

    Example:
        >>> one_token_an_image([1, 9, 9, 9, 2, 9, 3], 9)
        [1, 9, 2, 9, 3]
    """
    before = [None, *ids]
    return [token for last, token in zip(before, ids) if not last == token == image_token]

"""Generation as it must be for training: prompts as vLLM reads them, and no tokens of images."""

from __future__ import annotations

import copy
import functools
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from accelerate.utils import is_peft_model

from vlreward_trl.images import image_key

__all__ = [
    "ask_once",
    "ban_image_tokens",
    "image_tokens",
    "mend_prompts",
    "one_token_an_image",
    "send_at_once",
]

_TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
_DATA = "multi_modal_data"


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


def ask_once(llm: Any) -> None:
    """Let a `vllm.LLM` read equal prompts that follow one another once, with as many completions.

    TRL 1.16 hands colocated vLLM a question as often as it wants completions, and vLLM looks at
    its image each time. Where a `seed` is set, completions of a question have one after the other,
    as vLLM does with several; each had the same, and so the same text. vLLM writes no texts, of
    which TRL takes none, unless it looks in them for a string that ends them (`stop`).
    """
    generate = llm.generate

    @functools.wraps(generate)
    def asked(prompts: Any, *args: Any, **kwargs: Any) -> Any:
        params: Any = kwargs.get("sampling_params")
        # vLLM refuses several completions without chance (below this temperature it takes none).
        if getattr(params, "n", None) != 1 or params.temperature < 1e-5:
            return generate(prompts, *args, **kwargs)
        groups = [list(group) for _, group in groupby(prompts, key=_prompt_key)]
        kwargs["sampling_params"] = several = [copy.copy(params) for _ in groups]
        for each, group in zip(several, groups):
            each.n, each.detokenize = len(group), bool(getattr(params, "stop", None))
        outputs = generate([group[0] for group in groups], *args, **kwargs)
        found = [_with(output, each) for output in outputs for each in output.outputs]
        if len(found) != len(prompts):
            raise ValueError(f"expected {len(prompts)} completions of vLLM, got {len(found)}")
        return found

    llm.generate = asked


def _prompt_key(prompt: Any) -> Hashable:
    """Equal for prompts of equal tokens and images; each of another kind is one of its own."""
    if not isinstance(prompt, dict) or not prompt.keys() <= {"prompt_token_ids", _DATA}:
        return id(prompt)
    data = prompt.get(_DATA, {})
    images = data.get("image", ())
    if not data.keys() <= {"image"}:
        return id(prompt)
    images = images if isinstance(images, (list, tuple)) else [images]
    return tuple(prompt.get("prompt_token_ids", ())), tuple(map(image_key, images))


def _with(output: Any, completion: Any) -> Any:
    one = copy.copy(output)
    one.outputs = [completion]
    return one


def send_at_once(generation: Any) -> None:
    """Let a `VLLMGeneration` load the weights of a model into its colocated vLLM in one call.

    TRL 1.16 calls vLLM's loader, which goes through the model's modules, for each weight, and
    FSDP2 gathers float32 weights that vLLM rounds; they are rounded before.
    """
    llm = generation.llm
    model = llm.llm_engine.model_executor.driver_worker.model_runner.model
    weights, gathered = generation._iter_named_params, generation._iter_fsdp2_params
    dtype = llm.llm_engine.model_config.dtype

    def at_once() -> Iterator[Any]:
        model.load_weights(weights())
        return iter(())

    def rounded(module: Any) -> Iterator[Any]:
        if is_peft_model(module):
            return gathered(module)  # type: ignore[no-any-return]
        return gathered(_Rounded(module, dtype))  # type: ignore[no-any-return]

    generation._iter_named_params, generation._iter_fsdp2_params = at_once, rounded


class _Rounded(torch.nn.Module):  # type: ignore[misc]
    """What TRL asks of a model of which it gathers the parameters."""

    def __init__(self, module: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self._rounded = module.named_parameters, dtype

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        parameters, dtype = self._rounded
        for name, parameter in parameters(*args, **kwargs):
            yield name, parameter.detach().to(dtype)


def _mended(prompt: Any, image_token: int) -> Any:
    images = prompt.get(_DATA, {}).get("image") if isinstance(prompt, dict) else None
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

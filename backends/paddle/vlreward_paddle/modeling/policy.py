"""What both families share: generation with a cache, log-probabilities, and checkpoints.

The overrides mend paddleformers 1.2.0, each with its reason; none patches the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vlreward.files import replacing
from vlreward_paddle.logprobs import TokenLogProbs, chunked_logprobs
from vlreward_paddle.lora import merged
from vlreward_paddle.modeling.weights import Heads, from_hf, read_weights, to_hf, write_weights

__all__ = ["InnerMixin", "PolicyMixin"]

_CONFIG = "config.json"


class InnerMixin:
    """For the inner model: positions of prompts without images, and images seen once."""

    image_index: list[int] | None = None
    """For each image of the batch its place in `pixel_values`; None if all are there."""

    def get_image_features(self, pixel_values: Tensor, image_grid_thw: Tensor) -> Any:
        """Features of each image; an image that a group of prompts shares is looked at once."""
        if self.image_index is None:
            return super().get_image_features(pixel_values, image_grid_thw)  # type: ignore[misc]
        index = self.image_index
        first = [index.index(place) for place in range(max(index) + 1)]
        grids = image_grid_thw[paddle.to_tensor(first)]
        different = super().get_image_features(pixel_values, grids)  # type: ignore[misc]
        return [different[place] for place in index]

    def get_rope_index(
        self,
        input_ids: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        video_grid_thw: Tensor | None = None,
        second_per_grid_ts: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Positions (3, B, S) on the temporal, vertical and horizontal axis, and offsets (B, 1).

        paddleformers computes those of text-only prompts with torch's `.max(...)[0]`, which in
        Paddle takes the first row instead.
        """
        if image_grid_thw is None and video_grid_thw is None and attention_mask is not None:
            places = (attention_mask.astype("int64").cumsum(-1) - 1).clip(min=0)
            places = paddle.where(attention_mask == 0, paddle.ones_like(places), places)
            offsets = places.max(axis=-1, keepdim=True) + 1 - attention_mask.shape[-1]
            return places.unsqueeze(0).expand([3, -1, -1]), offsets
        found: tuple[Tensor, Tensor] = super().get_rope_index(  # type: ignore[misc]
            input_ids, image_grid_thw, video_grid_thw, second_per_grid_ts, attention_mask
        )
        return found


class PolicyMixin:
    """A Qwen-VL model that generates with a cache and returns log-probabilities."""

    hf_config: dict[str, Any]
    """The `config.json` that the model was loaded with."""
    returns_logprobs = True
    """Says that `forward` takes `logprobs`."""
    shares_images = True
    """Says that `forward` takes `image_index`."""
    banned_ids: tuple[int, ...] = ()
    """Token ids that are never generated."""

    def forward(  # `generate` looks for these names in the signature.
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        cache_position: Tensor | None = None,
        logprobs: TokenLogProbs | None = None,
        image_index: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model's own output, or the log-probabilities of completions.

        Args:
            input_ids: Prompts and completions (B, P + C).
            attention_mask: 1 for tokens, 0 for padding, of the same shape.
            position_ids: See paddleformers, as for all arguments that are not named here.
            past_key_values: Cache of earlier tokens.
            inputs_embeds: In place of `input_ids`.
            use_cache: Whether to fill a cache.
            cache_position: Place of the first token in the cache.
            logprobs: What to compute log-probabilities of. They are part of the forward pass so
                that wrappers for data parallelism, which count gradients, see one pass.
            image_index: See `vlreward_paddle.rollout.join`.
            kwargs: `pixel_values`, `image_grid_thw` and others.

        Returns:
            paddleformers' output, or (log-probabilities (B, C), entropies (B, C)).
        """
        kwargs |= {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "past_key_values": past_key_values,
            "inputs_embeds": inputs_embeds,
            "use_cache": use_cache,
            "cache_position": cache_position,
        }
        self.model.image_index = None if image_index is None else image_index.tolist()  # type: ignore[attr-defined]
        if logprobs is None:
            return super().forward(**kwargs)  # type: ignore[misc]
        hidden = self.model(**{**kwargs, "use_cache": False, "return_dict": True})[0]  # type: ignore[attr-defined]
        count = logprobs.ids.shape[1]
        # The state at a token predicts the next one.
        return chunked_logprobs(self.lm_head.weight, hidden[:, -count - 1 : -1], logprobs)  # type: ignore[attr-defined]

    def adjust_logits_during_generation(self, logits: Tensor) -> Tensor:
        """Ban ids here, since `generate` accepts no logits processors of one's own."""
        if not self.banned_ids:
            return logits
        logits = logits.astype("float32")
        logits[:, list(self.banned_ids)] = float("-inf")
        return logits

    @staticmethod
    def update_model_kwargs_for_generation(
        outputs: Any, model_kwargs: dict[str, Any], is_encoder_decoder: bool = False
    ) -> dict[str, Any]:
        """Hand the cache on. paddleformers does so for its text models' outputs alone, and then
        encodes prompt and image again at every token."""
        from paddleformers.generation.utils import GenerationMixin

        made: dict[str, Any] = GenerationMixin.update_model_kwargs_for_generation(
            outputs, model_kwargs, is_encoder_decoder=is_encoder_decoder
        )
        made["past_key_values"] = getattr(outputs, "past_key_values", None)
        return made

    def prepare_inputs_for_generation(self, input_ids: Tensor, **kwargs: Any) -> dict[str, Any]:
        """Ask for the last position's logits alone; a prompt's others are never looked at."""
        made: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, **kwargs)  # type: ignore[misc]
        return {**made, "logits_to_keep": 1}

    def save_pretrained(self, save_dir: str | Path, *args: Any, **kwargs: Any) -> None:
        """Write safetensors and `config.json` as transformers writes and reads them, an adapter
        merged, from the first process; other arguments are for paddleformers' own formats and have
        no effect."""
        if paddle.distributed.get_rank() != 0:
            return
        directory = Path(save_dir)
        config = self.config  # type: ignore[attr-defined]
        tied = bool(config.text_config.tie_word_embeddings)
        write_weights(
            to_hf(self._as_numpy(), Heads(config.text_config), tied=tied),
            directory,
        )
        dtype = str(next(iter(self.parameters())).dtype).rpartition(".")[2]  # type: ignore[attr-defined]
        hf = {k: v for k, v in self.hf_config.items() if k != "torch_dtype"}
        text = json.dumps({**hf, "dtype": dtype}, indent=2, ensure_ascii=False) + "\n"
        with replacing(directory / _CONFIG) as file:
            file.write(text)

    def load_weights(self, directory: Path) -> None:
        """Read the safetensors of a Hugging Face checkpoint.

        Raises:
            KeyError: If a weight is missing.
            ValueError: If one has another shape.
        """
        state = self.state_dict()  # type: ignore[attr-defined]
        tied = bool(self.config.text_config.tie_word_embeddings)  # type: ignore[attr-defined]
        names = [name for name in state if not (tied and name == "lm_head.weight")]
        heads = Heads(self.config.text_config)  # type: ignore[attr-defined]
        for name, value in from_hf(names, read_weights(directory), heads):
            own = state[name]
            if list(value.shape) != list(own.shape):
                raise ValueError(f"expected {name} of shape {own.shape}, got {list(value.shape)}")
            # Through float32, which both bfloat16 and float16 fit into.
            own.set_value(paddle.to_tensor(value.astype("float32")).astype(own.dtype))

    def _as_numpy(self) -> Iterator[tuple[str, np.ndarray]]:
        import ml_dtypes

        for name, value in merged(self):
            array = value.numpy()
            if value.dtype == paddle.bfloat16:
                array = array.view(ml_dtypes.bfloat16)
            yield name, array

    def ban(self, ids: Sequence[int]) -> None:
        """Set the ids that are never generated."""
        self.banned_ids = tuple(sorted(set(ids)))

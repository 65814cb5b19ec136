"""Qwen2-VL and Qwen2.5-VL: embeddings with images, log-probabilities, and checkpoints.

The language models are the same; the vision towers differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddleformers.nn.criterion.interface import CriterionLayer
from paddleformers.nn.lm_head import LMHead
from paddleformers.transformers.qwen2_5_vl.modeling import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLCausalLMOutputWithPast,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLModel,
    Qwen2_5_VLPretrainedModel,
)

from vlreward.files import replacing
from vlreward_paddle.logprobs import TokenLogProbs, chunked_logprobs
from vlreward_paddle.lora import merged
from vlreward_paddle.modeling.attention import Visible
from vlreward_paddle.modeling.decoding import Decoding, hidden_padding
from vlreward_paddle.modeling.packing import ImageTokens, image_positions, pack
from vlreward_paddle.modeling.text import TextModel, replace_parts
from vlreward_paddle.modeling.vision import Qwen2VisionTower
from vlreward_paddle.modeling.weights import (
    from_hf,
    fused_layers,
    read_weights,
    to_hf,
    write_weights,
)

__all__ = ["Policy"]

_CONFIG = "config.json"


class _Inner(Qwen2_5_VLModel):  # type: ignore[misc]
    """The model without its head: what goes into the language model."""

    def __init__(self, config: Any) -> None:
        Qwen2_5_VLPretrainedModel.__init__(self, config)
        old = config.model_type == "qwen2_vl"
        tower = Qwen2VisionTower if old else Qwen2_5_VisionTransformerPretrainedModel
        self.visual = tower._from_config(config.vision_config)
        self.language_model = TextModel._from_config(config.text_config)
        replace_parts(self.visual)

    def embed(
        self,
        ids: Tensor,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
    ) -> Tensor:
        """Embeddings (B, S, W) of tokens, and of images in the place of theirs.

        Raises:
            ValueError: If image tokens and images do not match.
        """
        embeds = self.language_model.embed_tokens(ids)
        if pixel_values is None:
            return embeds
        dtype = self.visual.patch_embed.proj.weight.dtype
        images = self.visual(pixel_values.astype(dtype), grid_thw=image_grid_thw)
        flat = ids.flatten()
        places = paddle.nonzero(flat == self.config.image_token_id).flatten()
        if places.shape[0] != images.shape[0]:
            raise ValueError(
                f"expected {images.shape[0]} image tokens for the images, got {places.shape[0]}"
            )
        joined = embeds.reshape([-1, embeds.shape[-1]])
        return paddle.scatter(joined, places, images.astype(embeds.dtype)).reshape(embeds.shape)

    def positions(self, ids: np.ndarray, attended: np.ndarray, grids: Tensor | None) -> np.ndarray:
        """Positions (3, B, S) of prompts (B, S); 1 for padding, where `attended` is false."""
        found = np.ones((3, *ids.shape), dtype=np.int64)
        left = [] if grids is None else list(grids.numpy())
        for row, (tokens, there) in enumerate(zip(ids, attended)):
            found[:, row, there] = image_positions(tokens[there], left, self.image_tokens)
        return found

    @property
    def image_tokens(self) -> ImageTokens:
        """How positions of images are counted."""
        config = self.config
        return ImageTokens(config.image_token_id, config.vision_config.spatial_merge_size)


class Policy(Qwen2_5_VLForConditionalGeneration):  # type: ignore[misc]
    """A Qwen-VL model that generates with a cache and returns log-probabilities."""

    hf_config: dict[str, Any]
    """The `config.json` that the model was loaded with."""
    shares_prompts = True
    """Says that each prompt is handed on once for all its completions: to `decoding`, and to
    `forward` with `logprobs`."""
    banned_ids: tuple[int, ...] = ()
    """Token ids that are never generated."""

    def __init__(self, config: Any) -> None:
        # What the parent's does, with another inner model, and without building two.
        Qwen2_5_VLPretrainedModel.__init__(self, config)
        self.model = _Inner(config)
        self.lm_head = LMHead(config.text_config)
        self.criterion = CriterionLayer(config.text_config)
        self.tie_weights()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        logprobs: TokenLogProbs | None = None,
    ) -> Any:
        """Logits, or the log-probabilities of completions.

        Args:
            input_ids: Token ids (B, S), with `logprobs` the prompts (Q, P).
            attention_mask: 1 for tokens, 0 for padding, of the same shape; None for all 1.
            pixel_values: Patches of all images, one image after the other.
            image_grid_thw: Frames, rows and columns of patches (images, 3).
            logprobs: What to compute log-probabilities of. They are part of the forward pass so
                that wrappers for data parallelism, which count gradients, see one pass.

        Returns:
            An output with `logits` (B, S, V), or (log-probabilities (B, C), entropies (B, C)).
        """
        ids = input_ids.numpy()
        there = np.ones(ids.shape, bool) if attention_mask is None else attention_mask.numpy() == 1
        places = self.model.positions(ids, there, image_grid_thw)
        if logprobs is not None:
            return self._logprobs(ids, there, places, logprobs, pixel_values, image_grid_thw)
        embeds = self.model.embed(input_ids, pixel_values, image_grid_thw)
        visible = Visible(None if there.all() else paddle.to_tensor(hidden_padding(there)))
        text = self.model.language_model
        states = text(embeds, text.turn(paddle.to_tensor(places)), visible)
        return Qwen2_5_VLCausalLMOutputWithPast(logits=self.lm_head(states))

    def _logprobs(
        self,
        ids: np.ndarray,
        there: np.ndarray,
        places: np.ndarray,
        asked: TokenLogProbs,
        *images: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        wanted = asked.ids.numpy()
        kept = np.ones(wanted.shape, bool) if asked.mask is None else asked.mask.numpy() == 1
        packed = pack(
            [row[mask] for row, mask in zip(ids, there)],
            [places[:, i, mask] for i, mask in enumerate(there)],
            [row[mask] for row, mask in zip(wanted, kept)],
            range(len(wanted)) if asked.owners is None else asked.owners,
        )
        embeds = self.model.embed(paddle.to_tensor(packed.ids), *images)
        visible = Visible(None if packed.until is None else paddle.to_tensor(packed.until))
        text = self.model.language_model
        states = text(embeds, text.turn(paddle.to_tensor(packed.positions)), visible)
        states = states.reshape([-1, states.shape[-1]])
        found = chunked_logprobs(
            self.lm_head.weight,
            paddle.gather(states, paddle.to_tensor(packed.before)),
            paddle.to_tensor(wanted[kept]),
            asked,
        )
        if kept.all():
            return tuple(part.reshape(wanted.shape) for part in found)
        target = paddle.to_tensor(np.flatnonzero(kept))
        return tuple(
            paddle.scatter(paddle.zeros([kept.size]), target, part).reshape(kept.shape)
            for part in found
        )

    def decoding(
        self, owners: list[int], input_ids: Tensor, attention_mask: Tensor, **images: Tensor
    ) -> Decoding:
        """Read prompts, to write completions; see `Decoding`."""
        return Decoding(self, input_ids, attention_mask, owners, **images)

    def save_pretrained(self, save_dir: str | Path, *args: Any, **kwargs: Any) -> None:
        """Write safetensors and `config.json` as transformers writes and reads them, an adapter
        merged, from the first process; other arguments are for paddleformers' own formats and have
        no effect."""
        if paddle.distributed.get_rank() != 0:
            return
        directory = Path(save_dir)
        config = self.config
        tied = bool(config.text_config.tie_word_embeddings)
        layers = fused_layers(config.text_config)
        write_weights(to_hf(self._as_numpy(), layers, tied=tied), directory)
        dtype = str(next(iter(self.parameters())).dtype).rpartition(".")[2]
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
        state = self.state_dict()
        tied = bool(self.config.text_config.tie_word_embeddings)
        names = [name for name in state if not (tied and name == "lm_head.weight")]
        layers = fused_layers(self.config.text_config)
        for name, value in from_hf(names, read_weights(directory), layers):
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

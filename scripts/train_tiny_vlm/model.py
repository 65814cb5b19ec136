"""The configuration of the tiny Qwen2.5-VL, and a fast forward pass over its own modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm

from scripts.train_tiny_vlm.tokenizer import SPECIAL_TOKENS

__all__ = ["MAX_PIXELS", "MIN_PIXELS", "Trainee", "build_model", "fuse_norms", "save", "widen"]

MIN_PIXELS, MAX_PIXELS = 56 * 56, 168 * 168
"""Limits of the image processor, in pixels."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PATCH, MERGE = 14, 2
AUX_CLASSES = {"presence": 1, "kind": 24, "size": 2, "box": 4}


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 192,
    layers: int = 5,
    kv_heads: int = 6,
    mlp: int = 512,
    vision_hidden: int = 128,
    vision_layers: int = 5,
    vision_mlp: int = 384,
) -> Qwen2_5_VLForConditionalGeneration:
    """A freshly initialised Qwen2.5-VL; sizes are per head 32 wide throughout."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": mlp,
            "num_hidden_layers": layers,
            "num_attention_heads": hidden // 32,
            "num_key_value_heads": kv_heads,
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 6, 6],
            },
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_hidden,
            "intermediate_size": vision_mlp,
            "num_heads": vision_hidden // 32,
            "out_hidden_size": hidden,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": 112,
            "fullatt_block_indexes": list(range(vision_layers)),
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
        max_new_tokens=96,
    )
    with torch.no_grad():
        # Near numbers begin alike: an ordinal scale is learnt far sooner than 256 unrelated names.
        embedding = model.get_input_embeddings().weight
        numbers = torch.tensor([tokenizer.convert_tokens_to_ids(str(n)) for n in range(256)])
        waves = torch.arange(256)[:, None] * torch.logspace(0, -2.4, hidden // 4)[None]
        scale = torch.cat([waves.sin(), waves.cos()], dim=1) @ torch.randn(hidden // 2, hidden)
        embedding[numbers] += 0.02 * scale / scale.std()
    return model


def widen(state: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Repeat the key and value heads of a state to as many as a model has.

    Grouped query heads share a key head, so giving each its own copy computes the same function.

    Args:
        state: Parameters of a model with fewer key and value heads, 32 wide each.
        like: Parameters of the model to load them into.
    """
    found = dict(state)
    for name, value in state.items():
        if name in like and like[name].shape != value.shape:
            heads = value.view(-1, 32, *value.shape[1:])
            times = like[name].shape[0] // value.shape[0]
            found[name] = heads.repeat_interleave(times, dim=0).reshape(like[name].shape)
    return found


def save(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, path: Path
) -> None:
    """Write the checkpoint in bfloat16 with the files that stock `AutoProcessor` reads."""
    path.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to("cpu", torch.bfloat16) for k, v in model.state_dict().items()}
    del state["lm_head.weight"]  # tied to the embedding
    model.save_pretrained(path, state_dict=state)
    tokenizer.save_pretrained(path)
    image = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": STD,
        "merge_size": MERGE,
        "patch_size": PATCH,
        "processor_class": "Qwen2_5_VLProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": MAX_PIXELS, "shortest_edge": MIN_PIXELS},
        "temporal_patch_size": 2,
    }
    video = image | {"video_processor_type": "Qwen2VLVideoProcessor"}
    del video["image_processor_type"]
    for name, data in (
        ("preprocessor_config.json", image),
        ("video_preprocessor_config.json", video),
    ):
        (path / name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    with _edited(path / "tokenizer_config.json") as settings:
        settings["processor_class"] = "Qwen2_5_VLProcessor"
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    with _edited(path / "config.json") as settings:
        settings["dtype"] = "bfloat16"
        # Fixed by the architecture, and a name that older releases do not know.
        settings["vision_config"].pop("rope_parameters", None)


@contextmanager
def _edited(path: Path) -> Iterator[dict[str, Any]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    yield data
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


class Trainee(nn.Module):  # type: ignore[misc]
    """The model with a forward pass for many pictures of one size and many questions on each.

    transformers' vision attention loops over the pictures unless flash-attention is there; with
    equal sizes it is one batched call. Each question is a segment that sees the picture and
    itself, at the positions it would have alone, so training on a packed row equals training on
    its questions one by one.

    An auxiliary head reads the object of each patch off the merged vision tokens, colour and shape
    as one kind. It teaches the vision tower what is where long before the language model can ask,
    and is not part of the checkpoint.
    """

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        super().__init__()
        self.model = model
        width = model.config.text_config.hidden_size
        self.aux = nn.Linear(width, MERGE * MERGE * sum(AUX_CLASSES.values()))
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 1, 3, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 1, 3, 1), persistent=False)

    def see(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """Vision tower: patches (B, N, 3 * 14 * 14) of uint8 -> features (B, N / 4, hidden)."""
        visual = self.model.model.visual
        b, n, _ = patches.shape
        x = (patches.view(b, n, 3, -1).float() - self.mean) / self.std
        kernel = visual.patch_embed.proj.weight.sum(2).flatten(1)
        x = F.linear(x.flatten(2), kernel)
        cos, sin = visual.rotary_pos_emb(x, _patch_positions(grid, x.device))
        cos, sin = cos[None, None], sin[None, None]
        for block in visual.blocks:
            attn = block.attn
            qkv = attn.qkv(block.norm1(x)).view(b, n, 3, attn.num_heads, attn.head_dim)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            y = F.scaled_dot_product_attention(q, k, v, scale=attn.scaling)
            x = x + attn.proj(y.transpose(1, 2).reshape(b, n, -1))
            x = x + block.mlp(block.norm2(x))
        return visual.merger(x).view(b, n // MERGE**2, -1)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Losses of one batch; see `batches.Batch` for its fields."""
        grid, start = batch["grid"], batch["image_start"]
        features = self.see(batch["patches"], grid)
        language = self.model.model.language_model
        ids, segments = batch["ids"], batch["segments"]
        x = language.embed_tokens(ids)
        count = features.shape[1]
        x = torch.cat([x[:, :start], features.to(x.dtype), x[:, start + count :]], dim=1)

        positions = batch["positions"][None].expand(3, -1, -1).clone()
        rows, columns = grid[0] // MERGE, grid[1] // MERGE
        place = torch.arange(count, device=ids.device)
        positions[0, :, start : start + count] = start
        positions[1, :, start : start + count] = start + place // columns
        positions[2, :, start : start + count] = start + place % columns
        assert rows * columns == count

        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        same = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        mask = torch.zeros(same.shape, dtype=_working_type(x), device=ids.device)
        mask = mask.masked_fill_(~(causal & same), -torch.inf)[:, None]
        rope = language.rotary_emb(x, positions)
        for layer in language.layers:
            x = layer(x, attention_mask=mask, position_embeddings=rope)
        wanted = batch["labels"] >= 0
        logits = self.model.lm_head(language.norm(x[wanted]))
        targets = batch["labels"][wanted].long()
        losses = {"text": F.cross_entropy(logits.float(), targets)}
        if "aux" in batch:
            losses["aux"] = self._aux_loss(features, batch["aux"])
        return losses

    def _aux_loss(self, features: Tensor, aux: Tensor) -> Tensor:
        b = features.shape[0]
        out = self.aux(features).float().view(b, -1, sum(AUX_CLASSES.values()))
        presence, kind, size, box = out.split(list(AUX_CLASSES.values()), dim=-1)
        there = aux[..., 0] > 0
        loss = F.binary_cross_entropy_with_logits(presence[..., 0], there.float())
        for i, logits in enumerate((kind, size), start=1):
            loss = loss + F.cross_entropy(logits[there], aux[..., i][there].long())
        return loss + 5 * F.smooth_l1_loss(box[there], aux[..., 3:][there], beta=0.02)


def _patch_positions(grid: tuple[int, int], device: torch.device) -> Tensor:
    """Row and column of each patch, 2 x 2 neighbours together as the merger takes them."""
    height, width = grid
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    blocks = (height // MERGE, MERGE, width // MERGE, MERGE)
    flat = [axis.reshape(blocks).transpose(1, 2).flatten() for axis in (rows, columns)]
    return torch.stack(flat, dim=-1)


def _working_type(x: Tensor) -> torch.dtype:
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def fuse_norms() -> None:
    """Let transformers' RMS norm of this model run as one kernel; the formula is the same."""

    def forward(self: Any, hidden_states: Tensor) -> Tensor:
        size = (hidden_states.shape[-1],)
        weight = self.weight.to(hidden_states.dtype)
        return F.rms_norm(hidden_states, size, weight, self.variance_epsilon)

    Qwen2_5_VLRMSNorm.forward = forward


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return (x.float() * cos + turned.float() * sin).to(x.dtype)

"""The ways of a training step that `step_variants.py` compares, and how each is put on and off."""

from __future__ import annotations

from types import MethodType
from typing import Any

from vlreward_trl import vision

__all__ = ["SHIPPED", "WAYS", "Switches"]

_BEFORE: dict[str, Any] = {"share": True, "pack": True, "group": True}
_VLLM: dict[str, Any] = {"ask": True, "send": True, "round": True}
SHIPPED: dict[str, Any] = {**_BEFORE, "align": True, "once": True, "score": 64, **_VLLM}
# In this order: what may run out of memory comes last.
WAYS: dict[str, dict[str, Any]] = {
    "warm up": SHIPPED,
    "shipped": SHIPPED,
    "before": _BEFORE,
    "before, texts without padding": {**_BEFORE, "align": True},
    "before, images prepared once": {**_BEFORE, "once": True},
    "before, a question asked once": {**_BEFORE, "ask": True},
    "before, weights sent in one call": {**_BEFORE, "send": True},
    "before, weights in one call, rounded": {**_BEFORE, "send": True, "round": True},
    "before, 32 completions scored at once": {**_BEFORE, "score": 32},
    "before, 64 completions scored at once": {**_BEFORE, "score": 64},
    "shipped, 32 completions scored at once": {**SHIPPED, "score": 32},
    "shipped, liger": {**SHIPPED, "liger": True},
    "plain": {},
    "one encoding alone": {"share": True, "group": True},
    "no loop alone": {"pack": True},
    "shipped, weights kept between passes": {**SHIPPED, "keep": True},
    "shipped, weights kept, liger": {**SHIPPED, "keep": True, "liger": True},
    "shipped, no checkpointing": {**SHIPPED, "whole": True},
}
"""By name, what is on.

share: an image is encoded once in a pass. pack: the vision tower's attention without its loop.
group: completions of a question stay together. align: rows begin with their first token, and need
no mask. once: the CPU prepares an image of a batch once. score: completions in a pass that scores,
if more than in one that learns. ask: vLLM gets a question once. send, round: weights go to vLLM in
one call, and are rounded before they are gathered. liger: Liger's norms and MLPs. keep: FSDP2 keeps
gathered weights between passes. whole: no checkpointing.
"""


class Switches:
    """What a trainer that was built as shipped would do in another way."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.models = [m for m in (trainer.model, trainer.ref_model) if m is not None]
        self._towers = [
            (module, module.get_image_features)
            for model in self.models
            for module in model.modules()
            if "visual" in module._modules and hasattr(type(module), "get_image_features")
        ]
        self._grouped = trainer._shuffled_groups
        trainer._shuffled_groups = self._ordered
        self._group = True
        new, old = "activation_checkpointing", "gradient_checkpointing"  # names of transformers
        self._checkpoints: bool = getattr(trainer.args, new if hasattr(trainer.args, new) else old)
        self._llm: Any = trainer.vllm_generation.llm if trainer.use_vllm else None
        self._asking: Any = self._llm and self._llm.generate
        self._sending = vars(trainer.vllm_generation).copy() if trainer.use_vllm else {}

    def forward(self, way: dict[str, Any]) -> None:
        """Put on what a pass computes differently; between any two passes."""
        name = vision.ATTENTION if way.get("pack") else "sdpa"
        for module, shared in self._towers:
            plain = MethodType(type(module).get_image_features, module)
            module.get_image_features = shared if way.get("share") else plain
            module.visual.config._attn_implementation = name
        self.trainer.aligns = bool(way.get("align"))
        for model in self.models:
            _liger(model, bool(way.get("liger")))

    def step(self, way: dict[str, Any]) -> None:
        """Put on a way; between any two steps."""
        self.forward(way)
        trainer = self.trainer
        trainer.prepares_once = bool(way.get("once"))
        trainer.scoring_batch_size = way.get("score", 0)
        self._group = bool(way.get("group"))
        for model in self.models:
            for module in model.modules():
                if hasattr(module, "set_reshard_after_forward"):
                    module.set_reshard_after_forward(not way.get("keep"), recurse=False)
        if way.get("whole"):
            trainer.model.gradient_checkpointing_disable()
        elif trainer.state.global_step and self._checkpoints:
            trainer.model.gradient_checkpointing_enable(
                trainer.args.gradient_checkpointing_kwargs or {}
            )
        if self._llm is not None:
            self._llm.generate = self._asking if way.get("ask") else self._asking.__wrapped__
            for flag, name in (("send", "_iter_named_params"), ("round", "_iter_fsdp2_params")):
                vars(trainer.vllm_generation).pop(name, None)
                if way.get(flag):
                    setattr(trainer.vllm_generation, name, self._sending[name])

    def _ordered(self, batch: dict[str, Any]) -> dict[str, Any]:
        from trl.trainer.utils import shuffle_sequence_dict

        way = self._grouped if self._group else shuffle_sequence_dict
        ordered: dict[str, Any] = way(batch)
        return ordered


def _liger(model: Any, on: bool) -> None:
    patched = [module for module in model.modules() if "_get_name" in vars(module)]
    if on and not patched:
        from liger_kernel.transformers.monkey_patch import _apply_liger_kernel_to_instance

        # Without its own loss: TRL's head gives log-probabilities in chunks already.
        _apply_liger_kernel_to_instance(model=model, fused_linear_cross_entropy=False)
    elif not on:
        for module in patched:
            for name in ("forward", "extra_repr", "_get_name"):
                vars(module).pop(name, None)

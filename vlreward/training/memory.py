"""An estimate of the memory that a run takes on each GPU."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vlreward.training.models import ModelSize

__all__ = ["STRATEGIES", "MemoryEstimate", "estimate"]

STRATEGIES = ("single", "ddp", "zero2", "zero3", "fsdp2")
"""How a run is spread over processes, as far as memory goes."""
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on each GPU, by what they hold; `total` is their sum."""

    weights: int
    """The model, and its copy in bfloat16 during a mixed-precision pass."""
    gradients: int
    """One number for each trained parameter."""
    optimizer: int
    """AdamW's two moments in float32."""
    reference: int
    """The frozen model of the KL term, if beta is not 0 and there is no adapter."""
    generation: int
    """Key-value cache while completions are sampled; not held during the backward pass."""
    activations: int
    """Layer inputs kept by gradient checkpointing, one layer recomputed, and where weights are
    sharded the output layer with its gradient, which the loss gathers."""

    @property
    def total(self) -> int:
        """The larger of generating and training, on top of everything that stays."""
        lasting = self.weights + self.optimizer + self.reference
        return lasting + max(self.generation, self.gradients + self.activations)

    def lines(self) -> list[str]:
        """One line for each part and one for the total, in GiB."""
        named = [(f.name, getattr(self, f.name)) for f in fields(self)] + [("total", self.total)]
        return [f"{name:<12} {value / _GIB:8.2f} GiB" for name, value in named]


def estimate(
    size: ModelSize,
    *,
    strategy: str,
    world_size: int,
    prompt_tokens: int,
    completion_tokens: int,
    completions: int,
    generated: int,
    beta: float,
    bf16: bool,
    weight_bytes: int = 4,
    freeze_vision: bool = False,
    lora_rank: int | None = None,
) -> MemoryEstimate:
    """Estimate the memory of GRPO with AdamW and gradient checkpointing.

    Args:
        size: The model.
        strategy: One of `STRATEGIES`. ZeRO-2 shards gradients and optimizer, ZeRO-3 and FSDP2
            the weights too.
        world_size: Number of processes that share.
        prompt_tokens: Tokens of a prompt, image included.
        completion_tokens: Longest completion.
        completions: Completions of one forward and backward pass on a device.
        generated: Completions that a device samples at once.
        beta: Coefficient of the KL term; 0 needs no reference model.
        bf16: Whether passes compute in bfloat16.
        weight_bytes: Bytes of a stored weight, 4 or 2.
        freeze_vision: Whether the vision tower has neither gradients nor moments.
        lora_rank: Rank of the LoRA adapter; None trains the model itself.

    Raises:
        ValueError: If the strategy is unknown.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"expected a strategy, one of {', '.join(STRATEGIES)}, got {strategy!r}")
    everything = world_size if strategy in ("zero3", "fsdp2") else 1
    training = world_size if strategy in ("zero2", "zero3", "fsdp2") else 1
    trained = size.parameters - (size.vision if freeze_vision else 0)
    adapter = 0
    if lora_rank is not None:
        trained = adapter = lora_rank * size.adapter
    computed = 2 if bf16 else weight_bytes
    # The copy that a pass computes with: whole layers at a time where weights are sharded.
    copy = size.parameters * computed if computed != weight_bytes and everything == 1 else 0
    length = prompt_tokens + completion_tokens
    # Where weights are sharded, sampling gathers all of them at once.
    gathered = size.parameters * computed if everything > 1 else 0
    # FSDP casts what passes between layers; autocast leaves the sum of them in float32.
    between = computed if strategy == "fsdp2" else 4
    layer_inputs = completions * length * size.hidden * size.layers * between
    layer = completions * length * (6 * size.intermediate + 10 * size.hidden) * computed
    head = size.vocabulary * size.hidden * 8 if everything > 1 else 0
    reference = beta != 0 and lora_rank is None
    return MemoryEstimate(
        weights=(size.parameters + adapter) * weight_bytes // everything + copy,
        gradients=trained * weight_bytes // training,
        optimizer=trained * 8 // training,
        reference=size.parameters * weight_bytes // everything if reference else 0,
        generation=generated * length * size.cache_per_token * computed + gathered,
        activations=layer_inputs + layer + head,
    )

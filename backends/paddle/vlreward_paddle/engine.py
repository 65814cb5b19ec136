"""The engine `paddle` of `vlreward-bench`: a checkpoint run here by paddleformers, in batches."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paddle

from vlreward.engines.adapters import base_of
from vlreward.engines.base import EngineConfig, EngineError, resolve_family
from vlreward.engines.batched import BatchedEngine, is_out_of_memory
from vlreward.engines.checkpoint import fingerprint
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward_paddle import rollout
from vlreward_paddle.adapters import load_adapter
from vlreward_paddle.modeling import CheckpointError, load_model
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.parallel import gather_objects
from vlreward_paddle.processing import QwenCodec

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PaddleEngine"]


class PaddleEngine(BatchedEngine):
    """Generates with a model in this process, or in several that `paddle.distributed.launch`
    started, each of which answers its share.

    Args:
        config: The options; `dtype` `auto` is the checkpoint's on GPUs and `float32` on CPUs.

    Raises:
        EngineError: If the checkpoint cannot be opened; names the remedy.
        OptionError: If an option cannot be used.
    """

    name = "paddle"
    takes = frozenset({"base_model", "batch_size", "dtype", "max_pixels", "min_pixels"})

    def __init__(self, config: EngineConfig) -> None:
        if config.device_map is not None:
            raise OptionError(
                "the engine 'paddle' has no --device-map: start several processes by "
                "python -m paddle.distributed.launch"
            )
        super().__init__(config)
        self.world_size = paddle.distributed.get_world_size()
        self.rank = paddle.distributed.get_rank()
        if self.world_size > 1:
            paddle.distributed.init_parallel_env()
        base = base_of(self.model, config.base_model)
        whole = base or self.model
        try:
            settings = read_config(whole)
            self.dtype = _dtype(config.dtype, settings)
            self._codec = QwenCodec(
                whole, min_pixels=config.min_pixels, max_pixels=config.max_pixels
            )
            self._model = load_model(whole, dtype=self.dtype)
            if base is not None:
                load_adapter(self._model, Path(self.model))
        except (CheckpointError, FileNotFoundError) as error:
            raise EngineError(str(error)) from error
        self._model.eval()
        self.resizing = self._codec.resizing
        self.family = resolve_family(config.family, settings["model_type"], self.model)
        self._fingerprint = fingerprint(self.model, self._model, base)

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the batch size or the devices."""
        return {**self.shown(), "fingerprint": self._fingerprint, "dtype": self.dtype}

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank."""
        return gather_objects(value)

    def close(self) -> None:
        """Free the model's memory."""
        self._model = None
        if paddle.device.is_compiled_with_cuda():
            paddle.device.cuda.empty_cache()

    def encode(self, messages: list[dict[str, Any]], images: list[Image]) -> rollout.Prompt:
        """A tokenized prompt with the patches of its images."""
        return self._codec.prompt(messages, images)

    def collate(
        self, prompts: list[rollout.Prompt], images: list[list[Image]]
    ) -> tuple[list[rollout.Prompt], list[Size] | None]:
        """The prompts as they are, and the sizes of their images."""
        return prompts, [Size(*image.size) for shown in images for image in shown]

    def draw(self, inputs: list[rollout.Prompt], seed: int | None) -> list[list[int]] | None:
        """The new tokens of each prompt; None where memory ran out."""
        if seed is not None:
            paddle.seed(seed)
        chosen = rollout.Sampling(
            max_tokens=self.sampling.max_tokens,
            temperature=self.sampling.temperature,
            top_p=1.0 if self.sampling.top_p is None else self.sampling.top_p,
            eos_ids=self._codec.eos_ids,
            pad_id=self._codec.pad_id,
        )
        try:
            return rollout.generate(self._model, inputs, chosen)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        if paddle.device.is_compiled_with_cuda():
            paddle.device.cuda.empty_cache()
        return None

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, special ones left out."""
        return self._codec.decode(tokens)

    @property
    def end_tokens(self) -> Collection[int]:
        """Tokens that end an answer."""
        return self._codec.eos_ids

    @property
    def memory_remedy(self) -> str:
        """What helps where memory runs out with a single request."""
        return (
            f"lower --max-pixels (now {self._codec.resizing.max_pixels}) or --max-tokens (now "
            f"{self.sampling.max_tokens}), or use --dtype bfloat16"
        )


def _dtype(name: str, settings: dict[str, Any]) -> str:
    known = ("float32", "bfloat16", "float16")
    if name == "auto":
        on_gpu = paddle.device.get_device() != "cpu"
        name = str(settings.get("dtype") or settings.get("torch_dtype")) if on_gpu else "float32"
    if name not in known:
        raise OptionError(f"--dtype: expected {', '.join(known)} or auto, got {name!r}")
    return name

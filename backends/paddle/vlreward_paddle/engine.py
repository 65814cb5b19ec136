"""The engine `paddle` of `vlreward-bench`: a checkpoint run here by paddleformers, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import paddle

from vlreward.data.images import open_image
from vlreward.engines.base import (
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    Sampling,
    resolve_family,
)
from vlreward.engines.checkpoint import fingerprint
from vlreward.errors import OptionError
from vlreward.geometry import Size
from vlreward_paddle import rollout
from vlreward_paddle.modeling import CheckpointError, load_model
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.parallel import gather_objects
from vlreward_paddle.processing import QwenCodec

__all__ = ["PaddleEngine", "from_config"]

_WINDOW = 16
"""Requests are sorted by the length of their prompts within so many batches."""
_THREADS = 4


@dataclass(frozen=True)
class _Ready:
    request: Request
    prompt: rollout.Prompt
    image_size: Size | None
    input_size: Size | None


class PaddleEngine:
    """Generates with a model in this process, or in several that `paddle.distributed.launch`
    started, each of which answers its share.

    Args:
        model: Directory of a Hugging Face checkpoint of Qwen2-VL or Qwen2.5-VL.
        sampling: How tokens are drawn.
        family: Family of the model; None to read it from the checkpoint.
        batch_size: Requests generated together.
        dtype: `float32`, `bfloat16`, `float16`, or `auto`: the checkpoint's on GPUs, and
            `float32` on CPUs.
        min_pixels: Smallest image area; None for the checkpoint's.
        max_pixels: Largest image area; None for the checkpoint's.

    Raises:
        EngineError: If the checkpoint cannot be opened; names the remedy.
        OptionError: If an option is not known.
    """

    name = "paddle"

    def __init__(
        self,
        model: str,
        *,
        sampling: Sampling | None = None,
        family: str | None = None,
        batch_size: int = 8,
        dtype: str = "auto",
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"expected a batch_size of at least 1, got {batch_size!r}")
        self.model = model
        self.sampling = Sampling() if sampling is None else sampling
        self.batch_size = batch_size
        self.world_size = paddle.distributed.get_world_size()
        self.rank = paddle.distributed.get_rank()
        if self.world_size > 1:
            paddle.distributed.init_parallel_env()
        try:
            config = read_config(model)
            self.dtype = _dtype(dtype, config)
            self._codec = QwenCodec(model, min_pixels=min_pixels, max_pixels=max_pixels)
            self._model = load_model(model, dtype=self.dtype)
        except (CheckpointError, FileNotFoundError) as error:
            raise EngineError(str(error)) from error
        self._model.eval()
        self.family = resolve_family(family, config["model_type"], model)
        self._fingerprint = fingerprint(model, self._model)

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the batch size or the devices."""
        return {
            "engine": self.name,
            "model": Path(self.model).resolve().name,
            "fingerprint": self._fingerprint,
            "sampling": self.sampling.describe(),
            "dtype": self.dtype,
            "image": asdict(self._codec.resizing),
        }

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) to which the processor resizes an image."""
        return self._codec.resizing.size(image_size)

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank."""
        return gather_objects(value)

    def close(self) -> None:
        """Free the model's memory."""
        self._model = None
        if paddle.device.is_compiled_with_cuda():
            paddle.device.cuda.empty_cache()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) batch by batch; prompts of similar length share a batch."""
        requests = iter(requests)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="vlreward-prepare") as pool:
            while window := list(islice(requests, self.batch_size * _WINDOW)):
                ready = []
                for request, made in zip(window, pool.map(self._prepare, window)):
                    if isinstance(made, GenerationError):
                        yield request.key, made
                    else:
                        ready.append(made)
                for seen in (True, False):
                    alike = [r for r in ready if (r.input_size is not None) == seen]
                    alike.sort(key=lambda r: len(r.prompt.ids), reverse=True)
                    for start in range(0, len(alike), self.batch_size):
                        yield from self._answer(alike[start : start + self.batch_size])

    def _prepare(self, request: Request) -> _Ready | GenerationError:
        try:
            if request.image is None:
                return _Ready(request, self._codec.prompt(request.messages, None), None, None)
            image = open_image(request.image, where=str(request.meta.get("id", "")))
            size = Size(*image.size)
            image = self._codec.resizing.apply(image)
            prompt = self._codec.prompt(request.messages, image)
        except ValueError as error:
            return GenerationError("image", f"{error} (sample {request.meta.get('id')!r})")
        return _Ready(request, prompt, size, Size(*image.size))

    def _answer(self, batch: Sequence[_Ready]) -> Iterator[tuple[str, Outcome]]:
        chosen = self.sampling
        if (seed := chosen.batch_seed(batch[0].request.key)) is not None:
            paddle.seed(seed)
        started = time.monotonic()
        drawn = rollout.generate(
            self._model,
            [ready.prompt for ready in batch],
            rollout.Sampling(
                max_tokens=chosen.max_tokens,
                temperature=chosen.temperature,
                top_p=1.0 if chosen.top_p is None else chosen.top_p,
                eos_ids=self._codec.eos_ids,
                pad_id=self._codec.pad_id,
            ),
        )
        seconds = round((time.monotonic() - started) / len(batch), 4)
        for ready, tokens in zip(batch, drawn):
            truncated = tokens[-1] not in self._codec.eos_ids
            yield (
                ready.request.key,
                Generation(
                    text=self._codec.decode(tokens),
                    truncated=truncated,
                    token_count=len(tokens),
                    finish_reason="length" if truncated else "stop",
                    served_model=self.model,
                    seconds=seconds,
                    image_size=ready.image_size,
                    input_size=ready.input_size,
                ),
            )


def _dtype(name: str, config: dict[str, Any]) -> str:
    known = ("float32", "bfloat16", "float16")
    if name == "auto":
        on_gpu = paddle.device.get_device() != "cpu"
        name = str(config.get("dtype") or config.get("torch_dtype")) if on_gpu else "float32"
    if name not in known:
        raise OptionError(f"expected a dtype of {', '.join(known)} or auto, got {name!r}")
    return name


def from_config(config: EngineConfig) -> PaddleEngine:
    """Build the engine from the common options.

    Raises:
        EngineError: If no model is named, or an option is not for this engine.
    """
    if config.model is None:
        raise EngineError("the engine 'paddle' needs a model: name its directory by --model")
    if config.device_map is not None:
        raise EngineError(
            "the engine 'paddle' has no --device-map: start several processes by "
            "python -m paddle.distributed.launch"
        )
    return PaddleEngine(
        config.model,
        sampling=config.sampling,
        family=config.family,
        batch_size=config.batch_size,
        dtype=config.dtype,
        min_pixels=config.min_pixels,
        max_pixels=config.max_pixels,
    )

"""The engine `hf`: a checkpoint run here by transformers, in batches."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from vlreward.engines._prepare import Batch, Preparer, weight
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
from vlreward.engines.checkpoint import (
    fingerprint,
    import_torch,
    open_model,
    open_processor,
)
from vlreward.engines.world import World
from vlreward.errors import OptionError
from vlreward.geometry import Size

__all__ = ["HFEngine", "from_config"]

_WINDOW = 16
"""Requests are sorted by size within so many batches."""


class HFEngine:
    """Generates with a model in this process, or in several that torchrun started.

    Started by `torchrun --nproc_per_node N` or `accelerate launch`, each process loads the model
    on its own GPU and answers its share. `device_map="auto"` instead spreads one model over all
    GPUs of one process.

    Args:
        model: Directory of a checkpoint, or its name on the Hub.
        sampling: How tokens are drawn.
        family: Family of the model; None to read it from the checkpoint.
        batch_size: Requests generated together; halved by itself when memory runs out.
        dtype: torch dtype by name, or `auto` for the checkpoint's.
        attn_implementation: e.g. `sdpa`, `flash_attention_2`; None for transformers' choice.
        device_map: `auto`, or None for one device per process.
        min_pixels: Smallest image area; None for the checkpoint's.
        max_pixels: Largest image area; None for the checkpoint's.
        trust_remote_code: Run Python code that comes with the checkpoint.

    Raises:
        ImportError: If torch or transformers is missing; names the extra.
        EngineError: If the checkpoint cannot be opened; names the remedy.
        OptionError: If an option is not known.
    """

    name = "hf"

    def __init__(
        self,
        model: str,
        *,
        sampling: Sampling | None = None,
        family: str | None = None,
        batch_size: int = 8,
        dtype: str = "auto",
        attn_implementation: str | None = None,
        device_map: str | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"expected a batch_size of at least 1, got {batch_size!r}")
        self._torch, self._transformers = import_torch()
        self.model = model
        self.sampling = Sampling() if sampling is None else sampling
        self.batch_size = batch_size
        self._preparer = Preparer(open_processor(model), min_pixels, max_pixels)
        self._tokenizer = self._preparer.processor.tokenizer
        self._world = World()
        self.rank, self.world_size = self._world.rank, self._world.size
        if device_map is not None and self.world_size > 1:
            raise EngineError(
                f"--device-map {device_map} spreads one model over the GPUs of one process, but "
                f"{self.world_size} processes were started: leave out one of the two"
            )
        options = {
            "dtype": _dtype(self._torch, dtype),
            "device_map": device_map or {"": self._device()},
            "trust_remote_code": trust_remote_code,
        }
        if attn_implementation is not None:
            options["attn_implementation"] = attn_implementation
        self._model = open_model(model, options)
        self.family = resolve_family(family, self._model.config.model_type, model)
        self._config = self._generation_config()
        # Otherwise what is None here would be filled in from the checkpoint's own.
        self._model.generation_config = self._config
        self._fingerprint = fingerprint(model, self._model)

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the batch size or the devices."""
        local = Path(self.model)
        resizing = self._preparer.resizing
        penalty = getattr(self._config, "repetition_penalty", None)
        return {
            "engine": self.name,
            "model": local.resolve().name if local.is_dir() else self.model,
            "fingerprint": self._fingerprint,
            "sampling": self.sampling.describe(),
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "attn": getattr(self._model.config, "_attn_implementation", None),
            "image": None if resizing is None else asdict(resizing),
            **({"repetition_penalty": penalty} if penalty not in (None, 1.0) else {}),
        }

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) to which the processor resizes an image, None if not by smart_resize."""
        resizing = self._preparer.resizing
        return None if resizing is None else resizing.size(image_size)

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank."""
        return self._world.gather(value)

    def close(self) -> None:
        """Free the model's memory and leave the process group."""
        self._model = None
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()
        self._world.close()

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) batch by batch; requests of similar size share a batch.

        The next batch is prepared by a thread while the model works on the current one.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="vlreward-prepare") as pool:
            ready: Future[Batch] | None = None
            for batch in self._batches(iter(requests)):
                following = pool.submit(self._preparer.prepare, batch)
                if ready is not None:
                    yield from self._answer(ready.result())
                ready = following
            if ready is not None:
                yield from self._answer(ready.result())

    def _batches(self, requests: Iterator[Request]) -> Iterator[list[Request]]:
        while window := list(islice(requests, self.batch_size * _WINDOW)):
            window.sort(key=weight, reverse=True)
            while window:
                # Read anew each time: memory that runs out makes batches smaller.
                size = self.batch_size
                alike = [r for r in window if (r.image is None) == (window[0].image is None)]
                batch = alike[:size]
                taken = {id(request) for request in batch}
                window = [request for request in window if id(request) not in taken]
                yield batch

    def _answer(self, batch: Batch) -> Iterator[tuple[str, Outcome]]:
        yield from batch.errors
        if not batch.requests:
            return
        outcomes = self._try_batch(batch)
        if outcomes is not None:
            yield from outcomes
            return
        if len(batch.requests) == 1:
            yield batch.requests[0].key, GenerationError("out_of_memory", self._memory_remedy())
            return
        half = (len(batch.requests) + 1) // 2
        if half < self.batch_size:
            warnings.warn(
                f"out of memory with {len(batch.requests)} requests at once; going on with "
                f"--batch-size {half}",
                stacklevel=2,
            )
            self.batch_size = half
        for part in (batch.requests[:half], batch.requests[half:]):
            yield from self._answer(self._preparer.prepare(part))

    def _try_batch(self, batch: Batch) -> list[tuple[str, Outcome]] | None:
        """The outcomes of a batch, None if memory ran out."""
        torch = self._torch
        if (seed := self.sampling.batch_seed(batch.requests[0].key)) is not None:
            self._transformers.set_seed(seed)
        started = time.monotonic()
        try:
            with torch.inference_mode():
                inputs = batch.inputs.to(self._model.device)
                output = self._model.generate(**inputs)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_out_of_memory(torch, error):
                raise
            output = None
        if output is None:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return None
        seconds = round((time.monotonic() - started) / len(batch.requests), 4)
        answers = output[:, batch.inputs["input_ids"].shape[1] :].tolist()
        return [
            (request.key, self._generation(tokens, image_size, input_size, seconds))
            for request, tokens, image_size, input_size in zip(
                batch.requests, answers, batch.image_sizes, batch.input_sizes
            )
        ]

    def _generation(
        self, tokens: list[int], image_size: Size | None, input_size: Size | None, seconds: float
    ) -> Generation:
        ends = self._config.eos_token_id
        stops = set(ends if isinstance(ends, (list, tuple)) else [ends])
        end = next((i for i, token in enumerate(tokens) if token in stops), None)
        tokens = tokens if end is None else tokens[: end + 1]
        return Generation(
            text=self._tokenizer.decode(tokens, skip_special_tokens=True),
            truncated=end is None,
            token_count=len(tokens),
            finish_reason="length" if end is None else "stop",
            served_model=self.model,
            seconds=seconds,
            image_size=image_size,
            input_size=input_size,
        )

    def _generation_config(self) -> Any:
        config = copy.deepcopy(self._model.generation_config)
        config.max_new_tokens, config.max_length = self.sampling.max_tokens, None
        config.pad_token_id = self._tokenizer.pad_token_id
        if config.eos_token_id is None:
            config.eos_token_id = self._tokenizer.eos_token_id
        if self.sampling.greedy:
            config.do_sample, config.num_beams = False, 1
            config.temperature = config.top_p = config.top_k = None
        else:
            config.do_sample, config.temperature = True, self.sampling.temperature
            if self.sampling.top_p is not None:
                config.top_p = self.sampling.top_p
        return config

    def _device(self) -> str:
        torch = self._torch
        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            if self._world.local_rank >= count:
                raise EngineError(
                    f"{self._world.local_rank + 1} processes on this machine need as many GPUs, "
                    f"but there are {count}: start fewer processes"
                )
            return f"cuda:{self._world.local_rank}"
        return "mps" if torch.backends.mps.is_available() else "cpu"

    def _memory_remedy(self) -> str:
        resizing = self._preparer.resizing
        now = f" (now {resizing.max_pixels})" if resizing else ""
        return (
            f"out of memory with a single request: lower --max-pixels{now} or --max-tokens (now "
            f"{self.sampling.max_tokens}), use --dtype bfloat16, or spread the model over several "
            "GPUs by --device-map auto"
        )


def _dtype(torch: Any, name: str) -> Any:
    if name == "auto":
        return "auto"
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise OptionError(
            f"expected a torch dtype like bfloat16, float16, float32 or auto, got {name!r}"
        )
    return dtype


def _is_out_of_memory(torch: Any, error: BaseException) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def from_config(config: EngineConfig) -> HFEngine:
    """Build the engine from the common options.

    Raises:
        EngineError: If no model is named.
    """
    if config.model is None:
        raise EngineError("the engine 'hf' needs a model: name it by --model")
    return HFEngine(
        config.model,
        sampling=config.sampling,
        family=config.family,
        batch_size=config.batch_size,
        dtype=config.dtype,
        attn_implementation=config.attn_implementation,
        device_map=config.device_map,
        min_pixels=config.min_pixels,
        max_pixels=config.max_pixels,
        trust_remote_code=config.trust_remote_code,
    )

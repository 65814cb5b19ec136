"""The engine `vllm`: a checkpoint run here by vLLM, without a server."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vlreward._text import one_line
from vlreward.engines.base import EngineConfig, EngineError, resolve_family
from vlreward.engines.checkpoint import fingerprint
from vlreward.engines.prompted import PromptedEngine
from vlreward.errors import OptionError
from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["VLLMEngine"]

_REQUESTS = 512
"""Handed over together; vLLM makes its own batches of them."""


class VLLMEngine(PromptedEngine):
    """Generates with vLLM's `LLM` in this process, one model on one or more GPUs.

    Prompts and resized images are those of the engine `hf`. `config.options` are further arguments
    of `LLM`, such as `tensor_parallel_size`, `gpu_memory_utilization` or `max_model_len`.

    Raises:
        ImportError: If vllm is missing; names the extra.
        EngineError: If the checkpoint cannot be opened.
        OptionError: If an option cannot be used.
    """

    name = "vllm"
    takes = frozenset({"dtype", "max_pixels", "min_pixels", "options", "trust_remote_code"})

    def __init__(self, config: EngineConfig) -> None:
        try:
            import vllm
        except ImportError as error:
            raise ImportError(
                f"the engine 'vllm' needs vllm ({error}): pip install 'vlreward[vllm]'"
            ) from error
        if os.environ.get("WORLD_SIZE", "1") != "1":
            raise OptionError(
                "the engine 'vllm' runs in one process, but several were started: spread a model "
                """over GPUs by --engine-options '{"tensor_parallel_size": N}'"""
            )
        super().__init__(config)
        if self._base is not None:
            raise EngineError(
                f"expected a whole model in {self.model!r}, got an adapter: merge it first, with "
                f"vlreward merge {self.model} --out DIR"
            )
        self.batch_size = _REQUESTS
        self._vllm = vllm
        self._config = self._checkpoint_config()
        try:
            self._llm = vllm.LLM(
                self.model, dtype=config.dtype, **self._limits(), **self._trusted, **self.options
            )
        except (OSError, TypeError, ValueError, RuntimeError) as error:
            raise EngineError(
                f"vllm {vllm.__version__} cannot open {self.model!r}: {one_line(error)}. Is it a "
                "checkpoint, are --engine-options arguments of vllm.LLM, and is the GPU free "
                "(gpu_memory_utilization)?"
            ) from error
        hf_config = self._llm.model_config.hf_config
        self.family = resolve_family(config.family, hf_config.model_type, self.model)
        self._fingerprint = fingerprint(self.model, SimpleNamespace(config=hf_config))

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not how the model is spread over GPUs."""
        return {
            **self.shown(),
            "fingerprint": self._fingerprint,
            "dtype": str(self._llm.model_config.dtype).removeprefix("torch."),
            "vllm": self._vllm.__version__,
            **({"repetition_penalty": self.penalty} if self.penalty != 1.0 else {}),
        }

    def close(self) -> None:
        """Free the GPU."""
        self._llm = None
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def collate(
        self, prompts: list[str], images: list[list[Image]]
    ) -> tuple[Any, list[Size] | None]:
        """Prompts as vLLM takes them: text with one token an image, and the images."""
        inputs = [
            {"prompt": prompt, "multi_modal_data": {"image": shown}}
            if shown
            else {"prompt": prompt}
            for prompt, shown in zip(prompts, images)
        ]
        if self.resizing is None:
            return inputs, None
        # They are as large as they are to be seen.
        return inputs, [Size(*image.size) for shown in images for image in shown]

    def draw(self, inputs: Any, seed: int | None) -> list[list[int]] | None:
        """The new tokens of each prompt."""
        parameters = [
            self._vllm.SamplingParams(**self._decoding(None if seed is None else seed + index))
            for index in range(len(inputs))
        ]
        try:
            outputs = self._llm.generate(inputs, parameters, use_tqdm=False)
        except ValueError as error:
            raise EngineError(
                f"vllm refused a prompt: {one_line(error)}. If it is too long, lower --max-pixels "
                """or raise --engine-options '{"max_model_len": N}'"""
            ) from error
        return [list(output.outputs[0].token_ids) for output in outputs]

    @property
    def memory_remedy(self) -> str:
        """What helps where memory runs out with a single request."""
        return """lower --engine-options '{"gpu_memory_utilization": ...}' or --max-pixels"""

    def _decoding(self, seed: int | None) -> dict[str, Any]:
        sampling, own = self.sampling, self._config
        chosen = {"top_p": sampling.top_p or own.top_p or 1.0, "top_k": own.top_k or 0}
        return {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "repetition_penalty": self.penalty,
            "stop_token_ids": list(self.end_tokens),
            "seed": seed,
            **({} if sampling.greedy else chosen),
        }

    def _limits(self) -> dict[str, Any]:
        """The limits of images, for vLLM's own processor: it then leaves them as they are."""
        if self.resizing is None:
            return {}
        edges = {
            "shortest_edge": self.resizing.min_pixels,
            "longest_edge": self.resizing.max_pixels,
        }
        return {"mm_processor_kwargs": {"size": edges}}

    def _checkpoint_config(self) -> Any:
        """How the checkpoint says that it is decoded."""
        config = self._transformers.GenerationConfig
        try:
            return config.from_pretrained(self.model)
        except OSError:
            return config()

"""The engine `hf`: a checkpoint run here by transformers, in batches."""

from __future__ import annotations

import copy
import datetime
import os
from typing import TYPE_CHECKING, Any

from vlreward.engines.base import EngineConfig, EngineError, resolve_family
from vlreward.engines.batched import is_out_of_memory
from vlreward.engines.checkpoint import fingerprint, open_model
from vlreward.engines.prompted import PromptedEngine
from vlreward.errors import OptionError
from vlreward.geometry import Size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["HFEngine", "dtype_of"]

_PATIENCE = datetime.timedelta(days=30)
"""One process may wait for another that has the longer answers; a dead one ends all anyway."""


class HFEngine(PromptedEngine):
    """Generates with a model in this process, or in several that torchrun started.

    Started by `torchrun --nproc_per_node N` or `accelerate launch`, each process loads the model
    on its own GPU and answers its share. `device_map="auto"` instead spreads one model over all
    GPUs of one process.

    Raises:
        ImportError: If torch or transformers is missing; names the extra.
        EngineError: If the checkpoint cannot be opened; names the remedy.
        OptionError: If an option cannot be used.
    """

    name = "hf"
    takes = frozenset((
        "attn_implementation", "base_model", "batch_size", "device_map", "dtype", "max_pixels",
        "min_pixels", "trust_remote_code",
    ))  # fmt: skip

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._world = _World()
        self.rank, self.world_size = self._world.rank, self._world.size
        if config.device_map is not None and self.world_size > 1:
            raise OptionError(
                f"--device-map {config.device_map} spreads one model over the GPUs of one "
                f"process, but {self.world_size} processes were started: leave out one of the two"
            )
        options = {
            "dtype": dtype_of(self._torch, config.dtype),
            "device_map": config.device_map or {"": self._device()},
            **self._trusted,
        }
        if config.attn_implementation is not None:
            options["attn_implementation"] = config.attn_implementation
        self._model = open_model(self.model, options, self._base)
        self.family = resolve_family(config.family, self._model.config.model_type, self.model)
        self._config = self._generation_config()
        # Otherwise what is None here would be filled in from the checkpoint's own.
        self._model.generation_config = self._config
        self._fingerprint = fingerprint(self.model, self._model, self._base)

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on; not the batch size or the devices."""
        return {
            **self.shown(),
            "fingerprint": self._fingerprint,
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "attn": getattr(self._model.config, "_attn_implementation", None),
            **({"repetition_penalty": self.penalty} if self.penalty != 1.0 else {}),
        }

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank."""
        return self._world.gather(value)

    def close(self) -> None:
        """Free the model's memory and leave the process group."""
        self._model = None
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()
        self._world.close()

    def collate(
        self, prompts: list[str], images: list[list[Image]]
    ) -> tuple[Any, list[Size] | None]:
        """The processor's tensors, and the sizes as it chose them, read from its grid."""
        # One list of images per text is what processors of every family take.
        nested = images if images[0] else None
        inputs = self._processor(text=prompts, images=nested, padding=True, return_tensors="pt")
        grids = inputs["image_grid_thw"].tolist() if "image_grid_thw" in inputs else []
        patch = getattr(self._processor.image_processor, "patch_size", None)
        if not grids or not isinstance(patch, int):
            return inputs, None
        return inputs, [Size(columns * patch, rows * patch) for _, rows, columns in grids]

    def draw(self, inputs: Any, seed: int | None) -> list[list[int]] | None:
        """The new tokens of each prompt; None where memory ran out."""
        torch = self._torch
        if seed is not None:
            self._transformers.set_seed(seed)
        try:
            with torch.inference_mode():
                output = self._model.generate(**inputs.to(self._model.device))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            output = None
        if output is None:  # outside of the handler, whose traceback holds the tensors
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return None
        rows = output[:, inputs["input_ids"].shape[1] :].tolist()
        ends = set(self.end_tokens)
        cuts = [next((i + 1 for i, token in enumerate(row) if token in ends), None) for row in rows]
        return [row[:cut] for row, cut in zip(rows, cuts)]

    @property
    def memory_remedy(self) -> str:
        """What helps where memory runs out with a single request."""
        now = f" (now {self.resizing.max_pixels})" if self.resizing else ""
        return (
            f"lower --max-pixels{now} or --max-tokens (now {self.sampling.max_tokens}), use "
            "--dtype bfloat16, or spread the model over several GPUs by --device-map auto"
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


class _World:
    """This process's place among those that share a run.

    Reads the variables that launchers set (WORLD_SIZE, RANK, LOCAL_RANK). The processes talk over
    gloo on the CPU, and only to wait for each other and to exchange small objects.

    Raises:
        EngineError: If the variables contradict each other.
    """

    def __init__(self) -> None:
        self.size = _number("WORLD_SIZE", 1)
        self.rank = _number("RANK", 0)
        self.local_rank = _number("LOCAL_RANK", self.rank)
        self._group: Any = None
        self._started = False
        if self.size == 1:
            self.rank = 0
            return
        if not 0 <= self.rank < self.size:
            raise EngineError(
                f"expected RANK from 0 to {self.size - 1}, got {self.rank}: start the processes "
                "by torchrun or accelerate launch"
            )
        import torch.distributed as dist

        if dist.is_initialized():
            self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)
        else:
            dist.init_process_group("gloo", timeout=_PATIENCE)
            self._started = True

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank; waits until all have arrived here."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def close(self) -> None:
        """Leave the process group if it was made here."""
        if self._started:
            import torch.distributed as dist

            self._started = False
            dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise EngineError(f"expected a whole number in the variable {name}, got {text!r}") from None


def dtype_of(torch: Any, name: str) -> Any:
    """The type that `--dtype` names, or `auto`.

    Raises:
        OptionError: If torch has no such type.
    """
    if name == "auto":
        return "auto"
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise OptionError(
            f"--dtype: expected a torch dtype like bfloat16, float16, float32 or auto, got {name!r}"
        )
    return dtype

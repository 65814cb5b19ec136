"""Checkpoints of a run: whether they are whole, and whether a run can go on from them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from vlreward.engines.torn import torn_file
from vlreward.errors import OptionError

__all__ = ["Checkpoint", "checkpoints_in", "is_misfit"]

_SHARDED = ("*model_fsdp*", "global_step*")
_WEIGHTS = (*_SHARDED, "*model*.safetensors", "*model*.bin", "*model*.pdparams")
_MISFIT = re.compile("size mismatch|[Mm]issing key|doesn't match the size|receives a shape")


def checkpoints_in(directory: Path) -> dict[int, Path]:
    """The checkpoints in the directory of a run by their steps, torn ones among them."""
    return {
        int(path.name[11:]): path
        for path in sorted(directory.glob("checkpoint-*"))
        if path.name[11:].isdigit() and path.is_dir()
    }


@dataclass(frozen=True)
class Checkpoint:
    """What a trainer has saved to go on from."""

    path: Path
    """Its directory."""
    step: int | None
    """Steps that were done; None if it is not whole."""
    flaw: str = ""
    """What is wrong with it if it is not."""

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Look at a directory, which need not be one."""
        if not path.is_dir():
            return cls(path, None, "there is no such directory")
        if not any(path.glob("trainer_state.*")):
            return cls(path, None, f"{path}: holds no trainer_state.json, which is written last")
        if not any(any(path.glob(pattern)) for pattern in _WEIGHTS):
            return cls(path, None, f"{path}: holds no weights")
        if (flaw := torn_file(path)) is not None:
            return cls(path, None, flaw)
        state = path / "trainer_state.json"
        try:
            if state.is_file():
                return cls(path, int(json.loads(state.read_bytes())["global_step"]))
            return cls(path, int(path.name.removeprefix("checkpoint-")))
        except (ValueError, KeyError, TypeError):
            return cls(path, None, f"{path}: says no step, as global_step or in its name")

    def check_kind(self, adapter: bool, foreign: Sequence[str]) -> None:
        """Look at whether a trainer can load it.

        Args:
            adapter: Whether an adapter is trained, and not the model.
            foreign: Patterns of files in checkpoints that it cannot load.

        Raises:
            OptionError: If it is foreign, or a model where an adapter is trained, or the
                other way round.
        """
        if found := sorted(file.name for pattern in foreign for file in self.path.glob(pattern)):
            raise OptionError(
                f"--resume: {self.path} is a checkpoint of another backend, or of a model that was "
                f"spread in another way, with {found[0]}: start as that run did (STRATEGY of the "
                "scripts), or train its model on by --model DIR (checkpoint-N/hf of Paddle's; of "
                "an adapter what `vlreward merge` makes of it)"
            )
        if any(any(self.path.glob(pattern)) for pattern in _SHARDED):
            return
        index = self.path / "model.safetensors.index.json"
        is_adapter = any(self.path.glob("adapter_*")) or (
            index.is_file() and b".lora_A" in index.read_bytes()
        )
        if is_adapter != adapter:
            kinds = ("a whole model", "an adapter")
            raise OptionError(
                f"--resume: expected a checkpoint of {kinds[adapter]}, got {kinds[is_adapter]} in "
                f"{self.path}: {'leave out' if adapter else 'add'} --use_peft, or name another one"
            )

    def check_optimizer(self) -> None:
        """Look at whether training can go on as it was.

        Raises:
            OptionError: If it cannot.
        """
        if not any(self.path.glob("*optim*")) and not any(self.path.glob("global_step*")):
            raise OptionError(
                f"{self.path} holds a model without its optimizer (--save_only_model): training "
                "cannot go on as it was. Name another --output_dir, begin anew with "
                f"--overwrite_output_dir, or train the model on with --resume {self.path}"
            )


def is_misfit(error: Exception) -> bool:
    """Whether something could not be loaded, as it has other names, shapes or numbers.

    What a reward function loads, as a model that judges, is none of the checkpoint's.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(frame.f_globals.get("__name__") == f"{__package__}.rewards" for frame in frames):
        return False
    loading = any(frame.f_code.co_name.startswith(("load_", "_load_")) for frame in frames)
    return loading and _MISFIT.search(str(error)) is not None

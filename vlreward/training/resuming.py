"""Whether a run begins or goes on; whichever it is, nothing of an earlier run is lost."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlreward import __version__
from vlreward._lock import FileLock
from vlreward._text import one_line
from vlreward.errors import OptionError, UserError
from vlreward.files import replacing

__all__ = ["RUN_FILE", "RunStart", "StoppedError", "decide"]

RUN_FILE = "run.json"
"""File in the directory of a run with the settings that it was begun with."""
_AUTO = ("auto", "last", "true")
_LEFTOVERS = ("traces", "completions", "trainer_state.json", RUN_FILE)
_NEARLY_FULL = 2**20
_WEIGHTS = ("*.safetensors", "*.pdparams", "*.bin")


class StoppedError(UserError):
    """A run was told to end before its last step."""

    exit_code: ClassVar[int] = 143


@dataclass(frozen=True)
class RunStart:
    """Where a run begins."""

    output_dir: Path
    """Its directory."""
    checkpoint: str | None
    """Directory of the checkpoint from which it goes on; None for the beginning."""
    step: int
    """Steps that are done already."""
    finished: bool
    """Whether all steps are done and the model is saved."""
    aside: tuple[Path, ...]
    """What an earlier run left that this one would write over or delete."""
    settings: Mapping[str, Any]
    """What makes it this run and no other."""
    total: int = 0
    """Steps that the whole run has, if known."""

    def text(self) -> str:
        """One line for people."""
        where = f"output in {self.output_dir}"
        if self.finished:
            return f"{where}: finished at step {self.step}, nothing is left to train"
        kept = f"; what is there already is put aside in {self._aside()}" if self.aside else ""
        begin = f"goes on from {self.checkpoint}" if self.checkpoint else "begins at step 0"
        if self.checkpoint and self.step >= self.total > 0:
            begin += f", which has all {self.total} steps: its model is saved, nothing is trained"
        return f"{where}, {begin}{kept}"

    @contextmanager
    def held(self, rank: int) -> Iterator[None]:
        """Keep other runs out of the directory while this one is in it.

        Args:
            rank: Number of the process, of which the first one holds it.

        Raises:
            LockedError: If another run is there; says which process.
            OptionError: If it cannot be made.
            UserError: If what is done meanwhile fails because the disk is full.
        """
        lock = None
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            if rank == 0:
                lock = FileLock(self.output_dir / "run.lock")
        except OSError as error:
            raise OptionError(
                f"--output_dir {str(self.output_dir)!r}: {one_line(error)}"
            ) from error
        try:
            yield
        except (OSError, RuntimeError) as error:  # the latter is torch's
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if not full and shutil.disk_usage(self.output_dir).free > _NEARLY_FULL:
                raise
            raise UserError(
                f"the disk of {self.output_dir} is full: {one_line(error)}. Make room (what "
                "earlier-N there hold was put aside), and start the same command again: it goes "
                "on from the last whole checkpoint"
            ) from error
        finally:
            if lock is not None:
                lock.release()

    def make(self) -> None:
        """Put aside what is in the way, and note the settings.

        One process of each machine does it, when all have decided. On a shared disk another
        machine's may have been quicker.
        """
        if self.aside:
            target = self._aside()
            target.mkdir(parents=True, exist_ok=True)
            for path in self.aside:
                with suppress(FileNotFoundError):
                    path.rename(target / path.name)
        self._note(None)

    def check_end(self, state: Any, *, early: bool) -> None:
        """Look at the end of a training, before its model is saved as the result.

        Args:
            state: The trainer's state.
            early: Whether it has learned enough to end before its last step.

        Raises:
            StoppedError: If something else ended it: `--enable_jit_checkpoint`, or a callback.
        """
        if state.global_step < state.max_steps and not early:
            raise StoppedError(
                f"stopped at step {state.global_step} of {state.max_steps}: the same command goes "
                f"on from the last checkpoint in {self.output_dir}"
            )

    def finish(self, steps: int) -> None:
        """Note that the model is saved and so many steps are done with, early stops included."""
        self._note(steps)

    def _note(self, finished: int | None) -> None:
        self.output_dir.mkdir(parents=True, exist_ok=True)
        content = {"vlreward": __version__, "finished": finished, "settings": dict(self.settings)}
        with replacing(self.output_dir / RUN_FILE) as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")

    def _aside(self) -> Path:
        number = 1
        while (self.output_dir / f"earlier-{number}").exists():
            number += 1
        return self.output_dir / f"earlier-{number}"


def decide(
    output_dir: str | Path,
    *,
    resume: str,
    overwrite: bool,
    settings: Mapping[str, Any],
    total_steps: int,
) -> RunStart:
    """Decide where a run begins; changes nothing.

    Args:
        output_dir: The directory of the run.
        resume: `auto` for the last checkpoint in it, or the beginning where there is none; else
            the directory of a checkpoint.
        overwrite: Begin anew, whatever is there.
        settings: What makes it this run: data, rewards, model and what shapes the result. JSON.
        total_steps: Steps that the whole run has.

    Raises:
        OptionError: If there is no such checkpoint, if the directory holds a run with other
            settings, or if a finished model would be written over.
    """
    if not str(output_dir):
        raise OptionError("--output_dir: expected a directory, got ''")
    directory = Path(output_dir)
    settings = json.loads(json.dumps(settings, default=str))
    present = _checkpoints(directory)
    left = [p for p in map(directory.joinpath, _LEFTOVERS) if p.exists()]
    everything = (*present.values(), *left)

    def start(
        checkpoint: Path | None, step: int, aside: tuple[Path, ...], finished: bool = False
    ) -> RunStart:
        name = None if checkpoint is None else str(checkpoint)
        return RunStart(directory, name, step, finished, aside, settings, total_steps)

    automatic = resume.lower() in _AUTO
    if overwrite:
        if not automatic:
            raise OptionError(f"--overwrite_output_dir begins anew: leave out --resume {resume}")
        return start(None, 0, everything)
    if not automatic:
        checkpoint = Path(resume)
        step = _step(checkpoint)
        if step is None:
            raise OptionError(
                f"--resume: expected auto or the directory of a checkpoint, got {resume!r}, which "
                f"holds no whole trainer_state.json; {_known(present)}"
            )
        if checkpoint.resolve().parent != directory.resolve():
            if everything or _has_model(directory):
                raise OptionError(_occupied(directory, f"--resume {resume} lies elsewhere"))
            return start(checkpoint, step, ())
        return start(checkpoint, step, _later(present, step))
    whole = {step: path for step, path in present.items() if _step(path) is not None}
    if whole:
        _check_settings(directory, settings)
        step = max(whole)
        _check_optimizer(whole[step])
        done = _noted(directory).get("finished")
        finished = done is not None and step <= done >= total_steps
        return start(whole[step], step, _later(present, step), finished)
    if _has_model(directory):
        raise OptionError(_occupied(directory, "holds a model and no checkpoint to go on from"))
    return start(None, 0, everything)


def _checkpoints(directory: Path) -> dict[int, Path]:
    return {
        int(path.name[11:]): path
        for path in sorted(directory.glob("checkpoint-*"))
        if path.name[11:].isdigit() and path.is_dir()
    }


def _step(checkpoint: Path) -> int | None:
    """The step of a whole checkpoint: trainers write their state last, a kill may tear it."""
    if not any(checkpoint.glob("trainer_state.*")):
        return None
    try:
        return int(json.loads((checkpoint / "trainer_state.json").read_bytes())["global_step"])
    except FileNotFoundError:
        return int(checkpoint.name[11:]) if checkpoint.name[11:].isdigit() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _later(present: Mapping[int, Path], step: int) -> tuple[Path, ...]:
    """Checkpoints behind the one that a run goes on from, torn ones among them: a limit of saved
    checkpoints would keep them and delete the run's own."""
    return tuple(path for number, path in present.items() if number > step)


def _has_model(directory: Path) -> bool:
    return any(any(directory.glob(pattern)) for pattern in _WEIGHTS)


def _noted(directory: Path) -> dict[str, Any]:
    try:
        content = json.loads((directory / RUN_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_settings(directory: Path, settings: Mapping[str, Any]) -> None:
    before = _noted(directory).get("settings") or {}
    changed = [
        f"{name} {before[name]!r} -> {settings[name]!r}"
        for name in settings
        if name in before and before[name] != settings[name]
    ]
    if changed:
        raise OptionError(
            f"{directory} holds a run with other settings: {', '.join(changed)}. Name another "
            "--output_dir, begin anew with --overwrite_output_dir, or go on all the same with "
            f"--resume {directory}/checkpoint-N"
        )


def _check_optimizer(checkpoint: Path) -> None:
    if not any(checkpoint.glob("*optim*")) and not any(checkpoint.glob("global_step*")):
        raise OptionError(
            f"{checkpoint} holds a model without its optimizer (--save_only_model): training "
            "cannot go on as it was. Name another --output_dir, begin anew with "
            f"--overwrite_output_dir, or train the model on with --resume {checkpoint}"
        )


def _occupied(directory: Path, why: str) -> str:
    return (
        f"{directory} is not empty and would be written over ({why}): name another --output_dir, "
        "or begin anew with --overwrite_output_dir"
    )


def _known(present: Mapping[int, Path]) -> str:
    whole = [str(path) for path in present.values() if _step(path) is not None]
    return f"there are {', '.join(whole)}" if whole else "there are no checkpoints"

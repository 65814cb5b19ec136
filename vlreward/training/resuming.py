"""Whether a run begins or goes on; whichever it is, nothing of an earlier run is lost."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlreward import __version__
from vlreward._lock import FileLock
from vlreward._text import one_line
from vlreward.errors import OptionError, UserError
from vlreward.files import replacing
from vlreward.training.checkpoints import Checkpoint, checkpoints_in, is_misfit

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
    torn: tuple[str, ...] = ()
    """What is wrong with later checkpoints, from which it would have gone on."""
    changed: tuple[str, ...] = ()
    """Settings that are others than those of the run that left the checkpoint."""

    def text(self) -> str:
        """Lines for people, the first of which says where it begins."""
        warnings = [f"warning: no whole checkpoint: {flaw}" for flaw in self.torn]
        if self.torn and not self.checkpoint:
            warnings.append(
                "warning: NO CHECKPOINT IS WHOLE, all steps are done again. A model whose own "
                f"files are whole can be trained on by --model {self._aside()}/checkpoint-N"
            )
        if self.changed:
            changed = ", ".join(self.changed)
            warnings.append(f"warning: the checkpoint is of a run with other settings: {changed}")
        return "\n".join([self._begin(), *warnings])

    def _begin(self) -> str:
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
            UserError: If what is done meanwhile fails because the disk is full, or because the
                checkpoint is of other weights than those that are trained.
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
        except (OSError, RuntimeError, ValueError) as error:  # the latter two are libraries'
            if isinstance(error, UserError):
                raise
            if self.checkpoint and is_misfit(error):
                raise UserError(
                    f"{self.checkpoint} does not fit the model or the optimizer of this run, it is "
                    f"of a run with other settings: {one_line(error):.300}"
                ) from error
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            room = shutil.disk_usage(self.output_dir).free > _NEARLY_FULL
            if not full and (room or isinstance(error, ValueError)):
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
    adapter: bool = False,
    foreign: Sequence[str] = (),
) -> RunStart:
    """Decide where a run begins; changes nothing.

    Args:
        output_dir: The directory of the run.
        resume: `auto` for the last checkpoint in it, or the beginning where there is none; else
            the directory of a checkpoint.
        overwrite: Begin anew, whatever is there.
        settings: What makes it this run: data, rewards, model and what shapes the result. JSON.
        total_steps: Steps that the whole run has.
        adapter: Whether an adapter is trained, and not the model.
        foreign: Patterns of files in checkpoints that this run cannot load.

    Raises:
        OptionError: If there is no such checkpoint, if it cannot be gone on from, if the directory
            holds a run with other settings, or if a finished model would be written over.
    """
    if not str(output_dir):
        raise OptionError("--output_dir: expected a directory, got ''")
    directory = Path(output_dir)
    settings = json.loads(json.dumps(settings, default=str))
    present = checkpoints_in(directory)
    left = [p for p in map(directory.joinpath, _LEFTOVERS) if p.exists()]
    everything = (*present.values(), *left)

    def start(
        begun: Checkpoint | None, aside: Sequence[Path], finished: bool = False, **more: Any
    ) -> RunStart:
        name, step = (str(begun.path), begun.step or 0) if begun else (None, 0)
        aside = tuple(aside)
        return RunStart(directory, name, step, finished, aside, settings, total_steps, **more)

    automatic = resume.lower() in _AUTO
    if overwrite:
        if not automatic:
            raise OptionError(f"--overwrite_output_dir begins anew: leave out --resume {resume}")
        return start(None, everything)
    if not automatic:
        named = Checkpoint.read(Path(resume))
        if named.step is None:
            raise OptionError(
                f"--resume: expected auto or the directory of a checkpoint, got {resume!r}, which "
                f"is not whole: {named.flaw}; {_known(present)}"
            )
        named.check_kind(adapter, foreign)
        parent = named.path.resolve().parent
        changed = tuple(_changed(parent, settings))
        if parent != directory.resolve():
            if everything or _has_model(directory):
                raise OptionError(_occupied(directory, f"--resume {resume} lies elsewhere"))
            return start(named, (), changed=changed)
        return start(named, _later(present, named.step), changed=changed)
    torn = []
    for number in sorted(present, reverse=True):
        last = Checkpoint.read(present[number])
        if last.step is None:
            torn.append(last.flaw)
            continue
        _check_settings(directory, settings)
        last.check_kind(adapter, foreign)
        last.check_optimizer()
        done = _noted(directory).get("finished")
        finished = done is not None and last.step <= done >= total_steps
        return start(last, _later(present, number), finished, torn=tuple(torn))
    if _has_model(directory):
        why = "; ".join(["holds a model and no checkpoint to go on from", *torn])
        raise OptionError(_occupied(directory, why))
    return start(None, everything, torn=tuple(torn))


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


def _changed(directory: Path, settings: Mapping[str, Any]) -> list[str]:
    """What differs from the settings of the run in a directory."""
    before = _noted(directory).get("settings") or {}
    return [
        f"{name} {before[name]!r} -> {settings[name]!r}"
        for name in settings
        if name in before and before[name] != settings[name]
    ]


def _check_settings(directory: Path, settings: Mapping[str, Any]) -> None:
    if changed := _changed(directory, settings):
        raise OptionError(
            f"{directory} holds a run with other settings: {', '.join(changed)}. Name another "
            "--output_dir, begin anew with --overwrite_output_dir, or go on all the same with "
            f"--resume {directory}/checkpoint-N"
        )


def _occupied(directory: Path, why: str) -> str:
    return (
        f"{directory} is not empty and would be written over ({why}): name another --output_dir, "
        "or begin anew with --overwrite_output_dir"
    )


def _known(present: Mapping[int, Path]) -> str:
    whole = [str(path) for path in present.values() if Checkpoint.read(path).step is not None]
    return f"whole ones are {', '.join(whole)}" if whole else "there are no whole checkpoints"

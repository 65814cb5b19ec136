"""The command line that the backends share, with a backend that does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from vlreward.data import DataError
from vlreward.engines.values import EngineError
from vlreward.errors import OptionError
from vlreward.registry import Registry, UnknownNameError
from vlreward.training.cli import Backend, main
from vlreward.training.parsing import SWITCHES, check_idle


class Idle(Backend):
    extra = "idle"
    packages: ClassVar[tuple[str, ...]] = ("json",)
    prog = "idle"
    model = "MODEL"

    def __init__(self, error: BaseException | None = None, rank: int = 0) -> None:
        self.error = error
        self.rank = rank
        self.did: list[str] = []

    def prepare(self, argv: Sequence[str]) -> Any:
        if self.error is not None:
            raise self.error
        arguments = SimpleNamespace(dry_run="--dry-run" in argv)
        return SimpleNamespace(options=SimpleNamespace(arguments=arguments), rank=self.rank)

    def describe(self, run: Any) -> str:
        return "nothing"

    def train(self, run: Any) -> Any:
        self.did.append("trained")


def test_a_dry_run_is_printed_by_the_first_process_and_trains_nothing(capsys: Any) -> None:
    for rank, shown in ((0, "nothing\n"), (1, "")):
        backend = Idle(rank=rank)
        main(backend, ["--dry-run"])
        assert capsys.readouterr().out == shown
        assert backend.did == []
    main(backend, [])
    assert backend.did == ["trained"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("no rows"), 2),
        (UnknownNameError("unknown term"), 2),
        (FileNotFoundError("no file"), 2),
        (EngineError("no model"), 3),
        (KeyboardInterrupt("interrupted: the same command goes on from the last checkpoint"), 130),
    ],
)
def test_what_a_user_can_mend_is_one_message(error: BaseException, code: int, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(Idle(error), [])
    assert stopped.value.code == code
    said = capsys.readouterr().err
    assert said.startswith(f"error: {error}")
    assert said.count("\n") == 1


def test_messages_of_the_library_speak_of_options(capsys: Any) -> None:
    """Not of its Python arguments, which the command line does not have."""
    error = DataError("images are missing: say flat_images=True or on_missing='skip', schema=...")
    with pytest.raises(SystemExit):
        main(Idle(error), [])
    said = capsys.readouterr().err
    assert "say --flat_images or --on_missing skip, --schema ..." in said


def test_only_the_first_process_speaks_at_once(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have the same to say, and the launcher ends them by then."""
    waited: list[float] = []
    monkeypatch.setattr("vlreward.training.cli.time.sleep", waited.append)
    for rank, waits in (("0", 0), ("3", 1)):
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(SystemExit):
            main(Idle(DataError("no rows")), [])
        assert len(waited) == waits


def test_a_broken_plug_in_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """It ended every run, of other tasks too, in a traceback."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[broken.things]\nbad = no_such_module:X\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    class Reads(Idle):
        def prepare(self, argv: Sequence[str]) -> Any:
            return Registry[Any]("thing", group="broken.things").get("bad")

    with pytest.raises(SystemExit) as stopped:
        main(Reads(), [])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the thing 'bad' of the plug-in 'no_such_module:X'" in said
    assert "mend or uninstall the plug-in" in said


def test_a_bug_shows_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        main(Idle(ZeroDivisionError()), [])


def test_a_missing_package_names_the_extra(capsys: Any) -> None:
    class Bare(Idle):
        packages: ClassVar[tuple[str, ...]] = ("json", "no_such_package")

    with pytest.raises(SystemExit):
        main(Bare(), [])
    assert "'no_such_package'" in (text := capsys.readouterr().err)
    assert "pip install 'vlreward[idle]'" in text


def test_what_a_file_of_options_turns_off_is_not_idle() -> None:
    chosen = {"load_best_model_at_end": False, "eval_steps": None, "eval_on_start": False}
    check_idle(chosen, SWITCHES, lambda switch: False)
    with pytest.raises(OptionError, match="--lora_dropout does nothing without --use_peft"):
        check_idle({**chosen, "lora_dropout": 0}, SWITCHES, lambda switch: False)

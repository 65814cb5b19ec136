"""Where a run begins, and that nothing of an earlier one is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlreward._lock import FileLock, LockedError
from vlreward.errors import OptionError, UserError
from vlreward.training.resuming import RUN_FILE, RunStart, StoppedError, decide
from vlreward.training.rewards import UserReward

SETTINGS = {"task": "counting", "beta": 0.04, "weights": {"counting.exact": 1.0}}


def _checkpoint(directory: Path, step: int, *, whole: bool = True, optimizer: bool = True) -> Path:
    path = directory / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    if optimizer:
        (path / "optimizer.pt").write_bytes(b"PK\x05\x06" + bytes(18))  # of an empty archive
    if whole:
        (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


def _decide(directory: Path, **options: Any) -> RunStart:
    given = {"resume": "auto", "overwrite": False, "settings": SETTINGS, "total_steps": 500}
    return decide(directory, **{**given, **options})


def _everything(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def test_one_launch_line_begins_and_goes_on(tmp_path: Path) -> None:
    start = _decide(tmp_path / "run")
    assert (start.checkpoint, start.step, start.aside) == (None, 0, ())
    assert not (tmp_path / "run").exists(), "deciding changes nothing"
    start.make()
    _checkpoint(tmp_path / "run", 100)
    last = _checkpoint(tmp_path / "run", 200)
    for resume in ("auto", "last", "True"):
        again = _decide(tmp_path / "run", resume=resume)
        assert (again.checkpoint, again.step, again.finished) == (str(last), 200, False)
        assert again.aside == ()
        assert f"goes on from {last}" in again.text()


def test_a_run_that_is_finished_says_so(tmp_path: Path) -> None:
    """A queue that starts it again trains nothing and destroys nothing."""
    start = _decide(tmp_path)
    start.make()
    _checkpoint(tmp_path, 500)
    assert not _decide(tmp_path).finished, "killed before the model was saved"
    assert (
        _decide(tmp_path).text().endswith("all 500 steps: its model is saved, nothing is trained")
    )
    start.finish(500)
    assert _decide(tmp_path).finished
    assert not _decide(tmp_path, total_steps=600).finished, "longer than before"


def test_torn_and_later_checkpoints_are_put_aside(tmp_path: Path) -> None:
    """A limit of saved checkpoints would keep them and delete the good one."""
    good, torn = _checkpoint(tmp_path, 100), _checkpoint(tmp_path, 200, whole=False)
    start = _decide(tmp_path)
    assert (start.checkpoint, start.aside) == (str(good), (torn,))
    before = len(_everything(tmp_path))
    start.make()
    assert (tmp_path / "earlier-1/checkpoint-200/model.safetensors").is_file()
    assert len(_everything(tmp_path)) == before + 1, "and the note of this run"
    later = _checkpoint(tmp_path, 300)
    assert _decide(tmp_path, resume=str(good)).aside == (later,)


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("content", [b"", b"{"])
def test_a_torn_checkpoint_is_passed_over_and_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    """A power cut while it was written made every start after it fail, with a traceback."""
    good, torn = _checkpoint(tmp_path, 100), _checkpoint(tmp_path, 200)
    (torn / name).write_bytes(content)
    for resume in ("auto", "last"):
        start = _decide(tmp_path, resume=resume)
        assert (start.checkpoint, start.aside) == (str(good), (torn,))
        assert f"\nwarning: no whole checkpoint: {torn / name}: " in start.text()
    with pytest.raises(OptionError, match=rf"{name}: .*; whole ones are \S*-100$"):
        _decide(tmp_path, resume=str(torn))


def test_where_no_checkpoint_is_whole_it_is_said(tmp_path: Path) -> None:
    for step in (100, 200):
        (_checkpoint(tmp_path, step) / "optimizer.pt").write_bytes(b"")
    start = _decide(tmp_path)
    assert (start.checkpoint, len(start.aside), len(start.torn)) == (None, 2, 2)
    assert "NO CHECKPOINT IS WHOLE, all steps are done again" in start.text()
    assert f"--model {tmp_path}/earlier-1/checkpoint-N" in start.text()
    (tmp_path / "model.safetensors").write_bytes(b"days of work")
    with pytest.raises(OptionError, match=r"no checkpoint to go on from; .*optimizer\.pt: is empt"):
        _decide(tmp_path)
    with pytest.raises(OptionError, match=r"is empty; there are no whole checkpoints$"):
        _decide(tmp_path, resume=str(tmp_path / "checkpoint-100"))


@pytest.mark.parametrize(
    ("state", "message"),
    [("[]", "says no step"), ("{}", "says no step"), (None, "holds no trainer_state.json")],
)
def test_a_checkpoint_without_its_step_is_none(
    tmp_path: Path, state: str | None, message: str
) -> None:
    path = _checkpoint(tmp_path, 100) / "trainer_state.json"
    path.unlink() if state is None else path.write_text(state)
    assert message in _decide(tmp_path).text()


def test_a_checkpoint_without_weights_is_none(tmp_path: Path) -> None:
    (_checkpoint(tmp_path, 100) / "model.safetensors").unlink()
    assert "checkpoint-100: holds no weights" in _decide(tmp_path).text()


def test_a_checkpoint_of_another_kind_is_not_gone_on_from(tmp_path: Path) -> None:
    """Each ended in a traceback with the names of all weights."""
    model = _checkpoint(tmp_path, 100)
    resumes = ("auto", str(model))
    for resume in resumes:
        with pytest.raises(OptionError, match=r"of an adapter, got a whole model.*out --use_peft"):
            _decide(tmp_path, resume=resume, adapter=True)
        with pytest.raises(OptionError, match=r"another backend.* with optimizer\.pt: start as"):
            _decide(tmp_path, resume=resume, foreign=("*.pt",))
    (model / "adapter_config.json").write_text("{}")
    for resume in resumes:
        with pytest.raises(OptionError, match=r"of a whole model, got an adapter.*add --use_peft"):
            _decide(tmp_path, resume=resume)
        assert _decide(tmp_path, resume=resume, adapter=True).step == 100
    (model / "adapter_config.json").unlink()
    index = {"weight_map": {"model.layers.0.q_proj.lora_A": "model.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert _decide(tmp_path, adapter=True).step == 100
    (model / "pytorch_model_fsdp_0").mkdir()  # which does not say what it holds
    assert _decide(tmp_path).step == _decide(tmp_path, adapter=True).step == 100


def test_weights_that_do_not_fit_are_one_message(tmp_path: Path) -> None:
    def load_state_dict(text: str) -> Any:
        raise RuntimeError(text)

    path = _checkpoint(tmp_path, 100)
    with (
        pytest.raises(UserError, match=r"-100 does not fit .* run with other settings: size mism"),
        _decide(tmp_path).held(0),
    ):
        load_state_dict("size mismatch for a.weight " * 1000)
    with pytest.raises(RuntimeError, match=r"^no kernel"), _decide(tmp_path).held(0):
        load_state_dict("no kernel")
    judge = UserReward(lambda completions, **_: load_state_dict("size mismatch"))
    with pytest.raises(RuntimeError, match=r"^size mismatch"), _decide(tmp_path).held(0):
        judge(completions=["a"])
    shutil.rmtree(path)
    with pytest.raises(RuntimeError, match=r"^size mismatch"), _decide(tmp_path).held(0):
        load_state_dict("size mismatch")


def test_two_runs_are_never_in_one_directory(tmp_path: Path) -> None:
    """A queue that started a command twice had both write the same traces and checkpoints, and
    each delete the other's."""
    start = _decide(tmp_path / "run")
    with start.held(0):
        with pytest.raises(LockedError, match=r"another process is writing here: process \d+ on"):
            _decide(tmp_path / "run").held(0).__enter__()
        with start.held(1):  # another process of this run
            pass
    with _decide(tmp_path / "run").held(0):
        pass


def test_what_a_killed_run_has_forked_holds_nothing() -> None:
    """Its loader's workers end a second later."""
    code = (
        "import os, pathlib, tempfile, time\n"
        "from vlreward._lock import FileLock\n"
        "path = pathlib.Path(tempfile.mkdtemp()) / 'run.lock'\n"
        "lock = FileLock(path)\n"
        "forked = os.fork()\n"
        "if not forked:\n"
        "    time.sleep(60)\n"
        "time.sleep(0.2)\n"
        "os.close(lock._descriptor)\n"  # as the system does it with those of a killed process
        "try:\n"
        "    FileLock(path).release()\n"
        "finally:\n"
        "    os.kill(forked, 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


def test_locks_leave_no_hook_each_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of `fork` stays for the life of a process, and a fetch takes a lock for each file."""
    hooks: list[object] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **hook: hooks.append(hook), raising=False)
    for _ in range(3):
        FileLock(tmp_path / "lock").release()
    assert not hooks


def test_a_full_disk_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch says `unexpected pos 16401664 vs 16401552`."""
    start = _decide(tmp_path)
    again = "full: .*Make room .*start the same command again: it goes on from the last whole"
    for code in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(UserError, match=again), start.held(0):
            raise OSError(code, "no space")
    with pytest.raises(RuntimeError, match="shapes"), start.held(0):
        raise RuntimeError("shapes")
    nothing = SimpleNamespace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: nothing)
    with pytest.raises(UserError, match=r"unexpected pos 1 vs 2. Make room"), start.held(1):
        raise RuntimeError("unexpected pos 1 vs 2")


def test_a_directory_that_cannot_be_made_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OptionError, match=r"--output_dir '.*file/run': .*[Nn]ot a directory"),
        _decide(tmp_path / "file/run").held(0),
    ):
        pass
    with pytest.raises(OptionError, match="--output_dir: expected a directory, got ''"):
        decide("", resume="auto", overwrite=False, settings={}, total_steps=1)


def test_a_training_that_was_told_to_end_is_not_finished(tmp_path: Path) -> None:
    """With --enable_jit_checkpoint it was, for good, and ended with 0."""
    start = _decide(tmp_path)
    with pytest.raises(StoppedError, match=r"step 9 of 300: the same command goes on") as caught:
        start.check_end(SimpleNamespace(global_step=9, max_steps=300), early=False)
    assert caught.value.exit_code == 143
    start.check_end(SimpleNamespace(global_step=9, max_steps=300), early=True)
    start.check_end(SimpleNamespace(global_step=300, max_steps=300), early=False)


def test_traces_of_a_run_without_checkpoints_are_kept(tmp_path: Path) -> None:
    """Killed before its first checkpoint, or saved by nobody."""
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces/rank-00000.jsonl").write_text("{}\n")
    start = _decide(tmp_path)
    assert start.checkpoint is None
    start.make()
    assert (tmp_path / "earlier-1/traces/rank-00000.jsonl").read_text() == "{}\n"


def test_overwriting_is_beginning_anew_beside_what_was(tmp_path: Path) -> None:
    for number in (1, 2):
        _checkpoint(tmp_path, 400)
        start = _decide(tmp_path, overwrite=True, settings={"task": "rec"})
        assert (start.checkpoint, start.step) == (None, 0)
        start.make()
        assert (tmp_path / f"earlier-{number}/checkpoint-400/optimizer.pt").is_file()
        assert not (tmp_path / "checkpoint-400").exists()
    assert json.loads((tmp_path / RUN_FILE).read_text())["settings"] == {"task": "rec"}


@pytest.mark.parametrize("other", [{"beta": 0.0}, {"weights": {"counting.exact": 2.0}}])
def test_another_run_is_not_gone_on_with(tmp_path: Path, other: dict[str, Any]) -> None:
    _decide(tmp_path).make()
    checkpoint = _checkpoint(tmp_path, 100)
    (name,) = other
    with pytest.raises(OptionError, match=rf"other settings: {name} .* -> .*--overwrite_output_d"):
        _decide(tmp_path, settings={**SETTINGS, **other})
    # Named by hand, it is what was meant; and a setting that an older version did not note is none.
    named = _decide(tmp_path, settings={**SETTINGS, **other}, resume=str(checkpoint))
    assert named.step == 100
    assert f"warning: the checkpoint is of a run with other settings: {name} " in named.text()
    assert _decide(tmp_path, settings={**SETTINGS, "new": 1}).step == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": "nowhere"}, r"expected auto or the directory of a checkpoint, got 'nowhere'"),
        ({"resume": "x", "overwrite": True}, "leave out --resume x"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        _decide(tmp_path, **options)


def test_a_finished_model_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"days of work")
    with pytest.raises(OptionError, match="holds a model and no checkpoint to go on from"):
        _decide(tmp_path)
    elsewhere = _checkpoint(tmp_path / "other", 100)
    with pytest.raises(OptionError, match="would be written over"):
        _decide(tmp_path, resume=str(elsewhere))
    assert _decide(tmp_path / "new", resume=str(elsewhere)).step == 100


def test_a_model_without_its_optimizer_is_no_checkpoint(tmp_path: Path) -> None:
    path = _checkpoint(tmp_path, 100, optimizer=False)
    with pytest.raises(OptionError, match=r"without its optimizer \(--save_only_model\)"):
        _decide(tmp_path)
    assert _decide(tmp_path, resume=str(path)).step == 100

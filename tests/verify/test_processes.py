"""How the workers behave around other people's processes: scripts, forks, exits and deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from time import monotonic, sleep

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
pytestmark = linux

ASK = "print(verify(*pair(1), Policy(deadline=60)).outcome, flush=True)\n"
IMPORT = (
    "from vlreward.verify import Policy, verify, warm_up\n"
    "def pair(n):\n"  # one that only a worker can settle
    "    return f'\\\\lfloor x \\\\rfloor + {n}', f'{n} + \\\\lfloor x \\\\rfloor'\n"
)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word in the environment of every process that a test starts, however indirectly."""
    word = uuid.uuid4().hex
    monkeypatch.setenv("VLREWARD_TEST_MARK", word)
    return word


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if mark.encode() in environment and state != "Z":
                found.append(int(entry.name))
    return found


def _none_left(mark: str, seconds: float = 10) -> bool:
    end = monotonic() + seconds
    while monotonic() < end:
        if not _marked(mark):
            return True
        sleep(0.02)
    return False


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_an_unguarded_script_runs_once_and_is_never_forked(tmp_path: Path, mark: str) -> None:
    """A fork beside the threads of a device's driver would not be safe."""
    script = tmp_path / "train.py"
    watch = "import os; os.register_at_fork(before=lambda: print('forked'))\n"
    start = "print('started', flush=True)\n"
    script.write_text(start + watch + IMPORT + ASK, encoding="utf-8")
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (done.stdout, done.stderr) == ("started\ncorrect\n", "")
    assert _none_left(mark)


@pytest.mark.slow
def test_a_script_on_standard_input(mark: str) -> None:
    assert _run("-", stdin="print('started')\n" + IMPORT + ASK) == "started\ncorrect\n"
    assert _none_left(mark)


@pytest.mark.slow
def test_workers_find_modules_where_the_script_does(tmp_path: Path, mark: str) -> None:
    """Whatever lies in the current directory."""
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')\n", encoding="utf-8")
    script = tmp_path / "scripts" / "train.py"
    script.parent.mkdir()
    change = f"import os, sys; sys.path.append({os.getcwd()!r}); os.chdir({str(tmp_path)!r})\n"
    script.write_text(change + IMPORT + ASK, encoding="utf-8")
    assert _run(str(script)) == "correct\n"
    assert _none_left(mark)


@pytest.mark.slow
def test_a_process_that_exits_leaves_none_behind(mark: str) -> None:
    script = (
        IMPORT + "import vlreward.verify as v\nv.configure(v.PoolOptions(workers=3))\n"
        "pairs = [pair(n) for n in range(9)]\n"
        "assert all(one.correct for one in v.verify_batch(pairs, Policy(deadline=60)))\n"
    )
    _run("-c", script)
    assert _none_left(mark)


@pytest.mark.slow
def test_a_process_that_exits_while_a_job_runs_leaves_none_behind(mark: str) -> None:
    hard = "(x+y+z)^{900}"
    script = (
        IMPORT + "import threading, time\nwarm_up()\n"
        f"job = lambda: verify('x+1', {hard!r}, Policy(deadline=60))\n"
        "threading.Thread(target=job, daemon=True).start()\ntime.sleep(0.3)\n"
    )
    _run("-c", script)
    assert _none_left(mark)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_process_that_is_killed_takes_its_workers_along(
    mark: str, number: signal.Signals
) -> None:
    hard = "(x+y+z)^{900}"
    script = IMPORT + ASK + f"verify('x+1', {hard!r}, Policy(deadline=60))\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "correct\n"
        sleep(0.1)
        assert len(_marked(mark)) >= 3
        process.send_signal(number)
    assert _none_left(mark)


def test_a_fork_has_a_pool_of_its_own(mark: str) -> None:
    script = (
        IMPORT + "import os, sys\n"
        + ASK
        + "pid = os.fork()\n"
        "if pid == 0:\n"
        "    ok = verify(*pair(2), Policy(deadline=60)).correct\n"
        "    ok = ok and verify('5', '5.0').correct\n"
        "    os._exit(0 if ok else 1)\n"
        "print(os.waitpid(pid, 0)[1])\n"
        "print(verify(*pair(3), Policy(deadline=60)).outcome)\n"
    )  # fmt: skip
    assert _run("-c", script).split() == ["correct", "0", "correct"]
    assert _none_left(mark)


@pytest.mark.slow
def test_a_fork_that_outlives_its_parent_does_not_keep_the_workers(mark: str) -> None:
    script = (
        IMPORT + "import os, time\n"
        + ASK
        + "if os.fork() == 0:\n"
        "    os.close(1); os.close(2)\n"
        "    time.sleep(60)\n"
    )  # fmt: skip
    assert _run("-c", script) == "correct\n"
    end = monotonic() + 10
    while len(_marked(mark)) > 1 and monotonic() < end:
        sleep(0.02)
    left = _marked(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) == 1


@pytest.mark.slow
def test_multiprocessing_children(mark: str) -> None:
    script = (
        IMPORT + "import multiprocessing\n"
        "def one(n):\n"
        "    return verify(*pair(n), Policy(deadline=60)).outcome\n"
        "if __name__ == '__main__':\n"
        "    warm_up()\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        print(pool.map(one, range(4)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "['correct', 'correct', 'correct', 'correct']\n", done.stderr
    assert _none_left(mark)


@pytest.mark.slow
def test_control_c_reaches_the_script_and_not_the_workers(mark: str) -> None:
    script = (
        IMPORT + "import os, signal\n" + ASK
        + "try:\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "    import time; time.sleep(5)\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
        "print(verify(*pair(2), Policy(deadline=60)).outcome)\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
    )
    assert (done.stdout, done.stderr) == ("correct\ncorrect\n", "")
    assert _none_left(mark)


@pytest.mark.slow
def test_descriptors_stay_in_the_process(tmp_path: Path, mark: str) -> None:
    """Workers hold none of the files that the parent had open, such as a device's."""
    script = (
        IMPORT + f"file = open({str(tmp_path / 'device')!r}, 'w')\nimport os\n"
        "os.set_inheritable(file.fileno(), True)\n" + ASK + "input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "correct\n"
        workers = [pid for pid in _marked(mark) if pid != process.pid]
        assert len(workers) >= 2
        for pid in workers:
            links = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
            assert not any("device" in link for link in links)
        process.stdin.write("\n")
    assert process.returncode == 0


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.chdir(root)

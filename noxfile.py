"""Test sessions. `nox` runs all of them; `nox -s core` one; `nox -l` lists them."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
# The rest: verl, swift, openrlhf, verifiers and deepspeed install gigabytes for a few tests each;
# ranks takes minutes; pythons wants more interpreters than a machine may have; newest is core in an
# environment that is new.
nox.options.sessions = [
    "core", "lowest", "gmpy2", "slow", "lint", "docs", "wheel", "serve", "browser", "formats", "hf",
    "trl", "paddle", "paddlenlp",
]  # fmt: skip

ROOT = Path(__file__).parent
TEST_TOOLS = ("pytest>=8", "hypothesis>=6.100")
CORE_TOOLS = (*TEST_TOOLS, "pytest-xdist>=3.6", "pycocotools>=2.0.8", "hatchling>=1.26")
# A worker takes what lies together, so that what a module's tests share is made once.
BOTH_CORES = ("-n", "2", "--dist", "worksteal", "-m", "not slow")
# The exact version has a CPU build where only one is offered, instead of gigabytes of CUDA.
TORCH = "torch==2.13.0"


@nox.session
def core(session: nox.Session) -> None:
    """The core's tests and doctests, without torch or any other framework."""
    session.install("-e", ".[xlsx,inspect]", *CORE_TOOLS)
    session.run("pytest", *BOTH_CORES, *session.posargs)
    # The server and the plug-in for ms-swift import what only their own sessions have.
    apart = [f"--ignore=vlreward/integrations/{name}" for name in ("server", "plugins")]
    session.run("pytest", "--doctest-modules", "vlreward", "-q", *apart)


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """The core's tests on every supported interpreter that is installed."""
    session.install("-e", ".", *CORE_TOOLS)
    session.run("pytest", *BOTH_CORES, "-q", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The core and the server on the lowest versions that the metadata allow.

    Of numpy, scipy and Pillow these have wheels for Python 3.10 and 3.11 alone.
    """
    session.install("uv")
    session.run(
        "uv", "pip", "install", "--upgrade", "--resolution", "lowest-direct", "-e", ".[serve]",
        *CORE_TOOLS,
    )  # fmt: skip
    session.run("pytest", *BOTH_CORES, *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """The core and the server on the newest versions, whatever an older environment holds."""
    session.install("--upgrade", "--upgrade-strategy", "eager", "-e", ".[serve]", *CORE_TOOLS)
    session.run("pytest", *BOTH_CORES, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """What takes minutes: kills, bombs and floods in large numbers."""
    session.install("-e", ".", *TEST_TOOLS)
    session.run(
        "pytest", "-m", "slow and not torch and not paddle and not browser", *session.posargs
    )


@nox.session
def gmpy2(session: nox.Session) -> None:
    """The verifier with gmpy2 installed, whose C code ignores Python's alarms."""
    session.install("-e", ".", *TEST_TOOLS, "gmpy2")
    session.run("pytest", "tests/verify", "-m", "not slow", *session.posargs)


@nox.session
def serve(session: nox.Session) -> None:
    """The reward server, its faults included, and Parquet files."""
    session.install("-e", ".[serve,data]", *TEST_TOOLS)
    files = ["tests/test_packing.py", "tests/data/test_parquet.py"]
    files += ["tests/bench/test_completions_file.py"]
    session.run("pytest", "tests/integrations/server", *files, *session.posargs)


@nox.session
def verifiers(session: nox.Session) -> None:
    """The functions for verifiers through its own loader and scoring."""
    session.install("-e", ".", "verifiers==0.4.0", *TEST_TOOLS)
    session.run("pytest", "tests/integrations/trainers/test_verifiers.py", *session.posargs)


@nox.session
def verl(session: nox.Session) -> None:
    """The function for verl through its own configuration, loader and reward managers.

    verl comes without its dependencies, of which its loading code needs these.
    """
    session.install("--no-deps", "verl==0.9.1")
    session.install(
        "-e", ".", TORCH, "transformers>=5.5.3,<5.11,!=5.6.0", "tensordict>=0.8,<=0.10,!=0.9.0",
        "ray>=2.41", "omegaconf", "pandas", "codetiming", "torchdata", "dill", "datasets",
        "aiohttp", "fastapi", "uvicorn", *TEST_TOOLS,
    )  # fmt: skip
    session.run("pytest", "tests/integrations/trainers/test_verl.py", *session.posargs)


@nox.session
def swift(session: nox.Session) -> None:
    """The plug-in for ms-swift through its own loader and reward computation.

    ms-swift comes without its dependencies, of which its loading code needs these.
    """
    session.install("--no-deps", "ms-swift==4.6.0")
    session.install(
        "-e", ".", TORCH, "transformers<5.20", "datasets>=4,<4.8.5", "trl>=0.15,<1", "accelerate",
        "peft>=0.11,<0.21", "modelscope>=1.23", "msgspec", "pandas", "scipy", "json-repair",
        "addict", "einops", "simplejson", "sortedcontainers", "zstandard", "tiktoken", "nltk",
        "aiohttp", "dacite", "binpacking", "requests", *TEST_TOOLS,
    )  # fmt: skip
    session.run("pytest", "tests/integrations/trainers/test_swift.py", *session.posargs)


@nox.session
def openrlhf(session: nox.Session) -> None:
    """The function for OpenRLHF through its own loader of rows and its executor.

    OpenRLHF comes without its dependencies, of which its loading code needs these.
    """
    session.install("--no-deps", "openrlhf==0.11.2")
    session.install(TORCH, "-e", ".[hf,data]", "aiohttp", "pylatexenc", *TEST_TOOLS)
    session.run("pytest", "tests/integrations/trainers/test_openrlhf.py", *session.posargs)


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
    others = ("tests/test_frames.py", "tests/test_resizing.py", "tests/data/test_hub.py")
    session.run("pytest", *others, "-m", "not slow", "-q")


@nox.session
def trl(session: nox.Session) -> None:
    """The TRL backend, one and two processes on the CPU."""
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS, "hatchling>=1.26")
    session.run("pytest", "tests/backends/trl", "-m", "not slow", *session.posargs)
    session.run("pytest", "tests/metrics/test_text.py", "-q")
    session.run("pytest", "tests/integrations/trainers/test_trl.py", "-q")


@nox.session
def ranks(session: nox.Session) -> None:
    """Eight processes, sharded models and the rehearsal of many ranks, on CPUs; minutes."""
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS)
    session.run("pytest", "tests/backends/trl", "-m", "slow", *session.posargs)


@nox.session
def guide(session: nox.Session) -> None:
    """The commands of docs/train-trl.md, word for word: data, training, a number; full and LoRA."""
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS)
    session.run("pytest", "tests/backends/trl/test_guide.py", *session.posargs)


@nox.session
def torchvision(session: nox.Session) -> None:
    """The TRL backend with the processors that torchvision brings, which GPU users have.

    Its wheel on PyPI wants CUDA; without that, the tests declare its operators, which are not used.
    """
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS)
    session.install("--no-deps", "torchvision==0.28.0")
    tests = ("test_processing.py", "test_training.py", "test_adapters.py")
    session.run("pytest", *(f"tests/backends/trl/{name}" for name in tests), *session.posargs)


@nox.session
def newest_trl(session: nox.Session) -> None:
    """The TRL backend on the newest trl and transformers, whatever the metadata allow.

    What fails says which of their private names has changed.
    """
    session.install(TORCH)
    session.install("-e", ".[trl]", *TEST_TOOLS, "hatchling>=1.26")
    session.install("--upgrade", "trl", "transformers", "accelerate", "peft", "datasets")
    session.run("pip", "list")
    session.run("pytest", "tests/backends/trl", "-m", "not slow", *session.posargs)


@nox.session
def deepspeed(session: nox.Session) -> None:
    """The TRL backend's scripts with ZeRO-2 and ZeRO-3 on CPUs; needs a C++ compiler."""
    session.install(TORCH, "setuptools", "wheel", "py-cpuinfo", "ninja")
    session.install("-e", ".[trl]", *TEST_TOOLS)
    # There is no wheel; without the environment's torch, pip would fetch one with CUDA.
    session.install("--no-build-isolation", "deepspeed>=0.19", env={"DS_BUILD_OPS": "0"})
    session.run("pytest", "tests/backends/trl/test_deepspeed.py", *session.posargs)


@nox.session
def paddle(session: nox.Session) -> None:
    """The Paddle backend, one, two and eight processes on the CPU."""
    session.install("-e", ".[paddle]", "tensorboardX", *TEST_TOOLS)
    session.run("pip", "check")
    session.run("pytest", "tests/backends/paddle", "-m", "not slow", *session.posargs)
    session.run("vlreward-train-paddle", "--self-test")


@nox.session
def paddlenlp(session: nox.Session) -> None:
    """The Paddle trainer on paddlenlp's own Trainer."""
    session.install("-e", ".[paddlenlp]", *TEST_TOOLS)
    session.run("pytest", "tests/backends/paddle/test_paddlenlp.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in a real Chromium; skips, and says so, where there is none."""
    session.install("-e", ".", "playwright>=1.45", *TEST_TOOLS)
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session
def formats(session: nox.Session) -> None:
    """The files of `--format` through lm-evaluation-harness, Weights & Biases and inspect_ai."""
    session.install("-e", ".", "lm-eval==0.4.13", "inspect_ai==0.3.285", "wandb", *TEST_TOOLS)
    session.run("pytest", "tests/bench/formats", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site of the documentation; a broken link or a missing page is an error."""
    session.install("-e", ".", "mkdocs-material>=9.7,<10", "mkdocstrings[python]>=1,<2", "jieba")
    site = Path(session.create_tmp()) / "site"
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", "--site-dir", str(site), *session.posargs, env=quiet)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it outside the checkout, execute every console script."""
    session.install("build", "twine")
    dist = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--outdir", str(dist), str(ROOT), silent=True)
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    (built,) = dist.glob("*.whl")
    session.run("pip", "uninstall", "-q", "-y", "vlreward")
    session.install("--force-reinstall", str(built))
    session.chdir(session.create_tmp())
    session.run("python", str(ROOT / "tests" / "check_wheel.py"), str(ROOT))

"""Checks an installed wheel from outside the checkout: `python check_wheel.py CHECKOUT`."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

_FRAMEWORKS = {
    *("torch", "paddle", "transformers", "trl", "datasets", "paddleformers"),
    *("starlette", "uvicorn", "prometheus_client", "swift"),  # the extra serve, and ms-swift
}
_BACKENDS = {"vlreward-train-trl": "trl", "vlreward-train-paddle": "paddle"}
_SCRIPTS = Path(sysconfig.get_path("scripts"))


def main(checkout: Path) -> None:
    import vlreward

    home = Path(vlreward.__file__).resolve().parent
    assert home != checkout / "vlreward", f"imported from the checkout: {home}"
    assert (home / "py.typed").is_file(), "py.typed is missing"
    modules = [m.name for m in pkgutil.walk_packages([str(home)], "vlreward.")]
    for name in modules:
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in _FRAMEWORKS:
                raise
    print(f"{len(modules)} modules import")

    scripts = [
        e.name for e in distribution("vlreward").entry_points if e.group == "console_scripts"
    ]
    assert scripts, "no console scripts"
    for script in scripts:
        done = subprocess.run([str(_SCRIPTS / script), "--help"], capture_output=True, text=True)
        if done.returncode == 2 and script in _BACKENDS:  # its own session shows its help
            assert f"pip install 'vlreward[{_BACKENDS[script]}]'" in done.stderr, done.stderr
        else:
            assert done.returncode == 0, f"{script} --help: {done.stderr}"
            assert "usage" in done.stdout.lower(), f"{script} --help: {done.stdout[:200]}"
    print(f"console scripts run: {', '.join(scripts)}")

    run("vlreward-bench", "list")
    run("vlreward-bench", "demo", "--recorded", "--out", "demo")
    results = json.loads(Path("demo/results.json").read_text())["results"]
    assert results["refcoco_val"]["n"] == 40, results["refcoco_val"]
    assert Path("demo/report.html").stat().st_size > 10_000
    run("vlreward", "compare", "demo", run_again())
    print("the demo runs")


def run_again() -> str:
    run("vlreward", "rescore", "demo", "--out", "again")
    return "again"


def run(script: str, *args: str) -> str:
    done = subprocess.run(
        [str(_SCRIPTS / script), *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script} {args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

"""`vlreward-train-paddle --self-test`: whether this machine computes what it should.

All checks are run and shown as a table; the exit code says how it went.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import paddle

from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.self_test.checks import Row, run_checks
from vlreward_paddle.self_test.numbers import number_checks
from vlreward_paddle.self_test.runs import run_checks_of

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Run the self-test.

    Args:
        argv: The words of the command line beside `--self-test`.

    Returns:
        0 if nothing failed, else 1. What this machine cannot run is left out, and said so.

    Raises:
        CheckpointError: If `--model` is no checkpoint of a known family.
    """
    parser = argparse.ArgumentParser(
        prog="vlreward-train-paddle --self-test",
        description="Check this machine: sampling against training, half precision against "
        "float32, kernels against their definition, resumption, and each kind of sharding.",
    )
    tiny = files("vlreward.data") / "tiny_vlm"
    parser.add_argument("--self-test", "--self_test", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--model",
        type=Path,
        help="checkpoint for the checks of numbers, by default the packaged tiny one; the runs "
        "always train that",
    )
    options = parser.parse_args(list(argv))
    model = options.model or Path(str(tiny / "sft"))
    read_config(model)
    print(f"paddle {paddle.__version__} on {_device()}; {model}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        checks = [*number_checks(model), *run_checks_of(Path(str(tiny / "half")), Path(directory))]
        width = max(len(check.name) for check in checks)
        rows = run_checks(checks, lambda row: print(_line(row, width), flush=True))
    for row in rows:
        if row.detail:
            print(f"\n{row.check.name}\n{row.detail}", file=sys.stderr)
    failed = sum(row.outcome == "FAILED" for row in rows)
    left = sum(row.outcome == "left out" for row in rows)
    print(f"{len(rows) - failed - left} ok, {failed} failed, {left} left out")
    return 1 if failed else 0


def _device() -> str:
    if paddle.device.get_device() == "cpu":
        return "cpu"
    count = paddle.device.cuda.device_count()
    return f"{count} x {paddle.device.cuda.get_device_name(0)}"


def _line(row: Row, width: int) -> str:
    said = row.note
    if row.found is not None:
        said = f"{row.found:.2e} {row.check.unit} (at most {row.check.limit:.0e})"
    return f"{row.check.name:<{width}}  {row.outcome:<8}  {said}"

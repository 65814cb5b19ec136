"""Says on what a number was measured, and where it is written."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_device", "options_of", "report"]


def options_of(doc: str | None, name: str) -> argparse.ArgumentParser:
    """The options of a benchmark with this docstring, `--out` among them: `results/NAME.json`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    default = Path(__file__).parent / f"results/{name}.json"
    parser.add_argument("--out", type=Path, default=default)
    return parser


def report(out: Path, result: Mapping[str, Any]) -> None:
    """Write what was measured, and print it."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    out.parent.mkdir(exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


def describe_device() -> dict[str, object]:
    """Processor, cores, memory, Python; and the GPUs that torch sees, if torch is loaded."""
    described: dict[str, object] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        count = torch.cuda.device_count()
        described["gpus"] = [torch.cuda.get_device_name(i) for i in range(count)]
    return described


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

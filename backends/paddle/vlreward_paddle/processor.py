"""What Paddle's mathematical library makes of the processor."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["use_avx2"]

_INFO = Path("/proc/cpuinfo")


def use_avx2(info: Path = _INFO) -> bool:
    """Let this process use the vector units of AMD's processors; call it before paddle computes.

    Paddle for CPUs brings MKL of 2019, which takes every processor but Intel's for one without
    AVX2: products of matrices then take three times as long. It has a variable that says otherwise.

    Args:
        info: What the kernel says of the processors.

    Returns:
        Whether the variable was set; what a user set stays.
    """
    if "MKL_DEBUG_CPU_TYPE" in os.environ or not info.is_file():
        return False
    text = info.read_text(encoding="utf-8", errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    if "AuthenticAMD" not in text or not {"avx2", "fma"} <= set(flags):
        return False
    os.environ["MKL_DEBUG_CPU_TYPE"] = "5"
    return True

"""The variable for Paddle's MKL is set for AMD's processors with AVX2 alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlreward_paddle.entry import use_avx2

AMD = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx avx2 fma\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AMD, "5"),
        (AMD.replace("avx2 ", ""), None),
        (AMD.replace("AuthenticAMD", "GenuineIntel"), None),
        ("Processor : ARMv8\n", None),
        ("", None),
        (None, None),
    ],
)
def test_who_gets_it(
    text: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "1")
    monkeypatch.delenv("MKL_DEBUG_CPU_TYPE")
    info = tmp_path / "cpuinfo"
    if text is not None:
        info.write_text(text)
    assert use_avx2(info) is (expected is not None)
    assert os.environ.get("MKL_DEBUG_CPU_TYPE") == expected


def test_what_a_user_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "4")
    info = tmp_path / "cpuinfo"
    info.write_text(AMD)
    assert not use_avx2(info)
    assert os.environ["MKL_DEBUG_CPU_TYPE"] == "4"

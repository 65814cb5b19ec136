"""`vlreward-train-paddle --self-test`: whether this machine computes what it should."""

from __future__ import annotations

from vlreward_paddle.self_test.command import main

__all__ = ["main"]

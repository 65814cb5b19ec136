"""The rule of R1-V: math-verify over the whole completion.

R1-V's evaluation parses the whole output, thinking included, and compares it with the parsed gold
in math-verify's default settings, the output in the place of the gold. Kept to reproduce recorded
numbers; `vlreward.verify.verify` over the extracted answer is the rule to use.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlreward.verify.verdict import Verdict
from vlreward.verify.workers.pool import map_in_threads, run

__all__ = ["MAX_OUTPUT", "verify_whole_output", "verify_whole_outputs"]

MAX_OUTPUT = 200_000
"""Longer outputs are `too_complex`; the original has no limit."""


def verify_whole_output(gold: str, output: str, deadline: float = 10.0) -> Verdict:
    """Compare a whole completion with its gold as R1-V's evaluation does.

    Args:
        gold: The right answer, as R1-V hands it to math-verify.
        output: The completion, thinking and tags included.
        deadline: Seconds that the comparison may take in its worker. The original gives up after
            five seconds for each of its three steps and then counts the row as wrong.

    Returns:
        ``correct`` or ``wrong`` as the original says, with tier 3; ``too_complex``, ``timeout`` or
        ``worker_died`` where the original would count the row as wrong, hang, or crash.

    Raises:
        RuntimeError: The worker processes cannot be started at all.
    """
    if len(output) > MAX_OUTPUT or len(gold) > MAX_OUTPUT:
        return Verdict("too_complex", 3, f"more than {MAX_OUTPUT} characters")
    return run({"job": "whole", "gold": gold, "output": output}, deadline)


def verify_whole_outputs(pairs: Sequence[tuple[str, str]], deadline: float = 10.0) -> list[Verdict]:
    """`verify_whole_output` for many ``(gold, output)`` pairs, side by side, in order."""
    return map_in_threads(lambda pair: verify_whole_output(pair[0], pair[1], deadline), pairs)

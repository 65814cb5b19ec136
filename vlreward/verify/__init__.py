"""Symbolic verification: does an answer equal its gold, exactly, in bounded time, from any thread.

`verify` settles almost every real pair in this process with exact arithmetic (tier 1), remembers
what it settled (tier 2) and hands the rest to math-verify in worker processes that are killed at a
deadline (tier 3). The package stands alone: it uses nothing else of vlreward, and importing it
loads neither sympy nor math-verify.

Examples:
    >>> from vlreward.verify import Policy, verify
    >>> verify("2√{3}", r"$2\\sqrt{3}$").outcome
    'correct'
    >>> verify("5 cm", "5 m").outcome
    'wrong'
    >>> verify("5 cm", "5 m", Policy(units="ignore")).outcome
    'correct'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vlreward.verify.policy import Policy
from vlreward.verify.verdict import OUTCOMES, Outcome, Verdict

if TYPE_CHECKING:
    from vlreward.verify.compat import verify_whole_output, verify_whole_outputs
    from vlreward.verify.engine import check_gold, verify, verify_batch, verify_quickly
    from vlreward.verify.workers.options import PoolOptions
    from vlreward.verify.workers.pool import configure, shutdown, warm_up

__all__ = [
    "OUTCOMES",
    "Outcome",
    "Policy",
    "PoolOptions",
    "Verdict",
    "check_gold",
    "configure",
    "shutdown",
    "verify",
    "verify_batch",
    "verify_quickly",
    "verify_whole_output",
    "verify_whole_outputs",
    "warm_up",
]

_HOME = {
    "PoolOptions": "workers.options",
    "check_gold": "engine",
    "configure": "workers.pool",
    "shutdown": "workers.pool",
    "verify": "engine",
    "verify_batch": "engine",
    "verify_quickly": "engine",
    "verify_whole_output": "compat",
    "verify_whole_outputs": "compat",
    "warm_up": "workers.pool",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

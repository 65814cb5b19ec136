"""Symbolic verification: does an answer equal its gold, exactly, in bounded time, from any thread.

`verify` settles almost every real pair in this process with exact arithmetic (tier 1), remembers
what it settled (tier 2) and hands the rest to math-verify in worker processes that are killed at a
deadline (tier 3). The package stands alone: it uses nothing else of vlreward but a helper for
imports, and importing it loads neither sympy nor math-verify.

Examples:
    >>> from vlreward.verify import Policy, verify
    >>> verify("2√{3}", r"$2\\sqrt{3}$").outcome
    'correct'
    >>> verify("5 cm", "5 m").outcome
    'wrong'
    >>> verify("5 cm", "5 m", Policy(units="ignore")).outcome
    'correct'
"""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.verify.compat import *
    from vlreward.verify.engine import *
    from vlreward.verify.policy import *
    from vlreward.verify.verdict import *
    from vlreward.verify.workers.options import *
    from vlreward.verify.workers.pool import *

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "compat": "verify_whole_output verify_whole_outputs",
        "engine": "check_gold verify verify_batch verify_quickly",
        "policy": "Policy",
        "verdict": "OUTCOMES Outcome Verdict",
        "workers.options": "PoolOptions",
        "workers.pool": "configure shutdown warm_up",
    },
)

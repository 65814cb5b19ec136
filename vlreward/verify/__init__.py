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

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.verify.compat import verify_whole_output as verify_whole_output
    from vlreward.verify.compat import verify_whole_outputs as verify_whole_outputs
    from vlreward.verify.engine import check_gold as check_gold
    from vlreward.verify.engine import verify as verify
    from vlreward.verify.engine import verify_batch as verify_batch
    from vlreward.verify.engine import verify_quickly as verify_quickly
    from vlreward.verify.policy import Policy as Policy
    from vlreward.verify.verdict import OUTCOMES as OUTCOMES
    from vlreward.verify.verdict import Outcome as Outcome
    from vlreward.verify.verdict import Verdict as Verdict
    from vlreward.verify.workers.options import PoolOptions as PoolOptions
    from vlreward.verify.workers.pool import configure as configure
    from vlreward.verify.workers.pool import shutdown as shutdown
    from vlreward.verify.workers.pool import warm_up as warm_up

_HOME = {
    "OUTCOMES": "verdict",
    "Outcome": "verdict",
    "Policy": "policy",
    "PoolOptions": "workers.options",
    "Verdict": "verdict",
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
__all__ = [*_HOME]
__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)

"""What a policy could earn without looking: a search for blind completions that pay.

Before a run trains on a data set, `vlreward attack` scores thousands of completions that never saw
a question: constants, hedges between constants, answers that are true of everything, tricks with
the format, and mutations of whatever scored. The best of them is compared with the best plain
constant (one count, one letter, one box). A gap between the two is a hole in the reward or in the
golds, and training finds it.
"""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.attack.search import *

__all__, __getattr__, __dir__ = lazy_names(__name__, {"search": "Attack Found attack"})

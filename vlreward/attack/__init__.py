"""What a policy could earn without looking: a search for blind completions that pay.

Before a run trains on a data set, `vlreward attack` scores thousands of completions that never saw
a question: constants, hedges between constants, answers that are true of everything, tricks with
the format, and mutations of whatever scored. The best of them is compared with the best plain
constant (one count, one letter, one box). A gap between the two is a hole in the reward or in the
golds, and training finds it.
"""

from vlreward.attack.search import Attack, Found, attack

__all__ = ["Attack", "Found", "attack"]

"""GRPO on Qwen-VL models with TRL's own `GRPOTrainer` and the rewards of `vlreward`.

`vlreward-train-trl TASK --model ... --data ... --image-root ...` runs everything; the parts are
importable on their own:

- `vlreward_trl.data.as_table`: rows as a lazy `datasets.Dataset`;
- `vlreward.training.rewards.term_rewards`: one reward function for each term of each task;
- `vlreward_trl.training.build_trainer`: TRL's trainer, put together from both.

Importing this package imports neither torch nor trl.
"""

from __future__ import annotations

__all__ = ["__version__"]

from vlreward import __version__

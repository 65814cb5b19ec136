"""Rewards for trainers that this project does not run: one line of configuration in each.

| Trainer | Configuration |
|---|---|
| TRL | `--reward_funcs vlreward.rewards.iou_reward` |
| verl | `reward.custom_reward_function.path=pkg://vlreward.integrations.verl` |
| EasyR1 | `worker.reward.reward_function=$(vlreward path easyr1):compute_score` |
| ms-swift | `--external_plugins $(vlreward path swift) --reward_funcs vlreward` |
| OpenRLHF | `--reward.remote_url $(vlreward path openrlhf)` |
| verifiers | `rewards.vlreward.fn = "vlreward.integrations.verifiers:score"` |
| PaddleNLP | `vlreward serve`, then `--use_rm_server 1 --reward_server http://127.0.0.1:8731` |

Nothing here imports a trainer. Golds are envelopes (`vlreward pack`), or bare golds together with
the settings of `vlreward.integrations.settings`, which every trainer reads from the environment.
"""

# ruff: noqa: F403

from __future__ import annotations

from typing import TYPE_CHECKING

from vlreward._lazy import lazy_names

if TYPE_CHECKING:
    from vlreward.integrations.paths import *
    from vlreward.integrations.scorer import *
    from vlreward.integrations.settings import *

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {"paths": "PLUGINS plugin_path", "scorer": "Scored Scorer", "settings": "Settings"},
)

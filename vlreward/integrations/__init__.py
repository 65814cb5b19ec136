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

from vlreward.integrations.paths import PLUGINS, plugin_path
from vlreward.integrations.scorer import Scored, Scorer
from vlreward.integrations.settings import Settings

__all__ = ["PLUGINS", "Scored", "Scorer", "Settings", "plugin_path"]

"""Runs several trainings in one process group and writes what came of them.

    torchrun --nproc_per_node 2 worker.py JOBS.json

JOBS.json holds a list of `{"argv": [...], "out": FILE}`; the first process writes to each FILE the
world size, what was logged, and how many parameters were trained.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from accelerate.utils import gather_object

from vlreward.rewards import TaskReward
from vlreward.training.rewards import term_rewards
from vlreward.verify.exact.settle import settle_exactly
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import train


def verify_hard_pairs() -> list[float | None]:
    """Rewards of answers that only a worker process of the verifier can settle."""
    (correct, _) = term_rewards([TaskReward("geometry")])
    pairs = [(r"\int_0^1 2x dx", answer) for answer in ("1", "2")]
    for gold, answer in pairs:
        assert settle_exactly(gold, answer) is None, (gold, answer)
    completions = [f"<think>so</think><answer>{answer}</answer>" for _, answer in pairs]
    return correct(completions, solution=[gold for gold, _ in pairs])


def main() -> None:
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        trainer = train(prepare(parse(job["argv"])))
        gathered = trainer.accelerator.gather(
            torch.stack([p.detach().double().sum() for p in trainer.model.parameters()]).sum()[None]
        )
        verified = gather_object([verify_hard_pairs()])
        if trainer.args.process_index == 0:
            result = {
                "verified": verified,
                "world_size": trainer.args.world_size,
                "backend": torch.distributed.get_backend(),
                "log": trainer.state.log_history,
                "rewards": trainer.reward_func_names,
                "weights": trainer.reward_weights.tolist(),
                "trained": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
                "checksums": gathered.tolist(),
            }
            Path(job["out"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()

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

from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import train


def main() -> None:
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        trainer = train(prepare(parse(job["argv"])))
        gathered = trainer.accelerator.gather(
            torch.stack([p.detach().double().sum() for p in trainer.model.parameters()]).sum()[None]
        )
        if trainer.args.process_index == 0:
            result = {
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

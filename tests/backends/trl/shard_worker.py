"""Two processes with FSDP2 on CPUs: the reference model as TRL shards it, and as we do.

    torchrun --nproc_per_node 2 shard_worker.py OUT ARGV.json

accelerate shards on accelerators alone; here it takes the CPU for one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from torch.distributed.fsdp import FSDPModule
from trl.models.utils import prepare_fsdp

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from rehearse import environment, shard_on_cpu

import vlreward_trl.watching as watching
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer


def run(argv: list[str]) -> dict[str, Any]:
    """A step, and into how many pieces the models were cut."""
    trainer = build_trainer(prepare(parse(argv)))
    trainer.train()
    pieces = {
        name: sum(isinstance(module, FSDPModule) for module in model.modules())
        for name, model in (("model", trainer.model), ("reference", trainer.ref_model))
    }
    keys = ("loss", "kl", "grad_norm", "reward", "entropy")
    logs = [[e[key] for key in keys] for e in trainer.state.log_history if "reward" in e]
    return {"pieces": pieces, "logs": logs}


def main() -> None:
    os.environ.update(environment("fsdp2"), ACCELERATE_MIXED_PRECISION="no")
    os.environ.update(ACCELERATE_USE_CPU="true", ACCELERATE_TORCH_DEVICE="cpu")
    shard_on_cpu()
    argv = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    found = {"ours": run(argv)}
    watching._sharded = prepare_fsdp
    found["trl"] = run(argv)
    if os.environ["RANK"] == "0":
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()

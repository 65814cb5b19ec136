"""Trains the fixture's rollouts in one of several processes; what it did goes to files.

    python -m paddle.distributed.launch --nproc_per_node 2 tests/backends/paddle/worker.py JOB.json

The job names `checkpoint`, `data` (an .npz), `out`, `options` of training, and may have `resume`,
`adapter` (options of one), `crash` (a rank that fails in its first step) and `stage2` (see
`stage2.emulate`).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(_ROOT), str(_ROOT / "backends/paddle")]
warnings.simplefilter("ignore")


def main(job: dict) -> None:  # type: ignore[type-arg]
    """Train and write `rank-N.json`, and from the first process `model.npz`."""
    import numpy as np
    import paddle

    from tests.backends.paddle.fixed import fixed_trainer, options
    from vlreward_paddle.lora import AdapterOptions
    from vlreward_paddle.shim import TrainerCallback

    paddle.set_device("cpu")
    if "stage2" in job:
        from tests.backends.paddle.stage2 import emulate

        emulate(job["stage2"])
    out = Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    adapter = AdapterOptions(**job["adapter"]) if "adapter" in job else None
    args = options(out, **job["options"])
    trainer = fixed_trainer(Path(job["checkpoint"]), np.load(job["data"]), args, adapter=adapter)
    rank = paddle.distributed.get_rank()
    if job.get("crash") == rank:

        def fail(**_: object) -> None:
            raise RuntimeError(f"the reward of rank {rank} does not work")

        trainer.reward_funcs = [fail]
    gradients: Any = {}
    norms: list[float] = []

    class Note(TrainerCallback):  # type: ignore[misc]
        """The gradients of the first step, after the processes have added them up, and norms."""

        def on_optimizer_begin(self, *args: object, **kwargs: object) -> None:
            if not gradients:
                for name, parameter in trainer.model.named_parameters():
                    if parameter.grad is not None:
                        gradients[name] = parameter.grad.numpy().copy()

        def on_log(self, *args: Any, logs: Any, **kwargs: object) -> None:
            if "grad_norm" in logs:
                norms.append(logs["grad_norm"])

    trainer.add_callback(Note())
    trainer.train(resume_from_checkpoint=job.get("resume"))
    state: Any = {name: value.numpy() for name, value in trainer.model.state_dict().items()}
    digest = hashlib.md5(b"".join(state[name].tobytes() for name in sorted(state)))
    seen = {
        "world_size": paddle.distributed.get_world_size(),
        "md5": digest.hexdigest(),
        "losses": [part["loss"] for part in trainer.noted],
        "norms": norms,
    }
    (out / f"rank-{rank}.json").write_text(json.dumps(seen))
    if rank == 0:
        np.savez(out / "model.npz", **state)
        np.savez(out / "gradients.npz", **gradients)


if __name__ == "__main__":
    from vlreward_paddle.cli import end_on_error

    with end_on_error():
        main(json.loads(Path(sys.argv[1]).read_text()))
    os._exit(0)

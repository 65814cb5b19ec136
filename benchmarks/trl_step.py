"""What a training step costs through this backend, beside TRL's own with a constant reward.

    python benchmarks/trl_step.py [--out FILE]

Both trainers live in one process and take steps in turn, so that what else the machine does meets
both. They train the packaged tiny model on the same questions and images, with learning rate 0 and
random states of their own, so that both generate the same completions. TRL's has the images as a
`datasets.Image` column and lets the processor resize them. A step lasts from the end of the one
before it, loading included. The parts in which the two differ are measured alone too, in CPU time.

There are two comparisons: with the tasks' own weights, as one trains; and with our rewards computed
but weighted with 0, since a constant reward gives no gradient, and a backward pass of zeros does
not cost what another does.
"""

from __future__ import annotations

import copy
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from device import describe_device, options_of, report
from transformers import TrainerCallback

from vlreward.training.preparing import Run
from vlreward_trl.arguments import parse
from vlreward_trl.preparing import prepare
from vlreward_trl.training import build_trainer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "vlreward/data/tiny_vlm/sft"


class Turn(TrainerCallback):  # type: ignore[misc]
    """Ends a step by handing over to the other trainer, and notes how long the step took."""

    def __init__(self, mine: threading.Semaphore, other: threading.Semaphore) -> None:
        self.mine, self.other = mine, other
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.started = (0.0, 0.0)

    def begin(self) -> None:
        """Wait for the turn; the random states are then as they were left."""
        self.mine.acquire()
        self.started = (time.perf_counter(), time.process_time())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.wall.append(time.perf_counter() - self.started[0])
        self.cpu.append(time.process_time() - self.started[1])
        saved = (torch.get_rng_state(), random.getstate(), np.random.get_state())
        self.other.release()
        self.begin()
        torch.set_rng_state(saved[0])
        random.setstate(saved[1])
        np.random.set_state(saved[2])


def main() -> None:
    """Measure in turn and write the ratios."""
    parser = options_of(__doc__, "trl_step")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--skip", type=int, default=3, help="first steps, which warm up")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "what": "one optimizer step of 16 completions of at most 48 tokens, mixture of three tasks",
        "steps": options.steps - options.skip,
        "machine": describe_device(),
        "own weights": compare(options.steps, options.skip, ()),
        "weights of 0": compare(options.steps, options.skip, ("--reward_weights", *"000000")),
    }
    report(options.out, result)


def compare(steps: int, skip: int, weights: tuple[str, ...]) -> dict[str, Any]:
    """Steps of both trainers in turn: seconds of wall and CPU time, and their ratios."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        _write_data(work)
        locks = {name: threading.Semaphore(0) for name in ("ours", "trl")}
        turns = {
            "ours": Turn(locks["ours"], locks["trl"]),
            "trl": Turn(locks["trl"], locks["ours"]),
        }
        trainers = {name: _trainer(name, work, steps, weights) for name in turns}

        def run(name: str) -> None:
            trainers[name].add_callback(turns[name])
            turns[name].begin()
            try:
                trainers[name].train()
            finally:
                turns[name].other.release()

        threads = [threading.Thread(target=run, args=(name,)) for name in turns]
        for thread in threads:
            thread.start()
        locks["ours"].release()
        for thread in threads:
            thread.join()
        parts = {name: _parts(trainer) for name, trainer in trainers.items()}
    tokens = {name: trainer.state.num_input_tokens_seen for name, trainer in trainers.items()}
    result: dict[str, Any] = {"tokens": tokens}
    for kind in ("wall", "cpu"):
        ours, theirs = (getattr(turns[name], kind)[skip:] for name in ("ours", "trl"))
        ratios = [a / b for a, b in zip(ours, theirs)]
        cuts = statistics.quantiles(ratios, n=4)
        result[kind] = {
            "ours_seconds": round(statistics.median(ours), 4),
            "trl_seconds": round(statistics.median(theirs), 4),
            "ratio_of_sums": round(sum(ours) / sum(theirs), 4),
            "median_of_ratios": round(statistics.median(ratios), 4),
            "quartiles_of_ratios": [round(cuts[0], 4), round(cuts[2], 4)],
        }
    return result | {"parts_cpu_ms": parts}


def _trainer(name: str, work: Path, steps: int, weights: tuple[str, ...]) -> Any:
    run = prepare(
        parse(
            [
                *("mixture", "--model", str(MODEL), "--data", str(work / "mixture.yaml")),
                *("--image-root", str(work), "--output_dir", str(work / name)),
                *("--max_steps", str(steps), "--num_generations", "8"),
                *("--per_device_train_batch_size", "16", "--gradient_accumulation_steps", "1"),
                *("--max_completion_length", "48", "--learning_rate", "0", "--beta", "0"),
                *weights,
                *("--dataloader_num_workers", "0", "--save_strategy", "no"),
                *("--disable_tqdm", "true", "--logging_steps", "1", "--check_images", "none"),
            ]
        )
    )
    return build_trainer(run) if name == "ours" else _plain_trainer(run)


def _parts(trainer: Any) -> dict[str, float]:
    """Milliseconds of CPU time of what differs: fetching, tokenizing with images, rewards."""
    from trl.data_utils import prepare_multimodal_messages

    indices = [i for i in (3, 30) for _ in range(8)]
    rows = trainer.train_dataset.__getitems__(indices)
    answer = "<think>10+10=20; 2*20=40</think><answer>40 cm</answer>"
    prompts = [row["prompt"] for row in rows]
    ids = [[5, 6, 2]] * len(rows)

    def tokenize() -> None:
        messages = [
            prepare_multimodal_messages(row["prompt"], images=row["images"]) for row in rows
        ]
        trainer._tokenize_prompts(copy.deepcopy(messages))

    def reward() -> None:
        completions = [[{"role": "assistant", "content": answer}] for _ in rows]
        trainer._calculate_rewards(rows, prompts, completions, ids)
        trainer._pending_metrics.clear()
        trainer._pending_extra_logs.clear()

    return {
        "fetch": _cpu_ms(lambda: trainer.train_dataset.__getitems__(indices)),
        "tokenize": _cpu_ms(tokenize),
        "rewards": _cpu_ms(reward),
    }


def _cpu_ms(work: Callable[[], object], repeats: int = 30) -> float:
    work()
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return round(1000 * statistics.median(found), 3)


def _constant(completions: list[Any], **columns: Any) -> list[float]:
    return [1.0] * len(completions)


def _plain_trainer(run: Run) -> Any:
    """TRL's trainer on rows with an image column, as its documentation has them."""
    import datasets
    from trl import GRPOTrainer

    samples = run.samples
    prompts = {r.spec.name: r.spec.prompt for r in run.task_rewards}
    rows = datasets.Dataset.from_dict(
        {
            "prompt": [prompts[sample.task].render(sample) for sample in samples],
            "image": [str(samples.image(sample)) for sample in samples],
        }
    ).cast_column("image", datasets.Image())
    training = run.options.training
    training.reward_weights = None
    return GRPOTrainer(
        model=run.options.model.model_name_or_path,
        reward_funcs=_constant,
        args=training,
        train_dataset=rows,
        processing_class=run.processor,
    )


def _write_data(work: Path) -> None:
    from vlreward.scenes import TASKS, export_scenes

    files = [export_scenes(task, work, 24) for task in TASKS]
    entries = [f"  - {{json_path: {file.name}, task: {file.stem}}}\n" for file in files]
    (work / "mixture.yaml").write_text("datasets:\n" + "".join(entries), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a training step costs through this backend, beside TRL's own with a constant reward.

    python benchmarks/trl_step.py --out benchmarks/results/trl_step.json

Both train the packaged tiny model on the same questions and images, in turn, several times. The
learning rate is 0 and the seed the same, so that both generate the same completions. TRL's run
has the images as a `datasets.Image` column and lets the processor resize them. A step is the time
from the end of one step to the end of the next, loading included; the first of each run is left
out. CPU time of the process is reported too: it is disturbed less where the machine is shared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from device import describe_device
from transformers import TrainerCallback

from vlreward_trl.arguments import parse
from vlreward_trl.preparing import Run, prepare
from vlreward_trl.training import build_trainer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "vlreward/data/tiny_vlm/sft"


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes wall and CPU time at the end of every step."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.ticks.append((time.perf_counter(), time.process_time()))

    def steps(self) -> tuple[float, float]:
        """Median wall and CPU seconds of a step."""
        pairs = list(zip(self.ticks, self.ticks[1:]))
        return tuple(statistics.median(b[i] - a[i] for a, b in pairs) for i in (0, 1))  # type: ignore[return-value]


def main() -> None:
    """Measure in turn and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        _write_data(work)
        pairs = []
        for repeat in range(options.repeats):
            # Each is first every other time, so that a drift of the machine's speed cancels.
            order = ("ours", "trl") if repeat % 2 == 0 else ("trl", "ours")
            seconds = {name: _measure(name, work, options.steps) for name in order}
            pairs.append(seconds)
            print(repeat, {k: [round(v, 4) for v in s[:2]] for k, s in seconds.items()}, flush=True)
    result: dict[str, Any] = {
        "what": "one optimizer step of 16 completions of at most 48 tokens, mixture of three tasks",
        "repeats": options.repeats,
        "steps": options.steps,
        "machine": describe_device(),
        "tokens_equal": all(p["ours"][2] == p["trl"][2] for p in pairs),
    }
    for index, kind in enumerate(("wall", "cpu")):
        ratios = sorted(p["ours"][index] / p["trl"][index] for p in pairs)
        result[f"{kind}_ratio"] = {
            "median": round(statistics.median(ratios), 4),
            "lowest": round(ratios[0], 4),
            "highest": round(ratios[-1], 4),
        }
        for name in ("ours", "trl"):
            result[f"{name}_{kind}_seconds"] = round(
                statistics.median(p[name][index] for p in pairs), 4
            )
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def _measure(name: str, work: Path, steps: int) -> tuple[float, float, float]:
    run = prepare(
        parse(
            [
                *("mixture", "--model", str(MODEL), "--data", str(work / "mixture.yaml")),
                *("--image-root", str(work), "--output_dir", str(work / name)),
                *("--max_steps", str(steps + 1), "--num_generations", "8"),
                *("--per_device_train_batch_size", "16", "--gradient_accumulation_steps", "1"),
                *("--max_completion_length", "48", "--learning_rate", "0", "--beta", "0"),
                *("--dataloader_num_workers", "0", "--save_strategy", "no"),
                *("--disable_tqdm", "true", "--logging_strategy", "no", "--check_images", "none"),
            ]
        )
    )
    clock = Clock()
    trainer = build_trainer(run) if name == "ours" else _plain_trainer(run)
    trainer.add_callback(clock)
    trainer.train()
    return (*clock.steps(), trainer.state.num_input_tokens_seen)


def _constant(completions: list[Any], **columns: Any) -> list[float]:
    return [1.0] * len(completions)


def _plain_trainer(run: Run) -> Any:
    """TRL's trainer on rows with an image column, as its documentation has them."""
    import datasets
    from trl import GRPOTrainer

    samples = run.samples
    prompts = {r.shared.reward.spec.name: r.shared.reward.spec.prompt for r in run.rewards}
    rows = datasets.Dataset.from_dict(
        {
            "prompt": [prompts[sample.task].render(sample) for sample in samples],
            "image": [str(samples.image_path(sample)) for sample in samples],
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
    from vlreward.data.scenes import scenes

    entries = []
    for task in ("rec", "counting", "geometry"):
        rows = []
        for scene in scenes(task, "train", 24):  # type: ignore[arg-type]
            scene.image.save(work / f"{scene.id}.png")
            row: dict[str, Any] = {"image_path": f"{scene.id}.png", "question": scene.question}
            if task == "rec":
                row = {
                    "image": f"{scene.id}.png",
                    "problem": scene.question,
                    "solution": list(scene.gold),  # type: ignore[arg-type]
                }
            else:
                row["ground_truth"] = scene.gold
            rows.append(row)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (work / f"{task}.jsonl").write_text(text, encoding="utf-8")
        entries.append(f"  - {{json_path: {task}.jsonl, task: {task}}}\n")
    (work / "mixture.yaml").write_text("datasets:\n" + "".join(entries), encoding="utf-8")


if __name__ == "__main__":
    main()

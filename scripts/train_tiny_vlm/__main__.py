"""Train the packaged tiny Qwen2.5-VL from nothing: `python -m scripts.train_tiny_vlm --out DIR`.

Supervised training on worked answers to synthetic scenes, for a given time on one GPU (or, much
slower, on a CPU). Writes the final checkpoint `sft/`, the half-trained one `half/`, and the log.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from scripts.train_tiny_vlm.batches import Mix, PackedBatches
from scripts.train_tiny_vlm.model import Trainee, build_model, save
from scripts.train_tiny_vlm.monitor import accuracies, greedy
from scripts.train_tiny_vlm.tokenizer import build_tokenizer
from vlreward.bench.engines._processor import load_processor
from vlreward.data.scenes import LEVELS, TASKS, scenes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="directory for checkpoints and log")
    add("--minutes", type=float, default=8.0, help="time for training, evaluation included")
    add("--half-at", type=float, default=0.4, help="share of the time when half/ branches off")
    add("--half-minutes", type=float, default=0.4, help="time for the branch, taken at the end")
    add("--start", type=Path, help="continue from the state.pt of an earlier run")
    add("--batch", type=int, default=256)
    add("--questions", type=int, default=8)
    add("--lr", type=float, default=1.5e-3)
    add("--final-lr", type=float, default=0.0, help="learning rate at the end")
    add("--aux", type=float, default=1.0, help="weight of the auxiliary loss at the start")
    add("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    add("--evaluate-every", type=float, default=75, help="seconds between evaluations")
    add("--validation", type=int, default=128, help="validation scenes a task and evaluation")
    add("--test", type=int, default=300, help="test scenes a task and level at the end")
    add("--seed", type=int, default=0)
    return parser.parse_args()


class Run:
    """One training run: the model, its optimiser, the stream of batches and the log."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.began = time.monotonic()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        self.tokenizer = build_tokenizer()
        self.trainee = Trainee(build_model(self.tokenizer)).to(self.device)
        self.step, self.pictures, self.questions = 0, 0, 0
        self.log: list[dict[str, Any]] = []
        if args.start:
            state = torch.load(args.start, map_location=self.device, weights_only=True)
            self.trainee.load_state_dict(state)
        save(self.trainee.model, self.tokenizer, args.out / "sft")
        self.processor = load_processor(args.out / "sft")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def optimiser(self, model: torch.nn.Module) -> torch.optim.AdamW:
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others}]
        return torch.optim.AdamW(
            groups, betas=(0.9, 0.98), weight_decay=0.0, fused=self.device.type == "cuda"
        )

    def loader(self, mix: Mix, seed: int) -> DataLoader[dict[str, Any]]:
        return DataLoader(
            PackedBatches(self.tokenizer, mix, seed),
            batch_size=None,
            num_workers=self.args.workers,
            prefetch_factor=4 if self.args.workers else None,
            pin_memory=self.device.type == "cuda",
        )

    def train(
        self, seconds: float, mix: Mix, *, lr: float, final_lr: float, warmup: int, tag: str
    ) -> None:
        """Train for a time; the learning rate follows a cosine of the time that has passed."""
        trainee, optimiser = self.trainee, self.optimiser(self.trainee)
        trainee.train()
        start, evaluated = time.monotonic(), time.monotonic()
        first, waited, half_done = self.step, 0.0, False
        sums: dict[str, torch.Tensor] = {}
        since = 0
        batches = iter(self.loader(mix, self.args.seed + (0 if tag == "sft" else 1)))
        while (share := (time.monotonic() - start) / seconds) < 1:
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            rate = final_lr + (lr - final_lr) * (1 + math.cos(math.pi * share)) / 2
            rate *= min(1.0, (self.step - first + 1) / warmup)
            for group in optimiser.param_groups:
                group["lr"] = rate
            moved = {
                k: v.to(self.device, non_blocking=True) if isinstance(v, torch.Tensor) else v
                for k, v in batch.items()
            }
            with torch.autocast(self.device.type, torch.bfloat16):
                losses = trainee(moved)
            loss = losses["text"]
            if "aux" in losses:
                loss = loss + self.args.aux * (1 - 0.9 * share) * losses["aux"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
            optimiser.step()
            kind = "objects" if "aux" in losses else "figures"
            for name, value in losses.items():
                key = f"{name}/{kind}"
                sums[key] = (
                    0.98 * sums[key] + 0.02 * value.detach() if key in sums else value.detach()
                )
            self.step += 1
            since += 1
            self.pictures += len(batch["ids"])
            self.questions += int(batch["segments"].max(dim=1).values.sum())
            if tag == "sft" and not half_done and share >= self.args.half_at:
                half_done = True
                self.half = copy.deepcopy(trainee.state_dict())
                torch.save(self.half, self.args.out / "half_state.pt")
            if time.monotonic() - evaluated > self.args.evaluate_every:
                spent = time.monotonic() - evaluated
                self.note(tag, rate, sums, since / spent, waited / spent)
                evaluated, since, waited = time.monotonic(), 0, 0.0
        spent = max(1e-6, time.monotonic() - evaluated)
        self.note(tag, 0.0, sums, since / spent, waited / spent)
        del batches

    def note(
        self, tag: str, rate: float, sums: dict[str, torch.Tensor], speed: float, waited: float
    ) -> None:
        """Evaluate on the validation split, append to the log, save the checkpoint."""
        model = self.half_precision()
        row = {
            "phase": tag,
            "seconds": round(self.elapsed, 1),
            "step": self.step,
            "pictures": self.pictures,
            "questions": self.questions,
            "lr": rate,
            "steps_per_second": round(speed, 2),
            "share_of_time_waiting_for_data": round(waited, 3),
            "losses": {k: round(float(v), 4) for k, v in sums.items()},
            "validation": accuracies(model, self.processor, "validation", self.args.validation),
        }
        self.log.append(row)
        print(json.dumps(row), flush=True)
        folder = self.args.out / tag
        save(self.trainee.model, self.tokenizer, folder)
        if tag == "sft":
            torch.save(self.trainee.state_dict(), self.args.out / "state.pt")
        self.write({})

    def half_precision(self) -> Any:
        """A copy as it will be saved and loaded: rounded to bfloat16."""
        return copy.deepcopy(self.trainee.model).to(torch.bfloat16).eval()

    def report(self, tag: str) -> dict[str, Any]:
        """Accuracy on the test split by task and level, and a few answers."""
        model = self.half_precision()
        samples = {}
        for task in TASKS:
            items = list(scenes(task, "test", 6))
            samples[task] = list(
                zip([s.question for s in items], greedy(model, self.processor, items))
            )
        table = accuracies(model, self.processor, "test", self.args.test, levels=LEVELS)
        print(tag, json.dumps(table), json.dumps(samples, indent=1), flush=True)
        return {"test": table, "n": self.args.test, "samples": samples}

    def write(self, results: dict[str, Any]) -> None:
        """Write the log so far."""
        gpu = torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"
        data = {
            "device": gpu,
            "torch": torch.__version__,
            "arguments": {k: str(v) for k, v in vars(self.args).items() if k != "out"},
            "parameters": sum(p.numel() for p in self.trainee.model.parameters()),
            "vocabulary": len(self.tokenizer),
            "log": self.log,
            "results": results,
        }
        path = self.args.out / "tiny_vlm_training.json"
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Train, branch off the half-trained checkpoint, report."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    count = sum(p.numel() for p in run.trainee.model.parameters())
    print(f"{count} parameters, {len(run.tokenizer)} tokens, ready after {run.elapsed:.0f} s")
    mix = Mix(batch=args.batch, questions=args.questions)
    seconds = 60 * args.minutes - run.elapsed
    run.train(seconds, mix, lr=args.lr, final_lr=args.final_lr, warmup=200, tag="sft")
    results = {"sft": run.report("sft")}
    run.write(results)
    if args.half_minutes and hasattr(run, "half"):
        run.trainee.load_state_dict(run.half)
        mixed = Mix(batch=args.batch, questions=args.questions, glance=0.65, unclosed=0.1)
        run.train(
            60 * args.half_minutes, mixed, lr=args.lr / 5, final_lr=0.0, warmup=20, tag="half"
        )
        results["half"] = run.report("half")
    run.write(results)


if __name__ == "__main__":
    main()

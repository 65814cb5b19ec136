"""Train the packaged tiny Qwen2.5-VL from nothing: `python -m scripts.train_tiny_vlm --out DIR`.

Supervised training on worked answers to synthetic scenes, for a given time on one GPU (or, much
slower, on a CPU), or on several: `torchrun --nproc_per_node 2 -m scripts.train_tiny_vlm ...`.
Writes the checkpoint `NAME/`, the full-precision `state.pt` to continue from, and the log.
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
import torch.distributed as dist
from torch.utils.data import DataLoader

from scripts.train_tiny_vlm.batches import Mix, PackedBatches
from scripts.train_tiny_vlm.model import Trainee, build_model, fuse_norms, save, widen
from scripts.train_tiny_vlm.monitor import accuracies, greedy
from scripts.train_tiny_vlm.tokenizer import build_tokenizer
from vlreward.engines.processor import load_processor
from vlreward.scenes import LEVELS, TASKS, scenes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="directory for checkpoints and log")
    add("--minutes", type=float, default=8.0, help="time for training, evaluation included")
    add("--name", default="sft", help="name of the checkpoint's directory")
    add("--continue-from", type=Path, help="continue from the state.pt of an earlier run")
    add("--keep-aux", action="store_true", help="continue with the auxiliary head of that run")
    add("--kv-heads", type=int, default=6, help="key and value heads of the language model")
    add("--batch", type=int, default=256, help="pictures with objects in a batch of one GPU")
    add("--questions", type=int, default=8)
    add("--lr", type=float, default=1.5e-3)
    add("--warmup", type=int, default=200, help="steps of warm-up")
    add("--geometry", type=float, default=0.35, help="share of batches with figures")
    add("--instructed", type=float, default=0.7, help="share of questions with an instruction")
    add("--glance", type=float, default=0.0, help="share of counts answered without listing")
    add("--unclosed", type=float, default=0.0, help="share of answers with the last tag missing")
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
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
        if self.ranks > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        self.tokenizer = build_tokenizer()
        self.trainee = Trainee(build_model(self.tokenizer, kv_heads=args.kv_heads)).to(self.device)
        self.step, self.pictures, self.questions = 0, 0, 0
        self.log: list[dict[str, Any]] = []
        self.earlier: Any = None
        if args.continue_from:
            state = torch.load(args.continue_from, map_location=self.device, weights_only=True)
            skipped = () if args.keep_aux else ("aux.weight", "aux.bias")
            state = {k: v for k, v in state.items() if k not in skipped}
            state = widen(state, self.trainee.state_dict())
            self.trainee.load_state_dict(state, strict=False)
            record = args.continue_from.parent / "tiny_vlm_training.json"
            if record.exists():
                self.earlier = json.loads(record.read_text(encoding="utf-8"))
        fuse_norms()
        if self.rank == 0:
            args.out.mkdir(parents=True, exist_ok=True)
            save(self.trainee.model, self.tokenizer, args.out / args.name)
            self.processor = load_processor(args.out / args.name)

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

    def loader(self, mix: Mix) -> DataLoader[dict[str, Any]]:
        return DataLoader(
            PackedBatches(self.tokenizer, mix, self.args.seed, self.rank),
            batch_size=None,
            num_workers=self.args.workers,
            prefetch_factor=4 if self.args.workers else None,
            pin_memory=self.device.type == "cuda",
        )

    def train(self, seconds: float, mix: Mix) -> None:
        """Train for a time; the learning rate follows a cosine of the time that has passed."""
        args, trainee = self.args, self.trainee
        optimiser = self.optimiser(trainee)
        trainee.train()
        start, evaluated = time.monotonic(), time.monotonic()
        waited, since = 0.0, 0
        sums: dict[str, torch.Tensor] = {}
        batches = iter(self.loader(mix))
        share, pace, synced = 0.0, 0.0, 0.0
        while share < 1:
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            rate = args.lr * (1 + math.cos(math.pi * min(1.0, share))) / 2
            rate *= min(1.0, (self.step + 1) / args.warmup)
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
                loss = loss + args.aux * (1 - 0.9 * share) * losses["aux"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.average_gradients()
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
            share += pace
            if self.step % 20 == 0:  # asking the GPU at every step would stall it
                passed = self.agreed((time.monotonic() - start) / seconds)
                share, pace = passed, max(0.0, passed - synced) / 20
                synced = passed
            self.pictures += len(batch["ids"]) * self.ranks
            self.questions += int(batch["segments"].max(dim=1).values.sum()) * self.ranks
            if time.monotonic() - evaluated > args.evaluate_every:
                spent = time.monotonic() - evaluated
                self.note(rate, sums, since / spent, waited / spent)
                evaluated, since, waited = time.monotonic(), 0, 0.0
        spent = max(1e-6, time.monotonic() - evaluated)
        self.note(0.0, sums, since / spent, waited / spent)
        del batches

    def average_gradients(self) -> None:
        """Average the gradients over all ranks."""
        if self.ranks == 1:
            return
        parameters = list(self.trainee.parameters())
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.ranks
        for p, mean in zip(parameters, flat.split([p.numel() for p in parameters])):
            p.grad = mean.view_as(p)

    def agreed(self, number: float) -> float:
        """The mean of a number over all ranks."""
        if self.ranks == 1:
            return number
        value = torch.tensor([number], dtype=torch.float64, device=self.device)
        dist.all_reduce(value)
        return float(value) / self.ranks

    def note(self, rate: float, sums: dict[str, torch.Tensor], speed: float, waited: float) -> None:
        """Evaluate on the validation split, append to the log, save the checkpoint."""
        if self.rank:
            return
        model = self.half_precision()
        row = {
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
        save(self.trainee.model, self.tokenizer, self.args.out / self.args.name)
        torch.save(self.trainee.state_dict(), self.args.out / "state.pt")
        self.write({})

    def half_precision(self) -> Any:
        """A copy as it will be saved and loaded: rounded to bfloat16."""
        return copy.deepcopy(self.trainee.model).to(torch.bfloat16).eval()

    def report(self) -> dict[str, Any]:
        """Accuracy on the test split by task and level, and a few answers."""
        model = self.half_precision()
        samples = {}
        for task in TASKS:
            items = list(scenes(task, "test", 6))
            samples[task] = list(
                zip([s.question for s in items], greedy(model, self.processor, items))
            )
        table = accuracies(model, self.processor, "test", self.args.test, levels=LEVELS)
        print(json.dumps(table), json.dumps(samples, indent=1), flush=True)
        return {"test": table, "n": self.args.test, "samples": samples}

    def write(self, results: dict[str, Any]) -> None:
        """Write the log so far."""
        gpu = torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"
        data = {
            "device": f"{self.ranks} x {gpu}",
            "torch": torch.__version__,
            "arguments": {k: str(v) for k, v in vars(self.args).items() if k != "out"},
            "parameters": sum(p.numel() for p in self.trainee.model.parameters()),
            "vocabulary": len(self.tokenizer),
            "continued_from": self.earlier,
            "log": self.log,
            "results": results,
        }
        path = self.args.out / "tiny_vlm_training.json"
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Train for the given time, then report."""
    args = _arguments()
    run = Run(args)
    count = sum(p.numel() for p in run.trainee.model.parameters())
    if not run.rank:
        print(f"{count} parameters, {len(run.tokenizer)} tokens, ready after {run.elapsed:.0f} s")
    mix = Mix(
        batch=args.batch,
        questions=args.questions,
        geometry=args.geometry,
        instructed=args.instructed,
        glance=args.glance,
        unclosed=args.unclosed,
    )
    run.train(60 * args.minutes - run.elapsed, mix)
    if run.ranks > 1:
        dist.destroy_process_group()
    if not run.rank:
        run.write(run.report())


if __name__ == "__main__":
    main()

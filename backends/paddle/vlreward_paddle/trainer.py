"""GRPO on paddleformers' (or paddlenlp's) Trainer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vlreward.training.evaluation import Evaluation
from vlreward.training.rewards import cut_off
from vlreward_paddle.ahead import Ahead
from vlreward_paddle.config import GRPOConfig
from vlreward_paddle.evaluating import EvaluatesAnswers
from vlreward_paddle.experience import Codec, MicroBatch, RewardFunction, micro_batch, score
from vlreward_paddle.logprobs import completion_logprobs
from vlreward_paddle.lora import adapter_layers, only_adapter, without_adapter
from vlreward_paddle.loss import group_advantages, grpo_loss
from vlreward_paddle.norms import NotesNorms
from vlreward_paddle.parallel import Metrics, sum_all
from vlreward_paddle.rollout import Prompt, Sampling, generate, shares_prompts
from vlreward_paddle.sampler import GroupSampler
from vlreward_paddle.shim import Trainer

__all__ = ["GRPOTrainer"]


class GRPOTrainer(EvaluatesAnswers, NotesNorms, Trainer):  # type: ignore[misc]
    """Samples groups of completions, scores them, and learns from their advantages.

    One `training_step` is one optimizer step: it samples all completions of this process (every
    `num_iterations` steps), and goes over them in micro-batches.

    Args:
        model: The policy.
        args: The options.
        rows: Sequence of rows: dicts with `prompt` and whatever encoder and rewards read.
        codec: Turns rows into prompts, and tokens into text.
        reward_funcs: Reward functions with TRL's signature; `args.reward_weights` are their
            weights, by default 1.
        ref_model: The reference model, if `args.beta` is not 0; a model with an adapter
            (`vlreward_paddle.lora`) is its own, without the adapter.
        evaluation: Held-out rows, and what scores greedy answers to them.
        callbacks: As for the library's Trainer.

    Raises:
        ValueError: If the reference model is missing, or weights and functions differ in number.
    """

    def __init__(
        self,
        model: Any,
        args: GRPOConfig,
        rows: Sequence[dict[str, Any]],
        codec: Codec,
        reward_funcs: Sequence[RewardFunction],
        *,
        ref_model: Any = None,
        evaluation: Evaluation | None = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        if args.beta and ref_model is None and not adapter_layers(model):
            raise ValueError(f"expected a reference model for beta={args.beta!r}, got None")
        weights = args.reward_weights or [1.0] * len(reward_funcs)
        if len(weights) != len(reward_funcs):
            raise ValueError(
                f"expected {len(reward_funcs)} reward weights, one for each function, got "
                f"{weights!r}"
            )
        args.remove_unused_columns = False
        super().__init__(
            model=model,
            args=args,
            # Numbers of the rows, which are made when their turn has come: skipping over them when
            # a run resumes opens no image.
            train_dataset=range(len(rows)),
            eval_dataset=None if evaluation is None else range(len(evaluation.rows)),
            data_collator=np.asarray,  # Of plain numbers, the loader hands on nothing.
            callbacks=list(callbacks),
        )
        if adapter_layers(model):
            # As for the library's own LoRA models: checkpoints hold the adapter and its optimizer.
            kept = getattr(self, "unified_checkpoint_handler", None)
            for name in ("save_unified_checkpoint", "load_unified_checkpoint") if kept else ():
                setattr(kept, name, only_adapter(model)(getattr(kept, name)))
        self.rows = rows
        self.codec = codec
        self.reward_funcs = list(reward_funcs)
        self.reward_weights = [float(weight) for weight in weights]
        self.ref_model = ref_model
        self.evaluation = evaluation
        self.ahead = Ahead(self._encoded, args.image_threads)
        self.sampling = Sampling(
            max_tokens=args.max_completion_length,
            temperature=args.temperature,
            top_p=args.top_p,
            top_k=args.top_k,
            eos_ids=codec.eos_ids,
            pad_id=codec.pad_id,
        )
        self.metrics = Metrics()
        self.last_metrics: dict[str, float] = {}
        self._buffer: list[MicroBatch] | None = None
        if ref_model is not None:
            ref_model.eval()
        # Every process draws its own completions.
        paddle.seed(args.seed + paddle.distributed.get_rank())

    def _get_train_sampler(self) -> GroupSampler:
        args = self.args
        sampler = GroupSampler(
            self.train_dataset,
            args.num_generations,
            batch_size=args.completions_per_device,
            steps=1,
            num_iterations=args.num_iterations,
            rank=paddle.distributed.get_rank(),
            world_size=paddle.distributed.get_world_size(),
            seed=args.seed,
            shuffle=args.shuffle_dataset,
        )
        # One pass of the library over the sampler is the whole run.
        if args.max_steps <= 0:
            args.max_steps = max(1, math.ceil(args.num_train_epochs * sampler.steps_per_pass))
        sampler.steps = args.max_steps
        self.sampler = sampler
        self._coming: Any = None
        return sampler

    def generate(self, prompts: Sequence[Prompt], rows: Sequence[dict[str, Any]]) -> Any:
        """Completions for the prompts, one for each; `rows` are theirs."""
        return generate(self.model, prompts, self.sampling)

    def training_step(self, model: Any, inputs: Any, step_control: int = 0) -> Tensor:
        """One optimizer step on the rows with the numbers `inputs`."""
        started = time.perf_counter()
        if self._buffer is None or self.state.global_step % self.args.num_iterations == 0:
            self._buffer = self._experience([int(index) for index in inputs])
        model.train()
        total = paddle.zeros([], dtype="float32")
        count = len(self._buffer)
        for i, batch in enumerate(self._buffer):
            last = i == count - 1
            waits = nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync()
            with waits:
                with self.autocast_smart_context_manager():
                    loss = self.compute_loss(model, batch) / count
                (self.scaler.scale(loss) if self.do_grad_scaling else loss).backward()
            total += loss.detach()
        self.metrics.add("step_time", time.perf_counter() - started)
        return total

    def compute_loss(self, model: Any, inputs: MicroBatch, return_outputs: bool = False) -> Any:
        """The loss of one micro-batch."""
        logps, entropies = completion_logprobs(model, inputs.inputs, inputs.asked)
        terms = grpo_loss(
            logps,
            inputs.old_logps,
            inputs.ref_logps,
            inputs.advantages,
            inputs.mask,
            self.args,
            num_items=self._num_items,
        )
        for name, value in terms.sums.items():
            self.metrics.add(name, value, terms.tokens)
        mask = inputs.mask.astype("float32")
        self.metrics.add("entropy", float((entropies * mask).sum()), terms.tokens)
        return (terms.loss, logps) if return_outputs else terms.loss

    def _experience(self, indices: list[int]) -> list[MicroBatch]:
        """Completions of the rows with their advantages, in micro-batches."""
        args = self.args
        if self._coming is None:
            first = self.state.global_step + args.num_iterations
            self._coming = islice(self.sampler, first, None, args.num_iterations)
        made = self.ahead.take(indices, next(self._coming, ()))
        rows, prompts = [row for row, _ in made], [prompt for _, prompt in made]
        started = time.perf_counter()
        tokens = self.generate(prompts, rows)
        self.metrics.add("seconds/generation", time.perf_counter() - started)
        texts = [self.codec.decode(ids) for ids in tokens]
        truncated = cut_off(tokens, self.codec.eos_ids)
        started = time.perf_counter()
        totals = score(
            self.reward_funcs, self.reward_weights, rows, texts, tokens, self.state, self.metrics
        )
        self.metrics.add("seconds/rewards", time.perf_counter() - started)
        advantages = group_advantages(
            totals, args.num_generations, scale_rewards=args.scale_rewards
        )
        self._note(totals, advantages.zero_std, tokens, truncated)
        first = paddle.distributed.get_rank() * len(indices)
        mine = advantages.values[first : first + len(indices)]
        keep = [not (cut and args.mask_truncated_completions) for cut in truncated]
        size = args.per_device_train_batch_size
        batches = [
            micro_batch(
                prompts[part],
                tokens[part],
                mine[part],
                self.codec.pad_id,
                temperature=args.temperature,
                banned_ids=tuple(getattr(self.model, "banned_ids", ())),
                chunk_size=args.logprob_chunk_size,
                keep=keep[part],
                share_prompts=shares_prompts(self.model),
            )
            for part in (slice(i, i + size) for i in range(0, len(indices), size))
        ]
        items = sum(float(batch.mask.sum()) for batch in batches)
        processes = paddle.distributed.get_world_size()
        self._num_items = float(sum_all(np.array([items]))[0]) / processes / len(batches)
        with paddle.no_grad(), self.autocast_smart_context_manager():
            for batch in batches:
                if args.num_iterations > 1:
                    batch.old_logps = completion_logprobs(self.model, batch.inputs, batch.asked)[0]
                if args.beta:
                    batch.ref_logps = self._reference(batch)
        return batches

    def _reference(self, batch: MicroBatch) -> Tensor:
        if self.ref_model is not None:
            return completion_logprobs(self.ref_model, batch.inputs, batch.asked)[0]
        with without_adapter(self.model):
            return completion_logprobs(self.model, batch.inputs, batch.asked)[0]

    def _encoded(self, index: int) -> tuple[dict[str, Any], Prompt]:
        row = self.rows[index]
        return row, self.codec.encode(row)

    def _note(
        self, totals: np.ndarray, zero_std: np.ndarray, tokens: list[list[int]], cut: list[bool]
    ) -> None:
        known = totals[~np.isnan(totals)]
        if known.size:
            self.metrics.same("reward", float(known.mean()))
            self.metrics.same("reward_std", float(known.std(ddof=1)) if known.size > 1 else 0.0)
        self.metrics.same("frac_reward_zero_std", float(zero_std.mean()))
        lengths = [len(ids) for ids in tokens]
        self.metrics.add("completions/mean_length", sum(lengths), len(lengths))
        self.metrics.add("completions/clipped_ratio", sum(cut), len(cut))

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Log the library's numbers and ours; every process calls it."""
        logs = {k: v for k, v in logs.items() if not k.endswith(_WRONG)}
        if "loss" in logs:
            self.last_metrics = self.metrics.take()
            norm = getattr(self, "global_training_logs", {}).get("global_norm")
            logs |= {} if norm is None else {"grad_norm": norm}
            logs |= {**self.last_metrics, "epoch": self.state.global_step / self.steps_per_epoch}
        super().log(logs, *args, **kwargs)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in which every row is asked once."""
        return max(1, self.sampler.steps_per_pass)


_WRONG = ("_samples_per_second", "_steps_per_second", "global_norm")
"""Of a step the library sees one micro-batch; the norm stands under TRL's name."""

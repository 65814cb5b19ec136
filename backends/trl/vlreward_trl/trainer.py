"""TRL's trainer, with checkpoints that can be resumed, an evaluation by the tasks' own metrics, a
true model card, and two columns about its costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import GenerationConfig
from trl.data_utils import prepare_multimodal_messages

from vlreward.errors import OptionError, UserError
from vlreward.files import replacing
from vlreward.training.evaluation import Evaluation
from vlreward.training.rewards import TermReward, cut_off
from vlreward_trl.data import ending_with_parent
from vlreward_trl.resampling import Resampler
from vlreward_trl.watching import WatchingGRPOTrainer

__all__ = ["CheckpointError", "ResumableGRPOTrainer"]


class CheckpointError(UserError, ValueError):
    """A checkpoint whose weights are not those of the model."""


class ResumableGRPOTrainer(WatchingGRPOTrainer):
    """`GRPOTrainer` whose checkpoints of vision-language models are read with the right names.

    transformers writes weights under the names of the published checkpoints and renames them in
    `from_pretrained` alone. `Trainer`, when it resumes, does not: no name fits, and training goes
    on from the base model, with a warning (transformers #43701). Here the weights of a checkpoint
    are read by `from_pretrained`, and a missing one is an error.

    Two columns are added to the logs: `seconds/generation` of each batch of completions, and
    `memory/peak_gib`, the most that tensors have taken of the first process's GPU so far.
    """

    control: Any
    generation_config: Any
    generation_kwargs: dict[str, Any]
    evaluation: Evaluation | None = None
    """How answers to the evaluation rows are scored; without it TRL evaluates its own way."""
    resampler: Resampler | None = None
    """Replaces groups without spread, if anything does."""
    card: Callable[[Any], str] | None = None
    """Makes the model card of the trainer's state; without it TRL makes its own."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """The ids that end a completion, by which TRL itself tells a truncated one."""
        return frozenset({*self.eos_token_ids, self._tokenizer.pad_token_id})

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """One greedy answer to each held-out row, scored by the tasks' metrics.

        TRL's own evaluation samples at the temperature of the training, and knows rewards alone.
        """
        if self.evaluation is None or eval_dataset is not None:
            return self._evaluated_by_trl(eval_dataset, ignore_keys, metric_key_prefix)
        training, accelerator = self.model.training, self.accelerator
        self.model.eval()
        with self._greedily():
            metrics = self.evaluation.run(
                self._answers,
                gather_object,
                rank=accelerator.process_index,
                world_size=accelerator.num_processes,
                size=self.args.per_device_eval_batch_size,
                state=self.state,
                prefix=metric_key_prefix,
            )
        self.log(metrics)
        self.model.train(training)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def create_scheduler(self, *args: Any, **kwargs: Any) -> Any:
        """The schedule of learning rates; what it lacks is said."""
        try:
            return super().create_scheduler(*args, **kwargs)
        except (TypeError, ValueError) as error:
            name = str(getattr(self.args.lr_scheduler_type, "value", self.args.lr_scheduler_type))
            raise OptionError(f"--lr_scheduler_type {name}: {error}") from error

    def get_train_dataloader(self) -> Any:
        """The loader, whose workers end with this process, however that ends."""
        loader = super().get_train_dataloader()
        inner = getattr(loader, "base_dataloader", loader)  # accelerate's asks torch's
        inner.worker_init_fn = ending_with_parent(inner.worker_init_fn)
        return loader

    def _run_epoch(self, **kwargs: Any) -> None:
        # A run that was killed after its last step is only saved; Trainer would make one more.
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(**kwargs)
        else:
            self.control.should_training_stop = True

    def _evaluated_by_trl(self, *args: Any) -> dict[str, float]:
        shared = [f.shared for f in self.reward_funcs if isinstance(f, TermReward)]
        for scores in shared:
            scores.mode = "eval"
        try:
            found: dict[str, float] = super().evaluate(*args)
        finally:
            for scores in shared:
                scores.mode = "train"
        return found

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        sample = super()._generate_and_score_completions
        batch: dict[str, Any] = sample(inputs)
        if self.resampler is not None and self.model.training:
            batch = self.resampler.fill(self, batch, sample)
        return batch

    def _answers(self, rows: list[dict[str, Any]]) -> Any:
        prompts = [prepare_multimodal_messages(r["prompt"], images=r["images"]) for r in rows]
        tokens, _ = self._generate_single_turn(*self._tokenize_prompts(prompts), 1)
        texts = self.processing_class.batch_decode(tokens, skip_special_tokens=True)
        return texts, tokens, cut_off(tokens, self.stop_ids)

    @contextmanager
    def _greedily(self) -> Iterator[None]:
        """Generation without sampling, by transformers or vLLM."""
        if self.use_vllm:
            vllm = self.vllm_generation
            before = {name: getattr(vllm, name) for name in ("temperature", "top_p", "top_k")}
            vllm.__dict__.update(temperature=0.0, top_p=1.0, top_k=0)
            try:
                yield
            finally:
                vllm.__dict__.update(before)
            return
        kept = self.generation_config, self.generation_kwargs
        drawn = ("temperature", "top_p", "top_k", "min_p")
        greedy = {k: v for k, v in self.generation_kwargs.items() if k not in drawn}
        greedy["do_sample"] = False
        self.generation_kwargs = greedy
        self.generation_config = GenerationConfig(**greedy, disable_compile=True)
        try:
            yield
        finally:
            self.generation_config, self.generation_kwargs = kept

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write the card of this run, not one of a text-only model."""
        if self.card is None:
            super().create_model_card(*args, **kwargs)
        elif self.is_world_process_zero():
            with replacing(Path(self.args.output_dir) / "README.md") as file:
                file.write(self.card(self.state))

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        generated = super()._generate_single_turn(*args, **kwargs)
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["seconds/generation"].append(time.perf_counter() - started)
        if torch.cuda.is_available():
            metrics["memory/peak_gib"].append(torch.cuda.max_memory_allocated() / 1024**3)
        return generated

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or _is_adapter(self.model):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        self._copy_weights(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or _is_adapter(self.model):
            super()._load_best_model()
            return
        assert self.state.best_model_checkpoint is not None
        self._copy_weights(self.state.best_model_checkpoint)

    def _copy_weights(self, checkpoint: str) -> None:
        model = self.accelerator.unwrap_model(self.model)
        loaded, found = type(model).from_pretrained(
            checkpoint, dtype=model.dtype, output_loading_info=True
        )
        if wrong := {kind: sorted(found[kind])[:3] for kind in _KINDS if found[kind]}:
            raise CheckpointError(
                f"expected the weights of {type(model).__name__} in {checkpoint!r}, got {wrong!r} "
                "and so on"
            )
        model.load_state_dict(loaded.state_dict())


_KINDS = ("missing_keys", "unexpected_keys", "mismatched_keys")


def _is_adapter(model: Any) -> bool:
    return hasattr(model, "peft_config")

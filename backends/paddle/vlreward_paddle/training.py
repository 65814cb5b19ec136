"""The trainer of a run, put together and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paddle

from vlreward.files import replacing
from vlreward.training.card import model_card
from vlreward.training.models import freeze_vision
from vlreward.training.preparing import Run
from vlreward.training.progress import Progress, closing
from vlreward_paddle.lora import adapter_layers, add_adapter, save_adapter
from vlreward_paddle.modeling import load_model
from vlreward_paddle.processing import QwenCodec
from vlreward_paddle.shim import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from vlreward_paddle.trainer import GRPOTrainer
from vlreward_paddle.watching import KeepState

__all__ = ["build_trainer", "export", "train"]


class _Progress(Progress, TrainerCallback):  # type: ignore[misc]
    pass


class ExportModel(TrainerCallback):  # type: ignore[misc]
    """Puts a model that others can read beside each checkpoint, whose own files are the library's:
    `checkpoint-N/hf` loads into transformers, `vlreward-bench` and this backend; of an adapter
    `checkpoint-N/adapter`, into peft in the place of transformers."""

    def __init__(self, model: Any, codec: QwenCodec) -> None:
        self.model = model
        self.codec = codec

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Every process takes part."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if not adapter_layers(self.model):
            export(self.model, self.codec, checkpoint / "hf")
        elif paddle.distributed.get_rank() == 0:
            save_adapter(self.model, checkpoint / "adapter", str(self.codec.path))


def export(model: Any, codec: QwenCodec, directory: Path) -> None:
    """Write a Hugging Face checkpoint with its tokenizer; every process must call it."""
    model.save_pretrained(str(directory))
    if paddle.distributed.get_rank() == 0:
        codec.save(directory)
        if adapter_layers(model):
            save_adapter(model, directory / "adapter", str(codec.path))


def build_trainer(
    run: Run,
    *,
    rewards: Sequence[Callable[..., Any]] = (),
    callbacks: Sequence[Any] = (),
) -> GRPOTrainer:
    """The trainer of a run. The model is loaded here, and at beta 0 no reference model.

    Args:
        run: The run.
        rewards: Reward functions of your own; see `Run.rewards`.
        callbacks: Callbacks of your own.
    """
    args, arguments = run.options.training, run.options.arguments
    dtype = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
    assert arguments.model is not None
    options: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": run.options.attn_implementation,
    }
    recompute = bool(getattr(args, "recompute_granularity", None) or getattr(args, "recompute", 0))
    model = load_model(arguments.model, recompute=recompute, **options)
    if run.options.adapter.use_peft:
        paddle.seed(args.seed)
        add_adapter(model, run.options.adapter)
    elif arguments.freeze_vision:
        freeze_vision(model)
    own = args.beta and not run.options.adapter.use_peft
    reference = load_model(arguments.model, **options) if own else None
    kept = KeepState()
    progress = _Progress(run.traces)
    own_callbacks: list[Any] = [ExportModel(model, run.processor), kept, progress]
    if arguments.early_stopping_patience is not None:
        own_callbacks.append(EarlyStoppingCallback(arguments.early_stopping_patience))
    functions, args.reward_weights = run.with_rewards(rewards).rewards()
    run.end_with(run.processor.eos_ids)
    trainer = GRPOTrainer(
        model,
        args,
        run.rows,
        run.processor,
        functions,
        ref_model=reference,
        evaluation=run.evaluation,
        callbacks=[*own_callbacks, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.kept = kept
    return trainer


def train(run: Run) -> GRPOTrainer | None:
    """Train, save the model with its tokenizer to `output_dir`, and return the trainer.

    Where the run begins, and what it puts aside first, is `run.start`'s; None is returned if it
    was finished already.
    """
    if run.start.finished:
        return None
    with run.start.held(run.rank):
        return _train(run)


def _train(run: Run) -> GRPOTrainer:
    args, start = run.options.training, run.start
    if max(0, args.local_rank) == 0:
        start.make()
    if paddle.distributed.is_initialized():
        paddle.distributed.barrier()
    trainer = build_trainer(run)
    if args.eval_on_start and not start.step:
        trainer.evaluate()
    trainer.train(resume_from_checkpoint=start.checkpoint)
    evaluated = args.load_best_model_at_end or run.evaluation is None
    if not evaluated and trainer.kept.evaluated_at() != trainer.state.global_step:
        trainer.evaluate()
    export(trainer.model, run.processor, Path(args.output_dir))
    if run.rank == 0:
        start.finish(trainer.state.max_steps)
        state = trainer.kept.as_state(trainer.state)
        with replacing(Path(args.output_dir) / "README.md") as file:
            file.write(model_card(run, state, library="transformers"))
        print(closing(run, state, engine="paddle"), flush=True)
    return trainer

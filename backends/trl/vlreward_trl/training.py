"""TRL's trainer, put together and run."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from accelerate.utils import gather
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
)

from vlreward.errors import OptionError, UserError
from vlreward.training.card import model_card
from vlreward.training.models import freeze_vision
from vlreward.training.preparing import Run
from vlreward.training.progress import Progress, closing
from vlreward.training.sampling import SamplerGuard
from vlreward_trl.data import as_table
from vlreward_trl.generation import ask_once, ban_image_tokens, mend_prompts, send_at_once
from vlreward_trl.vision import speed_up

__all__ = ["build_trainer", "save", "train"]


class _Progress(Progress, TrainerCallback):  # type: ignore[misc]
    pass


class _SavingOnTerm(TrainerCallback):  # type: ignore[misc]
    """On SIGTERM ends a run at the end of its step, with a checkpoint: what
    `--enable_jit_checkpoint` promises, but for all processes at the same step."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._before = signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *received: Any) -> None:
        self._asked = True
        signal.signal(signal.SIGTERM, self._before)  # which a second one is for

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if gather(torch.tensor([self._asked], device=args.device)).any():
            control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGTERM, self._before)


def build_trainer(
    run: Run,
    *,
    rewards: Sequence[Callable[..., Any]] = (),
    callbacks: Sequence[TrainerCallback] = (),
    **trl: Any,
) -> Any:
    """The trainer of a run, TRL's `GRPOTrainer`. The model is loaded here.

    Args:
        run: The run.
        rewards: Reward functions of your own; see `Run.rewards`.
        callbacks: Callbacks of your own.
        trl: What else TRL's trainer takes: `tools`, `rollout_func`, `environment_factory`,
            `optimizers` ...
    """
    from trl import get_peft_config, get_quantization_config

    from vlreward_trl.resampling import Resampler
    from vlreward_trl.trainer import ResumableGRPOTrainer

    options, training = run.options, run.options.training
    model = options.model
    # TRL says so itself for DDP and DeepSpeed; with FSDP it would spread every process's model over
    # all GPUs.
    alone = {"device_map": None} if training.world_size > 1 else {}
    training.model_init_kwargs = {
        **alone,
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(training.model_init_kwargs or {}),
    }
    ban_image_tokens(training, run.config)
    run = run.with_rewards(rewards)
    functions, training.reward_weights = run.rewards()
    own: list[TrainerCallback] = [_Progress(run.traces)]
    if options.arguments.early_stopping_patience is not None:
        own.append(EarlyStoppingCallback(options.arguments.early_stopping_patience))
    if training.enable_jit_checkpoint:
        training.enable_jit_checkpoint = False
        own.append(_SavingOnTerm())
    trainer = ResumableGRPOTrainer(
        model=model.model_name_or_path,
        reward_funcs=functions,
        args=training,
        train_dataset=as_table(run.rows),
        eval_dataset=None if run.eval_rows is None else as_table(run.eval_rows),
        processing_class=run.processor,
        callbacks=[*own, *callbacks],
        peft_config=get_peft_config(model),
        quantization_config=get_quantization_config(model),
        **trl,
    )
    trainer.guard = SamplerGuard(options.arguments.max_logp_difference)
    if training.use_vllm and training.vllm_mode == "colocate":
        mend_prompts(trainer.vllm_generation.llm, run.config.image_token_id)
        ask_once(trainer.vllm_generation.llm)
        send_at_once(trainer.vllm_generation)
    trainer.scoring_batch_size = (
        options.arguments.scoring_batch_size or 4 * training.per_device_train_batch_size
    )
    trainer.aligns = options.arguments.fast_vision
    if options.arguments.fast_vision:
        for each in (trainer.model, trainer.ref_model):
            if each is not None:  # truth would ask a compiled one for its length
                speed_up(each)
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
    trainer.evaluation = run.evaluation
    if options.arguments.resample_groups:
        trainer.resampler = Resampler(options.arguments.resample_groups)
    library = "peft" if model.use_peft else "transformers"
    trainer.card = partial(model_card, run, library=library, adapter=model.use_peft)
    if options.arguments.freeze_vision and not model.use_peft:
        freeze_vision(trainer.model)
    run.end_with(trainer.stop_ids)
    return trainer


def train(run: Run) -> Any:
    """Train, and return the trainer.

    The model and its processor are saved to `output_dir`, and what was logged beside them, in
    `trainer_state.json`. Where the run begins, and what it puts aside first, is `run.start`'s.

    Returns:
        The trainer; None if the run was finished already.
    """
    if run.start.finished:
        return None
    with run.start.held(run.rank):
        return _train(run)


def _train(run: Run) -> Any:
    training, start = run.options.training, run.start
    if training.local_process_index == 0:
        start.make()
    training.distributed_state.wait_for_everyone()
    # What was measured before the checkpoint was saved is not measured again.
    training.eval_on_start = training.eval_on_start and not start.step
    try:
        trainer = build_trainer(run)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        # TRL imports vLLM wherever it is, and says so if that is broken.
        bug = isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError)
        mended = not bug or isinstance(error.__cause__, ImportError)
        if isinstance(error, UserError) or not mended or _is_ours(error):
            raise
        raise OptionError(f"the trainer cannot be built: {' '.join(str(error).split())}") from error
    trainer.train(resume_from_checkpoint=start.checkpoint)
    start.check_end(trainer.state, early=_learned(trainer))
    save(trainer)
    if run.rank == 0:
        start.finish(trainer.state.max_steps)
        print(closing(run, trainer.state), flush=True)
    return trainer


def _is_ours(error: BaseException) -> bool:
    """Whether this package raised an error, not a library that says what is wrong with options."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("vlreward")


def _learned(trainer: Any) -> bool:
    """Whether `--early_stopping_patience` has ended the run."""
    found = (c for c in trainer.callback_handler.callbacks if isinstance(c, EarlyStoppingCallback))
    return any(c.early_stopping_patience_counter >= c.early_stopping_patience for c in found)


def save(trainer: Any) -> None:
    """Save a whole model, also where checkpoints are shards, and what was logged."""
    if trainer.is_fsdp_enabled:
        # With SHARDED_STATE_DICT, transformers would save no model, and not say so.
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(trainer.args.output_dir)
    trainer.create_model_card()
    trainer.save_state()

"""From options to samples, rows and reward functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any

from vlreward._text import warn
from vlreward.data import Dataset
from vlreward.data.decoding import decode_images, refuse_unseen, with_good_images
from vlreward.errors import OptionError, UserError
from vlreward.families import FAMILIES
from vlreward.frames import Frame
from vlreward.prompts import get_prompt
from vlreward.resizing import Resizing
from vlreward.rewards import TaskReward
from vlreward.training.arguments import Arguments, Options
from vlreward.training.checks import check_lengths
from vlreward.training.columns import Rows
from vlreward.training.evaluation import Evaluation
from vlreward.training.models import answer_frames
from vlreward.training.recipes import EVAL_OPTIONS
from vlreward.training.resuming import RunStart, decide
from vlreward.training.reward_options import task_rewards
from vlreward.training.rewards import TermReward, UserReward, term_rewards, user_rewards
from vlreward.training.samples import informative, load_both, say_remarks, tasks_of
from vlreward.training.schedule import Schedule
from vlreward.training.traces import TraceFile

__all__ = ["Run", "prepare_run", "rows_for"]


@dataclass(frozen=True)
class Run:
    """All that a run needs; checked, so that training does not fail on it later."""

    options: Any
    """The command line: the backend's `Options`."""
    config: Any
    """The model's configuration."""
    processor: Any
    """What turns rows into the model's inputs, with the limits of this run."""
    resizing: Resizing
    """How it resizes images."""
    samples: Dataset
    """Training samples."""
    rows: Rows
    """Training rows, made when they are taken."""
    eval_rows: Rows | None
    """Evaluation rows."""
    task_rewards: list[TaskReward]
    """One reward for each task."""
    terms: list[TermReward]
    """One reward function for each term of each task."""
    extra: list[UserReward]
    """Reward functions of the user's own."""
    traces: TraceFile | None
    """Where this process writes its traces, if anywhere."""
    rank: int
    """Number of the process."""
    schedule: Schedule
    """How many steps it has."""
    start: RunStart
    """Where it begins."""
    evaluation: Evaluation | None
    """How answers to the evaluation rows are scored."""

    def with_rewards(self, own: Sequence[Callable[..., Any]]) -> Run:
        """The run with further reward functions.

        Args:
            own: One with an attribute `weight` has that weight, others 1.
        """
        given = [UserReward(function, getattr(function, "weight", 1.0)) for function in own]
        return replace(self, extra=[*self.extra, *given])

    def rewards(self) -> tuple[list[Callable[..., Any]], list[float]]:
        """Every reward function as trainers call them, and their weights.

        Raises:
            OptionError: If all of these are 0, so that nothing is learned.
        """
        extra = [r.function if iscoroutinefunction(r.function) else r for r in self.extra]
        weights = [term.weight for term in self.terms] + [own.weight for own in self.extra]
        if weights and not any(weights):
            raise OptionError("--weights: expected one that is not 0, got none: nothing is learned")
        return [*self.terms, *extra], weights

    def check_lengths(
        self, words: Callable[[list[Any]], int], limit: int, option: str = ""
    ) -> None:
        """Check that the model can read every row, and an answer behind it; see
        `vlreward.training.checks.check_lengths`."""
        completion = self.options.training.max_completion_length
        for rows in filter(None, (self.rows, self.eval_rows)):
            check_lengths(rows, words, completion, limit, option)

    def end_with(self, stop_ids: Iterable[int]) -> None:
        """Tell the rewards which token ids end a completion; others were cut off."""
        for reward in self.terms:
            reward.shared.stop_ids = frozenset(stop_ids)


def prepare_run(
    options: Options,
    config: Any,
    processor: Any,
    resizing: Resizing,
    *,
    model_type: str,
    rank: int,
    local_rank: int,
    questions: int,
    steps_per_batch: float = 1,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Load the data, check them, and make rows and rewards of them.

    Args:
        options: The command line.
        config: The model's configuration.
        processor: The model's processor.
        resizing: How it resizes images.
        model_type: The `model_type` of the configuration, which names the model's family.
        rank: Number of the process.
        local_rank: Its number on its machine, of which the first one looks at the images.
        questions: Questions for which completions are sampled together, over all processes.
        steps_per_batch: Optimizer steps that are made with them.
        settings: Options of the backend that shape the result; a run goes on with these alone.

    Raises:
        DataError: If rows or images are bad; names file and row.
        OptionError: If an option does not fit the data, the model, or what `--output_dir` holds;
            if there are fewer rows than one step takes.
        UnknownNameError: If a prompt, protocol or term is unknown.
        FileNotFoundError: If there is no such data file.
    """
    arguments, training = options.arguments, options.training
    _check_evaluation(options)
    # What needs no data is refused before they are read, and what needs no image before decoding.
    refuse_unseen(arguments.on_bad_image, arguments.check_images)
    extra = user_rewards(arguments.rewards or ())
    if arguments.prompt is not None:
        get_prompt(arguments.prompt)
    answer_frames(model_type, arguments.frame)
    loaded = load_both(options.task, arguments, seed=getattr(training, "seed", 0) or 0)
    tasks = set().union(*(tasks_of(data.provenance) for data in loaded))
    rewards = task_rewards(arguments, sorted(tasks), training.reward_weights)
    best = getattr(training, "metric_for_best_model", None) if len(loaded) > 1 else None
    best = (best or "acc").removeprefix("eval_")
    if best not in ("acc", "reward") and best.partition("/")[0] not in tasks:
        raise OptionError(
            "--metric_for_best_model: expected acc, reward or TASK/METRIC with a task of the data, "
            f"{', '.join(sorted(tasks))}; got {best!r}"
        )
    if arguments.on_bad_image == "skip":  # every process leaves out the same rows
        loaded = [with_good_images(d, resizing, arguments.check_images) for d in loaded]
    if arguments.informative_in is not None:
        say = warn if rank == 0 else lambda _: None
        loaded[0] = informative(loaded[0], arguments.informative_in, say)
    samples = loaded[0]
    schedule = Schedule(
        samples.provenance.path,
        len(samples),
        questions,
        steps_per_batch,
        training.max_steps,
        training.num_train_epochs,
    )
    start = decide(
        training.output_dir,
        resume=str(training.resume_from_checkpoint or arguments.resume),
        overwrite=arguments.overwrite_output_dir,
        settings=_identity(options, samples, rewards, questions) | dict(settings or {}),
        total_steps=schedule.total,
        adapter=options.lora_rank is not None,
        foreign=options.foreign,
    )
    rows = [rows_for(d, arguments, rewards, resizing, model_type) for d in loaded]
    first_here = local_rank == 0
    if first_here and arguments.on_bad_image == "error":
        for data in loaded:
            decode_images(data, resizing, arguments.check_images)
    if first_here:
        _check_workers(rewards)
    if rank == 0:
        say_remarks(loaded)
    traces = TraceFile(f"{training.output_dir}/traces", rank) if arguments.traces else None
    held_out = rows[1] if len(rows) > 1 else None
    return Run(
        options=options,
        config=config,
        processor=processor,
        resizing=resizing,
        samples=samples,
        rows=rows[0],
        eval_rows=held_out,
        task_rewards=rewards,
        terms=term_rewards(rewards, traces=traces),
        extra=extra,
        traces=traces,
        rank=rank,
        schedule=schedule,
        start=start,
        evaluation=None if held_out is None else Evaluation(held_out, rewards, traces),
    )


def _check_workers(rewards: Sequence[TaskReward]) -> None:
    """Start what compares answers that cannot be settled at once; the first of them, which may come
    after hours, would end the run otherwise."""
    waiting = [reward.spec.name for reward in rewards if hasattr(reward.spec.judge, "quick")]
    if not waiting:
        return
    from vlreward.verify import warm_up

    try:
        warm_up()
    except RuntimeError as error:
        raise UserError(
            f"answers of the task {waiting[0]!r} cannot be compared, as the verifier's worker "
            f"process does not start: {str(error).splitlines()[-1]}"
        ) from error


def _check_evaluation(options: Options) -> None:
    """Options of evaluation that would do nothing, or fail when the model is loaded."""
    arguments = options.arguments
    strategy = getattr(options.training, "eval_strategy", "no")
    evaluated = str(getattr(strategy, "value", strategy)) != "no"
    named = [n for n in sorted(EVAL_OPTIONS) if getattr(arguments, n) is not None]
    given = bool(named)
    if evaluated and not given:
        raise OptionError("--eval_strategy: expected rows to evaluate on: give --eval_data too")
    if given and not evaluated:
        raise OptionError(f"--{named[0]} is never evaluated with --eval_strategy no: leave out one")
    if arguments.val_split_ratio is not None:
        if len(named) > 1:
            raise OptionError(f"--val_split_ratio: expected it alone, got --{named[0]} too")
        if not 0 < arguments.val_split_ratio < 1:
            raise OptionError(
                f"--val_split_ratio: expected a share between 0 and 1, got "
                f"{arguments.val_split_ratio!r}"
            )
    if arguments.early_stopping_patience is not None and not given:
        raise OptionError("--early_stopping_patience: expected --eval_data to tell when to stop")


def _identity(
    options: Options, samples: Dataset, rewards: Sequence[TaskReward], questions: int
) -> dict[str, Any]:
    """What makes a run this one and no other, in every backend."""
    arguments, training = options.arguments, options.training
    shared = ("protocol", "prompt", "frame", "axis_order", "min_pixels", "max_pixels", "clip")
    numbers = ("num_generations", "max_completion_length", "beta", "loss_type", "learning_rate")
    return {
        "task": options.task,
        "model": arguments.model,
        "data": samples.provenance.sha256,
        "rows": len(samples),
        "questions_per_step": questions,
        "rewards": arguments.rewards,
        "weights": {
            f"{reward.spec.name}.{term.name}": term.weight
            for reward in rewards
            for term in reward.spec.terms
        },
        **{name: getattr(arguments, name) for name in (*shared, "freeze_vision", "gold_frame")},
        **{name: getattr(training, name, None) for name in (*numbers, "seed")},
        "lora_r": options.lora_rank,
    }


def rows_for(
    samples: Dataset,
    arguments: Arguments,
    rewards: Sequence[TaskReward],
    resizing: Resizing,
    model_type: str,
) -> Rows:
    """The rows of samples: `--prompt` replaces the prompts of the tasks' rewards, `--frame` and
    `--axis-order` what rows declare; `model_type` names the model's family.

    Raises:
        DataError: If rows are bad.
        OptionError: If neither an option, nor a row with coordinates, nor the family of the model
            says in which frame it writes them.
        UnknownNameError: If the prompt is unknown.
    """
    own = None if arguments.prompt is None else get_prompt(arguments.prompt)
    frames = answer_frames(model_type, arguments.frame, arguments.axis_order)
    silent: list[int] = []
    if frames.frame_of(None) is None:  # or else all rows have one, and need not be looked at
        silent = [
            number
            for sample, number in zip(samples, samples.row_numbers, strict=True)
            if sample.gold.located and frames.frame_of(sample.frame) is None
        ]
    if silent:
        raise OptionError(
            f"{samples.provenance.path}: {len(silent)} rows with coordinates, first row "
            f"{silent[0]}, do not say in which frame the model writes them (as those of `vlreward "
            f"pack` do), and that of {model_type!r} models is not known: declare --frame, one of "
            f"{', '.join(Frame)}, or use a model of the families {', '.join(FAMILIES)}"
        )
    return Rows(
        samples,
        resizing,
        {reward.spec.name: own or reward.spec.prompt for reward in rewards},
        frames,
    )

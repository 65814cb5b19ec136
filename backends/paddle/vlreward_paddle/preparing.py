"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import paddle

from vlreward.data import Dataset
from vlreward.frames import Frame
from vlreward.prompts import get_prompt
from vlreward_paddle.arguments import Options
from vlreward_paddle.data import Rows
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.processing import QwenCodec
from vlreward_paddle.shared import (
    Columns,
    OptionError,
    Resizing,
    TermReward,
    TraceFile,
    check_images,
    frame_of,
    load_samples,
    task_rewards,
    tasks_of,
    term_rewards,
)

__all__ = ["Run", "prepare"]


@dataclass(frozen=True)
class Run:
    """All that a run needs; checked, so that training does not fail on it later."""

    options: Options
    """The command line."""
    config: dict[str, Any]
    """The model's `config.json`."""
    codec: QwenCodec
    """Tokenizer and image processor, with the limits of this run."""
    frame: Frame
    """Frame of predicted boxes."""
    samples: Dataset
    """Training samples."""
    rows: Rows
    """Training rows."""
    rewards: list[TermReward]
    """One reward function for each term of each task."""

    @property
    def resizing(self) -> Resizing:
        """How images are resized."""
        return self.codec.resizing


class _ModelType:
    def __init__(self, model_type: str) -> None:
        self.model_type = model_type


def prepare(options: Options) -> Run:
    """Load tokenizer and data, and check them. The first process of a machine looks at the images.

    Raises:
        CheckpointError: If the model is no Qwen-VL checkpoint.
        DataError: If rows or images are bad; names file and row.
        OptionError: If an option does not fit the data or the model.
        UnknownNameError: If a prompt, protocol or term is unknown.
        FileNotFoundError: If there is no such data file.
    """
    arguments, training = options.arguments, options.training
    if arguments.eval_data is not None:
        raise OptionError(
            "--eval-data: this backend does not evaluate while it trains; evaluate checkpoints "
            "with: vlreward-bench run --engine paddle"
        )
    assert arguments.model is not None
    config = read_config(arguments.model)
    codec = QwenCodec(
        arguments.model, min_pixels=arguments.min_pixels, max_pixels=arguments.max_pixels
    )
    frame = frame_of(_ModelType(config["model_type"]), arguments.frame)
    samples = load_samples(arguments.data, options)  # type: ignore[arg-type]
    rewards = task_rewards(options, sorted(tasks_of(samples.provenance)))  # type: ignore[arg-type]
    prompts = {
        reward.spec.name: reward.spec.prompt
        if arguments.prompt is None
        else get_prompt(arguments.prompt)
        for reward in rewards
    }
    assert samples.images is not None
    rows = Rows(
        samples,
        Columns(
            samples.provenance.path,
            samples.images,
            codec.resizing,
            prompts,
            frame,
            arguments.frame is not None,
        ),
    )
    if max(0, training.local_rank) == 0:
        check_images(samples, codec.resizing, arguments.check_images)
    codec.check(rows[0]["image"])
    traces = None
    if arguments.traces:
        rank = paddle.distributed.get_rank()
        traces = TraceFile(f"{training.output_dir}/traces", rank)
    functions = term_rewards(rewards, stop_ids=codec.eos_ids, traces=traces)
    given = training.reward_weights
    if given is not None and len(given) != len(functions):
        raise OptionError(
            f"--reward_weights: expected {len(functions)} numbers, for "
            f"{', '.join(f.__name__ for f in functions)}; got {given!r}"
        )
    return Run(options, config, codec, frame, samples, rows, functions)

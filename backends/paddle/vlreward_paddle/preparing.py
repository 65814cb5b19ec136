"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import paddle

from vlreward.data import Dataset
from vlreward.errors import OptionError
from vlreward.frames import Frame
from vlreward.training.checks import check_images
from vlreward.training.models import frame_of
from vlreward.training.preparing import (
    columns_for,
    load_samples,
    reward_functions,
    task_rewards,
    tasks_of,
)
from vlreward.training.rewards import TermReward
from vlreward_paddle.arguments import Options
from vlreward_paddle.data import Rows
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.processing import QwenCodec

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
    frame = frame_of(config["model_type"], arguments.frame)
    samples = load_samples(arguments.data, options.task, arguments)
    rewards = task_rewards(arguments, sorted(tasks_of(samples.provenance)))
    rows = Rows(samples, columns_for(samples, arguments, rewards, codec.resizing, frame))
    if max(0, training.local_rank) == 0:
        check_images(samples, codec.resizing, arguments.check_images)
    codec.resizing.check(codec.image_processor, rows[0]["image"], tensors="np")
    functions = reward_functions(
        rewards,
        arguments,
        output_dir=training.output_dir,
        rank=paddle.distributed.get_rank(),
        weights=training.reward_weights,
        stop_ids=codec.eos_ids,
    )
    return Run(options, config, codec, frame, samples, rows, functions)

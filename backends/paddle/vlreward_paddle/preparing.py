"""From a command line to everything that a run needs, before a model is loaded."""

from __future__ import annotations

import paddle

from vlreward.errors import OptionError
from vlreward.training.preparing import Run, prepare_run
from vlreward_paddle.arguments import PaddleOptions
from vlreward_paddle.modeling.checkpoint import read_config
from vlreward_paddle.processing import QwenCodec

__all__ = ["prepare"]


def prepare(options: PaddleOptions) -> Run:
    """Load tokenizer and data, and check them; see `prepare_run`.

    Raises:
        CheckpointError: If the model is no Qwen-VL checkpoint.
    """
    arguments = options.arguments
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
    run = prepare_run(
        options,
        config,
        codec,
        codec.resizing,
        model_type=config["model_type"],
        rank=paddle.distributed.get_rank(),
        local_rank=max(0, options.training.local_rank),
        questions=options.training.completions_per_device
        * paddle.distributed.get_world_size()
        // options.training.num_generations,
        steps_per_batch=options.training.num_iterations,
        stop_ids=codec.eos_ids,
    )
    codec.resizing.check(codec.image_processor, run.rows[0]["image"], tensors="np")
    return run

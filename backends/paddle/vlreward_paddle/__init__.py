"""GRPO on Qwen-VL models with PaddlePaddle and the rewards of `vlreward`.

`vlreward-train-paddle TASK --model ... --data ... --image-root ...` runs everything; the parts are
importable on their own:

- `vlreward_paddle.modeling.load_model`: Qwen2-VL and Qwen2.5-VL from Hugging Face checkpoints;
- `vlreward_paddle.rollout`: sampling groups of completions;
- `vlreward_paddle.loss`: the losses of TRL's `GRPOTrainer` as pure functions;
- `vlreward_paddle.trainer.GRPOTrainer`: paddleformers' (or paddlenlp's) Trainer with both.

Importing this package does not import paddle.
"""

from __future__ import annotations

__all__ = ["__version__"]

from vlreward import __version__

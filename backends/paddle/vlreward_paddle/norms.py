"""The norm of the gradient, for the logs, however the optimizer is spread."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.distributed as dist
from paddle import Tensor

from vlreward_paddle.parallel import Metrics, sum_all

__all__ = ["NotesNorms", "gradient_norm"]


def gradient_norm(model: Any, optimizer: Any) -> float | None:
    """The norm of all gradients together, after the processes have added theirs up.

    Args:
        model: The model.
        optimizer: The optimizer that steps next; under stage2 each process has the sums of its
            part alone, which become means in the step.

    Returns:
        None under stage1, whose optimizer has the parts and notes the norm itself.
    """
    if hasattr(optimizer, "_hcg"):
        return None
    total = paddle.zeros([], dtype="float32")
    for parameter in model.parameters():
        gradient = getattr(parameter, "main_grad", None)
        gradient = parameter.grad if gradient is None else gradient
        if gradient is not None and gradient._is_initialized():
            values = gradient.astype("float32")
            total += (values * values).sum()
    if type(optimizer).__name__ == "GroupShardedOptimizerStage2":
        total = paddle.to_tensor(sum_all(total.numpy())) / dist.get_world_size() ** 2
    return float(total.sqrt())


class NotesNorms:
    """For the trainer: `grad_norm` of each step."""

    args: Any
    model: Any
    optimizer: Any
    scaler: Any
    do_grad_scaling: bool
    global_training_logs: dict[str, Any]
    metrics: Metrics

    def optimizer_step(self, args: Any, model: Any, parameters_list: Any = None) -> None:
        """Note the norm of the gradient, as it is before it is clipped, and step."""
        norm = gradient_norm(self.model, self.optimizer)
        if norm is not None:
            scale = float(self.scaler._scale) if self.do_grad_scaling else 1.0
            self.metrics.same("grad_norm", norm / scale)
        super().optimizer_step(args, model, parameters_list)  # type: ignore[misc]

    def _wrap_distributed_optimizer(self, optimizer: Any) -> Any:
        """The library notes the norm that stage1 clips by where only an optimizer with master
        gradients keeps its clipping; a bare one ended the run."""
        bound = self.args.max_grad_norm
        if hasattr(optimizer, "_inner_opt") or not bound:
            return super()._wrap_distributed_optimizer(optimizer)  # type: ignore[misc]
        self.args.max_grad_norm = 0.0
        made = super()._wrap_distributed_optimizer(optimizer)  # type: ignore[misc]
        self.args.max_grad_norm = bound
        clip = made._inner_opt._grad_clip
        add_up = clip._global_norm

        def noted(*squares: Tensor) -> None:
            add_up(*squares)
            self.global_training_logs["global_norm"] = float(sum(map(float, squares)) ** 0.5)

        clip._global_norm = noted
        return made

"""Paddle's stage2 on CPUs: its own code, with what asks for a device taken out.

The library refuses CPUs. Here buffers stay where they are, and the device "cpu" counts as one; the
reduction to owners, the hooks on gradients, the clipping and the broadcast are the library's.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paddle
import paddle.distributed as dist
from paddle.distributed.fleet.meta_parallel.sharding import group_sharded_optimizer_stage2 as opt
from paddle.distributed.fleet.meta_parallel.sharding import group_sharded_stage2 as model_side
from paddle.distributed.fleet.meta_parallel.sharding import group_sharded_storage as storage
from paddle.distributed.fleet.meta_parallel.sharding import group_sharded_utils as utils

__all__ = ["emulate"]


@contextmanager
def _nothing(*args: Any, **kwargs: Any) -> Iterator[None]:
    yield


class _Core:
    """Paddle's core, to which the CPU is a device with small chunks."""

    libpaddle = types.SimpleNamespace(_get_device_min_chunk_size=lambda _: 256)
    _own = opt.core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def get_all_custom_device_type(self) -> list[str]:
        return ["cpu"]


def emulate(buffer_size: int) -> None:
    """Let `group_sharded_parallel` make its stage2 on CPUs.

    Args:
        buffer_size: Numbers in a buffer of gradients; small ones make many buffers.
    """
    for module in (storage, opt, utils):
        module.device_guard = _nothing
    storage.cvt_to_device = lambda tensor, *_, **__: tensor
    paddle.Tensor.cuda = lambda self, *_, **__: self
    opt.core = _Core()
    as_view = storage.ParamStorage._add_param_as_view
    storage.ParamStorage._add_param_as_view = lambda self, param, align, *_: as_view(
        self, param, align, False
    )

    def stage2(model: Any, optimizer: Any, level: str, group: Any, **_: Any) -> Any:
        assert level == "os_g"
        real = paddle.get_device
        paddle.get_device = lambda: "cpu:0"
        try:
            optimizer = opt.GroupShardedOptimizerStage2(
                params=optimizer._parameter_list, optim=optimizer, group=group, device="cpu"
            )
            model = model_side.GroupShardedStage2(
                model, optimizer, group=group, device="cpu", buffer_max_size=buffer_size
            )
        finally:
            paddle.get_device = real
        return model, optimizer, None

    dist.sharding.group_sharded_parallel = stage2

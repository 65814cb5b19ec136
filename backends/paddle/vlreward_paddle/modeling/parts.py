"""Parts of paddleformers' models that others replace: the same parameters, less time."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor
from paddleformers.nn.norm import RMSNorm
from paddleformers.transformers.qwen2_5_vl.modeling import Qwen2_5_VisionPatchEmbed

__all__ = ["replace_parts"]


class _Norm(RMSNorm):  # type: ignore[misc]
    """Squares by a product; `pow` costs a CPU a hundred times as much."""

    def forward(self, x: Tensor) -> Tensor:
        if self.config.get("fuse_rms_norm", True):
            return super().forward(x)
        if self.weight.dtype == x.dtype == paddle.float32:
            return self._scaled(x) * self.weight
        with paddle.amp.auto_cast(False):  # Entering it costs as much as the rest.
            return self._scaled(x.astype("float32")).astype(self.weight.dtype) * self.weight

    def _scaled(self, x: Tensor) -> Tensor:
        return x * paddle.rsqrt((x * x).mean(-1, keepdim=True) + self.variance_epsilon)


class _PatchEmbed(Qwen2_5_VisionPatchEmbed):  # type: ignore[misc]
    """A product, as the convolution's steps are as long as its kernel."""

    def forward(self, patches: Tensor) -> Tensor:
        weight = self.proj.weight.reshape([self.embed_dim, -1])
        return paddle.matmul(patches.astype(weight.dtype), weight, transpose_y=True)


def replace_parts(model: Any) -> None:
    """Replace the parts of a model, before its weights are loaded."""
    for parent in model.sublayers(include_self=True):
        for name, part in list(parent.named_children()):
            if type(part) is RMSNorm:
                made = _Norm(part.config, part.hidden_size, norm_eps=part.variance_epsilon)
            elif type(part) is Qwen2_5_VisionPatchEmbed:
                made = _PatchEmbed(
                    part.patch_size, part.temporal_patch_size, part.in_channels, part.embed_dim
                )
            else:
                continue
            setattr(parent, name, made)

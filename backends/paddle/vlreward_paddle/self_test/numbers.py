"""Numbers of one process: sampling beside training, types beside float32, ways of attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from vlreward_paddle.experience import MicroBatch, micro_batch
from vlreward_paddle.logprobs import completion_logprobs
from vlreward_paddle.modeling import load_model
from vlreward_paddle.processing import QwenCodec
from vlreward_paddle.rollout import Prompt, Sampling, draw
from vlreward_paddle.self_test.checks import Check, LeftOut

__all__ = ["number_checks"]

GROUP = 4
"""Completions of each of the two prompts."""
LIMITS = {"float32": 1e-3, "bfloat16": 5e-2, "float16": 1e-2}
"""Mean distance of log-probabilities in nats; the first leaves room for TF32."""


class Probe:
    """A model in one type, with completions that it drew.

    Args:
        path: The checkpoint.
        dtype: The type of its weights.
    """

    def __init__(self, path: Path, dtype: str) -> None:
        self.path = path
        self.dtype = dtype

    @cached_property
    def model(self) -> Any:
        """Loaded when it is first asked for."""
        model = load_model(self.path, dtype=self.dtype)
        model.eval()
        return model

    @cached_property
    def drawn(self) -> tuple[MicroBatch, np.ndarray]:
        """A micro-batch, and the log-probabilities (N,) that its tokens were drawn by."""
        codec = QwenCodec(self.path)
        prompts = [prompt for prompt in _prompts(codec) for _ in range(GROUP)]
        sampling = Sampling(max_tokens=24, eos_ids=codec.eos_ids, pad_id=codec.pad_id)
        paddle.seed(7)
        ids, found = [], []
        with paddle.no_grad():
            for tokens, logits in draw(self.model, prompts, sampling):
                logps = paddle.nn.functional.log_softmax(logits, axis=-1)
                found.append(paddle.take_along_axis(logps, tokens.unsqueeze(-1), axis=-1).numpy())
                ids.append(tokens.numpy())
        rows = np.stack(ids, axis=1)
        ended = np.isin(rows, codec.eos_ids)
        lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, rows.shape[1])
        batch = micro_batch(
            prompts,
            [row[:length].tolist() for row, length in zip(rows, lengths)],
            np.zeros(len(rows)),
            codec.pad_id,
            temperature=1.0,
            banned_ids=self.model.banned_ids,
            chunk_size=64,
            keep=[True] * len(rows),
            share_prompts=True,
        )
        there = np.arange(rows.shape[1]) < lengths[:, None]
        return batch, np.concatenate(found, axis=1)[there]

    def trained(self, batch: MicroBatch) -> np.ndarray:
        """Log-probabilities of a micro-batch's tokens as training computes them (N,)."""
        with paddle.no_grad():
            found, _ = completion_logprobs(self.model, batch.inputs, batch.asked)
        values: np.ndarray = found.numpy()[batch.mask.numpy() == 1]
        return values

    @contextmanager
    def setting(self, name: str, value: Any) -> Iterator[None]:
        """Compute with another value of a setting of both towers."""
        parts = (self.model.config.text_config, self.model.config.vision_config)
        before = [getattr(part, name) for part in parts]
        try:
            for part in parts:
                setattr(part, name, value)
            yield
        finally:
            for part, kept in zip(parts, before):
                setattr(part, name, kept)

    @contextmanager
    def rounded(self) -> Iterator[None]:
        """Round what each layer gives to bfloat16, for devices that compute none."""

        def shorten(_layer: Any, _inputs: Any, output: Any) -> Any:
            if isinstance(output, Tensor) and output.is_floating_point():
                return output.astype("bfloat16").astype(output.dtype)
            return output

        layers = self.model.sublayers()
        hooks = [layer.register_forward_post_hook(shorten) for layer in layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def number_checks(path: Path) -> Iterator[Check]:
    """The checks of a checkpoint on this device."""
    gpu = paddle.device.get_device() != "cpu"
    there = {
        "float32": True,
        "bfloat16": gpu and bool(paddle.amp.is_bfloat16_supported()),
        "float16": gpu and bool(paddle.amp.is_float16_supported()),
    }
    probes = {dtype: Probe(path, dtype) for dtype, can in there.items() if can}
    plain, half = probes["float32"], probes.get("bfloat16", probes.get("float16"))
    for dtype, limit in LIMITS.items():
        name = f"sampling beside training, {dtype}"
        yield Check(name, partial(_sampling, probes.get(dtype)), limit, "nats")
    for dtype in ("bfloat16", "float16"):
        name = f"{dtype} beside float32" + (", emulated" if dtype == "bfloat16" and not gpu else "")
        yield Check(name, partial(_types, plain, probes.get(dtype), dtype), LIMITS[dtype], "nats")
    ways = partial(_settings, plain, "_attn_implementation", ("eager", "sdpa"))
    yield Check("sdpa beside eager", ways, LIMITS["float32"], "nats")
    card = half if gpu else None
    ways = partial(_settings, card, "_attn_implementation", ("sdpa", "flashmask"))
    yield Check("flashmask beside sdpa", ways, LIMITS["bfloat16"], "nats")
    ways = partial(_settings, card, "fuse_rms_norm", (False, True))
    yield Check("fused norms beside written out", ways, LIMITS["bfloat16"], "nats")


def _sampling(probe: Probe | None) -> float:
    if probe is None:
        raise LeftOut("this device does not compute it")
    batch, found = probe.drawn
    return _apart(found, probe.trained(batch))


def _types(plain: Probe, half: Probe | None, dtype: str) -> float:
    batch, _ = plain.drawn
    expected = plain.trained(batch)
    if half is not None:
        return _apart(half.trained(batch), expected)
    if dtype != "bfloat16":
        raise LeftOut("this device does not compute it")
    with plain.rounded():
        return _apart(plain.trained(batch), expected)


def _settings(probe: Probe | None, name: str, values: tuple[Any, Any]) -> float:
    if probe is None:
        raise LeftOut("a kernel for GPUs that compute bfloat16 or float16")
    batch, _ = probe.drawn
    found = []
    for value in values:
        with probe.setting(name, value):
            found.append(probe.trained(batch))
    return _apart(*found)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other).mean())


def _prompts(codec: QwenCodec) -> list[Prompt]:
    """Two questions of different lengths, so that one is padded."""
    from vlreward.scenes import TASKS, make_scene

    found = []
    for index, more in enumerate(("", " Look at all of the picture, with care.")):
        scene = make_scene(TASKS[0], "train", index, level="easy")
        parts = [{"type": "image"}, {"type": "text", "text": scene.question + more}]
        found.append(codec.prompt([{"role": "user", "content": parts}], [scene.image]))
    return found

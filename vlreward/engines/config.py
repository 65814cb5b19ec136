"""The options of engines, declared once for the API and the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from vlreward.command_line import Family, MaxPixels, MinPixels
from vlreward.engines.values import Sampling
from vlreward.errors import OptionError
from vlreward.options import check, flag

__all__ = ["EngineConfig"]


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Engine", **more)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"expected a JSON object, got {text[:80]!r}")
    return value


@dataclass(frozen=True)
class EngineConfig:
    """What engines can be told; each refuses what it has no use for.

    Raises:
        OptionError: If a value is out of its range.
    """

    model: Annotated[
        str | None,
        _option(
            "--model",
            "-m",
            help="Hub name or path of a checkpoint, or hf, paddle: of a LoRA adapter; openai: the "
            "served name, by default the only one.",
        ),
    ] = None
    base_model: Annotated[
        str | None,
        _option(help="hf, paddle: what the adapter in --model adapts; default: what it names."),
    ] = None
    family: Family = None
    max_tokens: Annotated[int, _option(help="Largest number of generated tokens.", min=1)] = 1024
    temperature: Annotated[float, _option(help="0 is greedy decoding.", min=0, max=10)] = 0.0
    top_p: Annotated[
        float | None,
        _option(help="Probability mass to draw from; default: the model's.", min=1e-6, max=1),
    ] = None
    seed: Annotated[int | None, _option(help="Seed of the draw.")] = None
    min_pixels: MinPixels = None
    max_pixels: MaxPixels = None
    batch_size: Annotated[int, _option(help="hf, paddle: requests generated together.", min=1)] = 8
    dtype: Annotated[
        str, _option(help="hf, vllm, paddle: e.g. bfloat16; auto: the checkpoint's.")
    ] = "auto"
    attn_implementation: Annotated[
        str | None, _option(help="hf: e.g. sdpa, flash_attention_2.")
    ] = None
    device_map: Annotated[str | None, _option(help="hf: auto spreads one model over the GPUs.")] = (
        None
    )
    trust_remote_code: Annotated[
        bool, _option("--trust-remote-code", help="hf: run code that comes with the checkpoint.")
    ] = False
    base_url: Annotated[
        str,
        _option(help="openai: address up to /v1. A key is read from OPENAI_API_KEY alone."),
    ] = "http://localhost:8000/v1"
    api_key: str | None = None
    """`openai`: None to read the environment variable OPENAI_API_KEY."""
    concurrency: Annotated[int, _option(help="openai: requests in flight.", min=1, max=10_000)] = 32
    requests_per_minute: Annotated[
        float | None, _option(help="openai: rate limit, retries included.", min=1e-3)
    ] = None
    timeout: Annotated[float, _option(help="openai: seconds for a whole answer.", min=1e-3)] = 600.0
    tries: Annotated[
        int, _option(help="openai: how often to send before a request counts as failed.", min=1)
    ] = 6
    always_resize: Annotated[
        bool,
        _option(
            "--always-resize",
            help="openai: resize every image here; for a server that does not resize as the "
            "model's own processor does.",
        ),
    ] = False
    options: Annotated[
        dict[str, Any] | None,
        _option(
            "--engine-options",
            parser=_json_object,
            metavar="JSON",
            help="openai: fields added to every request; else a plug-in's own options.",
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        low, high = self.min_pixels, self.max_pixels
        if low is not None and high is not None and low > high:
            raise OptionError(f"--min-pixels: expected at most --max-pixels {high}, got {low}")

    @property
    def decoding(self) -> Sampling:
        """How tokens are drawn."""
        return Sampling(self.max_tokens, self.temperature, self.top_p, self.seed)

    def refuse(self, who: str, names: Collection[str]) -> None:
        """Refuse options that are given but would do nothing.

        Args:
            who: What has no use for them.

        Raises:
            OptionError: Names those that are given.
        """
        given = [
            flag(type(self), entry.name)
            for entry in dataclasses.fields(self)
            if entry.name in names and getattr(self, entry.name) != entry.default
        ]
        if given:
            raise OptionError(f"{who} has no use for {', '.join(given)}: leave it out")

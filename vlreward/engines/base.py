"""The interface between the benchmark and whatever generates text, and the registry of engines.

An engine takes requests lazily, keeps a bounded number of them in flight, and yields one outcome
per request in any order. A request that cannot be answered yields a `GenerationError`; only what
concerns the whole run (no such model, endpoint down, a missing package) is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from vlreward.engines.values import (
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    Sampling,
)
from vlreward.frames import FAMILIES, ModelFamily, family_of
from vlreward.geometry import Size
from vlreward.registry import Registry

__all__ = [
    "ENGINES",
    "Engine",
    "EngineConfig",
    "EngineError",
    "EngineFactory",
    "Generation",
    "GenerationError",
    "Outcome",
    "Request",
    "Sampling",
    "make_engine",
    "resolve_family",
]


@runtime_checkable
class Engine(Protocol):
    """Generates completions. Engines are used by one thread and closed after use."""

    name: str
    """Name in the registry."""
    model: str
    """The model, as the user named it."""
    sampling: Sampling
    """How tokens are drawn."""
    family: ModelFamily | None
    """Family of the model, which says how it resizes images and writes boxes; None if unknown."""
    rank: int
    """Index of this process among those that share the run, from 0."""
    world_size: int
    """Number of processes that share the run."""

    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on, JSON-able: model, sampling, pixels, dtype.

        Two engines with equal descriptions may use each other's recorded answers. What only
        makes a run faster or slower (batch size, concurrency, address) is left out.
        """
        ...

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) that the model sees for an image of that size, None if not known."""
        ...

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) once per request, in any order.

        Raises:
            EngineError: If the engine cannot go on at all.
        """
        ...

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank; waits until all have arrived here."""
        ...

    def close(self) -> None:
        """Give back connections, threads and memory. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The options that built-in engines understand; each engine takes what concerns it."""

    model: str | None = None
    """Hub name or path of a checkpoint (`hf`), or the name an endpoint serves (`openai`)."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are drawn."""
    family: str | None = None
    """Family of the model; None to read it from the model's type or name."""
    min_pixels: int | None = None
    """Smallest area of an image as the model sees it; None for the model's own."""
    max_pixels: int | None = None
    """Largest area of an image as the model sees it; None for the model's own."""
    batch_size: int = 8
    """`hf`: requests generated together."""
    dtype: str = "auto"
    """`hf`: torch dtype, e.g. `bfloat16`; `auto` for the checkpoint's."""
    attn_implementation: str | None = None
    """`hf`: e.g. `sdpa`, `flash_attention_2`; None for transformers' choice."""
    device_map: str | None = None
    """`hf`: `auto` spreads one model over the GPUs; None for one device per process."""
    trust_remote_code: bool = False
    """`hf`: run Python code that comes with the checkpoint."""
    base_url: str = "http://localhost:8000/v1"
    """`openai`: address of the endpoint, up to and including `/v1`."""
    api_key: str | None = None
    """`openai`: None to read the environment variable OPENAI_API_KEY."""
    concurrency: int = 32
    """`openai`: requests in flight."""
    requests_per_minute: float | None = None
    """`openai`: largest rate of requests, retries included; None for no limit."""
    timeout: float = 600.0
    """`openai`: seconds to wait for an answer."""
    tries: int = 6
    """`openai`: how often a request is sent before it counts as failed."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of plug-in engines; `completions` for `replay`; `extra_body` for `openai`."""


EngineFactory = Callable[[EngineConfig], Engine]
"""Builds an engine, or raises ImportError naming the extra that it needs."""

ENGINES: Registry[EngineFactory] = Registry("engine", "vlreward.engines")
"""Engine factories by name. A plug-in registers a factory by an entry point."""

_RESERVED = {"paddle": ("paddle", "the Paddle backend (vlreward_paddle)")}


def _builtin(module: str) -> EngineFactory:
    def factory(config: EngineConfig) -> Engine:
        built = import_module(f"vlreward.engines.{module}").from_config(config)
        return cast(Engine, built)

    factory.__qualname__ = f"{module}.from_config"
    return factory


for _name in ("hf", "openai", "replay"):
    ENGINES.register(_name, _builtin(_name))


def make_engine(name: str, config: EngineConfig) -> Engine:
    """Build the engine called `name`.

    Raises:
        KeyError: If there is none; names near matches and all known engines.
        ImportError: If a package is missing; names the extra and the pip command.
        EngineError: If the engine cannot start, e.g. no such model.
    """
    try:
        factory = ENGINES.get(name)
    except KeyError:
        if name not in _RESERVED:
            raise
        extra, provider = _RESERVED[name]
        raise ImportError(
            f"the engine {name!r} comes with {provider}, which is not installed: "
            f"pip install 'vlreward[{extra}]'"
        ) from None
    return factory(config)


def resolve_family(family: str | None, *names: str | None) -> ModelFamily | None:
    """The declared family, else the one that the first telling name speaks of, else None.

    Args:
        family: Name of a family in `vlreward.frames.FAMILIES`, or None.
        names: Model types and names, the most reliable first.

    Raises:
        ValueError: If `family` is not known.
    """
    if family is not None:
        return FAMILIES[family] if family in FAMILIES else family_of(family)
    for name in names:
        if name is None:
            continue
        try:
            return family_of(name)
        except ValueError:
            continue
    return None

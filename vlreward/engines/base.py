"""What generates text, as the benchmark sees it, and the registry of engines.

An engine takes requests lazily, keeps a bounded number of them in flight, and yields one outcome
per request in any order. A request that cannot be answered yields a `GenerationError`; only what
concerns the whole run (no such model, endpoint down, a missing package) is raised.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from vlreward.engines.config import EngineConfig
from vlreward.engines.values import (
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    Sampling,
)
from vlreward.errors import OptionError
from vlreward.frames import FAMILIES, ModelFamily, family_of
from vlreward.geometry import Size
from vlreward.registry import Registry
from vlreward.resizing import Resizing

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


_COMMON = frozenset({"family", "max_tokens", "model", "seed", "temperature", "top_p"})


class Engine(ABC):
    """Generates completions. Engines are used by one thread and closed after use.

    A plug-in writes `describe` and `generate`; all else has a default.

    Raises:
        OptionError: If an option is given that the engine would ignore.
    """

    name: ClassVar[str]
    """Name in the registry."""
    takes: ClassVar[frozenset[str] | None] = None
    """The fields of `EngineConfig` that it takes, beside model, family and sampling; None to
    refuse none."""
    rank: int = 0
    """Index of this process among those that share the run, from 0."""
    world_size: int = 1
    """Number of processes that share the run."""

    def __init__(self, config: EngineConfig) -> None:
        if self.takes is not None:
            every = {entry.name for entry in dataclasses.fields(EngineConfig)}
            config.refuse(f"the engine {self.name!r}", every - self.takes - _COMMON)
        self.model = config.model or self.name
        """The model, as the user named it."""
        self.sampling = config.decoding
        """How tokens are drawn."""
        self.options = config.options or {}
        """Options of a plug-in's own (`--engine-options`)."""
        self.family = resolve_family(config.family, config.model)
        """Family of the model, which says how it resizes images and writes boxes; None if
        unknown."""
        self.resizing: Resizing | None = None
        """How images are resized before the model sees them; None if that is not known."""

    def shown(self) -> dict[str, Any]:
        """What `describe` says of every engine: name, model, sampling, resizing.

        Of a model's directory the last part is shown, as paths differ by machine.
        """
        local = Path(self.model)
        return {
            "engine": self.name,
            "model": local.resolve().name if local.is_dir() else self.model,
            "sampling": self.sampling.describe(),
            "image": None if self.resizing is None else dataclasses.asdict(self.resizing),
        }

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything that the answers depend on, JSON-able: model, sampling, pixels, dtype.

        Two engines with equal descriptions may use each other's recorded answers. What only
        makes a run faster or slower (batch size, concurrency, address) is left out.
        """

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield (key, outcome) once per request, in any order.

        Raises:
            EngineError: If the engine cannot go on at all.
        """

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) that the model sees for an image of that size, None if not known."""
        return None if self.resizing is None else self.resizing.size(image_size)

    def gather(self, value: Any) -> list[Any]:
        """`value` of every process, by rank; waits until all have arrived here."""
        return [value]

    def close(self) -> None:  # noqa: B027 - most engines have nothing to give back
        """Give back connections, threads and memory. May be called twice."""


EngineFactory = Callable[[EngineConfig], Engine]
"""Builds an engine, or raises ImportError naming the extra that it needs."""

ENGINES: Registry[EngineFactory] = Registry("engine", "vlreward.engines")
"""Engine factories by name. A plug-in registers a factory by an entry point."""


def _builtin(module: str, name: str) -> EngineFactory:
    def factory(config: EngineConfig) -> Engine:
        engine: Engine = getattr(import_module(f"vlreward.engines.{module}"), name)(config)
        return engine

    factory.__qualname__ = name
    return factory


ENGINES.register("hf", _builtin("hf", "HFEngine"))
ENGINES.register("openai", _builtin("openai", "OpenAIEngine"))


def make_engine(name: str, config: EngineConfig) -> Engine:
    """Build the engine called `name`.

    Raises:
        KeyError: If there is none; names near matches and all known engines.
        ImportError: If a package is missing; names the extra and the pip command.
        EngineError: If the engine cannot start, e.g. no such model.
        OptionError: If an option has a value that it cannot use, or would be ignored.
    """
    return ENGINES.get(name)(config)


def resolve_family(family: str | None, *names: str | None) -> ModelFamily | None:
    """The declared family, else the one that the first telling name speaks of, else None.

    Args:
        family: Name of a family in `vlreward.frames.FAMILIES`, or None.
        names: Model types and names, the most reliable first.

    Raises:
        OptionError: If `family` is not known.
    """
    if family is not None:
        try:
            return FAMILIES[family] if family in FAMILIES else family_of(family)
        except ValueError as error:
            raise OptionError(f"--family: {error}") from None
    for name in names:
        if name is None:
            continue
        try:
            return family_of(name)
        except ValueError:
            continue
    return None

"""The engine `replay`: completions that were generated before, e.g. by another harness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vlreward.engines.base import (
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    Sampling,
    resolve_family,
)
from vlreward.geometry import Size
from vlreward.types import Completion

__all__ = ["ReplayEngine", "from_config"]


class ReplayEngine:
    """Answers each request with the completion recorded for its sample.

    Args:
        completions: Recorded completions by sample id.
        model: The model that wrote them, if known.
        sampling: How they were drawn, if known.
        family: Family of that model; None to read it from its name.
        source: Where they come from, for `describe`, e.g. the hash of a file.

    Example:
        >>> engine = ReplayEngine({"s1": Completion("<answer>3</answer>")})
        >>> [(key, outcome)] = engine.generate([Request("k", [], meta={"id": "s1"})])
        >>> outcome.text
        '<answer>3</answer>'
    """

    name = "replay"
    rank = 0
    world_size = 1

    def __init__(
        self,
        completions: Mapping[str, Completion],
        *,
        model: str | None = None,
        sampling: Sampling | None = None,
        family: str | None = None,
        source: str | None = None,
    ) -> None:
        self._completions = completions
        self._source = source
        self.model = model or "recorded"
        self.sampling = Sampling() if sampling is None else sampling
        self.family = resolve_family(family, model)

    def describe(self) -> dict[str, Any]:
        """Where the completions come from; the sampling is the recorder's and not known here."""
        return {"engine": self.name, "model": self.model, "source": self._source}

    def input_size(self, image_size: Size) -> Size | None:
        """(width, height) by the family's default limits, None if the family is not known."""
        return None if self.family is None else self.family.input_size(image_size)

    def generate(self, requests: Iterable[Request]) -> Iterator[tuple[str, Outcome]]:
        """Yield the recorded completion of `meta["id"]` for each request, in order."""
        for request in requests:
            sample_id = request.meta.get("id")
            found = self._completions.get(str(sample_id))
            if found is None:
                yield (
                    request.key,
                    GenerationError("missing", f"no completion is recorded for {sample_id!r}"),
                )
            else:
                reason = "length" if found.truncated else None
                yield (
                    request.key,
                    Generation(found.text, found.truncated, found.token_count, reason),
                )

    def gather(self, value: Any) -> list[Any]:
        """`[value]`: replay runs in one process."""
        return [value]

    def close(self) -> None:
        """Nothing to give back."""


def from_config(config: EngineConfig) -> ReplayEngine:
    """Build the engine from `config.options["completions"]`, a mapping from sample ids.

    Raises:
        EngineError: If the option is missing.
    """
    completions = config.options.get("completions")
    if not isinstance(completions, Mapping):
        raise EngineError(
            "the engine 'replay' needs recorded completions by sample id, got "
            f"{type(completions).__name__}: give a file of completions"
        )
    return ReplayEngine(
        completions,
        model=config.model,
        sampling=config.sampling,
        family=config.family,
        source=config.options.get("source"),
    )

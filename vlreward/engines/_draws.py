"""Several draws of one request: asked for together where the server draws them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vlreward.engines.values import Request

__all__ = ["Draws"]

_MOST = 32
"""Most answers that one call asks for."""


@dataclass(slots=True)
class Draws:
    """Whether one call may ask for several answers."""

    together: bool
    """False from the first reply on that shows that the server does not."""

    def groups(self, requests: Iterable[Request]) -> Iterator[list[Request]]:
        """Requests that one call answers."""
        held: list[Request] = []
        for request in requests:
            alike = bool(held) and request.group == held[0].group
            if held and not (self.together and alike and len(held) < _MOST):
                yield held
                held = []
            held.append(request)
            if request.group is None or not self.together:
                yield held
                held = []
        if held:
            yield held

    def number(self, rest: list[Request]) -> int:
        """How many answers to ask for."""
        return len(rest) if self.together else 1

    def learn(self, asked: int, got: int) -> bool:
        """Note what came back; whether what is missing is to be asked for one by one."""
        if got < asked and asked > 1:
            self.together = False
            return True
        return False

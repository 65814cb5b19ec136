"""Whether completions come from the model that learns from them."""

from __future__ import annotations

from typing import ClassVar

from vlreward.errors import UserError

__all__ = ["SamplerError", "SamplerGuard"]


class SamplerError(UserError):
    """The sampler is not the model: it reads other prompts, or has other weights."""

    exit_code: ClassVar[int] = 3


class SamplerGuard:
    """Stops a run whose sampler gives its tokens other probabilities than the model does.

    A sampler in bfloat16 differs from the model by a few thousandths to hundredths of a nat a
    token. One that reads other prompts differs by tenths, and trains the model on answers that
    are not its own, without any other sign than a lower reward.

    Args:
        bound: Largest mean difference of log-probabilities, in nats a token; 0 for no bound.
        patience: Batches in a row beyond it that stop the run.
    """

    def __init__(self, bound: float, patience: int = 2) -> None:
        self.bound, self.patience = bound, patience
        self._beyond: list[float] = []

    def look(self, difference: float, largest: float | None = None) -> None:
        """Look at a batch.

        Args:
            difference: Mean absolute difference of log-probabilities over its tokens.
            largest: The largest of them.

        Raises:
            SamplerError: If so many batches in a row were beyond the bound. What is not a number
                is beyond it.
        """
        if not self.bound or difference <= self.bound:
            self._beyond.clear()
            return
        self._beyond.append(difference)
        if len(self._beyond) < self.patience:
            return
        numbers = ", ".join(f"{value:.3g}" for value in self._beyond)
        most = "" if largest is None else f"; the largest of a token {largest:.3g}"
        raise SamplerError(
            "the sampler is not the model: expected log-probabilities of sampled tokens within "
            f"{self.bound:g} nats of the model's in the mean, got {numbers} in "
            f"{len(self._beyond)} batches in a row{most}. Likely causes: the sampler reads other "
            "prompts than the model (image tokens expanded twice, images of another size: compare "
            "--max-pixels with the server's), its weights are not the model's (a server of another "
            "checkpoint, or weights that were not sent), it cuts or bends its distribution "
            "(--top_p, --top_k, --repetition_penalty; a server without --logprobs-mode "
            "processed_logprobs), or it computes in another precision. If the difference is meant, "
            "raise --max_logp_difference, or set it to 0"
        )

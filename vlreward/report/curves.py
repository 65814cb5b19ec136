"""Training curves beside a run: `training.json`, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vlreward._text import first_problem
from vlreward.data.errors import DataError
from vlreward.data.rows import read_json
from vlreward.report.svg import Figure, line_chart

__all__ = ["CURVES_FILE", "TrainingCurves", "curve_figures", "load_curves"]

CURVES_FILE = "training.json"
"""Name of the file in a run directory."""

_SHOWN_ROWS = 40
_DRAWN = 400


class TrainingCurves(BaseModel):
    """What a training run logged, step by step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    """What was trained, on what."""
    steps: list[int] = Field(min_length=1)
    """Optimizer steps, increasing."""
    curves: dict[str, list[float | None]]
    """Values by name, one for each step; None where nothing was logged."""
    notes: list[str] = Field(default_factory=list)
    """How it was trained: hardware, settings, seed."""

    @model_validator(mode="after")
    def _lengths_and_order(self) -> TrainingCurves:
        for name, values in self.curves.items():
            if len(values) != len(self.steps):
                raise ValueError(
                    f"expected {len(self.steps)} values in curve {name!r}, got {len(values)}"
                )
        if any(b <= a for a, b in zip(self.steps, self.steps[1:])):
            raise ValueError("expected increasing steps")
        return self


def load_curves(run_dir: Path) -> TrainingCurves | None:
    """The training curves of a run directory; None if it has none.

    Raises:
        DataError: If the file is broken.
    """
    path = run_dir / CURVES_FILE
    if not path.is_file():
        return None
    try:
        return TrainingCurves.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError(first_problem(error), path=path) from None


def curve_figures(curves: TrainingCurves) -> list[Figure]:
    """One figure for each curve, with its moving mean over a tenth of the steps."""
    figures = []
    for name, values in curves.curves.items():
        points = [(s, v) for s, v in zip(curves.steps, values) if v is not None]
        if not points:
            continue
        smooth = _moving_mean(points)
        first, last = smooth[0][1], smooth[-1][1]
        figures.append(
            Figure(
                name,
                line_chart(
                    _thinned(points, _DRAWN),
                    _thinned(smooth, _DRAWN),
                    label=f"{name} over {len(points)} steps, from {first:.3g} to {last:.3g}",
                    x_title="step",
                ),
                ("step", name),
                [(str(step), f"{value:.4g}") for step, value in _thinned(points, _SHOWN_ROWS)],
                f"From {first:.3g} to {last:.3g}" + _smoothing(_window(points)),
            )
        )
    return figures


def _smoothing(window: int) -> str:
    if window == 1:
        return "."
    return f"; the line is the mean over {window} steps, dots are single steps."


def _window(points: Sequence[tuple[int, float]]) -> int:
    return max(1, len(points) // 10)


def _moving_mean(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    window = _window(points)
    sums = list(accumulate((value for _, value in points), initial=0.0))
    return [
        (step, (sums[i + 1] - sums[max(0, i + 1 - window)]) / min(i + 1, window))
        for i, (step, _) in enumerate(points)
    ]


def _thinned(points: Sequence[tuple[int, float]], most: int) -> Sequence[tuple[int, float]]:
    """At most so many of the points, the last one among them."""
    stride = -(-len(points) // most)
    return points[(len(points) - 1) % stride :: stride]

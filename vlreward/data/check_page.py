"""The page of `vlreward data check`: what would be read, with golds drawn on their images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape

from PIL import Image

from vlreward.data.check import Checked, sample_facts
from vlreward.data.images import open_image
from vlreward.errors import UserError
from vlreward.task import Shape
from vlreward.tasks import TASKS
from vlreward.types import Sample

__all__ = ["drawn", "page"]

_SIDE = 1024
_SMALLEST = 400  # pixels at which a small image is shown
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: #fff3f0; border-left: 4px solid #b3261e; padding: .6rem; }
svg { max-width: 100%; height: auto; border: 1px solid #ccc; }
.gold { fill: none; stroke: #d7263d; stroke-width: 2px; vector-effect: non-scaling-stroke; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #181818; }
  pre { background: #3a1d1a; } }
"""


def page(checked: Iterable[Checked]) -> str:
    """A page that needs nothing beside itself."""
    parts = [_section(one) for one in checked]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data check</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<main><h1>What would be read</h1>{''.join(parts)}</main></body></html>\n"
    )


def _section(one: Checked) -> str:
    problems = "".join(f"<pre>{escape(problem)}</pre>" for problem in one.problems)
    lists = "".join(
        f"<h3>{len(rows)} {escape(name)}</h3><ul>"
        + "".join(f"<li>{escape(str(row))}</li>" for row in rows[:20])
        + "</ul>"
        for name, rows in one.lists.items()
    )
    samples = "".join(_sample(one, sample) for sample in one.samples)
    facts = _listed(one.facts)
    return f"<section><h2>{escape(one.path)}</h2>{problems}{facts}{lists}{samples}</section>"


def _listed(facts: dict[str, str]) -> str:
    rows = (f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f"<dl>{''.join(rows)}</dl>"


def _sample(one: Checked, sample: Sample) -> str:
    return (
        f"<h3>Sample {escape(sample.id)}</h3>{_picture(one, sample)}{_listed(sample_facts(sample))}"
    )


def _picture(one: Checked, sample: Sample) -> str:
    if one.dataset is None or one.dataset.images is None or sample.image is None:
        return ""
    try:
        image = open_image(one.dataset.image(sample), where=sample.id)
    except (UserError, OSError) as error:
        return f"<p>{escape(str(error))}</p>"
    return drawn(sample, image)


def drawn(sample: Sample, image: Image.Image) -> str:
    """An image with the gold of its sample on it, as an SVG element that holds both.

    Elements of the gold have the class `gold`, to be coloured by the page.
    """
    width, height = image.size
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    spec = TASKS.get(sample.task)
    shapes = () if spec.shapes is None else spec.shapes(sample.target)
    return (
        f'<svg role="img" aria-label="{escape(sample.gold.text(), quote=True)}" '
        f'width="{max(width, _SMALLEST)}" '
        f'viewBox="0 0 {width} {height}"><image href="data:image/jpeg;base64,{data}" '
        f'width="{width}" height="{height}"/>{"".join(map(_shape, shapes))}</svg>'
    )


def _shape(shape: Shape) -> str:
    n = [f"{number:g}" for number in shape.numbers]
    label = f"<title>{escape(shape.label)}</title>" if shape.label else ""
    if shape.kind == "box":
        x1, y1, x2, y2 = shape.numbers
        place = f'x="{n[0]}" y="{n[1]}" width="{x2 - x1:g}" height="{y2 - y1:g}"'
        return f'<rect class="gold" {place}>{label}</rect>'
    if shape.kind == "polygon":
        return f'<polygon class="gold" points="{" ".join(n)}">{label}</polygon>'
    radius = n[2] if shape.kind == "circle" else "4"
    return f'<circle class="gold" cx="{n[0]}" cy="{n[1]}" r="{radius}">{label}</circle>'

"""The command `vlreward families`: what each family writes, and how that is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from vlreward.families import FAMILIES, ModelFamily

__all__ = ["families", "resize_rule"]

_COLUMNS = ("family", "frame", "order", "resized", "example", "read as (in the frame, x first)")


def families() -> None:
    """List the model families: frame, order of the axes, resize rule, an example, how it is read.

    Families of installed plug-ins (entry points in the group vlreward.families) are among them.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_COLUMNS)
    for name in FAMILIES:
        table.add_row(*(Text(cell) for cell in _cells(FAMILIES[name])))
    console = Console()
    Console(width=console.width if console.is_terminal else 240).print(table)


def resize_rule(family: ModelFamily) -> str:
    """How the family's image processor resizes images, for a person."""
    if family.factor is None:
        return "otherwise"
    return f"x{family.factor}, {family.min_pixels:,} to {family.max_pixels:,} px"


def _cells(family: ModelFamily) -> Iterable[str]:
    return (
        *(family.name, family.frame.value, family.axis_order, resize_rule(family)),
        *(family.example, _reading(family)),
    )


def _reading(family: ModelFamily) -> str:
    """What the parsers make of the family's example."""
    from vlreward.frames import x_first
    from vlreward.parsers import BoxParser, PointParser
    from vlreward.types import Parsed

    parsers: tuple[tuple[Literal["box", "point"], Any], ...] = (
        ("box", BoxParser(where="whole")),
        ("point", PointParser(where="whole")),
    )
    for kind, parse in parsers:
        found = parse(family.example)
        if isinstance(found, Parsed):
            numbers = x_first(found.value, family.axis_order) or ()
            return f"{kind} ({', '.join(f'{number:g}' for number in numbers)})"
    return "not read"

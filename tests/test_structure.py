"""The rules of the house: what knows a task stands in its room, and rooms keep their secrets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from vlreward.tasks import TASKS

_BUILT_IN = ("rec", "counting", "geometry", "detection", "pointing", "choice")
_ROOMS = ("vlreward/tasks/", "vlreward/scenes/")
_SOURCES = ("vlreward", "backends")


class _Module(NamedTuple):
    text: str
    imports: list[ast.Import | ast.ImportFrom]
    at_once: list[ast.Import | ast.ImportFrom]
    """Those that are made when the module itself is imported."""


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All within it: what `ast.walk` gives but the expressions, which are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


@pytest.fixture(scope="module")
def modules(root: Path) -> dict[str, _Module]:
    """Every module of the package and the backends, by its path."""
    found = {}
    for path in [path for top in _SOURCES for path in sorted((root / top).rglob("*.py"))]:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        imports = (ast.Import, ast.ImportFrom)
        made = [node for node in _statements(tree) if isinstance(node, imports)]
        at_once = [node for node in tree.body if isinstance(node, imports)]
        found[path.relative_to(root).as_posix()] = _Module(text, made, at_once)
    assert len(found) > 200
    return found


def test_no_module_outside_the_tasks_names_one(modules: dict[str, _Module]) -> None:
    golds = {TASKS.get(name).gold.__name__ for name in _BUILT_IN}
    assert len(golds) == len(_BUILT_IN)
    known = re.compile(rf"['\"]({'|'.join(_BUILT_IN)})['\"]|\b({'|'.join(sorted(golds))})\b")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, module in modules.items()
        if not name.startswith(_ROOMS)
        for number, line in enumerate(module.text.splitlines(), 1)
        if known.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_package_imports_what_another_keeps_private(modules: dict[str, _Module]) -> None:
    found = []
    for name, module in modules.items():
        own = name.removeprefix("backends/trl/").removeprefix("backends/paddle/").split("/")[:-1]
        for node in module.imports:
            if not isinstance(node, ast.ImportFrom) or node.module is None or node.level:
                continue
            parts = node.module.split(".")
            names = [*parts, *(alias.name for alias in node.names)]
            for i, part in enumerate(names):
                private = part.startswith("_") and not part.startswith("__")
                home = parts[: min(i, len(parts))]
                # What lies directly in `vlreward` may be used everywhere in it.
                inside = own[: len(home)] == home or home == ["vlreward"] == own[:1]
                if private and parts[0].startswith("vlreward") and not inside:
                    found.append(f"{name}:{node.lineno}: {node.module} {part}")
    assert not found, "\n".join(found)


def test_modules_import_one_another_in_no_circle(modules: dict[str, _Module]) -> None:
    graph: dict[str, set[str]] = {}
    for name, module in modules.items():
        if name.startswith("vlreward/"):
            found = graph[name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = (
                set()
            )
            for node in module.at_once:
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    found.add(node.module)
                    found.update(f"{node.module}.{alias.name}" for alias in node.names)
    graph = {name: found & graph.keys() for name, found in graph.items()}
    while leaves := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, sorted(graph)


@pytest.mark.parametrize(
    ("package", "other"),
    [
        ("vlreward", {"vlreward_trl", "vlreward_paddle"}),
        *((f"vlreward/{name}", {"vlreward.training"}) for name in ("data", "bench", "doctor")),
        ("backends/trl/vlreward_trl", {"vlreward_paddle", "paddle"}),
        ("backends/paddle/vlreward_paddle", {"vlreward_trl", "torch", "trl"}),
    ],
)
def test_no_part_imports_from_one_above_or_beside_it(
    package: str, other: set[str], modules: dict[str, _Module]
) -> None:
    mine = {name: m for name, m in modules.items() if name.startswith(f"{package}/")}
    assert len(mine) > 5
    crossing = [
        f"{name}: {imported}"
        for name, module in mine.items()
        for node in module.imports
        for imported in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
        if any(f"{imported}.".startswith(f"{part}.") for part in other)
    ]
    assert not crossing

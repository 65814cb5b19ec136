"""The rules of the house: what knows a task stands in its room, and rooms keep their secrets."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from vlreward.tasks import TASKS

_BUILT_IN = ("rec", "counting", "geometry", "detection", "pointing", "choice")
_ROOMS = ("vlreward/tasks/", "vlreward/scenes/")
_SOURCES = ("vlreward", "backends")


def _modules(root: Path) -> dict[str, str]:
    files = [path for top in _SOURCES for path in sorted((root / top).rglob("*.py"))]
    assert len(files) > 200
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in files}


def test_no_module_outside_the_tasks_names_one(root: Path) -> None:
    golds = {TASKS.get(name).gold.__name__ for name in _BUILT_IN}
    assert len(golds) == len(_BUILT_IN)
    known = re.compile(rf"['\"]({'|'.join(_BUILT_IN)})['\"]|\b({'|'.join(sorted(golds))})\b")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _modules(root).items()
        if not name.startswith(_ROOMS)
        for number, line in enumerate(text.splitlines(), 1)
        if known.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_package_imports_what_another_keeps_private(root: Path) -> None:
    found = []
    for name, text in _modules(root).items():
        own = name.removeprefix("backends/trl/").removeprefix("backends/paddle/").split("/")[:-1]
        for node in ast.walk(ast.parse(text)):
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


def _imports(tree: ast.Module) -> set[str]:
    """Modules of `vlreward` that are imported when the module itself is."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_modules_import_one_another_in_no_circle(root: Path) -> None:
    graph = {}
    for name, text in _modules(root).items():
        if name.startswith("vlreward/"):
            module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            graph[module] = _imports(ast.parse(text))
    graph = {module: {m for m in found if m in graph} for module, found in graph.items()}
    while leaves := [module for module, needs in graph.items() if not needs & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert not graph, sorted(graph)

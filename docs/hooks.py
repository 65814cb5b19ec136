"""Pages of the site that are made from the programs: MkDocs calls `on_files` before it reads pages.

Commands from the programs' own options, the API from `__all__`, a gallery from drawn scenes, the
changelog, and how to add to the package from CONTRIBUTING.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import commands_page  # noqa: E402
import gallery_page  # noqa: E402

SOURCES = {
    "vlreward": ROOT / "vlreward",
    "vlreward_trl": ROOT / "backends/trl/vlreward_trl",
    "vlreward_paddle": ROOT / "backends/paddle/vlreward_paddle",
}


@event_priority(100)  # before the languages are told apart
def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made here."""
    made = {
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "extending.md": extending(),
        "commands.md": commands_page.page(),
        "gallery.md": gallery_page.page(),
        **api_pages(),
    }
    for name, content in made.items():
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, content=content))
    return files


def extending() -> str:
    """What CONTRIBUTING says of tasks, suites, engines and the rest."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    first = text.index("\n## Add a parser")
    intro = (
        "# A new task, suite, engine or reward\n\nEverything here is executed by the tests; a "
        "whole package that adds a task stands in `tests/plugin`.\n"
    )
    return intro + text[first:]


def api_pages() -> dict[str, str]:
    """One page for each package or module at the top, with every public module of it."""
    groups: dict[str, list[str]] = {}
    for module in sorted({name for top, path in SOURCES.items() for name in modules(top, path)}):
        top = ".".join(module.split(".")[: 2 if module.startswith("vlreward.") else 1])
        groups.setdefault(top, []).append(module)
    pages = {
        f"api/{top}.md": f"# {top}\n\n" + "\n".join(f"::: {name}\n" for name in names)
        for top, names in groups.items()
    }
    listed = "\n".join(
        f"- [`{top}`]({top}.md): {summary(names[0])}" for top, names in groups.items()
    )
    pages["api/index.md"] = (
        "# API\n\nEvery public name, from the docstrings. Names that are not listed here, or begin "
        f"with an underscore, may change without notice.\n\n{listed}\n"
    )
    return pages


def modules(top: str, directory: Path) -> Iterator[str]:
    """The public modules of a package that say what they offer."""
    for path in directory.rglob("*.py"):
        parts = (top, *path.relative_to(directory).with_suffix("").parts)
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") or part == "plugins" for part in parts) and re.search(
            r"^__all__", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            yield ".".join(parts)


def summary(module: str) -> str:
    """The first line of a module's docstring."""
    top, *rest = module.split(".")
    path = SOURCES[top].joinpath(*rest)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")

"""Pages of the site that are made from the programs, beside a copy of those that are written.

Commands from the programs' own options, the API from `__all__`, a gallery from drawn scenes, the
changelog, and how to add to the package from CONTRIBUTING.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import commands_page  # noqa: E402
import gallery_page  # noqa: E402

SOURCES = {
    "vlreward": ROOT / "vlreward",
    "vlreward_trl": ROOT / "backends/trl/vlreward_trl",
    "vlreward_paddle": ROOT / "backends/paddle/vlreward_paddle",
}

_WIDE_END = re.compile(r"([\u3001-\u303f\uff00-\uffef”])\n *(?!- |\d+\. |[*#|>\n])(?=\S)")


def on_config(config: Any) -> Any:
    """Build from a copy that holds the pages made here, too; MkDocs calls this first."""
    pages = Path(tempfile.mkdtemp(prefix="vlreward-docs-"))
    shutil.copytree(ROOT / "docs", pages, dirs_exist_ok=True)
    for name, content in made().items():
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_text(content, encoding="utf-8")
    config.docs_dir = str(pages)
    return config


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Chinese has no spaces: after a line that ends in its punctuation the next follows at once."""
    if not page.file.src_uri.startswith("zh/"):
        return markdown
    parts = re.split(r"^(```.*?^```)$", markdown, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [_WIDE_END.sub(r"\1", part) for part in parts[::2]]
    return "".join(parts)


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Search works in pages that are opened as files, without a network."""
    own = get_relative_url("assets/iframe-worker.js", page.url)
    return output.replace("https://unpkg.com/iframe-worker/shim", own)


def on_post_build(config: Any) -> None:
    """Remove the copy."""
    shutil.rmtree(config.docs_dir, ignore_errors=True)


def made() -> dict[str, str]:
    """The pages that are made, by name."""
    return {
        "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "]("),
        "extending.md": extending(),
        "commands.md": commands_page.page(),
        "gallery.md": gallery_page.page(),
        **api_pages(),
    }


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
        f"api/{top}.md": f"# {top}\n\n" + "\n".join(map(directive, names))
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


def directive(module: str) -> str:
    """What renders a module; of a package the text alone, as its modules follow."""
    package = source(module).name == "__init__.py"
    return f"::: {module}\n" + "    options: {members: false, show_source: false}\n" * package


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
    text = ast.get_docstring(ast.parse(source(module).read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def source(module: str) -> Path:
    """The file of a module."""
    top, *rest = module.split(".")
    path = SOURCES[top].joinpath(*rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

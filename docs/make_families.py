"""Write docs/families.md from the case table of the tests and the table of families.

    python docs/make_families.py

`tests/test_families.py` checks that the page is current, and `tests/parsers` that it is true.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlreward.families import FAMILIES
from vlreward.families_cli import resize_rule

__all__ = ["page"]

_ROOT = Path(__file__).resolve().parents[1]
_CASES = _ROOT / "tests/cases/parsers/families.jsonl"
_HEAD = """# What model families write, and how it is read

Frame and order of the axes belong to the family. Declare it (`--family`, `TaskReward(family=…)`),
or declare `--frame` and `--axis-order`; neither is guessed from numbers or keys. A key that some
families write y first (`box_2d`), with no order declared, ends in `ambiguous_axes`. A plug-in adds
a family by an entry point in the group `vlreward.families`; `vlreward families` lists those that
are installed.

Of frame, order and the size at which an image is shown, the nearest declaration holds: what a
row says (a column, or its gold's envelope), then the options, then the family. Where options tell a
model how to write (training, `vlreward pack`, `vlreward data check`) they come before the rows.

## Families

"Resized" is the multiple that both sides become, and the range of the area by default.

| family | frame | order | resized | source |
|---|---|---|---|---|
"""
_TEXTS = """
## Texts

Each text for an image of 640 x 480 pixels, as the parsers read it in pixels of the original image,
or why not. Under the protocol `strict`, the task `rec` leaves out corner keys, as the evaluation
that its recorded files were made with does.

| family | form | text | read as | source |
|---|---|---|---|---|
"""


def page() -> str:
    """The page, as it must stand in docs/families.md."""
    lines = [
        _line(f.name, f.frame.value, f.axis_order, resize_rule(f), f.source)
        for f in FAMILIES.values()
    ]
    cases = [json.loads(line) for line in _CASES.read_text("utf-8").splitlines()]
    texts = [
        _line(c["family"] or "none", c["form"], _code(c["text"]), _reading(c), c["source"])
        for c in cases
    ]
    return _HEAD + "".join(lines) + _TEXTS + "".join(texts)


def _reading(case: dict[str, Any]) -> str:
    if "code" in case:
        nothing = ", for detection no object" if case.get("nothing") else ""
        return f"refused: `{case['code']}`{nothing}"
    kind = "point" if "point" in case else "box"
    label = f" {_code(case['label'])}" if case.get("label") else ""
    return f"{kind} ({', '.join(f'{round(n, 1):g}' for n in case[kind])}){label}"


def _code(text: str) -> str:
    text = text.strip().replace("\t", " ").replace("\n", " ").replace("|", "\\|")
    return f"```` {text} ````" if "`" in text else f"`{text}`"


def _line(*cells: str) -> str:
    shown = [cell if cell.startswith("`") else cell.replace("<", "&lt;") for cell in cells]
    return f"| {' | '.join(shown)} |\n"


if __name__ == "__main__":
    (_ROOT / "docs/families.md").write_text(page(), "utf-8")

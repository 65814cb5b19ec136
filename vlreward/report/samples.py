"""The samples as the page's script reads them, and where their images lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vlreward.report.images import ImageStore, Shown
from vlreward.report.load import Run, Suite
from vlreward.report.records import SampleRow, shown

__all__ = ["locator", "page_data", "wanted_images"]


def wanted_images(runs: Sequence[Run]) -> list[str]:
    """The image names of all samples without duplicates; those of wrong samples come first."""
    wrong: dict[str, None] = {}
    others: dict[str, None] = {}
    for run in runs:
        for suite in run.suites.values():
            for row in suite.samples or []:
                if row.image is not None:
                    (others if suite.right(row) else wrong).setdefault(row.image)
    return [*wrong, *(name for name in others if name not in wrong)]


def locator(runs: Sequence[Run], image_root: Path | None) -> Callable[[str], Path | None]:
    """A function from the name of an image to its file, None if there is none.

    A relative name never leaves the directory that it is relative to.
    """
    roots = [image_root] if image_root is not None else [*(run.path for run in runs), Path()]

    def locate(name: str) -> Path | None:
        if not name or "\0" in name:
            return None
        if not os.path.isabs(name):
            inside = os.path.normpath(name)
            if inside.split(os.sep)[0] == os.pardir:
                return None
            candidates = [root / inside for root in roots]
        else:
            candidates = [Path(name)]
        try:
            return next((path for path in candidates if path.is_file()), None)
        except (OSError, ValueError):  # a name too long, or with characters no file can have
            return None

    return locate


def page_data(
    runs: Sequence[Run], store: ImageStore
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the script needs: an index of runs, suites and images, and one flat list of rows.

    Row fields are short: `r` run, `s` suite, `ok` right or wrong, `q` question, `e` expression,
    `im` image, `sz` original size, `g` gold and `gb` its box, `a` answer and `ab` its box, `w`
    the answer as written, `c` completion, `sp` span, `f` failure, `v` reward, `t` terms, `m`
    metrics, `tr` truncated, `tk` tokens. Boxes are (x1, y1, x2, y2) in original pixels.
    """
    suites = sorted({name for run in runs for name in run.suites})
    images: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    embedded = 0
    for name, picture in store.shown.items():
        numbers[name] = len(images)
        images.append(_image(name, picture, embedded))
        embedded += picture.uri is not None
    index = {"runs": [run.name for run in runs], "suites": suites, "images": images}
    rows = [
        {
            "r": run_number,
            "s": suites.index(suite.name),
            "im": None if row.image is None else numbers[row.image],
            **_row(row, suite),
        }
        for run_number, run in enumerate(runs)
        for suite in run.suites.values()
        for row in suite.samples or []
    ]
    return index, rows


def _image(name: str, picture: Shown, embedded: int) -> dict[str, Any]:
    where = {"i": embedded} if picture.uri else {"href": picture.href, "why": picture.why}
    return {"name": name, "size": picture.size, **where}


def _row(row: SampleRow, suite: Suite) -> dict[str, Any]:
    gold, answer, failure = row.gold_box(), row.answer_box(), row.failure
    data: dict[str, Any] = {
        "id": row.id,
        "ok": int(suite.right(row)),
        "q": row.question,
        "g": row.gold_text(),
        "c": row.completion,
        "v": row.value,
        "t": row.terms,
        "m": row.metrics,
    }
    optional = {
        "e": row.expression,
        "sz": row.image_size,
        "gb": None if gold is None else list(gold),
        "a": None if row.answer is None else shown(row.answer),
        "ab": None if answer is None else list(answer),
        "w": None if row.raw_answer is None else shown(row.raw_answer),
        "sp": row.span,
        "f": None if failure is None else [failure.code, failure.detail, failure.span],
        "tr": 1 if row.truncated else None,
        "tk": row.token_count,
        "fr": row.frame,
        "isz": row.input_size if row.input_size != row.image_size else None,
    }
    return {**data, **{key: value for key, value in optional.items() if value is not None}}

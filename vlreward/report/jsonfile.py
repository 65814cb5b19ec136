"""JSON files read strictly, and JSON written so that it can stand inside HTML."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vlreward.report.errors import ReportError

__all__ = ["embed_json", "parse_json", "read_lines", "read_text"]

_LISTED = 10
_RERUN = "write the file again with `vlreward rescore RUN`"


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text[:40]}")
    return value


def _refuse_constant(text: str) -> float:
    raise ValueError(f"expected a finite number, got {text}")


def parse_json(text: str) -> Any:
    """Parse one JSON text; NaN, infinities and numbers that overflow are refused.

    Raises:
        ValueError: If the text is no JSON, is nested too deeply, or holds such a number.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("expected JSON of moderate depth, got one nested too deeply") from None


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        ReportError: If it cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ReportError(
            f"expected UTF-8 in {path}, got byte {error.object[error.start]:#04x} at offset "
            f"{error.start}: {_RERUN}"
        ) from error


def read_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers; blank lines are passed over.

    Raises:
        ReportError: If a line is no JSON object; lists the first ten such lines and their count.
    """
    rows: list[tuple[int, dict[str, Any]]] = []
    broken: list[str] = []
    # Not splitlines(): U+2028 and others may stand unescaped inside a JSON string.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            broken.append(f"{path}:{number}: {error}")
            continue
        if not isinstance(row, dict):
            broken.append(f"{path}:{number}: expected an object, got {line[:40]!r}")
            continue
        rows.append((number, row))
    raise_rows(broken, path)
    return rows


def raise_rows(broken: list[str], path: Path) -> None:
    """Raise one error for all broken rows of a file, if there are any.

    Raises:
        ReportError: Lists the first ten and the count.
    """
    if broken:
        more = f"\n  and {len(broken) - _LISTED} more" if len(broken) > _LISTED else ""
        listed = "\n  ".join(broken[:_LISTED])
        raise ReportError(
            f"{len(broken)} broken row{'s' * (len(broken) > 1)} in {path}:\n  {listed}{more}\n"
            f"remedy: {_RERUN}"
        )


_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def embed_json(value: Any) -> Markup:
    r"""JSON for a `<script type="application/json">` element: ASCII, without `<`, `>` and `&`.

    No text in it can end the element or open a comment, whatever it holds, and lone surrogates
    survive as escapes.

    Example:
        >>> embed_json({"a": "</script><!--"})
        Markup('{"a":"\\u003c/script\\u003e\\u003c!--"}')

    Raises:
        ValueError: If a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))

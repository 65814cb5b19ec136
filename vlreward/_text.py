"""Times, values and errors from outside as one line of bounded length, for messages."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["duration", "first_problem", "one_line", "short", "warn", "without_surrogates"]


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(8), duration(130), duration(3700)
        ('8 s', '2 min 10 s', '1 h 01 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _Bounded(reprlib.Repr):
    """The beginning of a repr, in a time that does not depend on the size of what is behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 30

    def repr_str(self, x: str, _level: int) -> str:
        return repr(x[:_LONGEST])

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if level <= 0 and x:
            return "{...}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(part, level - 1)}"
            for key, part in islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join(shown + ['...'] * (len(x) > self.maxdict))}}}"

    def repr_int(self, x: int, _level: int) -> str:
        return repr(x)

    def repr_instance(self, x: object, _level: int) -> str:
        return repr(x)


_LONGEST = 1_000
_bounded = _Bounded()


def short(value: object, n: int = 200) -> str:
    """The repr of a value, cut to `n` characters; of long parts the beginning alone is looked at.

    Example:
        >>> short("a" * 100, 10)
        "'aaaaaaaa…"
    """
    try:
        text = _bounded.repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, lists in lists in lists
        text = f"<{type(value).__name__}>"
    return text if len(text) <= n else text[: n - 1] + "…"


def one_line(value: object, n: int = 300) -> str:
    """The text of a value on one line, printable, cut to `n` characters.

    Example:
        >>> one_line("no such\\n  model\\x1b")
        'no such model'
    """
    clean = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return clean if len(clean) <= n else clean[: n - 1] + "…"


def without_surrogates(text: str) -> str:
    """Lone surrogates, which models do write and few readers take, become question marks."""
    return text.encode("utf-8", "replace").decode()


def warn(text: str) -> None:
    """Say it on standard error."""
    print(f"warning: {text}", file=sys.stderr)


def first_problem(
    error: ValidationError, *, got: bool = True, name: Callable[[str], str] = str
) -> str:
    """What pydantic found first: where, what was expected and, with `got`, what was there.

    Args:
        error: Any validation error.
        got: Show the value; say False where it may be a secret or is somebody else's.
        name: Turns the field, e.g. `gold.box.0`, into what the reader knows it as.

    Example:
        >>> from pydantic import TypeAdapter, ValidationError
        >>> try:
        ...     TypeAdapter(dict[str, int]).validate_python({"a": 1, "b": "two"})
        ... except ValidationError as error:
        ...     first_problem(error, name="--{}".format)
        "--b: Input should be a valid integer, unable to parse string as an integer, got 'two'"
    """
    first = error.errors(include_url=False, include_context=False)[0]
    where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    if got and first["type"] != "missing" and "got " not in what:
        what += f", got {short(first['input'])}"
    return f"{name(where)}: {what}" if where else what

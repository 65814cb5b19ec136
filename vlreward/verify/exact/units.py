"""Units of measurement, Latin and Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Unit", "parse_unit"]


@dataclass(frozen=True)
class Unit:
    """A unit as a multiple of the base unit of its dimension.

    Attributes:
        dimension: Such as ``length`` or ``area``; ``other:`` and the word itself for a unit that
            is not known, such as ``other:apples``.
        numerator, denominator: The exact factor to the base unit (metre, second, degree, gram).
        pi_power: The power of pi in that factor: a radian is ``180 * pi^-1`` degrees.
    """

    dimension: str
    numerator: int = 1
    denominator: int = 1
    pi_power: int = 0


# name: (numerator, denominator) in metres
_LENGTHS: dict[str, tuple[int, int]] = {
    "nm": (1, 10**9), "um": (1, 10**6), "μm": (1, 10**6), "mm": (1, 1000), "cm": (1, 100),
    "dm": (1, 10), "m": (1, 1), "km": (1000, 1), "millimeter": (1, 1000), "centimeter": (1, 100),
    "decimeter": (1, 10), "meter": (1, 1), "kilometer": (1000, 1), "millimetre": (1, 1000),
    "centimetre": (1, 100), "decimetre": (1, 10), "metre": (1, 1), "kilometre": (1000, 1),
    "inch": (254, 10000), "in": (254, 10000), "foot": (3048, 10000), "feet": (3048, 10000),
    "ft": (3048, 10000), "yard": (9144, 10000), "yd": (9144, 10000), "mile": (1609344, 1000),
    "mi": (1609344, 1000), "nautical mile": (1852, 1), "nmi": (1852, 1), "毫米": (1, 1000),
    "厘米": (1, 100), "公分": (1, 100), "分米": (1, 10), "米": (1, 1), "千米": (1000, 1),
    "公里": (1000, 1), "海里": (1852, 1), "微米": (1, 10**6), "纳米": (1, 10**9),
}  # fmt: skip
_TIMES: dict[str, tuple[int, int]] = {
    "ms": (1, 1000), "s": (1, 1), "sec": (1, 1), "second": (1, 1), "min": (60, 1),
    "minute": (60, 1), "h": (3600, 1), "hr": (3600, 1), "hour": (3600, 1), "day": (86400, 1),
    "week": (604800, 1), "秒": (1, 1), "秒钟": (1, 1), "分": (60, 1), "分钟": (60, 1),
    "时": (3600, 1), "小时": (3600, 1), "天": (86400, 1), "日": (86400, 1), "周": (604800, 1),
}  # fmt: skip
_MASSES: dict[str, tuple[int, int]] = {
    "mg": (1, 1000), "g": (1, 1), "kg": (1000, 1), "gram": (1, 1), "kilogram": (1000, 1),
    "ton": (10**6, 1), "tonne": (10**6, 1), "克": (1, 1), "千克": (1000, 1), "公斤": (1000, 1),
    "吨": (10**6, 1), "毫克": (1, 1000),
}  # fmt: skip
_VOLUMES: dict[str, tuple[int, int]] = {
    "L": (1, 1000), "l": (1, 1000), "liter": (1, 1000), "litre": (1, 1000), "ml": (1, 10**6),
    "mL": (1, 10**6), "milliliter": (1, 10**6), "millilitre": (1, 10**6), "cc": (1, 10**6),
    "升": (1, 1000), "毫升": (1, 10**6),
}  # fmt: skip
_OTHERS: dict[str, Unit | None] = {
    "°": Unit("angle"), "deg": Unit("angle"), "degree": Unit("angle"), "度": Unit("angle"),
    "rad": Unit("angle", 180, 1, -1), "radian": Unit("angle", 180, 1, -1),
    "弧度": Unit("angle", 180, 1, -1), "°C": Unit("celsius"), "℃": Unit("celsius"),
    "ha": Unit("area", 10**4), "hectare": Unit("area", 10**4), "公顷": Unit("area", 10**4),
    "acre": Unit("area", 40468564224, 10**7), "mph": Unit("speed", 1609344, 3600000),
    "kph": Unit("speed", 1000, 3600), "kmh": Unit("speed", 1000, 3600),
    "knot": Unit("speed", 1852, 3600), "节": Unit("speed", 1852, 3600),
    "€": Unit("euro"), "euro": Unit("euro"), "£": Unit("pound"), "pound": Unit("pound"),
    "dollar": Unit("dollar"), "cent": Unit("dollar", 1, 100), "yuan": Unit("yuan"),
    "¥": Unit("yuan"), "元": Unit("yuan"), "角": Unit("yuan", 1, 10),
    # Bare "units" measure in whatever the figure is drawn in.
    "unit": None, "square unit": None, "sq unit": None, "unit^2": None, "cubic unit": None,
    "unit^3": None, "单位": None, "平方单位": None, "立方单位": None, "unit2": None,
}  # fmt: skip
# One letter that is as likely a variable needs a space, a decimal or upright type before it.
_LETTERS = frozenset("shgLl")
# Words that end a sentence rather than name a unit.
_STOP = frozenset({
    "a", "an", "and", "as", "at", "because", "but", "by", "cannot", "each", "for", "from", "how",
    "if", "is", "it", "minus", "no", "none", "not", "of", "only", "or", "plus", "than", "that",
    "the", "then", "there", "therefore", "times", "to", "undefined", "unknown", "was", "where",
    "with",
})  # fmt: skip
_WRAP = re.compile(r"\\text\s*|[{}]")
_SQUEEZE = re.compile(r"\s*([/^])\s*")
_WORDS = re.compile(r"[A-Za-z]{3,24}(?: [A-Za-z]{2,24}){0,2}")
_HAN = re.compile(r"[\u4e00-\u9fff]{1,4}")


@lru_cache(maxsize=1)
def _table() -> dict[str, Unit | None]:
    table: dict[str, Unit | None] = dict(_OTHERS)

    def put(names: list[str], dimension: str, numerator: int, denominator: int) -> None:
        for name in names:
            table[name] = Unit(dimension, numerator, denominator)

    def plural(name: str) -> list[str]:
        if not name.isascii() or len(name) < 3 or name == "feet":
            return [name]
        return [name, name + ("es" if name.endswith("ch") else "s")]

    for name, (n, d) in _LENGTHS.items():
        for form in plural(name):
            put([form], "length", n, d)
            before = ["平方"] if not name.isascii() else ["square ", "sq ", "sq. "]
            squares = [b + form for b in before] + [f"{form}^2", f"{form}2", f"{form} squared"]
            put(squares, "area", n * n, d * d)
            before = ["立方"] if not name.isascii() else ["cubic ", "cu "]
            cubes = [b + form for b in before] + [f"{form}^3", f"{form}3", f"{form} cubed"]
            put(cubes, "volume", n**3, d**3)
        for time, (tn, td) in _TIMES.items():
            joins = [f"{name}/{time}", f"{name}/{time}s", f"{name}s/{time}", f"{name} per {time}",
                     f"{name}s per {time}", f"{time}速{name}", f"每{time}{name}",
                     f"{name}每{time}"]  # fmt: skip
            put(joins, "speed", n * td, d * tn)
    for dimension, names in (("time", _TIMES), ("mass", _MASSES), ("volume", _VOLUMES)):
        for name, (n, d) in names.items():
            put(plural(name), dimension, n, d)
    for name in list(_OTHERS):
        for form in plural(name):
            table.setdefault(form, _OTHERS[name])
    table["square units"] = table["sq units"] = table["cubic units"] = None
    return table


def parse_unit(text: str, upright: bool) -> tuple[Unit | None] | None:
    r"""The unit that `text` names.

    Args:
        text: What follows a value, in canonical text: ``cm^{2}``, ``\text{ cm}``, ``平方厘米``.
        upright: Whether the text is set apart from the value, so that one letter is not a variable.

    Returns:
        A tuple of one: the unit, or None for a word such as ``units`` that names no dimension.
        None itself where `text` is no unit.

    Examples:
        >>> parse_unit("cm^{2}", upright=False)
        (Unit(dimension='area', numerator=1, denominator=10000, pi_power=0),)
    """
    plain = _SQUEEZE.sub(r"\1", _WRAP.sub("", text)).strip(" .,;")
    if plain.startswith("-") and len(plain) > 1:
        plain = plain[1:]  # the hyphen of "12-cm"
    table = _table()
    for name in (plain, plain.lower()):
        if name in table:
            if name in _LETTERS and not (upright or "\\text" in text):
                return None
            return (table[name],)
    words = plain.lower()
    if _WORDS.fullmatch(plain) and not _STOP & set(words.split()):
        return (Unit(f"other:{words}"),)
    if _HAN.fullmatch(plain):
        return (Unit(f"other:{plain}"),)
    return None

"""Units of measurement, Latin and Chinese, and the nouns that are counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

__all__ = ["UNKNOWN", "Unit", "parse_unit", "singular"]

UNKNOWN = "unknown:"
"""How the dimension of a word begins that is not on the list."""


@dataclass(frozen=True)
class Unit:
    """A unit as a multiple of the base unit of its dimension.

    Attributes:
        dimension: Such as ``length``, ``area`` or ``length mass time-2``; ``other:`` and the word
            for a noun that is counted, such as ``other:apple``; ``unknown:`` and the word for one
            that is on no list.
        numerator, denominator: The exact factor to the base unit (metre, second, degree, gram).
        pi_power: The power of pi in that factor: a radian is ``180 * pi^-1`` degrees.
    """

    dimension: str
    numerator: int = 1
    denominator: int = 1
    pi_power: int = 0


_Vector = tuple[tuple[str, int], ...]
_L, _T, _M, _A, _K = "length", "time", "mass", "current", "temperature"
_NAMES = {((_L, 2),): "area", ((_L, 3),): "volume", ((_L, 1), (_T, -1)): "speed"}
_FORCE, _ENERGY = {_L: 1, _M: 1, _T: -2}, {_L: 2, _M: 1, _T: -2}

# symbols that take the prefixes: dimension, factor to the base unit, prefixes
_PREFIXED: dict[str, tuple[dict[str, int], Fraction | int, str]] = {
    "m": ({_L: 1}, 1, "numcdkM"), "g": ({_M: 1}, 1, "numk"), "s": ({_T: 1}, 1, "num"),
    "L": ({_L: 3}, Fraction(1, 1000), "umcdk"), "l": ({_L: 3}, Fraction(1, 1000), "umcd"),
    "N": (_FORCE, 1000, "mkM"), "J": (_ENERGY, 1000, "mkM"),
    "W": ({_L: 2, _M: 1, _T: -3}, 1000, "mkMG"), "Pa": ({_L: -1, _M: 1, _T: -2}, 1000, "hkM"),
    "Hz": ({_T: -1}, 1, "kMG"), "A": ({_A: 1}, 1, "um"), "C": ({_A: 1, _T: 1}, 1, "num"),
    "V": ({_L: 2, _M: 1, _T: -3, _A: -1}, 1000, "mk"),
    "Ω": ({_L: 2, _M: 1, _T: -3, _A: -2}, 1000, "mkM"),
    "F": ({_L: -2, _M: -1, _T: 4, _A: 2}, Fraction(1, 1000), "pnum"),
    "T": ({_M: 1, _T: -2, _A: -1}, 1000, "um"), "mol": ({"amount": 1}, 1, "mk"),
    "K": ({_K: 1}, 1, ""), "eV": ({"eV": 1}, 1, "kMG"), "cal": ({"cal": 1}, 1, "k"),
    "B": ({"byte": 1}, 1, ""),
}  # fmt: skip
_PREFIXES = {
    "p": Fraction(1, 10**12), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000), "c": Fraction(1, 100), "d": Fraction(1, 10), "h": Fraction(100),
    "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9),
}  # fmt: skip
# names by dimension, with what one is in base units; plurals are understood
_WORDS: dict[str, dict[str, Fraction | int | str]] = {
    _L: {
        "inch": "0.0254", "in": "0.0254", "foot": "0.3048", "feet": "0.3048", "ft": "0.3048",
        "yard": "0.9144", "yd": "0.9144", "mile": "1609.344", "mi": "1609.344",
        "nautical mile": 1852, "nmi": 1852, "毫米": "0.001", "厘米": "0.01", "公分": "0.01",
        "分米": "0.1", "米": 1, "千米": 1000, "公里": 1000, "海里": 1852, "微米": "0.000001",
        "纳米": "0.000000001", "里": 500,
    },
    _T: {
        "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
        "day": 86400, "week": 604800, "秒": 1, "秒钟": 1, "分": 60, "分钟": 60, "时": 3600,
        "小时": 3600, "天": 86400, "日": 86400, "周": 604800, "星期": 604800,
    },
    _M: {
        "ton": 10**6, "tonne": 10**6, "克": 1, "千克": 1000, "公斤": 1000, "吨": 10**6,
        "毫克": "0.001", "lb": "453.59237", "lbs": "453.59237", "oz": "28.349523125",
        "ounce": "28.349523125",
    },
    "volume": {"cc": "0.000001", "升": "0.001", "毫升": "0.000001", "liter": "0.001",
               "litre": "0.001", "milliliter": "0.000001", "millilitre": "0.000001"},
    "area": {"ha": 10**4, "hectare": 10**4, "公顷": 10**4, "acre": "4046.8564224",
             "亩": Fraction(2000, 3)},
    "speed": {"mph": Fraction(1609344, 3600000), "kph": Fraction(1000, 3600), "节": "0.5144",
              "kmh": Fraction(1000, 3600), "knot": Fraction(1852, 3600)},
    "angle": {"°": 1, "deg": 1, "degree": 1, "度": 1},
    "celsius": {"°C": 1, "℃": 1, "degrees celsius": 1, "摄氏度": 1},
    "fahrenheit": {"°F": 1, "℉": 1},
    "euro": {"€": 1, "euro": 1, "欧元": 1}, "pound": {"£": 1, "pound": 1, "英镑": 1},
    "dollar": {"＄": 1, "dollar": 1, "cent": "0.01", "美元": 1, "usd": 1},
    "yuan": {"¥": 1, "yuan": 1, "元": 1, "角": "0.1", "rmb": 1, "人民币": 1, "块钱": 1},
    "year": {"year": 1, "yr": 1, "年": 1}, "month": {"month": 1, "个月": 1},
    "decibel": {"dB": 1, "decibel": 1}, "bit": {"bit": 1}, "byte": {"byte": 1},
}  # fmt: skip
_LONG = {"meter": "m", "metre": "m", "gram": "g", "newton": "N", "joule": "J", "watt": "W",
         "volt": "V", "ampere": "A", "amp": "A", "ohm": "Ω", "pascal": "Pa", "hertz": "Hz",
         "coulomb": "C", "farad": "F", "tesla": "T", "kelvin": "K", "mole": "mol",
         "calorie": "cal", "牛": "N", "牛顿": "N", "焦": "J", "焦耳": "J", "瓦": "W", "瓦特": "W",
         "伏": "V", "伏特": "V", "安": "A", "安培": "A", "欧": "Ω", "欧姆": "Ω", "帕": "Pa",
         "赫兹": "Hz"}  # fmt: skip
_LONG_PREFIXES = {"": "", "milli": "m", "centi": "c", "deci": "d", "kilo": "k", "micro": "u",
                  "nano": "n", "mega": "M"}  # fmt: skip
# Bare "units" measure in whatever the figure is drawn in.
_NEUTRAL = frozenset({
    "unit", "square unit", "sq unit", "sq. unit", "unit^2", "unit2", "cubic unit", "unit^3",
    "单位", "平方单位", "立方单位", "单位长度", "unit of length", "length unit",
})  # fmt: skip
_COUNTED_TEXT = """
apple angle animal arc area arrow axis bag ball banana bead bean bee bike bird boat book bottle
box boy brick bridge bus cake camper can candle candy car card carton case cat chair chicken
child choice circle class coin color colour combination copy cookie cow cube cup curve customer
cut cycle diagonal die digit dog doll dot door duck edge egg element employee face factor family
favorite fish flag flower fold friend fruit game girl glass goal green group guest hat hen
hexagon horse house integer item jar job key kid kite language leaf leg letter line location man
marble match meal member method mouse move movie multiple neighbor number object one option
orange outcome owl page pair paper parrot part passenger path pattern pear pen pencil pentagon
people percentage permutation person piece pig pineapple pizza place plant plate player point
polygon possibility post prime prize problem product question rabbit rectangle region revolution
ribbon road room root rotation route row score seat segment sequence sheep shape shirt shoe side
sign slice solution song spot square stamp star state step stick stone story straw string
student subset sweet table task teacher team term test ticket tie tile time toy train tree
triangle trip truck turn value vegetable vertex visitor vote wafer way wheel window winner woman
word worker year-old zero
"""
_COUNTED = frozenset(_COUNTED_TEXT.split())
_IRREGULAR = {"children": "child", "men": "man", "women": "woman", "mice": "mouse", "dice": "die",
              "vertices": "vertex", "axes": "axis", "leaves": "leaf", "feet": "feet",
              "people": "person", "persons": "person"}  # fmt: skip
_MEASURES = frozenset(
    "个只人名次本张条块颗支辆台件位头棵根瓶箱袋份组种页岁"
    "倍步层级排列盒双对批场包串把朵匹座间家所题道轮"
)
_DENIALS = frozenset("不没非无否错别或和与是对")
# One letter that is as likely a variable needs a space, a decimal or upright type before it.
_LETTERS = frozenset("shgLlNJWVAFCTKBΩ")
_SQUEEZE = re.compile(r"\s*([/^*])\s*")
_LATIN = re.compile(r"[A-Za-z]{3,24}(?: [A-Za-z]{2,24}){0,2}")
_POWERED = re.compile(r"([^\d^]+?)(?:\^?(-?[1-4])| (squared|cubed))")


def singular(word: str) -> str:
    """A noun without its plural, in lower case.

    Examples:
        >>> singular("Boxes"), singular("years"), singular("children"), singular("glass")
        ('box', 'year', 'child', 'glass')
    """
    word = word.lower()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


_Known = tuple[_Vector, Fraction, int]  # the dimension, the factor, the power of pi


@lru_cache(maxsize=1)
def _table() -> dict[str, _Known]:
    table: dict[str, _Known] = {}
    shapes: dict[str, _Vector] = {name: vector for vector, name in _NAMES.items()}
    for dimension, words in _WORDS.items():
        for word, factor in words.items():
            table[word] = (shapes.get(dimension, ((dimension, 1),)), Fraction(factor), 0)
    for symbol, (dimensions, factor, prefixes) in _PREFIXED.items():
        vector = tuple(sorted(dimensions.items()))
        for prefix in ("", *prefixes):
            known = (vector, _PREFIXES.get(prefix, Fraction(1)) * factor, 0)
            table[prefix + symbol] = known
            if prefix == "u":
                table["μ" + symbol] = known
    for name, symbol in _LONG.items():
        for long, prefix in _LONG_PREFIXES.items():
            if prefix + symbol in table:
                table[long + name] = table[prefix + symbol]
    for radian in ("rad", "radian", "弧度"):
        table[radian] = ((("angle", 1),), Fraction(180), -1)
    return table


def _factor(text: str) -> _Known | None:
    """One unit with its power: ``cm^2``, ``square metres``, ``平方厘米``."""
    table = _table()
    for name in (text, text.lower(), singular(text)):
        if name in table:
            return table[name]
    for before, power in (("square ", 2), ("sq ", 2), ("sq. ", 2), ("平方", 2), ("cubic ", 3),
                          ("cu ", 3), ("立方", 3)):  # fmt: skip
        if text.lower().startswith(before):
            return _raised(_factor(text[len(before) :]), power)
    found = _POWERED.fullmatch(text)
    if found:
        power = int(found[2]) if found[2] else 2 + (found[3] == "cubed")
        return _raised(_factor(found[1]), power)
    return None


def _raised(unit: _Known | None, power: int) -> _Known | None:
    if unit is None:
        return None
    vector = tuple((name, exponent * power) for name, exponent in unit[0])
    return vector, unit[1] ** power, unit[2] * power


def _product(text: str) -> _Known | None:
    """Units side by side: ``N*m``, ``kg m^2``."""
    whole = _factor(text)
    parts = re.split(r"[* ]", text) if whole is None else []
    if len(parts) > 4:
        return None
    for part in parts:
        unit = _factor(part)
        if unit is None:
            return None
        whole = unit if whole is None else _times(whole, unit)
    return whole


def _times(a: _Known, b: _Known) -> _Known:
    exponents = dict(a[0])
    for name, exponent in b[0]:
        exponents[name] = exponents.get(name, 0) + exponent
    vector = tuple(sorted((name, e) for name, e in exponents.items() if e))
    return vector, a[1] * b[1], a[2] + b[2]


def _measured(text: str) -> _Known | None:
    """A quotient of units: ``m/s``, ``metres per second``, ``米每秒``, ``每秒米``, ``时速千米``."""
    if "速" in text:
        time, _, length = text.partition("速")
        text = f"{length}/{time}"
    elif text.startswith("每"):
        for end in (3, 2):  # the longer name first
            if _factor(text[1:end]) is not None and len(text) > end:
                text = f"{text[end:]}/{text[1:end]}"
                break
    parts = re.split(r"/| per |每", text)
    if not 1 <= len(parts) <= 3:
        return None
    whole = _product(parts[0])
    for part in parts[1:]:
        unit = _product(part.strip("()"))
        if whole is None or unit is None:
            return None
        inverse = _raised(unit, -1)
        assert inverse is not None
        whole = _times(whole, inverse)
    return whole


@lru_cache(maxsize=2048)
def parse_unit(text: str, upright: bool) -> tuple[Unit | None] | None:
    r"""The unit that `text` names.

    Args:
        text: What follows a value, in canonical text: ``cm^{2}``, ``平方厘米``, ``m/s^2``.
        upright: Whether the text is set apart from the value, so that one letter is not a variable.

    Returns:
        A tuple of one: the unit, or None for a word such as ``units`` that names no dimension.
        None itself where `text` is no unit, and no word or two that could be one.

    Examples:
        >>> parse_unit("cm^{2}", upright=False)
        (Unit(dimension='area', numerator=1, denominator=10000, pi_power=0),)
        >>> parse_unit("gizmos", upright=True)
        (Unit(dimension='unknown:gizmo', numerator=1, denominator=1, pi_power=0),)
        >>> parse_unit("wrong", upright=True)
    """
    plain = _SQUEEZE.sub(r"\1", text.replace("{", "").replace("}", "")).strip(" .,;")
    if plain.startswith("-") and len(plain) > 1:
        plain = plain[1:]  # the hyphen of "12-cm"
    if not plain or len(plain) > 64:
        return None
    if plain.lower() in _NEUTRAL or singular(plain) in _NEUTRAL:
        return (None,)
    if plain in _LETTERS and not upright:
        return None
    found = _measured(plain)
    if found is not None:
        vector, factor, pi_power = found
        dimension = _NAMES.get(vector) or " ".join(
            name if exponent == 1 else f"{name}{exponent}" for name, exponent in vector
        )
        return (Unit(dimension, factor.numerator, factor.denominator, pi_power),)
    if _LATIN.fullmatch(plain):
        noun = " ".join(singular(word) for word in plain.split())
        if set(noun.split()) & _NOT_NOUNS:
            return None
        known = noun.split()[-1] in _COUNTED
        return (Unit(f"{'other:' if known else UNKNOWN}{noun}"),)
    if 0 < len(plain) <= 4 and all("\u4e00" <= character <= "\u9fff" for character in plain):
        if set(plain) & _DENIALS:
            return None
        known = plain[0] in _MEASURES
        return (Unit(f"{'other:' if known else UNKNOWN}{plain}"),)
    return None


_NOT_NOUNS_TEXT = """
a an and as at because but by cannot each for from how if is it maybe minus no none not of only
or perhaps plus probably possibly than that the then there therefore undefined unknown was where
with wrong incorrect false unless without except other another
"""
_NOT_NOUNS = frozenset(_NOT_NOUNS_TEXT.split())

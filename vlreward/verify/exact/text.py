r"""Text to canonical text: one spelling for each symbol, applied to gold and answer alike.

The result still reads as mathematics, with Unicode in place of LaTeX where there is a character:
``\sqrt`` and ``sqrt`` become ``√``, ``\pi`` becomes ``π``, ``\{`` becomes ``⦃``, ``\cdot`` and
``×`` become ``*``. Structure that needs its arguments (``\frac``, ``\text``) is kept.
"""

from __future__ import annotations

import re
import unicodedata

from vlreward.verify.exact.lexer import closing
from vlreward.verify.exact.surd import TooComplex
from vlreward.verify.exact.units import UNKNOWN, parse_unit

__all__ = ["GREEK_LETTERS", "GREEK_NAMES", "MAX_CHARACTERS", "canonical_text", "without_phrases"]

MAX_CHARACTERS = 512
"""Longer golds and answers are `too_complex`."""

# Before NFKC, which would turn a square into the digit 2 and 3½ into 31⁄2.
_BEFORE = {
    **{ord(c): f"_{i}" for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **dict.fromkeys(map(ord, "−‐‑‒–—―﹣－"), "-"),
    **dict.fromkeys(map(ord, "º˚∘"), "°"),
    **dict.fromkeys(map(ord, "×·⋅∙•✕∗＊"), "*"),
    **dict.fromkeys(map(ord, "÷∕⁄"), "/"),
    **dict.fromkeys(map(ord, "∶："), ":"),
    **dict.fromkeys(map(ord, "、"), ","),
    **dict.fromkeys(map(ord, "。．"), "."),
    **dict.fromkeys(map(ord, "≦⩽≤"), "≤"),
    **dict.fromkeys(map(ord, "≧⩾≥"), "≥"),
    **dict.fromkeys(map(ord, "≃≅∼～"), "≈"),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff\u2060"), ""),
    **{ord(c): f" {t}" for c, t in zip("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞", (
        "1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "2/5", "3/5", "4/5", "1/6", "5/6", "1/8",
        "3/8", "5/8", "7/8",
    ))},
    ord("㎜"): "mm", ord("㎝"): "cm", ord("㎞"): "km", ord("㎡"): "m^2", ord("㎥"): "m^3",
    ord("㎠"): "cm^2", ord("㎤"): "cm^3", ord("㎟"): "mm^2", ord("㎢"): "km^2",
    ord("∛"): "\\sqrt[3]", ord("′"): "'", ord("″"): "''", ord("’"): "'",
}  # fmt: skip

GREEK_NAMES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "Gamma", "Delta",
    "Theta", "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega",
)  # fmt: skip
GREEK_LETTERS = "αβγδεζηθικλμνξρστφχψωΓΔΘΛΞΣΦΨΩ"

_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pi": "π", "sqrt": "√", "infty": "∞",
    "pm": "±", "mp": "∓", "cup": "∪", "in": "∈", "le": "≤", "leq": "≤", "leqslant": "≤",
    "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠",
    "approx": "≈", "simeq": "≈", "thickapprox": "≈", "dfrac": "\\frac", "tfrac": "\\frac",
    "cfrac": "\\frac", "degree": "°", "textdegree": "°", "lbrace": "⦃", "rbrace": "⦄",
    "lparen": "(", "rparen": ")", "lbrack": "[", "rbrack": "]", "colon": ":", "dots": "…",
    "ldots": "…", "cdots": "…", "percent": "%", "angle": "∠", "triangle": "△", "lvert": "|",
    "rvert": "|", "vert": "|", "mid": "|", "prime": "'", "quad": " ", "qquad": " ", "space": " ",
    "left": "", "right": "", "big": "", "Big": "", "bigl": "", "bigr": "", "Bigl": "",
    "Bigr": "", "bigg": "", "biggl": "", "biggr": "", "displaystyle": "", "textstyle": "",
    "limits": "", "boxed": "", "fbox": "", "mathstrut": "", "thinspace": "", "unicode": "",
    "varnothing": "∅", "emptyset": "∅", "parallel": "∥", "perp": "⊥", "lg": "\\log_{10}",
    "therefore": "", "because": "",
    **dict(zip(GREEK_NAMES, GREEK_LETTERS)), "varphi": "φ", "vartheta": "θ", "varepsilon": "ε",
    **dict.fromkeys((
        "mathrm", "mbox", "textbf", "textit", "textrm", "textnormal", "rm", "mathbf", "textsf",
        "hbox", "mathit", "mathsf", "mathtt", "texttt", "textsc", "textup", "textsl", "textmd",
        "emph", "underline", "bm", "boldsymbol", "pmb", "operatorname", "mathcal", "mathfrak",
        "bf", "it", "sf", "tt", "em", "bfseries", "itshape", "rmfamily", "tiny", "scriptsize",
        "footnotesize", "small", "normalsize", "large", "Large", "LARGE", "huge", "Huge", "text",
    ), "\\text"),
}  # fmt: skip
_ESCAPES = {
    "{": "⦃", "}": "⦄", "%": "%", "$": "＄", "(": "", ")": "", "[": "", "]": "", ",": " ", ";": " ",
    ":": " ", "!": "", " ": " ", "\\": "\\\\", "&": "&", "|": "|", "_": "_", "#": "#", "/": "/",
}  # fmt: skip

# What a text must hold, a pattern, and what takes its place before commands are read.
_WRITTEN = (
    ("**", re.compile(r"(?<![\w)\]}])\*\*(?=\S)([^*\n]{1,400})(?<=\S)\*\*(?![\w({\\])"), r"\1"),
    ("#", re.compile(r"\A\s*#{1,6}\s+"), ""),
    ("/-", re.compile(r"\+/-"), "±"),
    ("cent", re.compile(r"\bper\s+cent\b"), "percent"),
    ("10", re.compile(r"(?<=\d)\s?[xX]\s?(?=10\s?(?:\^|\*\*))"), "*"),
    ("egative", re.compile(r"(?<![-\w])[nN]egative\s+(?=[\d.√\\$])"), "-"),
    ("inus", re.compile(r"(?<![-\w])[mM]inus\s+(?=[\d.√\\$])"), "-"),
    ("=", re.compile(r"(?<![\w\\}])([a-z])(\d)(?=\s*=)"), r"\1_\2"),  # "x1 = 2, x2 = 3"
    ("//", re.compile(r"(?<=[A-Z])\s*//\s*(?=[A-Z])"), "∥"),
    ("||", re.compile(r"(?<=[A-Z])\s*\|\|\s*(?=[A-Z])"), "∥"),
    ("{\\", re.compile(r"(?<=[\d\s~)}])\{\s*\\(?:rm|bf|it|text)\s+([^{}]*)\}"), r"\\text{\1}"),
    (
        "^",
        re.compile(
            r"(?<=\d)\s?\^\s?(?:\{\s?[oO]\s?\}|[oO](?![A-Za-z])"
            r"|\{\s?\\(?:text|mathrm)\s?\{[oO]\}\s?\}|\\(?:text|mathrm)\s?\{[oO]\})"
        ),
        "°",
    ),
)  # fmt: skip
_COLOR = re.compile(r"\\(?:textcolor|color|colorbox)\s*(?:\[[^\[\]{}]*\])?\s*\{[^{}]*\}")
_CIRCLED = re.compile(r"\\textcircled\s*\{\s*(\d{1,2})\s*\}|[①-⑳]")
_PRIMES = re.compile(r"\^\s*\{\s*((?:'\s*)+)\}|\^\s*('+)")
_REPEATING = re.compile(r"(\d*\.\d*)\\(?:overline|bar|dot)\s*\{(\d{1,20})\}")
_DOTTED = re.compile(r"(\d*\.\d*)\\dot\s*(?:\{(\d)\}|(\d))(\d*)\\dot\s*(?:\{(\d)\}|(\d))")
_CURRENCY_SIGN = re.compile(r"^\s*[-−]?\s*\$\s*(?=\d)")
_MATRIX = re.compile(r"\\begin\s*\{([pb]?matrix)\}((?:(?!\\begin).)*?)\\end\s*\{\1\}", re.DOTALL)
_SYSTEM = re.compile(
    r"(?:\\left\s*\\\{\s*)?\\begin\s*\{(cases|aligned|align\*?|gathered|array)\}(?:\s*\{[^{}]*\})?"
    r"((?:(?!\\begin).)*?)\\end\s*\{\1\}(?:\s*\\right\s*\.)?",
    re.DOTALL,
)
_COMMAND = re.compile(r"\\([a-zA-Z]+|.)", re.DOTALL)
_DEGREE = re.compile(r"\^\s*(?:\{\s*(?:\\circ|°|\\degree)\s*\}|\\circ|°)|\\circ(?![a-zA-Z])")
_SUPERSCRIPTS = re.compile("[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_EMPTY_SCRIPT = re.compile(r"\^\s*\{\s*\}|(?<=[a-z])\^(\d)\^")
_ARRAY = re.compile(
    r"\\left\s*[\[(]\s*\\begin\{array\}\{[^{}]*\}(.*?)\\end\{array\}\s*\\right\s*[\])]",
    re.DOTALL,
)
_SPACES = re.compile(r"\s+")
_TEMPERATURE = re.compile(r"°\s+(?=[CF](?![A-Za-z]))")
_IN_PARENTHESES = re.compile(r"(?<=[\d}π°])\s*\(\s*([A-Za-z\u4e00-\u9fffΩ][^()]{0,23})\s*\)\Z")
_RELATION_WORDS = (("<=", "≤"), (">=", "≥"), ("!=", "≠"), ("==", "="), ("≈=", "≈"), ("**", "^"))


def canonical_text(text: str) -> str:
    r"""One spelling for each symbol; see the module.

    Args:
        text: A gold or an answer, with or without its LaTeX delimiters.

    Returns:
        The canonical text, without whitespace or punctuation at its ends.

    Raises:
        TooComplex: `text` has more than `MAX_CHARACTERS` characters.

    Examples:
        >>> canonical_text(r"$\dfrac{2\sqrt{5}}{5}\,\text{ cm}^{2}$")
        '\\frac{2√{5}}{5} cm ^{2}'
        >>> canonical_text("−5．")
        '-5'
    """
    if len(text) > MAX_CHARACTERS:
        raise TooComplex(f"{len(text)} characters, more than {MAX_CHARACTERS}")
    if text.count("$") == 1:
        text = _CURRENCY_SIGN.sub(lambda found: found.group().replace("$", "\\$"), text)
    if "circled" in text or not text.isascii():
        text = _CIRCLED.sub(_uncircled, text)
    if not text.isascii():
        text = _SUPERSCRIPTS.sub(_lower_superscripts, text.translate(_BEFORE))
        text = unicodedata.normalize("NFKC", text).translate(_BEFORE)
        if len(text) > 2 * MAX_CHARACTERS:  # some characters stand for a whole sentence
            raise TooComplex(f"{len(text)} characters when decomposed")
    if "{,}" in text:
        text = text.replace("{,}", "")
    for needle, pattern, written in _WRITTEN:
        if needle in text:
            text = pattern.sub(written, text)
    if "\\" in text:
        if "\\\\" in text and "\\begin" not in text:
            text = text.replace("\\\\", "\\")  # escaped once too often, as in JSON
        text = text.replace(",\\!", "")
        if "\\begin" in text:
            text = _SYSTEM.sub(_in_rows, _ARRAY.sub(r"\\begin{pmatrix}\1\\end{pmatrix}", text))
        if "}\\boxed" in text:
            text = text.replace("}\\boxed", "},\\boxed")  # one answer per box
        if "\\overline" in text or "\\bar" in text or "\\dot" in text:
            text = _REPEATING.sub(r"\1⟨\2⟩", _DOTTED.sub(_repeated, text))
        if "color" in text:
            text = _COLOR.sub("", text)
        if "\\mathbb" in text:
            text = text.replace("\\mathbb{R}", "ℝ").replace("\\mathbb R", "ℝ")
        if "circ" in text or "degree" in text:
            text = _DEGREE.sub("°", text)
        text = _COMMAND.sub(_replace_command, text)
        if "\\text" in text:
            text = _without_text(text)
        if "\\begin" in text:
            text = _MATRIX.sub(_bracketed, text)
        if "√[2]" in text:
            text = text.replace("√[2]", "√")
    elif "^" in text:
        text = _DEGREE.sub("°", text)
    if "$" in text:
        text = text.replace("$", "")
    if "^" in text:
        text = _PRIMES.sub(lambda m: (m[1] or m[2]).replace(" ", ""), text)
        text = _EMPTY_SCRIPT.sub(lambda m: f"^{m[1]}" if m[1] else "", text).replace("^ ", "^")
    for word, symbol in _RELATION_WORDS:
        if word in text and not (word == "**" and text.startswith("**")):
            text = text.replace(word, symbol)
    if "~" in text:
        text = text.replace("~", " ")
    text = _trim(_SPACES.sub(" ", text))
    if "°" in text:
        text = _TEMPERATURE.sub("°", text)
    if text.endswith(")"):
        text = _IN_PARENTHESES.sub(_unit_behind, text)
    while text.startswith("{") and closing(text, 0, ("{", "}")) == len(text) - 1:
        text = _trim(text[1:-1])
    if text[:1] in ("*", "_"):  # emphasis
        text = _trim(text.strip("*_ "))
    return _PHRASED.get(text.lower(), text).removeprefix("=").lstrip()


_PHRASED = {
    **dict.fromkeys(("no solution", "no solutions", "no real solution", "no real solutions",
                     "empty set", "the empty set", "无解", "⦃⦄", "⦃ ⦄"), "∅"),
    **dict.fromkeys(("all real numbers", "all reals", "any real number", "全体实数", "任意实数"),
                    "ℝ"),
}  # fmt: skip


def _uncircled(match: re.Match[str]) -> str:
    """``①`` as an element of a list."""
    return f" {match[1] or ord(match.group()) - ord('①') + 1},"


def _repeated(match: re.Match[str]) -> str:
    """``0.\\dot{1}4\\dot{2}`` as ``0.⟨142⟩``."""
    return f"{match[1]}⟨{match[2] or match[3]}{match[4]}{match[5] or match[6]}⟩"


def _unit_behind(match: re.Match[str]) -> str:
    """``5 (cm)`` as ``5 cm``."""
    unit = parse_unit(match[1].strip(), upright=True)
    measures = unit and unit[0] and not unit[0].dimension.startswith(UNKNOWN)
    return f" {match[1].strip()}" if measures else match.group()


def _in_rows(match: re.Match[str]) -> str:
    """A system of equations as a list of them; a chain of them, one below the other, as a chain."""
    rows = [row.strip(" \n,;") for row in match[2].replace("&=", "=").split("\\\\")]
    rows = [row for row in rows if row]
    if any("=" not in row or "&" in row or "," in row for row in rows):
        return match.group()
    return ", ".join(rows).replace(", =", " =")


def _bracketed(match: re.Match[str]) -> str:
    """A matrix, row by row, in brackets of its own."""
    rows = match[2].strip()
    while rows.endswith("\\\\"):
        rows = rows[:-2].rstrip()
    return "⟦" + rows.replace("&", ",").replace("\\\\", ";") + "⟧"


_TEXT = re.compile(r"\\text(?![a-zA-Z])\s*")


def _without_text(text: str) -> str:
    """``text`` with the contents of each text command in the place of the command."""
    found = _TEXT.search(text)
    while found:
        start, end = found.end(), found.end()
        inner = " "
        if text[start : start + 1] == "{":
            end = (closing(text, start, ("{", "}")) + 1) or len(text) + 1
            script = text[: found.start()].rstrip()[-1:] in ("_", "^")
            inner = text[start:end] if script else f" {text[start + 1 : end - 1]} "
        text = text[: found.start()] + inner + text[end:]
        found = _TEXT.search(text)
    return text


def _trim(text: str) -> str:
    """Without punctuation at the ends; a leading point is a decimal point."""
    return text.rstrip(' .,;:`"').lstrip(' ,;:`"')


def _replace_command(match: re.Match[str]) -> str:
    name = match.group(1)
    if len(name) == 1 and not name.isalpha():
        return _ESCAPES.get(name, name)
    found = _COMMANDS.get(name)
    return match.group() if found is None else found


def _lower_superscripts(match: re.Match[str]) -> str:
    """``²`` becomes ``^{2}``; a lone ``⁰`` is how some keyboards write a degree."""
    if match.group() == "⁰":
        return "°"
    return f"^{{{unicodedata.normalize('NFKC', match.group())}}}"


_PHRASES = (
    re.compile(
        r"(?i:therefore|thus|hence|so|then|and)\b\s*,?\s*|(?i:(?:final\s)?answer|ans)\s+(?![a-z])"
    ),
    # "The final answer is", "So the area of ABC equals": words alone, then a verb.
    re.compile(
        r"[A-Za-z∠△°,' ]*?\b(?:answer\s*(?:is|:|=)|is equal to|equals|is|are|be|was)\b\s*:?\s*"
        r"(?=\S)"
    ),
    re.compile(r"(?i:answer|solution|result|ans)\s*[:=]\s*"),
    re.compile(
        r"[\u4e00-\u9fffA-Za-z∠△,， ]*?(?:答案|结果|选项)?(?:应该|应|大)?(?:约?[是为]|等于|:|选)\s*"
    ),
    re.compile(r"(?i:option|choice)\s+(?=\(?[A-Ja-j]\b)"),
    re.compile(r"(?i:about|approximately|approx\.?|around|roughly|约|大约)\s*|≈\s*"),
)
_LETTER = re.compile(r"[A-Za-z\u4e00-\u9fff≈]")
_DENIED = re.compile(
    r"(?i:\b(?:not|no|never|isn't|aren't|wasn't|cannot|neither|nor|except|unless|if)\b|n't\b)"
    r"|[不没非无否别错]"
)
_SHORT_LABEL = re.compile(r"[A-Za-z∠△,， ]{0,4}:\s*")


def without_phrases(text: str) -> str:
    """`text` without the sentence in front of a value, such as ``The area is`` or ``答案是``.

    Examples:
        >>> without_phrases("the answer is 12 cm")
        '12 cm'
        >>> without_phrases("面积为12平方厘米")
        '12平方厘米'
    """
    if not _LETTER.match(text):
        return text

    def _means(phrase: str) -> bool:
        """Whether a phrase says more than that the value follows: a denial, ``AB:`` of a ratio."""
        return bool(_DENIED.search(phrase) or _SHORT_LABEL.fullmatch(phrase))

    for _ in range(3):
        before = text
        for pattern in _PHRASES:
            found = pattern.match(text)
            if found and 0 < found.end() < len(text) and not _means(found.group()):
                text = _trim(text[found.end() :])
        if text == before or not _LETTER.match(text):
            break
    return text

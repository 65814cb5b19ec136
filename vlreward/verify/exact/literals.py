"""Digits to numbers, within bounds."""

from __future__ import annotations

from vlreward.verify.exact.surd import Surd, TooComplex, rational

__all__ = ["decimal", "integer"]

_MAX_DIGITS = 1000
_MAX_SCALE = 400


def integer(text: str) -> int:
    """The value of a run of digits."""
    if len(text) > _MAX_DIGITS:
        raise TooComplex(f"an integer of more than {_MAX_DIGITS} digits")
    return int(text)


def decimal(text: str) -> tuple[Surd, int | None]:
    """The exact value of ``12.50`` or ``1.5e-3``, and the decimal places that it shows.

    The places are None where the text has neither a decimal point nor a negative exponent.
    """
    if text.endswith("⟩"):
        return _repeating(text), None
    mantissa, _, scale = text.replace("E", "e").partition("e")
    whole, point, decimals = mantissa.partition(".")
    if len(scale) > 6:
        raise TooComplex("an exponent of more than five digits")
    exponent = (int(scale) if scale else 0) - len(decimals)
    if abs(exponent) > _MAX_SCALE:
        raise TooComplex(f"a decimal exponent beyond {_MAX_SCALE}")
    places = max(0, -exponent) if point or exponent < 0 else None
    digits = integer(whole + decimals)
    if exponent >= 0:
        return rational(digits * 10**exponent), places
    return rational(digits, 10**-exponent), places


def _repeating(text: str) -> Surd:
    """``0.1⟨6⟩`` is 0.1666..., exactly."""
    whole, _, rest = text[:-1].partition(".")
    fixed, _, period = rest.partition("⟨")
    nines = (10 ** len(period) - 1) * 10 ** len(fixed)
    return rational(integer(whole + fixed + period) - integer(whole + fixed or "0"), nines)

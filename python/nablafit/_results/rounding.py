"""Rounding of numbers with an uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence


def error_digits(error: float) -> int:
    """Significant digits of an uncertainty by the rule of the Particle Data Group.

    With its three leading digits: 100 to 354 two, 355 to 949 one, 950 to 999 two after rounding up
    to 1000 (Review of Particle Physics, introduction, section 5.3).
    """
    leading = round(error / 10 ** (math.floor(math.log10(error)) - 2))
    return 1 if 355 <= leading <= 949 else 2


def pdg_round(value: float, error: float, *, extra: int = 0) -> tuple[str, str]:
    """Format a value and its uncertainty to the digits that the uncertainty justifies.

    Without an uncertainty (zero or not finite) the value gets five significant digits and the
    uncertainty is an empty string. `extra` digits are added to those of the rule.
    """
    if not math.isfinite(value) or not math.isfinite(error) or error <= 0:
        return f"{value:.5g}", ""
    number, uncertainty = rounded_to((value, error), error, extra=extra)
    return number, uncertainty


def rounded_to(values: Sequence[float], error: float, *, extra: int = 0) -> list[str]:
    """Format finite numbers to the digits, and the power of ten, that go with an uncertainty."""
    exponent = math.floor(math.log10(error))
    if round(error / 10 ** (exponent - 2)) >= 950:
        exponent += 1
    decimals = error_digits(error) - 1 - exponent + extra
    largest = max(map(abs, values))
    if -exponent > 5 or largest >= 1e6:
        power = math.floor(math.log10(largest))
        digits = max(decimals + power, 0)
        return [f"{value / 10**power:.{digits}f}e{power:+d}" for value in values]
    decimals = max(decimals, 0)
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]

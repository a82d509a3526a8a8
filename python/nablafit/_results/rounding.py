"""Rounding of numbers with an uncertainty."""

from __future__ import annotations

import math


def error_digits(error: float) -> int:
    """Significant digits of an uncertainty by the rule of the Particle Data Group.

    With its three leading digits: 100 to 354 two, 355 to 949 one, 950 to 999 two after rounding up
    to 1000 (Review of Particle Physics, introduction, section 5.3).
    """
    leading = round(error / 10 ** (math.floor(math.log10(error)) - 2))
    return 1 if 355 <= leading <= 949 else 2


def pdg_round(value: float, error: float) -> tuple[str, str]:
    """Format a value and its uncertainty to the digits that the uncertainty justifies.

    Without an uncertainty (zero or not finite) the value gets five significant digits and the
    uncertainty is an empty string.
    """
    if not math.isfinite(value) or not math.isfinite(error) or error <= 0:
        return f"{value:.5g}", ""
    exponent = math.floor(math.log10(error))
    if round(error / 10 ** (exponent - 2)) >= 950:
        exponent += 1
    decimals = error_digits(error) - 1 - exponent
    if -exponent > 5 or max(abs(value), error) >= 1e6:
        return _with_exponent(value, error, decimals)
    decimals = max(decimals, 0)
    return f"{round(value, decimals) + 0.0:.{decimals}f}", f"{error:.{decimals}f}"


def _with_exponent(value: float, error: float, decimals: int) -> tuple[str, str]:
    """Both numbers with the power of ten of the larger one."""
    power = math.floor(math.log10(max(abs(value), error)))
    digits = max(decimals + power, 0)
    return (
        f"{value / 10**power:.{digits}f}e{power:+d}",
        f"{error / 10**power:.{digits}f}e{power:+d}",
    )

"""Methods for templates of systematic variations: symmetrisation and smoothing.

All take yields per bin, in events, and return new arrays; the nominal template never changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import nearest
from ..errors import ArgumentError, located

if TYPE_CHECKING:
    from .._arrays import FloatArray

__all__ = ["SMOOTHINGS", "SYMMETRISATIONS", "chosen", "smoothed", "symmetrised"]


def chosen(name: object, known: tuple[str, ...], where: str) -> str:
    """Return the name of a method; raise ArgumentError that suggests the nearest one."""
    if isinstance(name, str) and name in known:
        return name
    hint = nearest(name, known) if isinstance(name, str) else f"; known: {', '.join(known)}"
    raise located(ArgumentError, f"found {name!r}, which does not exist{hint}", where)


# --- symmetrisation ------------------------------------------------------------------------------


SYMMETRISATIONS = ("one-sided", "mean", "absolute mean", "maximum")


def symmetrised(
    nominal: FloatArray, low: FloatArray | None, high: FloatArray | None, method: str
) -> tuple[FloatArray, FloatArray]:
    """Return variations with the same deviation d from nominal on both sides, bin by bin.

    Parameters
    ----------
    nominal, low, high : array, shape (n_bins,)
        Yields; one of the variations may be None, which leaves "one-sided" alone.
    method : {"one-sided", "mean", "absolute mean", "maximum"}
        With u = high - nominal and l = nominal - low: "one-sided" mirrors the side that is given,
        d = u or d = l; "mean" is d = (u + l) / 2; "absolute mean" is d = (abs(u) + abs(l)) / 2 and
        "maximum" d = max(abs(u), abs(l)), both with the sign of u.

    Returns
    -------
    low, high : array, shape (n_bins,)
        nominal - d and nominal + d.
    """
    if low is None or high is None:
        deviation = nominal * 0.0
        if high is not None:
            deviation = high - nominal
        elif low is not None:
            deviation = nominal - low
        return nominal - deviation, nominal + deviation
    up, down = high - nominal, nominal - low
    sign = np.where(up != 0.0, np.sign(up), np.sign(down))
    if method == "absolute mean":
        deviation = sign * (np.abs(up) + np.abs(down)) / 2.0
    elif method == "maximum":
        deviation = sign * np.maximum(np.abs(up), np.abs(down))
    else:
        deviation = (up + down) / 2.0
    return nominal - deviation, nominal + deviation


# --- smoothing -----------------------------------------------------------------------------------


def _running_medians(y: FloatArray) -> FloatArray:
    """Take running medians of 3, 5 and 3, with Friedman's rule for the ends."""
    n = y.size
    for step, width in enumerate((3, 5, 3)):
        half = width // 2
        z = y.copy()
        if n >= width:
            windows = np.lib.stride_tricks.sliding_window_view(y, width)
            z[half : n - half] = np.median(windows, axis=1)
        if step == 0:
            z[0] = np.median([3.0 * z[1] - 2.0 * z[2], y[0], z[1]])
            z[-1] = np.median([z[-2], y[-1], 3.0 * z[-2] - 2.0 * z[-3]])
        elif step == 1:
            z[1], z[-2] = np.median(y[:3]), np.median(y[-3:])
        y = z
    return y


def _quadratic_hanning(z: FloatArray) -> FloatArray:
    """Parabolas over flat peaks and valleys of three bins, then running means (1/4, 1/2, 1/4)."""
    y = z.copy()
    for i in range(2, z.size - 2):
        left, right = z[i - 2] - z[i], z[i + 2] - z[i]
        if z[i - 1] != z[i] or z[i] != z[i + 1] or left * right <= 0.0:
            continue
        k = -1 if abs(right) > abs(left) else 1
        y[i] = -0.5 * z[i - 2 * k] + z[i] / 0.75 + z[i + 2 * k] / 6.0
        y[i + k] = 0.5 * (z[i + 2 * k] - z[i - 2 * k]) + z[i]
    smooth = y.copy()
    smooth[1:-1] = 0.25 * y[:-2] + 0.5 * y[1:-1] + 0.25 * y[2:]
    return smooth


def _twice_353qh(ratio: FloatArray) -> FloatArray:
    """Smooth, then smooth the residuals and add them (Friedman, CERN 74-23)."""
    smooth = _quadratic_hanning(_running_medians(ratio))
    result = smooth + _quadratic_hanning(_running_medians(ratio - smooth))
    return result if ratio.min() < 0.0 else np.maximum(result, 0.0)


def _gaussian(ratio: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean over neighbours, weighted by their yield and a Gaussian of one bin's width."""
    bins = np.arange(ratio.size)
    kernel = np.exp(-0.5 * (bins[:, np.newaxis] - bins) ** 2) * weights
    return np.asarray(kernel @ ratio / kernel.sum(axis=1))


SMOOTHINGS = ("353QH twice", "gaussian")
SMALLEST_SMOOTHED = 3
"""Fewer bins than this are left alone."""


def smoothed(nominal: FloatArray, variation: FloatArray, method: str) -> FloatArray:
    """Return a variation whose ratio to nominal is smooth and whose sum is the same.

    Parameters
    ----------
    nominal, variation : array, shape (n_bins,)
        Yields along one axis. Bins without nominal yield are left out and stay as they are;
        with fewer than three others, nothing changes.
    method : {"353QH twice", "gaussian"}
        "353QH twice": running medians of 3, 5 and 3 bins, parabolas over flat tops, running means,
        and the same for the residuals, as TH1::Smooth of ROOT and cabinetry have it.
        "gaussian": the mean over all bins, weighted by nominal yield and a Gaussian of the distance
        whose sigma is one bin (Nadaraya and Watson).

    Returns
    -------
    array, shape (n_bins,)
        Yields.
    """
    filled = nominal > 0.0
    if np.count_nonzero(filled) < SMALLEST_SMOOTHED:
        return variation
    weights, before = nominal[filled], variation[filled]
    ratio = before / weights
    after = weights * (_gaussian(ratio, weights) if method == "gaussian" else _twice_353qh(ratio))
    result = variation.copy()
    total = after.sum()
    result[filled] = after * before.sum() / total if total != 0.0 else before
    return result

"""Models of one channel, as `pyhf.simplemodels` has them: the same likelihoods and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Model
from ._builders import ModelBuilder

if TYPE_CHECKING:
    from ._histograms import HistogramLike
    from ._samples import SampleBuilder

__all__ = ["correlated_background", "uncorrelated_background"]


def _signal_and_background(
    channel: str, signal: HistogramLike, background: HistogramLike
) -> tuple[ModelBuilder, SampleBuilder]:
    builder = ModelBuilder(poi="mu")
    region = builder.channel(channel)
    region.sample("signal", signal, stat_error=False).norm_factor("mu")
    return builder, region.sample("background", background, stat_error=False)


def uncorrelated_background(
    signal: HistogramLike, background: HistogramLike, uncertainties: HistogramLike
) -> Model:
    """Return the model of a signal over a background whose bins are uncertain independently.

    Parameters
    ----------
    signal, background : histogram or array_like, shape (n_bins,)
        Expected events per bin.
    uncertainties : array_like, shape (n_bins,)
        Of the background, absolute, in events: Pois(tau | gamma tau), tau = (yield /
        uncertainty)^2.

    Returns
    -------
    Model
        With the parameters mu and uncorr_bkguncrt[bin], channel "singlechannel";
        `model.data(counts)` makes its data.

    Examples
    --------
    >>> import nablafit as nf
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> result = nf.fit(model, model.data([51, 48]))
    """
    builder, sample = _signal_and_background("singlechannel", signal, background)
    sample.shape_sys("uncorr_bkguncrt", uncertainties)
    return Model(builder.build())


def correlated_background(
    signal: HistogramLike, background: HistogramLike, *, low: HistogramLike, high: HistogramLike
) -> Model:
    """Return the model of a signal over a background with one common variation.

    Parameters
    ----------
    signal, background : histogram or array_like, shape (n_bins,)
        Expected events per bin.
    low, high : histogram or array_like, shape (n_bins,)
        Background at -1 and +1 of the parameter correlated_bkg_uncertainty; by keyword, for pyhf
        has the upper one first.

    Returns
    -------
    Model
        With the parameters correlated_bkg_uncertainty and mu, channel "single_channel".

    Examples
    --------
    >>> import nablafit as nf
    >>> model = nf.build.correlated_background([12, 11], [50, 52], low=[45, 57], high=[55, 47])
    >>> result = nf.fit(model, model.data([51, 48]))
    """
    builder, sample = _signal_and_background("single_channel", signal, background)
    sample.histo_sys("correlated_bkg_uncertainty", low, high)
    spec = builder.build()
    mu, alpha = spec.parameters
    return Model(spec.replace(parameters=(alpha, mu)))  # pyhf's order

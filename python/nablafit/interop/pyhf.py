"""Models of pyhf, and pyhf's inference on nablafit's core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._pyhf_model import from_pyhf, require_pyhf

if TYPE_CHECKING:
    from pyhf.optimize.mixins import OptimizerMixin

    from ._pyhf_optimizer import NablafitOptimizer, ReplacedMinuit

__all__ = ["from_pyhf", "optimizer", "replace_minuit"]


def optimizer(
    *,
    tolerance: float = 1e-11,
    maxiter: int | None = None,
    fallback: OptimizerMixin | None = None,
) -> NablafitOptimizer:
    """Return an optimizer with which pyhf's own functions run on nablafit's core.

    `pyhf.set_backend("numpy", nablafit.interop.pyhf.optimizer())`, and `pyhf.infer` fits with exact
    derivatives; the code that calls it stays as it is. For code that chooses pyhf's MINUIT by
    itself, as cabinetry does for every fit, there is `replace_minuit`.

    Parameters
    ----------
    tolerance : float
        As in `nablafit.fit`. The default makes minima equal to rounding, which pyhf needs where the
        best fit is at a bound: it divides by differences of them.
    maxiter : int, optional
        Largest number of Newton iterations. Options of a single fit override both.
    fallback : pyhf optimizer, optional
        Optimizer for the fits that nablafit cannot do; default: pyhf's MINUIT.

    Returns
    -------
    NablafitOptimizer
        It compiles each pyhf model at its first fit, checks that -2 log L agrees with pyhf's there,
        and keeps it as long as the pyhf model lives. Values, bounds, constness and data are those
        that pyhf passes, so changes of the model's configuration take effect at once; templates
        are those from when the pyhf model was made.

    Raises
    ------
    ImportError
        If pyhf is not installed.

    Notes
    -----
    A model that cannot be compiled, or an objective other than `pyhf.infer.mle.twice_nll`, is left
    to the fallback with a FitWarning. Uncertainties are those of the exact Hessian: for parameters
    with bounds they differ from MINUIT's by up to a percent, because of its sine transform.
    Models with variations that may lead to several minima, one-sided ones for instance, are fitted
    from several starts, and the lowest minimum counts.

    Examples
    --------
    >>> import pyhf
    >>> from nablafit.interop.pyhf import optimizer
    >>> backend, theirs = pyhf.get_backend()
    >>> pyhf.set_backend(backend, optimizer())
    >>> model = pyhf.simplemodels.uncorrelated_background([12], [50], [3])
    >>> print(f"{pyhf.infer.mle.fit([51, *model.config.auxdata], model)[0]:.3f}")
    0.083
    >>> pyhf.set_backend(backend, theirs)
    """
    require_pyhf()
    from ._pyhf_optimizer import NablafitOptimizer

    return NablafitOptimizer(tolerance=tolerance, maxiter=maxiter, fallback=fallback)


def replace_minuit(*, tolerance: float = 1e-11, maxiter: int | None = None) -> ReplacedMinuit:
    """Make pyhf's `minuit_optimizer` run on nablafit's core, at once.

    cabinetry chooses pyhf's MINUIT for every fit, whatever was set before:

        with nablafit.interop.pyhf.replace_minuit():
            cabinetry.fit.ranking(model, data)

    Arguments, cache and fallback are those of `optimizer`. It affects the whole process, including
    other threads: as a context until that ends, without `with` until `restore` of what is returned
    is called.

    Examples
    --------
    >>> import pyhf
    >>> from nablafit.interop.pyhf import replace_minuit
    >>> model = pyhf.simplemodels.uncorrelated_background([12], [50], [3])
    >>> backend, before = pyhf.get_backend()
    >>> with replace_minuit():
    ...     pyhf.set_backend(backend, pyhf.optimize.minuit_optimizer())
    ...     best = pyhf.infer.mle.fit([57, *model.config.auxdata], model)
    >>> pyhf.set_backend(backend, before)
    >>> print(f"{best[0]:.3f}")
    0.583
    """
    ours = optimizer(tolerance=tolerance, maxiter=maxiter)
    from ._pyhf_optimizer import ReplacedMinuit

    return ReplacedMinuit(ours)

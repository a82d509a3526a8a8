"""Upper limits on one parameter of interest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from ..._results.origin import remembers_origin
from ...errors import ArgumentError, located
from .._common import check_choice
from ..testing._hypothesis import make_hypothesis
from ..testing._profile import Fits, until_settled
from ..testing.hypotest import CALCULATORS
from ._asymptotic import limit_from, prepare
from ._curves import grid_values
from ._search import Criterion
from ._toys import ToyPlan, toy_limit
from .results import LimitResult

if TYPE_CHECKING:
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model


@remembers_origin
def upper_limit(
    model: Model,
    data: Data,
    *,
    poi: str | None = None,
    level: float = 0.95,
    values: ArrayLike | None = None,
    statistic: str = "qtilde",
    criterion: str = "CLs",
    calculator: str = "asymptotic",
    interpolation: str = "log",
    tolerance: float = 1e-8,
    n_curve: int = 0,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int | None = None,
    n_toys: int = 2000,
    seed: int = 0,
    start: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> LimitResult:
    """Find the observed and the expected upper limits.

    The limit is the value at which CLs, see `hypotest`, falls to 1 - level. Without `values`, all
    six limits are found together by Newton's method along the profile likelihoods of observed and
    Asimov data. The search may leave the range of the parameter, which is noted in the result.

    Parameters
    ----------
    model, data, poi, calculator, bounds, fixed, starts
        As in `hypotest`; `model.asimov({"mu": 1})` as data for expected results.
    level : float
        Confidence level.
    values : array_like, optional
        Test these values of the parameter only and interpolate between them. With toys the default
        is 12 values about the asymptotic limits.
    statistic : {"qtilde", "q"}
        As in `hypotest`.
    criterion : {"CLs", "CLs+b"}
        Which p-value falls to 1 - level.
    interpolation : {"log", "linear"}
        Between `values`: linear in the logarithm of the p-value, or in itself as in pyhf.
    tolerance : float
        Accepted relative error of the search.
    n_curve : int
        Number of values to test after the search too, from 0 to beyond all limits, until the
        observed and the median expected CLs have fallen below 0.35 (1 - level): points for plots.
        The limits are the same. Not with `values` or toys, which have points of their own.
    n_toys, seed, start, n_threads, progress
        As in `hypotest`, for each value; all values share the toys without signal.

    Returns
    -------
    LimitResult
        A failed fit at one value, or a limit that was not found, has a status of its own and does
        not affect the others.

    Raises
    ------
    ArgumentError, Interrupted
        As in `hypotest`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> limit = nf.upper_limit(model, data)
    >>> print(f"observed {limit.observed:.3f}, expected {limit.expected[2]:.3f}")
    observed 1.642, expected 1.091
    >>> nf.upper_limit(model, data, values=np.linspace(0, 3, 7)).method
    'log'
    """
    check_choices(statistic, criterion, level, tolerance)
    check_choice("calculator", calculator, CALCULATORS)
    check_choice("interpolation", interpolation, ("log", "linear"))
    if n_curve < 0 or (n_curve and (values is not None or calculator != "asymptotic")):
        message = f"expected 0, or more for an asymptotic search without `values`, got {n_curve}"
        raise located(ArgumentError, message, "n_curve")
    hypothesis = make_hypothesis(
        model, 1.0, poi=poi, statistic=statistic, bounds=bounds, fixed=fixed
    )
    rule = Criterion(criterion, statistic, level)
    grid = None if values is None else grid_values(values)
    if calculator == "asymptotic":
        fits = Fits(starts, n_threads)

        def work() -> LimitResult:
            ready = prepare(hypothesis, data, rule, fits, tolerance=tolerance)
            return limit_from(ready, rule, grid, interpolation, n_curve)

        return until_settled(fits, work)
    plan = ToyPlan(n_toys, seed, start, starts, n_threads, progress)
    return toy_limit(hypothesis, data, rule, grid, plan, interpolation=interpolation)


def check_choices(statistic: str, criterion: str, level: float, tolerance: float) -> None:
    """Raise ArgumentError for arguments that do not define a limit."""
    check_choice("statistic", statistic, ("qtilde", "q"))
    check_choice("criterion", criterion, ("CLs", "CLs+b"))
    for name, value in (("level", level), ("tolerance", tolerance)):
        if not 0 < value < 1:
            message = f"expected a number between 0 and 1, got {value}"
            raise located(ArgumentError, message, name)

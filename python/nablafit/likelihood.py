"""The function that is minimised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from . import _core, _diff
from ._arrays import FloatArray, ParameterValues, float_vector
from ._core import EvaluationStatus
from .data import check_data
from .errors import ArgumentError, Error, located
from .inputs import InputGradient

if TYPE_CHECKING:
    from iminuit.cost import Cost, CostSum

    from .data import Data
    from .model import Model

__all__ = ["DEFAULT_BACKEND", "Likelihood", "PointStatus"]

DEFAULT_BACKEND = str(_core.build_info()["backends"][0])
"""How derivatives are obtained unless something else is asked for: "clad" in usual builds."""

_OF_BINS = {EvaluationStatus.negative_yield, EvaluationStatus.not_finite}
_MESSAGES = {
    EvaluationStatus.negative_yield: (
        "the expected yield is negative, or zero where events were observed"
    ),
    EvaluationStatus.not_finite: "the expected yield is infinite or undefined",
    EvaluationStatus.outside_support: "the constraint term has no density at this value",
    EvaluationStatus.invalid_parameter: "not a finite number",
}


@dataclass(frozen=True)
class PointStatus:
    """Whether the likelihood is defined at a point, and if not, why and where."""

    status: EvaluationStatus
    where: str
    """Channel and bin, or parameter; empty where all is well."""
    message: str

    def __bool__(self) -> bool:
        return self.status is EvaluationStatus.ok


class Likelihood(_core.Likelihood):
    """Minus the logarithm of the likelihood, in deviance form, and its derivatives.

    `likelihood(x)` is -log[L(x) / L_saturated], which is small near the minimum and keeps its
    digits there; -log L(x) = likelihood(x) + constant. Twice its value is the goodness-of-fit
    statistic of the saturated model. Where an expected yield is negative, or a constraint term has
    no density, it is +infinity and `status(x)` says why. No method gives a NaN but `hessian` and
    `hvp`, which are filled with it where they do not exist.

    Parameters
    ----------
    model : Model
        The model.
    data : Data
        What was measured.
    backend : str
        How derivatives are obtained. "clad": one sweep over kernels that Clad differentiated, the
        default and the fastest. The others differentiate a plain reference evaluator: "codipack"
        in reverse mode over a tape (only where `build_info()["backends"]` lists it), "forward" in
        forward mode, both exact; "finite-difference" by central differences and
        "minuit-difference" as MINUIT does by itself.

    Notes
    -----
    `x` is an array of shape (n_parameters,), fastest as C-contiguous float64; sequences and
    mappings by name are converted. `likelihood`, `grad` and `hessian` also take one number per
    parameter, `likelihood(*x)`: that is iminuit's cost protocol, so `Minuit(likelihood, *start)`
    finds names, limits, gradient and errordef by itself, and `likelihood + NormalConstraint(...)`
    is a cost function. Minuit is not told of the Hessian: it fails where one that it was given is
    not positive definite. A cost function cannot tell it which parameters are fixed either;
    `interop.iminuit.make_minuit` does.

    An object may be used from any number of threads at once. Each running call borrows an evaluator
    with its own scratch memory; the GIL is released while it works.
    """

    errordef = 0.5
    has_grad = True
    has_hessian = False
    verbose = 0

    def __init__(self, model: Model, data: Data, *, backend: str = DEFAULT_BACKEND) -> None:
        try:
            super().__init__(model._core, data.counts, data.global_observables, backend)
        except (Error, AttributeError):
            check_data(model, data)
            raise
        self._model = model
        self._data = data
        self._backend = backend
        self._parameters = dict(zip(model.parameters, model.bounds, strict=True))

    def __reduce__(self) -> tuple[object, tuple[Model, Data, str]]:
        return _restore, (self._model, self._data, self._backend)

    def __repr__(self) -> str:
        return f"<Likelihood of {self._model!r}>"

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def data(self) -> Data:
        """What was measured."""
        return self._data

    @property
    def backend(self) -> str:
        """How derivatives are obtained."""
        return self._backend

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._model.parameters

    @property
    def npar(self) -> int:
        """Number of parameters, for iminuit."""
        return self._model.n_parameters

    @property
    def ndata(self) -> int:
        """Number of bins and constraint terms: iminuit's reduced chi-square uses it."""
        return self._data.counts.size + self._data.global_observables.size

    @cached_property
    def prefit(self) -> tuple[FloatArray, FloatArray]:
        """Centre and width of every constraint term, see `Model.prefit`."""
        return self._model.prefit(self._data)

    def status(self, x: ParameterValues) -> PointStatus:
        """Say whether the likelihood is defined at `x`."""
        _, status, index = self._evaluation(x)
        if status is EvaluationStatus.ok:
            return PointStatus(status, "", "The likelihood is defined here.")
        if status is EvaluationStatus.overflow:
            return PointStatus(status, "", "The value is beyond the range of a double here.")
        where = self._bin_name(index) if status in _OF_BINS else self.parameters[index]
        return PointStatus(status, where, f"{where}: {_MESSAGES[status]}")

    def input_gradient(self, x: ParameterValues, *, of: str = "nll") -> InputGradient:
        """Return the derivatives at `x` with respect to inputs of the model and to data.

        Parameters
        ----------
        x : array_like or mapping
            Parameter values.
        of : {"nll", "deviance"}
            Of -log L, the whole likelihood with the terms that depend on data and widths alone, or
            of the value of this function, -log(L / L_saturated), whose derivative with respect to
            a count is -infinity at a count of zero.

        Returns
        -------
        InputGradient
            Exact derivatives, whatever the backend; see `Model.inputs` for their order. A bin
            whose yield and count are both zero has derivative 0 by its count.

        Raises
        ------
        ArgumentError
            If there is no likelihood at `x`, see `status`.
        """
        if of not in ("nll", "deviance"):
            raise located(ArgumentError, f'expected "nll" or "deviance", got {of!r}', "of")
        point = self._model.point(x)
        return InputGradient(*_diff.full_gradient(self, point, of == "deviance")[1:])

    def _bin_name(self, index: int) -> str:
        for name, bins in self._model.channel_bins.items():
            if index < bins.stop:
                return f"{name}[{index - bins.start}]"
        return f"bin {index}"

    def _as_vector(self, x: ParameterValues) -> FloatArray:
        """Convert what the core does not take as it is; called by it."""
        if isinstance(x, Mapping):
            return self._model.point(x)
        return float_vector(x, self._model.n_parameters, "x")

    def __add__(self, other: Cost | float) -> CostSum:
        """Add another cost function, e.g. a constraint of `iminuit.cost`."""
        from iminuit.cost import CostSum

        return CostSum(self, other)

    def __radd__(self, other: Cost | float) -> CostSum:
        from iminuit.cost import CostSum

        return CostSum(other, self)


def _restore(model: Model, data: Data, backend: str) -> Likelihood:
    return Likelihood(model, data, backend=backend)

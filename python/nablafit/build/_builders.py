"""Models built step by step, as `nablafit/builder.hpp` does in C++."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from .._arrays import name_tuple, real_number
from ..errors import ArgumentError, SpecError, located
from ..spec import (
    Channel,
    ChannelCounts,
    Constraint,
    GaussianConstraint,
    ModelSpec,
    Observations,
    Parameter,
    Transformation,
    validate,
)
from ..workspace import Workspace
from ._histograms import not_negative, read_binning
from ._parameters import Parameters, check_name, optional_number
from ._samples import BIN_CONSTRAINTS, LUMI, Bins, SampleBuilder
from ._templates import chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from .._arrays import FloatArray
    from ._histograms import HistogramLike

__all__ = ["ChannelBuilder", "ModelBuilder"]

_PLACE = re.compile(r"(channels|samples|modifiers|parameters)\[(\d+)\]")


class ChannelBuilder:
    """One channel of a model. Made by `ModelBuilder.channel`.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33], edges=[0, 50, 100])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05).histo_sys("jes", [49.0, 31.0], [51.0, 28.0])
    >>> region.observed([50, 31]).name
    'SR'
    """

    def __init__(
        self,
        name: str,
        parameters: Parameters,
        stat_constraint: str,
        stat_threshold: float,
        yield_floor: float | None,
    ) -> None:
        self._bins = Bins(name, parameters)
        self._stat = (stat_constraint, stat_threshold)
        self._yield_floor = yield_floor
        self._samples: list[SampleBuilder] = []
        self._observed: FloatArray | None = None

    def __repr__(self) -> str:
        return f"<ChannelBuilder {self.name!r}: {len(self._samples)} samples>"

    @property
    def name(self) -> str:
        """Name of the channel."""
        return self._bins.channel

    def sample(
        self,
        name: str,
        histogram: HistogramLike,
        *,
        uncertainties: HistogramLike | None = None,
        stat_error: bool | None = None,
        yield_floor: float | None = None,
        factor_floor: float | None = None,
    ) -> SampleBuilder:
        """Add a sample.

        Parameters
        ----------
        name : str
            Its name.
        histogram : histogram or array_like, shape (n_bins,)
            Expected events per bin, before modifiers: a histogram with `values()` and `axes` (hist,
            boost-histogram, uproot; under- and overflow are left out), a pair of contents and edges
            as `np.histogram` returns, or an array. Of several axes the last is the fastest.
        uncertainties : array_like, shape (n_bins,), optional
            Statistical, absolute, in events; by default those of the histogram.
        stat_error : bool, optional
            Whether the sample has a `stat_error` modifier; by default if it has uncertainties.
        yield_floor : float, optional
            Lower limit on nominal yield plus additive variations, per bin (RooFit: 0).
        factor_floor : float, optional
            Lower limit on the product of the norm_sys factors.

        Returns
        -------
        SampleBuilder
            Takes modifiers.

        Raises
        ------
        SpecError
            If the bins are not those of the channel, or the name exists.
        """
        place = f"{self._bins.place}, sample {name!r}"
        check_name(name, place)
        if any(sample.name == name for sample in self._samples):
            message = "found a second sample of this name, expected different names"
            raise located(SpecError, message, place)
        read = self._bins.read(histogram, place)
        errors = None if read.variances is None else np.sqrt(read.variances)
        if uncertainties is not None:
            errors = self._bins.read(uncertainties, f"{place}, uncertainties").values
            not_negative(errors, f"{place}, uncertainties")
        given = {"yield_floor": yield_floor, "factor_floor": factor_floor}
        floors = {key: optional_number(x, f"{place}, {key}") for key, x in given.items()}
        sample = SampleBuilder(self._bins, name, read, errors, floors)
        self._samples.append(sample)
        if stat_error or (stat_error is None and errors is not None):
            sample.stat_error()
        return sample

    def observed(self, counts: HistogramLike) -> ChannelBuilder:
        """Set the observed events per bin: a histogram or array_like of shape (n_bins,)."""
        place = f"{self._bins.place}, observed"
        values = self._bins.read(counts, place).values
        not_negative(values, place)
        self._observed = values
        return self

    def _made(self) -> Channel:
        if not self._samples:
            raise located(SpecError, "found no sample, expected at least one", self._bins.place)
        self._set_stat_widths()
        samples = [sample.made() for sample in self._samples]
        return Channel(self.name, samples, self._bins.axes(), self._yield_floor)

    def _set_stat_widths(self) -> None:
        """Give the gammas the relative uncertainty of the sum of the samples that have them."""
        constraint, threshold = self._stat
        totals: dict[tuple[str, ...], FloatArray] = {}
        squares: dict[tuple[str, ...], FloatArray] = {}
        for sample in self._samples:
            for modifier in sample.stat_errors:
                key = modifier.parameters
                totals[key] = totals.get(key, 0.0) + sample.nominal
                squares[key] = squares.get(key, 0.0) + np.square(modifier.uncertainties)
        for names, total in totals.items():
            widths = np.sqrt(squares[names]) / np.where(total > 0.0, total, np.inf)
            for name, width in zip(names, widths.tolist(), strict=True):
                is_held = width < threshold
                self._bins.parameters.set_width(name, width, constraint, is_held=is_held)


class ModelBuilder:
    """Builds a `ModelSpec` and its data step by step.

    Parameters are in the order of their first use. What `build` and `workspace` return is
    independent of the builder, which can go on.

    Parameters
    ----------
    name : str
        Name of the model: that of the measurement in files.
    poi : str or iterable of str, optional
        Parameters of interest.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05)
    >>> workspace = builder.workspace()
    >>> model = workspace.model()
    >>> nf.fit(model, workspace.data(model)).valid
    True
    """

    def __init__(self, name: str = "model", *, poi: str | Iterable[str] | None = None) -> None:
        self._name = check_name(name, "model")
        self._pois = () if poi is None else name_tuple(poi, "poi")
        self._parameters = Parameters()
        self._channels: dict[str, ChannelBuilder] = {}

    def __repr__(self) -> str:
        return f"<ModelBuilder {self._name!r}: {len(self._channels)} channels>"

    def channel(
        self,
        name: str,
        observed: HistogramLike | None = None,
        *,
        edges: ArrayLike | Sequence[ArrayLike] | None = None,
        observable: str = "",
        stat_constraint: str = "gaussian",
        stat_threshold: float = 0.0,
        yield_floor: float | None = None,
    ) -> ChannelBuilder:
        """Add a channel.

        Parameters
        ----------
        name : str
            Its name.
        observed : histogram or array_like, shape (n_bins,), optional
            Observed events per bin; may follow with `ChannelBuilder.observed`, or be left out.
        edges : array_like, shape (n_bins + 1,), or a sequence of such, optional
            Edges of the bins along each axis, if no histogram brings them.
        observable : str
            Name of the axis that `edges` describe. Where axes of channels have one name and other
            edges, the channel's is appended, since an observable of ROOT has one set of edges.
        stat_constraint : {"gaussian", "poisson"}
            Constraint terms of `stat_error`: N(1 | gamma, sigma), pyhf's, or Pois(tau | gamma tau)
            with tau = 1 / sigma^2, the default of ROOT's HistFactory.
        stat_threshold : float
            Relative uncertainty below which the factor of a bin is fixed (ROOT: 0.05).
        yield_floor : float, optional
            Lower limit on the total yield of a bin, in events.

        Raises
        ------
        SpecError
            If the name exists, or edges do not ascend.
        """
        place = f"channel {name!r}"
        check_name(name, place)
        if name in self._channels:
            message = "found a second channel of this name, expected different names"
            raise located(SpecError, message, place)
        kind = chosen(stat_constraint, BIN_CONSTRAINTS, f"{place}, stat_constraint")
        threshold = real_number(stat_threshold, f"{place}, stat_threshold")
        if not threshold >= 0.0:
            message = f"found {threshold:g}, expected a relative uncertainty of at least 0"
            raise located(SpecError, message, f"{place}, stat_threshold")
        floor = optional_number(yield_floor, f"{place}, yield_floor")
        channel = ChannelBuilder(name, self._parameters, kind, threshold, floor)
        if not isinstance(observable, str):
            message = f"found {observable!r}, expected some text"
            raise located(ArgumentError, message, f"{place}, observable")
        if edges is not None:
            where = f"{place}, edges"
            channel._bins.set_binning(read_binning(edges, where, observable), where)
        if observed is not None:
            channel.observed(observed)
        self._channels[name] = channel
        return channel

    def luminosity(
        self,
        value: float = 1.0,
        *,
        sigma: float,
        bounds: tuple[float, float] | None = None,
        fixed: bool | None = None,
    ) -> ModelBuilder:
        """Declare the parameter "lumi" for `SampleBuilder.lumi`, with N(value | lumi, sigma).

        Parameters
        ----------
        value : float
            The luminosity that was measured, in the units that the templates are normalised with:
            1 if they are normalised to it.
        sigma : float
            Its uncertainty, absolute.
        bounds : (float, float), optional
            Lower and upper bound; 0 and 10 times the value by default.
        fixed : bool, optional
            Whether it is constant in fits.
        """
        number = real_number(value, "luminosity, value")
        width = real_number(sigma, "luminosity, sigma")
        if not (0.0 < number < math.inf and 0.0 < width < math.inf):
            message = f"found {number:g} +- {width:g}, expected positive numbers"
            raise located(SpecError, message, "luminosity")
        self._parameters.use(LUMI, "luminosity", "luminosity")
        constraint = GaussianConstraint(number, width)
        parameter = Parameter(LUMI, number, 0.0, 10.0 * number, constraint=constraint)
        self._parameters.ask(LUMI, "luminosity", bounds=bounds, fixed=fixed)
        self._parameters.add(parameter, "luminosity")
        return self

    def add_parameter(self, parameter: Parameter) -> ModelBuilder:
        """Declare a parameter that no modifier makes, for formulas; a `nablafit.spec.Parameter`."""
        if not isinstance(parameter, Parameter):
            message = f"found {type(parameter).__name__}, expected a nablafit.spec.Parameter"
            raise located(ArgumentError, message, "add_parameter")
        self._parameters.add(parameter, f"add_parameter {parameter.name!r}")
        return self

    def parameter(
        self,
        name: str,
        *,
        initial: float | None = None,
        bounds: tuple[float, float] | None = None,
        fixed: bool | None = None,
        constraint: Constraint | None = None,
        transformation: Transformation | None = None,
    ) -> ModelBuilder:
        """Change a parameter that modifiers make, before or after them.

        Parameters
        ----------
        name : str
            Its name: that of the modifier, or `name[bin]`.
        initial : float, optional
            Initial value.
        bounds : (float, float), optional
            Lower and upper bound.
        fixed : bool, optional
            Whether it is constant in fits.
        constraint : Constraint, optional
            Its constraint term, of `nablafit.spec`; Unconstrained() for none.
        transformation : Transformation, optional
            What turns it into the argument of interpolations, of `nablafit.spec`; HistFactory's
            Gamma and LogNormal ConstraintTerms have one.

        Raises
        ------
        SpecError
            If it was asked to be something else elsewhere. `build` raises if it does not exist.
        """
        place = f"parameter {name!r}"
        for key, value, kinds in (
            ("constraint", constraint, get_args(Constraint)),
            ("transformation", transformation, get_args(Transformation)),
        ):
            if value is not None and not isinstance(value, kinds):
                names = ", ".join(kind.__name__ for kind in kinds)
                message = f"found {key} = {value!r}, expected one of nablafit.spec: {names}"
                raise located(ArgumentError, message, place)
        self._parameters.ask(
            name,
            place,
            initial=initial,
            bounds=bounds,
            fixed=fixed,
            constraint=constraint,
            transformation=transformation,
        )
        return self

    def build(self) -> ModelSpec:
        """Return the model, validated.

        Raises
        ------
        SpecError
            If there is no channel, a channel without sample, a setting or formula of a parameter
            that does not exist, or a parameter of interest that no modifier has.
        """
        if not self._channels:
            raise located(SpecError, "found no channel, expected at least one", self._name)
        channels = _with_own_axes([channel._made() for channel in self._channels.values()])
        self._parameters.need(self._pois, "poi")
        spec = ModelSpec(self._name, channels, self._parameters.finished(), self._pois)
        try:
            validate(spec)
        except SpecError as error:
            raise located(SpecError, _with_names(str(error), spec), "") from None
        return spec

    def observations(self) -> Observations:
        """Return the observed events of the channels, named "observed".

        Raises
        ------
        SpecError
            If some channels have no observed events.
        """
        missing = [c.name for c in self._channels.values() if c._observed is None]
        if missing:
            message = (
                "no observed events; give them to channel(), or call observed() of the channel"
            )
            raise located(SpecError, message, f"channels {', '.join(map(repr, missing))}")
        counts = [
            ChannelCounts(channel.name, channel._observed)
            for channel in self._channels.values()
            if channel._observed is not None
        ]
        return Observations("observed", counts)

    def workspace(self) -> Workspace:
        """Return a workspace with the model and, unless no channel has them, the observed events.

        It is what `Workspace.load` returns for a file, with `workspace.model()`,
        `workspace.data(model)` and `workspace.save("workspace.json")`.
        """
        has_data = any(channel._observed is not None for channel in self._channels.values())
        datasets = (self.observations(),) if has_data else ()
        return Workspace.from_spec(self.build(), datasets)


def _with_own_axes(channels: list[Channel]) -> list[Channel]:
    """Return channels whose axes differ in name unless they are the same.

    An observable of ROOT has one set of edges.
    """
    edges: dict[str, set[tuple[float, ...]]] = {}
    for axis in (axis for channel in channels for axis in channel.axes):
        edges.setdefault(axis.name, set()).add(tuple(axis.edges))
    return [
        channel.replace(
            axes=[
                axis.replace(name=f"{axis.name}_{channel.name}")
                if len(edges[axis.name]) > 1
                else axis
                for axis in channel.axes
            ]
        )
        for channel in channels
    ]


def _with_names(message: str, spec: ModelSpec) -> str:
    """Return a message whose places are names instead of positions."""
    found: list[Any] = [spec]

    def name(match: re.Match[str]) -> str:
        part = getattr(found[-1], match[1])[int(match[2])]
        found.append(part)
        return f"{match[1][:-1]} {part.name!r}"

    head, colon, rest = message.partition(": ")
    return _PLACE.sub(name, head).replace("'.", "', ") + colon + rest

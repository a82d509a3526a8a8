"""pyhf JSON workspaces from specifications of any format."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelWarning, SpecError, located
from ..model import Model
from ..spec import (
    Channel,
    FormulaFactor,
    GaussianConstraint,
    HistoSys,
    IdentityTransformation,
    Interpolation,
    Lumi,
    ModelSpec,
    NormFactor,
    NormSys,
    Parameter,
    PoissonConstraint,
    Range,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    Unconstrained,
    UniformConstraint,
    validate,
)
from ..surgery import modifiers_of
from .pyhf_writer_bins import BinFactors, are_one_staterror, set_name, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._arrays import FloatArray
    from ..spec import Observations
    from .pyhf_writer_bins import BinFactor

ScalarModifier = NormFactor | Lumi | NormSys | HistoSys
BinModifier = StatError | ShapeSys | ShapeFactor

#: initial value and bounds that pyhf gives to a parameter by default
DEFAULTS = {
    "normfactor": (1.0, 0.0, 10.0),
    "alpha": (0.0, -5.0, 5.0),
    "staterror": (1.0, 1e-10, 10.0),
    "shapesys": (1.0, 1e-10, 10.0),
    "shapefactor": (1.0, 0.0, 10.0),
}
LUMI = "lumi"
#: what ROOT calls infinite
LARGEST = 1e30
WIDTHS_CONSIDERED = 5.0
NEGLIGIBLE_MASS = 1e-6
STEPS = 81


def to_pyhf(
    spec: ModelSpec, observations: Observations | None = None, *, lossy: bool = False
) -> dict[str, Any]:
    """Return a pyhf workspace (schema 1.0.0) with the same likelihood.

    Parameters
    ----------
    spec : ModelSpec
        A model of any format.
    observations : Observations, optional
        Counts and global observables; by default the expected counts at the initial values.
    lossy : bool
        Write what pyhf can hold and warn about the rest, instead of raising.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts, ready for `json.dump`.

    Raises
    ------
    SpecError
        If pyhf cannot hold the model; lists everything that it cannot hold.

    Notes
    -----
    Poisson constraints that several samples share are a shapefactor and an auxiliary channel whose
    counts are the auxiliary measurement, which is the same likelihood. What the likelihood does
    not depend on is left out silently: bin edges, parameter points, further parameters of
    interest, uncertainties that no modifier uses.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33], edges=[0, 50, 100])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05).histo_sys("jes", [49.0, 31.0], [51.0, 28.0])
    >>> spec = builder.build()
    >>> from nablafit.io import to_pyhf
    >>> sorted(to_pyhf(spec, builder.observations()))
    ['channels', 'measurements', 'observations', 'version']
    """
    validate(spec)
    return _Writer(spec, observations).write(lossy=lossy)


class _Writer:
    """Writes one model; collects what pyhf cannot hold."""

    def __init__(self, spec: ModelSpec, observations: Observations | None) -> None:
        self._spec = spec
        self._parameters = {parameter.name: parameter for parameter in spec.parameters}
        self._modifiers = modifiers_of(spec)
        self._problems: list[str] = []
        self._observations = observations
        for entry in observations.global_observables if observations is not None else ():
            self._move_observed(entry.parameter, entry.value)
        self._bins = BinFactors(spec.channels, self._parameters)
        self._problems += self._bins.problems
        self._names = self._choose_names()

    def _move_observed(self, name: str, value: float) -> None:
        parameter = self._parameters[name]
        constraint = parameter.constraint
        if isinstance(constraint, GaussianConstraint | PoissonConstraint):
            moved = constraint.replace(observed=value)
            self._parameters[name] = parameter.replace(constraint=moved)

    def write(self, *, lossy: bool) -> dict[str, Any]:
        auxiliary = [factor for factor in self._factors() if factor.auxiliary is not None]
        channels = [self._channel(channel) for channel in self._spec.channels]
        channels += [self._auxiliary_channel(factor) for factor in auxiliary]
        observed = self._observed()
        observed += [
            {"name": factor.auxiliary_channel, "data": self._auxiliary_counts(factor)}
            for factor in auxiliary
        ]
        poi = next((n for n in self._spec.parameters_of_interest if n in self._names), None)
        named = next(iter(self._spec.parameters_of_interest), "")
        config = {
            "poi": self._names[poi] if poi is not None else named,
            "parameters": self._parameter_configs(),
        }
        self._report(lossy=lossy)
        return {
            "channels": channels,
            "observations": observed,
            "measurements": [{"name": self._spec.name or "measurement", "config": config}],
            "version": "1.0.0",
        }

    def _report(self, *, lossy: bool) -> None:
        problems = list(dict.fromkeys(self._problems))
        if not problems:
            return
        listing = "".join(f"\n  - {problem}" for problem in problems)
        if not lossy:
            message = f"pyhf JSON cannot hold this (lossy=True writes the rest):{listing}"
            raise located(SpecError, message, self._spec.name)
        message = f"{self._spec.name}: pyhf JSON does not hold:{listing}"
        warnings.warn(message, ModelWarning, stacklevel=4)

    def _factors(self) -> Iterable[BinFactor]:
        return self._bins.by_keys.values()

    # --- names -----------------------------------------------------------------------------------

    def _choose_names(self) -> dict[str, str]:
        """Name of every scalar parameter in pyhf; sets of bins get their names on the way."""
        names: dict[str, str] = {}
        taken: set[str] = set()
        for modifier in self._modifiers:
            if isinstance(modifier, Lumi) and modifier.parameter not in names:
                if LUMI in taken:
                    self._problems.append(f"{modifier.parameter}: a second luminosity parameter")
                names[modifier.parameter] = LUMI
                taken.add(LUMI)
        scalars = [m for m in self._modifiers if isinstance(m, NormFactor | NormSys | HistoSys)]
        own = {m.parameter for m in scalars if m.name == m.parameter}
        taken |= own
        for modifier in scalars:
            parameter = modifier.parameter
            if parameter not in names:
                short = parameter.removeprefix("alpha_")
                is_free = parameter not in own and short and short not in taken
                names[parameter] = short if is_free else parameter
                taken.add(names[parameter])
        self._name_sets(taken)
        both = {key for factor in self._factors() for key in factor.keys} & names.keys()
        self._problems += [f"{name}: acts on samples and on single bins" for name in sorted(both)]
        return names

    def _name_sets(self, taken: set[str]) -> None:
        """Give sets of bins the names of their parameters in pyhf, or of their modifiers."""
        groups: dict[str, list[BinFactor]] = {}
        for factor in self._factors():
            if factor.longer is None:
                groups.setdefault(set_name(factor), []).append(factor)
        for name, factors in groups.items():
            if name not in taken and are_one_staterror(factors) and not factors[0].pulls:
                together = frozenset.intersection(*(factor.allowed for factor in factors))
                for factor in factors:
                    factor.name, factor.allowed = name, together
                taken.add(name)
                continue
            for factor in factors:
                if factor.type == "histosys":
                    factor.pulls = {k: _unused(pull, taken) for k, pull in factor.pulls.items()}
                    continue
                candidates = [name, f"{name}_{factor.channels[0]}", factor.keys[0]]
                factor.name = next((c for c in candidates if c not in taken), candidates[1])
                while factor.name in taken:
                    factor.name += "_bins"
                taken.add(factor.name)
        for factor in self._factors():
            if factor.longer is not None:
                factor.name = factor.longer.name
        channels = {channel.name for channel in self._spec.channels}
        for factor in self._factors():
            factor.auxiliary_channel = f"{factor.name}_constraint"
            while factor.auxiliary_channel in channels:
                factor.auxiliary_channel += "_"
            channels.add(factor.auxiliary_channel)

    # --- channels --------------------------------------------------------------------------------

    def _channel(self, channel: Channel) -> dict[str, Any]:
        if channel.yield_floor is not None:
            self._problems.append(
                f"{channel.name}: lower limit on the yield (pyhf's option clip_bin_data)"
            )
        samples = [self._sample(channel, sample) for sample in channel.samples]
        return {"name": channel.name, "samples": samples}

    def _sample(self, channel: Channel, sample: Sample) -> dict[str, Any]:
        where = f"{channel.name}/{sample.name}"
        if floor_can_act(sample, self._parameters):
            self._problems.append(
                f"{where}: histogram kept from becoming negative (pyhf's option clip_sample_data)"
            )
        scale = np.ones(len(sample.nominal))
        modifiers: list[dict[str, Any]] = []
        seen: set[tuple[str, str]] = set()
        for modifier in sample.modifiers:
            if isinstance(modifier, FormulaFactor):
                self._problems.append(f"{where}: formula {modifier.name} = {modifier.expression}")
                scale *= factor_at_start(modifier, self._parameters, scale.size)
                continue
            for written in self._written(where, sample, modifier):
                kind, name = written["type"], written["name"]
                if (kind, name) in seen:
                    self._problems.append(f"{where}: {kind} {name} is repeated")
                else:
                    seen.add((kind, name))
                    modifiers.append(written)
        data = np.asarray(sample.nominal)
        if np.any(scale != 1.0):
            _rescale(modifiers, scale)
            data = scale * data
        return {"name": sample.name, "data": data.tolist(), "modifiers": modifiers}

    def _written(
        self, where: str, sample: Sample, modifier: ScalarModifier | BinModifier
    ) -> list[dict[str, Any]]:
        if isinstance(modifier, StatError | ShapeSys | ShapeFactor):
            return self._bin_modifiers(sample, modifier)
        return [self._scalar_modifier(where, sample, modifier)]

    def _scalar_modifier(
        self, where: str, sample: Sample, modifier: ScalarModifier
    ) -> dict[str, Any]:
        name = self._names[modifier.parameter]
        data: Any = None
        if isinstance(modifier, NormSys):
            data = {"hi": modifier.high, "lo": modifier.low}
            self._check_code(where, modifier, Interpolation.polynomial_exponential)
            parameter = self._parameters[modifier.parameter]
            if sample.factor_floor is not None and normsys_can_vanish(modifier, parameter):
                self._problems.append(f"{where}: factor {modifier.name} kept from going below zero")
        elif isinstance(modifier, HistoSys):
            data = {"hi_data": modifier.high.tolist(), "lo_data": modifier.low.tolist()}
            self._check_code(where, modifier, Interpolation.polynomial_linear)
        return {"name": name, "type": modifier.type, "data": data}

    def _check_code(self, where: str, modifier: NormSys | HistoSys, code: Interpolation) -> None:
        if modifier.interpolation != code:
            self._problems.append(
                f"{where}: {modifier.type} {modifier.name} has interpolation code "
                f"{int(modifier.interpolation)}, pyhf's default is {int(code)}"
            )

    def _bin_modifiers(self, sample: Sample, modifier: BinModifier) -> list[dict[str, Any]]:
        factor = self._bins.by_keys[modifier.parameters]
        if factor.type == "histosys":
            nominal = np.asarray(sample.nominal)
            return [
                _varied_bin(factor.pulls[key], nominal, b, width_of(self._parameters[key]))
                for b, key in enumerate(factor.keys)
                if key in factor.pulls
            ]
        data = None
        if factor.uncertainties:
            data = factor.uncertainties[factor.positions[id(sample)]].tolist()
        return [{"name": factor.name, "type": factor.type, "data": data}]

    def _auxiliary_channel(self, factor: BinFactor) -> dict[str, Any]:
        taus = factor.auxiliary.tolist() if factor.auxiliary is not None else []
        modifier = {"name": factor.name, "type": "shapefactor", "data": None}
        sample = {"name": "auxiliary_measurement", "data": taus, "modifiers": [modifier]}
        return {"name": factor.auxiliary_channel, "samples": [sample]}

    def _auxiliary_counts(self, factor: BinFactor) -> list[float]:
        parameters = (self._parameters[key] for key in factor.keys)
        return [float(parameter.observed_value or 0.0) for parameter in parameters]

    def _observed(self) -> list[dict[str, Any]]:
        if self._observations is None:
            expected = Model(self._spec).expected_by_channel({})
            return [{"name": name, "data": data.tolist()} for name, data in expected.items()]
        counts = {entry.channel: entry.counts for entry in self._observations.channels}
        missing = [channel.name for channel in self._spec.channels if channel.name not in counts]
        if missing:
            message = f"no counts for {', '.join(missing)}"
            raise located(SpecError, message, self._observations.name)
        return [
            {"name": channel.name, "data": counts[channel.name].tolist()}
            for channel in self._spec.channels
        ]

    # --- parameters ------------------------------------------------------------------------------

    def _parameter_configs(self) -> list[dict[str, Any]]:
        types: dict[str, set[str]] = {}
        for modifier in self._modifiers:
            if isinstance(modifier, NormFactor | Lumi | NormSys | HistoSys):
                is_alpha = isinstance(modifier, NormSys | HistoSys)
                kind = "alpha" if is_alpha else modifier.type
                types.setdefault(modifier.parameter, set()).add(kind)
        configs = []
        for name, kinds in types.items():
            if len(kinds) > 1:
                self._problems.append(f"{name}: steers modifiers of types {', '.join(kinds)}")
            configs.append(
                self._scalar_config(self._parameters[name], min(kinds), self._names[name])
            )
        return [config for config in configs + self._bin_configs() if len(config) > 1]

    def _scalar_config(self, parameter: Parameter, kind: str, name: str) -> dict[str, Any]:
        config = self._vector_config(name, [parameter], kind)
        if parameter.fixed:
            config["fixed"] = True
        constraint = parameter.constraint
        if not isinstance(parameter.transformation, IdentityTransformation):
            self._problems.append(f"{parameter.name}: {type(parameter.transformation).__name__}")
        if isinstance(constraint, GaussianConstraint) and kind != "normfactor":
            if kind == LUMI or constraint.observed != 0.0:
                config["auxdata"] = [constraint.observed]
            if kind == LUMI:
                config["sigmas"] = [constraint.sigma]
            elif constraint.sigma != 1.0:
                self._problems.append(
                    f"{parameter.name}: constraint of width {constraint.sigma:g}, pyhf's is 1"
                )
            if truncation_matters(parameter):
                self._problems.append(f"{parameter.name}: truncated Gaussian constraint")
            return config
        is_free = isinstance(constraint, Unconstrained | UniformConstraint)
        if kind == LUMI and parameter.fixed and is_free:
            return {**config, "auxdata": [parameter.initial], "sigmas": [1.0]}
        if is_free != (kind == "normfactor") and not parameter.fixed:
            found = "no constraint" if is_free else type(constraint).__name__
            self._problems.append(f"{parameter.name}: {found} on a {kind} parameter")
        return config

    def _vector_config(self, name: str, parameters: list[Parameter], kind: str) -> dict[str, Any]:
        """Return what differs from pyhf's defaults, everything for the luminosity."""
        config: dict[str, Any] = {"name": name}
        initial, lower, upper = DEFAULTS.get(kind, (math.nan,) * 3)
        if any(parameter.initial != initial for parameter in parameters):
            config["inits"] = [parameter.initial for parameter in parameters]
        bounds = [(parameter.lower, parameter.upper) for parameter in parameters]
        if any(pair != (lower, upper) for pair in bounds):
            config["bounds"] = [[max(a, -LARGEST), min(b, LARGEST)] for a, b in bounds]
        self._problems += [
            f"{parameter.name}: infinite range (written as {LARGEST:g}, ROOT's infinity)"
            for parameter, pair in zip(parameters, bounds, strict=True)
            if not all(map(math.isfinite, pair))
        ]
        return config

    def _bin_configs(self) -> list[dict[str, Any]]:
        pulls = [factor for factor in self._factors() if factor.type == "histosys"]
        sets: dict[str, list[BinFactor]] = {}
        for factor in sorted(self._factors(), key=lambda factor: factor.channels):
            if factor.longer is None and factor not in pulls:
                sets.setdefault(factor.name, []).append(factor)
        configs = [
            self._scalar_config(_pull_of(self._parameters[key], name), "alpha", name)
            for factor in pulls
            for key, name in factor.pulls.items()
        ]
        for name, factors in sets.items():
            parameters = [self._parameters[key] for factor in factors for key in factor.keys]
            config = self._vector_config(name, parameters, factors[0].type)
            config.update(self._moved_observables(parameters, factors))
            if factors[0].fixed is not None:
                config["fixed"] = factors[0].fixed
            configs.append(config)
        return configs

    def _moved_observables(
        self, parameters: list[Parameter], factors: list[BinFactor]
    ) -> dict[str, Any]:
        """Sizes of terms, and auxiliary data, that are not what pyhf makes of uncertainties."""
        kind, stated = factors[0].type, any(factor.stated is not None for factor in factors)
        if kind == "staterror":
            cut = [p.name for p in parameters if not p.fixed and truncation_matters(p)]
            self._problems += [f"{name}: truncated Gaussian constraint" for name in cut]
            observed = [
                c.observed if isinstance(c := p.constraint, GaussianConstraint) else 1.0
                for p in parameters
            ]
            sigmas = {"sigmas": [width_of(p) or 1.0 for p in parameters]} if stated else {}
            return {"auxdata": observed, **sigmas} if any(x != 1.0 for x in observed) else sigmas
        poisson = [p.constraint for p in parameters if isinstance(p.constraint, PoissonConstraint)]
        if kind != "shapesys" or not (stated or any(c.observed != c.tau for c in poisson)):
            return {}
        observed = [1.0 if (x := p.observed_value) is None else float(x) for p in parameters]
        auxdata = {"auxdata": observed}
        return {**auxdata, "factors": [c.tau for c in poisson]} if stated else auxdata


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _varied_bin(name: str, nominal: FloatArray, b: int, width: float) -> dict[str, Any]:
    """Return a histosys that multiplies one bin by 1 + width * pull: linear, as it is symmetric."""
    change = np.zeros_like(nominal)
    change[b] = width * nominal[b]
    data = {"hi_data": (nominal + change).tolist(), "lo_data": (nominal - change).tolist()}
    return {"name": name, "type": "histosys", "data": data}


def _pull_of(gamma: Parameter, name: str) -> Parameter:
    """Return the pull whose factor 1 + width * pull is a gamma with a Gaussian constraint."""
    width = width_of(gamma)
    constraint = gamma.constraint
    lower, upper = ((bound - 1.0) / width for bound in (gamma.lower, gamma.upper))
    changes: dict[str, Any] = {"lower": lower, "upper": upper}
    if isinstance(constraint, GaussianConstraint):
        cut = constraint.observable_range
        ends = None if cut is None else Range(*((e - 1.0) / width for e in (cut.lower, cut.upper)))
        changes["constraint"] = GaussianConstraint((constraint.observed - 1.0) / width, 1.0, ends)
    return gamma.replace(name=name, initial=(gamma.initial - 1.0) / width, **changes)


def _rescale(modifiers: list[dict[str, Any]], scale: FloatArray) -> None:
    """Multiply everything in events, for constant factors per bin moved into the histograms."""
    for modifier in modifiers:
        if modifier["type"] == "histosys":
            modifier["data"] = {k: (scale * v).tolist() for k, v in modifier["data"].items()}
        elif modifier["type"] in ("staterror", "shapesys"):
            modifier["data"] = (scale * modifier["data"]).tolist()


# --- whether what pyhf does not have would change the likelihood ----------------------------------


def truncation_matters(parameter: Parameter) -> bool:
    """Whether the range of the global observable cuts the density, within 5 sigma of its centre."""
    constraint = parameter.constraint
    if not isinstance(constraint, GaussianConstraint) or constraint.observable_range is None:
        return False
    cut, sigma = constraint.observable_range, constraint.sigma
    reach = WIDTHS_CONSIDERED * sigma
    points = (
        max(parameter.lower, constraint.observed - reach),
        min(parameter.upper, constraint.observed + reach),
    )

    def mass_outside(center: float) -> float:
        below = math.erfc((center - cut.lower) / sigma / math.sqrt(2.0)) / 2.0
        return below + math.erfc((cut.upper - center) / sigma / math.sqrt(2.0)) / 2.0

    return max(map(mass_outside, points)) > NEGLIGIBLE_MASS


def _response(modifier: NormSys | HistoSys, nominal: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the yields of one modifier alone along its parameter, shape (points, bins)."""
    name = "pull"
    sample = Sample("sample", nominal, [modifier.replace(parameter=name)])
    bound = float(np.abs(ends).max()) + 1.0
    parameter = Parameter(name, 0.0, -bound, bound)
    model = Model(ModelSpec("response", [Channel("channel", [sample])], [parameter]))
    return np.array([model.expected([point]) for point in ends])


@lru_cache(maxsize=4096)
def _lowest_factor(low: float, high: float, code: int, lower: float, upper: float) -> float:
    points = np.linspace(max(lower, -1.0), min(upper, 1.0), STEPS)
    modifier = NormSys("factor", "pull", low, high, Interpolation(code))
    return float(_response(modifier, np.ones(1), points).min())


def normsys_can_vanish(modifier: NormSys, parameter: Parameter) -> bool:
    """Whether the factor can reach zero: beyond +-1 it is an exponential, inside a polynomial."""
    code = int(modifier.interpolation)
    lowest = _lowest_factor(
        modifier.low, modifier.high, code, float(parameter.lower), float(parameter.upper)
    )
    return lowest <= 0.0


def floor_can_act(sample: Sample, parameters: Mapping[str, Parameter]) -> bool:
    """Whether some choice of parameters inside their ranges takes the histogram below its floor."""
    if sample.yield_floor is None:
        return False
    nominal = np.asarray(sample.nominal)
    lowest = nominal.copy()
    for modifier in sample.modifiers:
        if isinstance(modifier, HistoSys):
            parameter = parameters[modifier.parameter]
            ends = np.array([parameter.lower, parameter.upper])
            if parameter.fixed:
                ends = np.array([parameter.initial])
            inside = np.linspace(-1.0, 1.0, STEPS)
            inside = inside[(inside > ends.min()) & (inside < ends.max())]
            points = np.concatenate([ends, inside])
            lowest += np.minimum(_response(modifier, nominal, points) - nominal, 0.0).min(axis=0)
    tolerance = 1e-9 * np.abs(nominal).max(initial=0.0)
    return bool((lowest < sample.yield_floor - tolerance).any())


def factor_at_start(
    modifier: FormulaFactor, parameters: Mapping[str, Parameter], n_bins: int
) -> FloatArray:
    """Return the value of a formula at the initial values, shape (n_bins,)."""
    used = [parameters[name] for name in modifier.parameters]
    sample = Sample("sample", np.ones(n_bins), [modifier])
    model = Model(ModelSpec("formula", [Channel("channel", [sample])], used))
    return model.expected(model.initial)

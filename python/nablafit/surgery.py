"""Changes of specifications and their data; every function returns new ones.

Names may be patterns with `*` and `?` where a function allows them. A name that matches nothing is
an error. Observations follow with `matching`, or with the function of the same purpose.

>>> import nablafit as nf
>>> spec = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7]).spec
>>> nf.Model(nf.surgery.fix(spec, ["uncorr_*"])).fixed
(False, True, True)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ._arrays import nearest
from ._bin_widths import with_remade_widths
from .errors import ArgumentError, SpecError, located
from .spec import (
    ChannelCounts,
    FormulaFactor,
    GlobalObservable,
    ModelSpec,
    Observations,
    PoissonConstraint,
    ShapeFactor,
    ShapeSys,
    StatError,
    validate,
)

if TYPE_CHECKING:
    from .spec import Channel, Modifier, Parameter, Sample

__all__ = [
    "asimov",
    "combine",
    "combine_observations",
    "fix",
    "mask_channels",
    "matching",
    "prune",
    "release",
    "rename",
    "rename_observations",
    "select_channels",
    "set_initial",
    "set_ranges",
]

Names = Iterable[str]

_BIN = re.compile(r"(.+)\[(0|[1-9][0-9]*)\]", re.DOTALL)


# --- names ---------------------------------------------------------------------------------------


def parameters_of(modifier: Modifier) -> tuple[str, ...]:
    """Return the names of the parameters that a modifier uses."""
    if isinstance(modifier, StatError | ShapeSys | ShapeFactor | FormulaFactor):
        return modifier.parameters
    return (modifier.parameter,)


def modifiers_of(spec: ModelSpec) -> list[Modifier]:
    """Return the modifiers of all samples, in the order of the model."""
    return [m for channel in spec.channels for s in channel.samples for m in s.modifiers]


def users_of(spec: ModelSpec) -> dict[str, list[Modifier]]:
    """Return the modifiers that use each parameter."""
    users: dict[str, list[Modifier]] = {}
    for modifier in modifiers_of(spec):
        for name in parameters_of(modifier):
            users.setdefault(name, []).append(modifier)
    return users


def _chosen(patterns: Names, known: Iterable[str], kind: str) -> set[str]:
    """Return the known names that are listed or match a pattern; ArgumentError for no match."""
    names = dict.fromkeys(known)
    chosen: set[str] = set()
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        found = {pattern} if pattern in names else set()
        if not found and any(character in pattern for character in "*?"):
            found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            message = f"no such {kind}{nearest(pattern, tuple(names))}"
            raise located(ArgumentError, message, pattern)
        chosen |= found
    return chosen


def _parameter_names(spec: ModelSpec) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in spec.parameters)


# --- channels, samples, modifiers ----------------------------------------------------------------


def select_channels(spec: ModelSpec, channels: Names) -> ModelSpec:
    """Return the model of the listed channels (patterns allowed), without unused parameters.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> nf.Model(nf.surgery.select_channels(spec, ["CR_*"])).channels
    ('CR_ttbar', 'CR_wjets')
    """
    chosen = _chosen(channels, (channel.name for channel in spec.channels), "channel")
    return with_channels(spec, [c for c in spec.channels if c.name in chosen])


def mask_channels(spec: ModelSpec, channels: Names) -> ModelSpec:
    """Return the model without the listed channels (patterns allowed).

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> nf.Model(nf.surgery.mask_channels(spec, ["SR_*", "VR"])).channels
    ('CR_ttbar', 'CR_wjets')
    """
    return prune(spec, channels=channels)


def prune(
    spec: ModelSpec,
    *,
    channels: Names = (),
    samples: Names = (),
    modifiers: Names = (),
    modifier_types: Names = (),
) -> ModelSpec:
    """Remove channels, samples and modifiers, and the parameters that are no longer used.

    The width of a staterror becomes that of the samples that are left, unless it was stated by
    itself (`sigmas` of a pyhf measurement); a bin left without one is fixed.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    channels, samples, modifiers : iterable of str
        Names; patterns allowed. A modifier can also be named by its parameter.
    modifier_types : iterable of str
        E.g. "staterror".

    Raises
    ------
    ArgumentError
        If a name matches nothing, or nothing would be left of a channel or the model.
    SpecError
        If the width of a staterror without the samples that go is not known, as in workspaces
        that keep only that of the sum (RooWorkspace, HS3 of ROOT).

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> "VR" in nf.Model(nf.surgery.prune(spec, channels=["VR"])).channels
    False
    """
    known_samples = [sample.name for channel in spec.channels for sample in channel.samples]
    found = modifiers_of(spec)
    known_modifiers = [n for m in found for n in (m.name, *parameters_of(m))]
    gone_channels = _chosen(channels, (c.name for c in spec.channels), "channel")
    gone_samples = _chosen(samples, known_samples, "sample")
    gone_modifiers = _chosen(modifiers, known_modifiers, "modifier")
    gone_types = _chosen(modifier_types, (m.type for m in found), "modifier type")

    def stays(modifier: Modifier) -> bool:
        names = {modifier.name, *parameters_of(modifier)}
        return modifier.type not in gone_types and not names & gone_modifiers

    def thinned(sample: Sample) -> Sample:
        return sample.replace(modifiers=tuple(m for m in sample.modifiers if stays(m)))

    kept: list[Channel] = []
    for channel in spec.channels:
        if channel.name not in gone_channels:
            rest = tuple(thinned(s) for s in channel.samples if s.name not in gone_samples)
            if not rest:
                message = "no sample would be left; remove the channel as well"
                raise located(ArgumentError, message, channel.name)
            kept.append(channel.replace(samples=rest))
    return with_channels(spec, kept)


def with_channels(spec: ModelSpec, channels: Sequence[Channel]) -> ModelSpec:
    """Replace the channels; parameters go that only the old ones used."""
    if not channels:
        raise located(ArgumentError, "no channel would be left", spec.name)
    changed = spec.replace(channels=tuple(channels))
    unused = users_of(spec).keys() - users_of(changed).keys()
    points = tuple(
        point.replace(values=tuple(v for v in point.values if v.parameter not in unused))
        for point in spec.parameter_points
    )
    parameters = tuple(p for p in spec.parameters if p.name not in unused)
    changed = changed.replace(parameters=parameters, parameter_points=points)
    return with_remade_widths(spec, changed)


def matching(
    observations: Observations, spec: ModelSpec, original: ModelSpec | None = None
) -> Observations:
    """Return the observations without channels and parameters that the model does not have.

    Parameters
    ----------
    observations : Observations
        Data of `original`.
    spec : ModelSpec
        What surgery made of it.
    original : ModelSpec, optional
        The model before; needed where data state auxiliary counts of a Poisson constraint whose
        tau changed with the samples. If they are the old tau, they become the new one.

    Raises
    ------
    SpecError
        If such counts differ from the old tau.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> controls = nf.surgery.select_channels(workspace.spec(), ["CR_*"])
    >>> observations = nf.surgery.matching(workspace.observations, controls)
    >>> [counts.channel for counts in observations.channels]
    ['CR_ttbar', 'CR_wjets']
    """
    channels = {channel.name for channel in spec.channels}
    taus = _taus(spec)
    old_taus = taus if original is None else _taus(original)
    known = set(_parameter_names(spec))
    kept: list[GlobalObservable] = []
    for observed in observations.global_observables:
        name = observed.parameter
        if name not in known:
            continue
        if name not in taus or taus[name] == old_taus.get(name):
            kept.append(observed)
        elif observed.value != old_taus.get(name):
            message = (
                f"found the auxiliary count {observed.value:g} of a constraint whose tau was "
                f"{old_taus.get(name)} and is {taus[name]:g} without the samples that went; "
                "expected tau itself; state the count afterwards"
            )
            raise located(SpecError, message, name)
    return observations.replace(
        channels=tuple(c for c in observations.channels if c.channel in channels),
        global_observables=tuple(kept),
    )


def _taus(spec: ModelSpec) -> dict[str, float]:
    """Return what auxiliary counts of Poisson constraints are compared with."""
    return {
        parameter.name: parameter.constraint.tau
        for parameter in spec.parameters
        if isinstance(parameter.constraint, PoissonConstraint)
    }


# --- names of things -----------------------------------------------------------------------------


def rename(
    spec: ModelSpec,
    *,
    channels: Mapping[str, str] | None = None,
    samples: Mapping[str, str] | None = None,
    modifiers: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> ModelSpec:
    """Rename by mappings of old to new names.

    Parameters that have the name of their modifier, as all do in pyhf (`stat[0]` of `stat`), follow
    it, unless `parameters` says otherwise.

    Raises
    ------
    ArgumentError
        If an old name does not exist.
    SpecError
        If a new name exists already.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> model = nf.Model(nf.surgery.rename(spec, modifiers={"jet_energy_scale": "JES"}))
    >>> "JES" in model.parameters
    True
    """
    found = modifiers_of(spec)
    new_channels = _checked(channels, (c.name for c in spec.channels), "channel")
    known_samples = (s.name for c in spec.channels for s in c.samples)
    new_samples = _checked(samples, known_samples, "sample")
    new_modifiers = _checked(modifiers, (m.name for m in found), "modifier")
    new_parameters = {
        **_following(users_of(spec), new_modifiers),
        **_checked(parameters, _parameter_names(spec), "parameter"),
    }

    def renamed(modifier: Modifier) -> Modifier:
        changes: dict[str, Any] = {"name": new_modifiers.get(modifier.name, modifier.name)}
        names = tuple(new_parameters.get(name, name) for name in parameters_of(modifier))
        if isinstance(modifier, FormulaFactor):
            changes["expression"] = _renamed_expression(modifier.expression, new_parameters)
        many = isinstance(modifier, StatError | ShapeSys | ShapeFactor | FormulaFactor)
        changes["parameters" if many else "parameter"] = names if many else names[0]
        return modifier.replace(**changes)

    def renamed_sample(sample: Sample) -> Sample:
        name = new_samples.get(sample.name, sample.name)
        return sample.replace(name=name, modifiers=tuple(map(renamed, sample.modifiers)))

    points = tuple(
        point.replace(
            values=tuple(
                v.replace(parameter=new_parameters.get(v.parameter, v.parameter))
                for v in point.values
            )
        )
        for point in spec.parameter_points
    )
    changed = spec.replace(
        channels=tuple(
            c.replace(
                name=new_channels.get(c.name, c.name),
                samples=tuple(map(renamed_sample, c.samples)),
            )
            for c in spec.channels
        ),
        parameters=tuple(
            p.replace(name=new_parameters.get(p.name, p.name)) for p in spec.parameters
        ),
        parameters_of_interest=tuple(
            new_parameters.get(name, name) for name in spec.parameters_of_interest
        ),
        parameter_points=points,
    )
    validate(changed)
    return changed


def _following(parameters: Iterable[str], modifiers: Mapping[str, str]) -> dict[str, str]:
    """Return the new names of parameters called like a modifier or like one of its bins."""
    followers: dict[str, str] = {}
    for name in parameters:
        stem, index = _split(name)
        if name in modifiers:
            followers[name] = modifiers[name]
        elif index is not None and stem in modifiers:
            followers[name] = f"{modifiers[stem]}[{index}]"
    return followers


def _split(name: str) -> tuple[str, int | None]:
    """Return pyhf's name of a set of bins and the position: `stat[2]` is ("stat", 2)."""
    found = _BIN.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, None)


def _renamed_expression(expression: str, names: Mapping[str, str]) -> str:
    """Rename whole words."""
    return re.sub(r"[A-Za-z_]\w*", lambda match: names.get(match[0], match[0]), expression)


def _checked(names: Mapping[str, str] | None, known: Iterable[str], kind: str) -> Mapping[str, str]:
    existing = dict.fromkeys(known)
    for name in names or {}:
        if name not in existing:
            message = f"no such {kind}{nearest(name, tuple(existing))}"
            raise located(ArgumentError, message, name)
    return names or {}


def rename_observations(
    observations: Observations,
    *,
    channels: Mapping[str, str] | None = None,
    modifiers: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Observations:
    """Rename channels and parameters in observations as `rename` does; others are ignored.

    Examples
    --------
    >>> observed = nf.Workspace.load("workspace.json").observations
    >>> renamed = nf.surgery.rename_observations(observed, channels={"VR": "validation"})
    >>> [counts.channel for counts in renamed.channels][-1]
    'validation'
    """
    names = (observed.parameter for observed in observations.global_observables)
    channels = channels or {}
    parameters = {**_following(names, modifiers or {}), **(parameters or {})}
    return observations.replace(
        channels=tuple(
            c.replace(channel=channels.get(c.channel, c.channel)) for c in observations.channels
        ),
        global_observables=tuple(
            g.replace(parameter=parameters.get(g.parameter, g.parameter))
            for g in observations.global_observables
        ),
    )


# --- combination ---------------------------------------------------------------------------------


def combine(specs: Sequence[ModelSpec], *, name: str | None = None) -> ModelSpec:
    """Combine models with different channels; parameters of the same name are the same parameter.

    Staterrors are the exception: pyhf numbers the bins of one through all channels, so that
    `stat[0]` means another bin in every workspace. Where names meet, bins are numbered anew, in
    the order of the names of the channels, as in pyhf.

    Parameters
    ----------
    specs : sequence of ModelSpec
        The models, in the order of the channels and parameters of the result.
    name : str, optional
        Name of the result; that of the first by default.

    Raises
    ------
    SpecError
        If channels share a name, parameters of the same name differ, or shapesys modifiers of
        several models have the same numbered bins; lists all conflicts.

    Examples
    --------
    >>> first = nf.build.uncorrelated_background([12], [50], [3]).spec
    >>> second = nf.surgery.rename(
    ...     first, channels={"singlechannel": "other"}, modifiers={"uncorr_bkguncrt": "bkg_other"}
    ... )
    >>> nf.Model(nf.surgery.combine([first, second])).parameters
    ('mu', 'uncorr_bkguncrt[0]', 'bkg_other[0]')
    """
    if not specs:
        raise located(ArgumentError, "expected at least one model", "specs")
    problems = _shared_shapesys(specs)
    specs = [
        rename(spec, parameters=names) if names else spec
        for spec, names in zip(specs, _new_bin_names(specs), strict=True)
    ]
    channels: dict[str, Channel] = {}
    parameters: dict[str, Parameter] = {}
    for spec in specs:
        problems += [
            f"channel {channel.name}: in more than one model; rename one"
            for channel in spec.channels
            if channels.setdefault(channel.name, channel) is not channel
        ]
        for parameter in spec.parameters:
            known = parameters.setdefault(parameter.name, parameter)
            problems += _differences(known, parameter)
    if problems:
        listing = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise located(SpecError, f"the models contradict each other:{listing}", "combine")
    interest = dict.fromkeys(n for spec in specs for n in spec.parameters_of_interest)
    points = {point.name: point for spec in reversed(specs) for point in spec.parameter_points}
    combined = ModelSpec(
        specs[0].name if name is None else name,
        tuple(channels.values()),
        tuple(parameters.values()),
        tuple(interest),
        tuple(points.values()),
    )
    validate(combined)
    return combined


def _bins_of(spec: ModelSpec, kind: type[StatError | ShapeSys]) -> list[tuple[str, str]]:
    """Return channel and numbered parameter of all modifiers of a kind, in order."""
    found = (
        (channel.name, name)
        for channel in spec.channels
        for sample in channel.samples
        for modifier in sample.modifiers
        if isinstance(modifier, kind)
        for name in modifier.parameters
        if _split(name)[1] is not None
    )
    return list(dict.fromkeys(found))


def _meeting(specs: Sequence[ModelSpec], kind: type[StatError | ShapeSys]) -> set[str]:
    """Return the sets of numbered bins of a kind whose names another model uses as well."""
    n_users = Counter(name for spec in specs for name in users_of(spec))
    return {
        _split(name)[0] for spec in specs for _, name in _bins_of(spec, kind) if n_users[name] > 1
    }


def _shared_shapesys(specs: Sequence[ModelSpec]) -> list[str]:
    return [
        f"shapesys {stem}: in more than one model, and its bins belong to one sample; rename one"
        for stem in sorted(_meeting(specs, ShapeSys))
    ]


def _new_bin_names(specs: Sequence[ModelSpec]) -> list[dict[str, str]]:
    """Return for every model the new names of the bins of staterrors that meet others."""
    stems = _meeting(specs, StatError)
    entries = sorted(
        (
            (channel, i, *_split(name), name)
            for i, spec in enumerate(specs)
            for channel, name in _bins_of(spec, StatError)
            if _split(name)[0] in stems
        ),
        key=lambda entry: (entry[0], entry[1]),
    )
    names: list[dict[str, str]] = [{} for _ in specs]
    counts = dict.fromkeys(stems, 0)
    for _, i, stem, _, name in entries:
        if name not in names[i]:
            names[i][name] = f"{stem}[{counts[stem]}]"
            counts[stem] += 1
    return names


def _differences(first: Parameter, second: Parameter) -> list[str]:
    fields = ("initial", "lower", "upper", "fixed", "constraint", "transformation")
    return [
        f"parameter {first.name}: {field} is {getattr(first, field)} and {getattr(second, field)}"
        for field in fields
        if getattr(first, field) != getattr(second, field)
    ]


def combine_observations(
    observations: Sequence[Observations], specs: Sequence[ModelSpec] | None = None
) -> Observations:
    """Combine the data of models with different channels; the name is that of the first.

    Parameters
    ----------
    observations : sequence of Observations
        The data, one set for each model.
    specs : sequence of ModelSpec, optional
        The models in the same order; needed where data state global observables of bins that
        `combine` numbers anew.

    Raises
    ------
    SpecError
        If a parameter is observed with different values.

    Examples
    --------
    >>> first = nf.build.uncorrelated_background([12], [50], [3]).spec
    >>> second = nf.surgery.rename(
    ...     first, channels={"singlechannel": "other"}, modifiers={"uncorr_bkguncrt": "bkg_other"}
    ... )
    >>> parts = [nf.surgery.asimov(first), nf.surgery.asimov(second)]
    >>> [counts.channel for counts in nf.surgery.combine_observations(parts).channels]
    ['singlechannel', 'other']
    """
    if not observations:
        raise located(ArgumentError, "expected at least one data set", "observations")
    if specs is not None:
        if len(specs) != len(observations):
            message = f"found {len(specs)} models, expected {len(observations)}, one per data set"
            raise located(ArgumentError, message, "specs")
        observations = [
            rename_observations(data, parameters=names)
            for data, names in zip(observations, _new_bin_names(specs), strict=True)
        ]
    observed: dict[str, GlobalObservable] = {}
    for data in observations:
        for entry in data.global_observables:
            known = observed.setdefault(entry.parameter, entry)
            if known is entry:
                continue
            if specs is None and _split(entry.parameter)[1] is not None:
                message = (
                    "observed in several data sets; give the models, specs=[...], to tell bins"
                )
                raise located(SpecError, message, entry.parameter)
            if known.value != entry.value:
                message = "observed with different values; make them agree"
                raise located(SpecError, message, entry.parameter)
    channels = tuple(counts for data in observations for counts in data.channels)
    return Observations(observations[0].name, channels, tuple(observed.values()))


# --- parameters and data -------------------------------------------------------------------------


def _changed(spec: ModelSpec, changes: Mapping[str, Mapping[str, Any]]) -> ModelSpec:
    changed = spec.replace(
        parameters=tuple(p.replace(**changes.get(p.name, {})) for p in spec.parameters)
    )
    validate(changed)
    return changed


def fix(spec: ModelSpec, parameters: Names | Mapping[str, float]) -> ModelSpec:
    """Hold parameters constant: names (patterns allowed) at their start, or a mapping of values.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> model = nf.Model(nf.surgery.fix(spec, ["jet_*"]))
    >>> [name for name, held in zip(model.parameters, model.fixed, strict=True) if held][:2]
    ['jet_energy_resolution', 'jet_energy_scale']
    """
    names = _chosen(tuple(parameters), _parameter_names(spec), "parameter")
    values = parameters if isinstance(parameters, Mapping) else {}
    changes: dict[str, dict[str, Any]] = {name: {"fixed": True} for name in names}
    for name, value in values.items():
        changes[name]["initial"] = float(value)
    return _changed(spec, changes)


def release(spec: ModelSpec, parameters: Names) -> ModelSpec:
    """Let parameters float (patterns allowed).

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> held = nf.surgery.fix(spec, {"mu_signal": 0.0})
    >>> model = nf.Model(nf.surgery.release(held, ["mu_signal"]))
    >>> model.fixed[model.index("mu_signal")]
    False
    """
    names = _chosen(parameters, _parameter_names(spec), "parameter")
    return _changed(spec, {name: {"fixed": False} for name in names})


def set_initial(spec: ModelSpec, values: Mapping[str, float]) -> ModelSpec:
    """Change initial values.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> model = nf.Model(nf.surgery.set_initial(spec, {"mu_signal": 0.0}))
    >>> float(model.initial[model.index("mu_signal")])
    0.0
    """
    _chosen(tuple(values), _parameter_names(spec), "parameter")
    return _changed(spec, {name: {"initial": float(value)} for name, value in values.items()})


def set_ranges(spec: ModelSpec, ranges: Mapping[str, tuple[float, float]]) -> ModelSpec:
    """Change ranges; initial values that would be outside move to the nearest end.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> model = nf.Model(nf.surgery.set_ranges(spec, {"mu_signal": (0.0, 5.0)}))
    >>> model.bounds[model.index("mu_signal")]
    (0.0, 5.0)
    """
    _chosen(tuple(ranges), _parameter_names(spec), "parameter")
    starts = {parameter.name: parameter.initial for parameter in spec.parameters}
    changes = {
        name: {
            "lower": float(lower),
            "upper": float(upper),
            "initial": min(max(starts[name], float(lower)), float(upper)),
        }
        for name, (lower, upper) in ranges.items()
    }
    return _changed(spec, changes)


def asimov(
    spec: ModelSpec, values: Mapping[str, float] | None = None, *, name: str = "asimovData"
) -> Observations:
    """Return the expected counts and global observables at the initial values, some replaced.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> print(nf.surgery.asimov(spec, {"mu_signal": 0.0}).channels[0].counts.round(1))
    [4530.8 2273.  1265.4  887.4  352. ]
    """
    from .model import Model

    model = Model(spec)
    data = model.asimov(dict(values or {}))
    counts = tuple(
        ChannelCounts(channel, data.counts[bins]) for channel, bins in model.channel_bins.items()
    )
    observed = tuple(
        GlobalObservable(parameter, float(value))
        for parameter, value in zip(
            model.constrained_parameters, data.global_observables, strict=True
        )
    )
    return Observations(name, counts, observed)

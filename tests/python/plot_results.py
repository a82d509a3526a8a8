"""Results made by hand for tests of plots and reports: no fit, the same on every machine."""

import dataclasses
from typing import Any

import numpy as np

import nablafit as nf
from nablafit.batch import STATUSES
from nablafit.infer.impacts.breakdown import BreakdownResult, UncertaintyGroup
from nablafit.infer.impacts.correlation import CorrelationResult
from nablafit.infer.impacts.pulls import PullsResult
from nablafit.infer.impacts.ranking import RankingResult
from nablafit.infer.impacts.templates import TemplatesResult, Variation
from nablafit.infer.limits.results import LimitGridResult, LimitResult
from nablafit.infer.predictions.goodness_of_fit import ChannelDeviance, GoodnessOfFitResult
from nablafit.infer.predictions.yields import ChannelYields, YieldsResult
from nablafit.infer.profiles.contour import Contour, ContourResult
from nablafit.infer.profiles.feldman_cousins import FeldmanCousinsResult
from nablafit.infer.profiles.intervals import IntervalsResult
from nablafit.infer.profiles.scan import ScanResult
from nablafit.infer.testing.results import HypotestResult, SignificanceResult
from nablafit.infer.testing.toy_distribution import ToyDistribution

NAMES = ("jet_energy_scale", "b^tag<eff>", "Q$cale", "lumi & pile-up", "stat[0]")
"""Names with characters that mean something to formulas or HTML."""

BLANKS = {
    "str": "",
    "float": np.nan,
    "int": 0,
    "bool": True,
    "FloatArray": np.zeros(0),
    "NDArray": np.zeros(0, dtype=np.int64),
    "dict": {},
    "tuple": (),
}


def make(cls: type[Any], /, **members: Any) -> Any:  # noqa: ANN401
    """A result with these members; what plots do not look at is left blank."""
    blanks = {
        member.name: BLANKS[str(member.type).partition("[")[0].partition(" ")[0]]
        for member in dataclasses.fields(cls)
        if member.name not in members and member.default is dataclasses.MISSING
    }
    return cls(**(blanks | members))


SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def fit_result(n: int = len(NAMES), **changes: Any) -> nf.FitResult:  # noqa: ANN401
    """A fit of `mu` and `n` constrained parameters, one of them fixed."""
    names = ("mu", *(NAMES[i] if i < len(NAMES) else f"alpha_{i}" for i in range(n)))
    k = np.arange(n + 1.0)
    values = np.where(k == 0, 1.3, np.sin(2.0 * k))
    sigma = np.where(k == 0, 0.4, 1.0 - 0.5 * np.cos(k) ** 2)
    fixed = k == n
    correlation = np.array([[0.8 ** abs(i - j) * np.cos(i - j) for j in k] for i in k])
    covariance = correlation * np.outer(sigma, sigma) * np.outer(~fixed, ~fixed)
    members: dict[str, Any] = {
        "parameters": names,
        "x": np.where(fixed, 0.0, values),
        "covariance": covariance,
        "value": 4.5,
        "constant": 100.0,
        "fixed": fixed,
        "lower": np.full(n + 1, -5.0),
        "upper": np.full(n + 1, 5.0),
        "at_bound": np.zeros(n + 1, dtype=bool),
        "prefit_values": np.where(k == 0, np.nan, 0.0),
        "prefit_errors": np.where(k == 0, np.nan, 1.0),
        "status": "converged",
        "message": "The fit converged.",
        "edm": 1e-9,
        "n_calls": 5,
        "n_gradients": 5,
        "minimizer": "newton",
        "timings": {"total": 0.001},
        "versions": {"nablafit": nf.__version__},
    }
    return nf.FitResult(**(members | changes))


def pulls_result(n: int = len(NAMES)) -> PullsResult:
    fit = fit_result(n)
    values, errors = fit.x[1:], np.asarray(fit.errors)[1:]
    return make(
        PullsResult,
        parameters=fit.parameters[1:],
        values=values,
        errors=errors,
        prefit_values=np.zeros(n),
        prefit_errors=np.ones(n),
        pulls=values,
        constraints=errors,
        significances=np.full(n, np.nan),
        fixed=fit.fixed[1:],
        at_bound=fit.at_bound[1:],
        warnings=(),
        fit_status="converged",
    )


def ranking_result(n: int = 6) -> RankingResult:
    """Impacts that fall with the position; the second parameter is free of constraints."""
    names = tuple(NAMES[i] if i < len(NAMES) else f"alpha_{i}" for i in range(n))
    size = 0.3 * 0.8 ** np.arange(n)
    prefit = np.where(np.arange(n) == 1, np.nan, 1.0)
    good = ("converged",) * n
    return make(
        RankingResult,
        method="refit",
        pois=("mu",),
        poi_values=np.array([1.3]),
        poi_errors=np.array([0.4]),
        parameters=names,
        values=np.sin(2.0 + np.arange(n)),
        errors=0.5 + 0.4 * np.cos(np.arange(n)) ** 2,
        prefit_values=0.0 * prefit,
        prefit_errors=prefit,
        postfit_up=size[None],
        postfit_down=-0.9 * size[None],
        prefit_up=1.2 * size[None] * prefit,
        prefit_down=-1.1 * size[None] * prefit,
        statuses=dict.fromkeys(("postfit_up", "postfit_down", "prefit_up", "prefit_down"), good),
        fit_status="converged",
    )


def intervals_result() -> IntervalsResult:
    """Asymmetric errors of `mu`, and one side of another parameter."""
    return make(
        IntervalsResult,
        parameters=("mu", NAMES[0]),
        values=np.array([1.3, 0.1]),
        errors=np.array([0.4, 0.8]),
        lower=np.array([-0.3, np.nan]),
        upper=np.array([0.5, 0.9]),
        lower_status=("found", "failed"),
        upper_status=("found", "found"),
        sigma=1.0,
        level=0.683,
        messages={},
        new_minimum=None,
        complete=True,
    )


def breakdown_result() -> BreakdownResult:
    sizes = {"jets": 0.21, "b_tagging": 0.12, "simulation": 0.05}
    groups = tuple(
        make(
            UncertaintyGroup,
            name=name,
            parameters=(name,),
            uncertainty=size,
            remaining=0.3,
            status="linear",
        )
        for name, size in sizes.items()
    )
    return make(
        BreakdownResult,
        method="linear",
        poi="mu",
        value=1.3,
        total=0.4,
        statistical=0.31,
        systematic=0.25,
        groups=groups,
        fit_status="converged",
    )


def correlation_result(n: int = 5) -> CorrelationResult:
    names = fit_result(n).parameters[:n]
    k = np.arange(n)
    matrix = 0.8 ** np.abs(k[:, None] - k) * np.cos(k[:, None] - k)
    return make(
        CorrelationResult,
        parameters=names,
        matrix=matrix,
        threshold=0.1,
        order="model",
        n_pruned=3,
        fit_status="converged",
    )


def channel_yields(name: str, n_bins: int, n_samples: int, *, axis: str) -> ChannelYields:
    shape = 40.0 * np.exp(-0.5 * np.arange(n_bins)) + 1.0
    by_sample = np.array([shape * (i + 1.0) / n_samples for i in range(n_samples)])
    total = by_sample.sum(axis=0)
    observed = np.round(total * (1.0 + 0.2 * np.sin(3.0 * np.arange(n_bins))))
    totals = by_sample.sum(axis=1)
    return make(
        ChannelYields,
        name=name,
        samples=tuple(f"sample_{i}" for i in range(n_samples)),
        by_sample=by_sample,
        by_sample_errors=0.1 * by_sample,
        by_bin=total,
        by_bin_errors=0.08 * total,
        sample_totals=totals,
        sample_total_errors=0.1 * totals,
        total=float(total.sum()),
        total_error=0.06 * float(total.sum()),
        observed=observed,
        axis=axis,
        edges=np.linspace(0.0, 50.0 * n_bins, n_bins + 1) if axis else None,
    )


def yields_result(kind: str = "postfit", n_samples: int = 4) -> YieldsResult:
    """One channel over an observable, one of a single bin."""
    channels = (
        channel_yields("SR_high", 6, n_samples, axis="mass"),
        channel_yields("CR_<top>", 1, n_samples, axis=""),
    )
    fit = fit_result()
    return make(
        YieldsResult,
        kind=kind,
        model="model",
        message="",
        parameters=fit.parameters,
        channels=channels,
        total=sum(channel.total for channel in channels),
        total_error=10.0,
    )


def templates_result() -> TemplatesResult:
    """Two variations of one sample; the second one is the same for all bins."""
    nominal = np.array([20.0, 30.0, 10.0, 5.0])
    slope = 0.05 * np.array([-1.0, 0.0, 1.0, 2.0])
    common: dict[str, Any] = {
        "channel": "SR_high",
        "sample": "top",
        "nominal": nominal,
        "nominal_errors": 0.3 * np.sqrt(nominal),
        "axis": "mass",
        "edges": np.linspace(0.0, 400.0, 5),
    }
    return make(
        TemplatesResult,
        model="model",
        variations=tuple(
            make(
                Variation,
                parameter=name,
                up=nominal * (1.0 + change),
                down=nominal * (1.0 - 0.8 * change),
                **common,
            )
            for name, change in ((NAMES[0], slope), (NAMES[3], 0.02))
        ),
    )


def toy_fits(n: int = 400) -> nf.FitManyResult:
    """Fits of toys drawn at 1: errors are 0.4, the last fit failed."""
    values = 1.0 + 0.4 * np.random.default_rng(3).normal(size=n)
    codes = np.zeros(n, dtype=np.int8)
    codes[-1] = STATUSES.index("not_fitted")
    nothing = np.zeros(n)
    return nf.FitManyResult(
        parameters=("mu",),
        x=values[:, None],
        errors=np.full((n, 1), 0.4),
        value=nothing,
        constant=nothing,
        edm=nothing,
        status_codes=codes,
        iterations=np.zeros(n, dtype=np.int32),
        n_gradients=np.zeros(n, dtype=np.int32),
    )


def gof_result(n_toys: int = 0) -> GoodnessOfFitResult:
    toys = np.random.default_rng(7).chisquare(9, n_toys)
    channels = tuple(
        make(
            ChannelDeviance,
            name=name,
            deviance=size,
            by_bin=np.array([size]),
            signs=np.array([1.0]),
        )
        for name, size in (("SR_high", 5.0), ("CR_<top>", 3.0))
    )
    return make(
        GoodnessOfFitResult,
        status="ok",
        message="The model describes the data.",
        statistic=9.0,
        dof=9,
        n_bins=7,
        n_constraints=4,
        n_free=5,
        p_asymptotic=0.437,
        p_toys=0.44 if n_toys else np.nan,
        p_toys_error=0.02 if n_toys else np.nan,
        channels=channels,
        constraints=1.0,
        fit=fit_result(),
        toys=toys,
    )


def scan_result() -> ScanResult:
    values = np.linspace(0.0, 3.0, 21)
    return make(
        ScanResult,
        parameters=("mu",),
        axes=(values,),
        best=np.array([1.3]),
        errors=np.array([0.4]),
        twice_delta_nll=((values - 1.3) / 0.4) ** 2,
        status=("converged",) * len(values),
        fitted_parameters=(),
        fitted=np.zeros((len(values), 0)),
        new_minimum=None,
        complete=True,
    )


def scan_result_2d() -> ScanResult:
    x, y = np.linspace(0.0, 3.0, 21), np.linspace(-2.0, 2.0, 17)
    height = ((x[:, None] - 1.3) / 0.4) ** 2 + ((y - 0.2) / 0.6) ** 2
    height[0, 0] = np.nan
    return make(
        ScanResult,
        parameters=("mu", NAMES[1]),
        axes=(x, y),
        best=np.array([1.3, 0.2]),
        errors=np.array([0.4, 0.6]),
        twice_delta_nll=height,
        status=("converged",) * height.size,
        fitted_parameters=(),
        fitted=np.zeros((*height.shape, 0)),
        new_minimum=None,
        complete=True,
    )


def contour_result() -> ContourResult:
    angles = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    contours = []
    for level, height in ((0.6827, 2.3), (0.95, 5.99)):
        ring = np.sqrt(height) * np.column_stack([0.4 * np.cos(angles), 0.6 * np.sin(angles)])
        contours.append(
            make(
                Contour,
                level=level,
                twice_delta_nll=height,
                points=ring + np.array([1.3, 0.2]),
                status=("found",) * len(angles),
                angles=angles,
                n_missing=0,
            )
        )
    return make(
        ContourResult,
        parameters=("mu", NAMES[0]),
        best=np.array([1.3, 0.2]),
        covariance=np.diag([0.16, 0.36]),
        contours=tuple(contours),
        messages=(),
        new_minimum=None,
        complete=True,
    )


def feldman_cousins_result() -> FeldmanCousinsResult:
    values = np.linspace(0.0, 3.0, 13)
    n = len(values)
    ratio = ((values - 1.3) / 0.4) ** 2
    return make(
        FeldmanCousinsResult,
        poi="mu",
        level=0.68,
        values=values,
        best=1.3,
        twice_delta_nll=ratio,
        status=("converged",) * n,
        p_values=np.exp(-0.5 * ratio),
        p_value_errors=np.full(n, 0.01),
        critical_values=np.full(n, 1.0),
        critical_value_errors=np.full(n, 0.08),
        accepted=ratio < 1.0,
        intervals=((0.9, 1.7),),
        interval_errors=((0.02, 0.02),),
        messages=(),
        complete=True,
    )


def limit_result(**changes: Any) -> LimitResult:  # noqa: ANN401
    values = np.linspace(0.0, 3.0, 13)
    observed = np.exp(-1.8 * values)
    expected = np.exp(-values[:, None] * (2.2 - 0.45 * SIGMAS))
    members: dict[str, Any] = {
        "poi": "mu",
        "level": 0.95,
        "statistic": "qtilde",
        "criterion": "CLs",
        "calculator": "asymptotic",
        "method": "linear",
        "observed": 1.664,
        "expected": -np.log(0.05) / (2.2 - 0.45 * SIGMAS),
        "observed_error": np.nan,
        "expected_error": np.full(5, np.nan),
        "curve_status": ("converged",) * 6,
        "poi_hat": 0.2,
        "bounds": (0.0, 10.0),
        "values": values,
        "cls_observed": observed,
        "cls_expected": expected,
        "cls_observed_error": np.full(len(values), np.nan),
        "cls_expected_error": np.full((len(values), 5), np.nan),
        "q": values**2,
        "q_asimov": values**2,
        "point_status": ("ok",) * len(values),
        "toys": (),
        "notes": (),
        "status": "ok",
        "message": "All limits were found.",
    }
    return make(LimitResult, **(members | changes))


def grid_result(n_labels: int = 2) -> LimitGridResult:
    """Signals with masses m1 > m2; limits rise with m1 and with 1 / (m1 - m2)."""
    pairs = [(a, b) for a in range(300, 1100, 100) for b in range(0, 600, 100) if a - b > 150]
    if n_labels == 1:
        pairs = [pair for pair in pairs if pair[1] == 0]
    masses = np.array(pairs, dtype=float)
    limits = 0.1 * np.exp((masses[:, 0] - 300.0) / 200.0 + masses[:, 1] / 400.0)
    n = len(pairs)
    observed = 1.2 * limits
    observed[0] = np.nan
    return make(
        LimitGridResult,
        labels=("m_1", "m_2")[:n_labels],
        names=tuple(f"signal_{a}_{b}" for a, b in pairs),
        points=tuple(tuple(map(float, pair[:n_labels])) for pair in pairs),
        poi="mu",
        level=0.95,
        statistic="qtilde",
        criterion="CLs",
        observed=observed,
        expected=limits[:, None] * 1.4**SIGMAS,
        tested=1.0,
        cls_observed=np.full(n, 0.1),
        cls_expected=np.full((n, 5), 0.1),
        poi_hat=np.zeros(n),
        status=("failed", *["ok"] * (n - 1)),
        messages=("",) * n,
        source="patchset.json",
        complete=True,
    )


def toy_distribution(at: float) -> ToyDistribution:
    generator = np.random.default_rng(int(at))
    values = np.maximum(generator.normal(1.0 - at, 1.0, 1500), 0.0) ** 2 + 1e-3
    values[3] = np.nan
    return make(
        ToyDistribution,
        poi=("mu",),
        statistic="qtilde",
        tested=(1.0,),
        drawn_at=(at,),
        bounds=((0.0, 10.0),),
        parameters=("mu",),
        x=np.array([at]),
        values=values,
        poi_hat=np.zeros((len(values), 1)),
        status_codes=np.zeros(len(values), dtype=np.int8),
    )


def hypotest_result(**changes: Any) -> HypotestResult:  # noqa: ANN401
    nothing = np.full(5, np.nan)
    members: dict[str, Any] = {
        "poi": ("mu",),
        "tested": (1.0,),
        "alternative": (0.0,),
        "poi_hat": (0.2,),
        "bounds": ((0.0, 10.0),),
        "statistic": "qtilde",
        "calculator": "toys",
        "q": 2.4,
        "q_asimov": np.nan,
        "clsb": 0.06,
        "clb": 0.4,
        "cls": 0.15,
        "clsb_error": 0.01,
        "clb_error": 0.01,
        "cls_error": 0.02,
        **{f"expected_{key}": nothing for key in ("clsb", "clb", "cls", "clsb_error", "cls_error")},
        "toys": (toy_distribution(1.0), toy_distribution(0.0)),
        "status": "ok",
        "message": "The test was done.",
    }
    return make(HypotestResult, **(members | changes))


def significance_result() -> SignificanceResult:
    z = 2.0 + SIGMAS
    return make(
        SignificanceResult,
        poi="mu",
        poi_hat=1.3,
        q0=6.25,
        p0=0.0062,
        z=2.5,
        p0_error=np.nan,
        z_error=np.nan,
        expected_at=1.0,
        asimov="profiled",
        expected_p0=np.array([0.5, 0.159, 0.0228, 0.00135, 3.2e-5]),
        expected_z=z,
        expected_z_error=np.full(5, np.nan),
        calculator="asymptotic",
        toys=(),
        status="ok",
        message="The test was done.",
    )

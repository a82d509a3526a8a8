"""Models from histograms: a builder, simple models, and operations on templates.

>>> import nablafit as nf
>>> builder = nf.build.ModelBuilder(poi="mu")
>>> region = builder.channel("SR", observed=[48, 33])
>>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu")
>>> background = region.sample("background", [50, 30], uncertainties=[2, 1.5])
>>> _ = background.norm_sys("xsec", 0.95, 1.05)
>>> workspace = builder.workspace()

Everything ends in a `ModelSpec` and a `Workspace`, as files do. `docs/building.md` is the guide.
"""

from ._builders import ChannelBuilder, ModelBuilder
from ._cabinetry import from_cabinetry
from ._operations import TemplateChange, TemplateChanges, prune, smooth, symmetrise
from ._rebin import rebin, rebin_observations
from ._samples import SampleBuilder
from ._simple_models import correlated_background, uncorrelated_background

__all__ = [
    "ChannelBuilder",
    "ModelBuilder",
    "SampleBuilder",
    "TemplateChange",
    "TemplateChanges",
    "correlated_background",
    "from_cabinetry",
    "prune",
    "rebin",
    "rebin_observations",
    "smooth",
    "symmetrise",
    "uncorrelated_background",
]

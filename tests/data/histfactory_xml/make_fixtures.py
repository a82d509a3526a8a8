"""Make the HistFactory inputs of the tests: histograms with uproot, XML as text.

    python make_fixtures.py [FOLDER]

Two channels of 3 and 2 x 2 bins with every element and attribute that ROOT's parser knows.
"""

import sys
from pathlib import Path

import numpy as np
import uproot
from uproot.writing.identify import to_TAxis, to_TH1x, to_TH2x

DOCTYPE = "<!DOCTYPE {} SYSTEM 'HistFactorySchema.dtd'>\n"

TOP = """<Combination OutputFilePrefix="./results/example">
  <Function Name="mu_squared" Expression="@0*mu" Dependents="mu[1,0,5]"/>
  <Input>./config/signal_region.xml</Input>
  <Input>./config/control_region.xml</Input>
  <Measurement Name="plain" Lumi="1." LumiRelErr="0.1" ExportOnly="True">
    <POI>mu</POI>
  </Measurement>
  <Measurement Name="gamma" Lumi="2." LumiRelErr="0." BinLow="0" BinHigh="3">
    <POI>mu other</POI>
    <ParamSetting Const="True"> alpha_acceptance
      gamma_stat_signal_region_bin_1 nobody </ParamSetting>
    <ParamSetting Const="True" Val="0.5">alpha_shape</ParamSetting>
    <ParamSetting Val="9">alpha_tilt</ParamSetting>
    <ConstraintTerm Type="Gamma" RelativeUncertainty="0.5">cross_section</ConstraintTerm>
    <Asimov Name="half_signal" FixParams="mu=0.5, alpha_shape"/>
  </Measurement>
  <Measurement Name="lognormal" Lumi="1." LumiRelErr="0.02">
    <POI>mu</POI>
    <ConstraintTerm Type="LogNormal" RelativeUncertainty="0.3">cross_section</ConstraintTerm>
  </Measurement>
  <Measurement Name="uniform" Lumi="1." LumiRelErr="0.02">
    <POI>mu</POI>
    <ConstraintTerm Type="Uniform" RelativeUncertainty="1">cross_section</ConstraintTerm>
  </Measurement>
  <Measurement Name="dropped" Lumi="1." LumiRelErr="0.02">
    <POI>mu</POI>
    <ConstraintTerm Type="NoConstraint">cross_section</ConstraintTerm>
    <ConstraintTerm Type="Gamma">acceptance</ConstraintTerm>
  </Measurement>
</Combination>
"""

SIGNAL_REGION = """<Channel Name="signal_region" InputFile="./data/histograms.root">
  <Data HistoName="data" HistoPath="signal"/>
  <Data Name="second" HistoName="data" HistoPath="signal"/>
  <StatErrorConfig RelErrorThreshold="0.08" ConstraintType="Poisson"/>
  <Sample Name="signal" HistoPath="signal" HistoName="signal">
    <NormFactor Name="mu" Val="1" Low="0." High="5."/>
    <OverallSys Name="acceptance" Low="0.9" High="1.1"/>
  </Sample>
  <Sample Name="background" HistoPath="signal/" HistoName="background">
    <StatError Activate="True"/>
    <OverallSys Name="cross_section" Low="0.8" High="1.25"/>
    <HistoSys Name="shape" HistoNameLow="background_low" HistoNameHigh="background_high"/>
  </Sample>
  <Sample Name="minor" InputFile="./data/more.root" HistoPath="" HistoName="minor">
    <StatError Activate="True" HistoName="minor_relative"/>
    <HistoSys Name="tilt" HistoFileLow="./data/histograms.root" HistoPathLow="signal"
              HistoNameLow="minor_low" HistoFileHigh="./data/histograms.root"
              HistoPathHigh="signal" HistoNameHigh="minor_high"/>
    <StatError Activate="False"/>
  </Sample>
  <Sample Name="fake" HistoPath="signal" HistoName="fake">
    <ShapeSys Name="fake_rate" HistoName="fake_relative" ConstraintType="Poisson"/>
    <ShapeSys Name="fake_type" HistoName="fake_relative" ConstraintType="Gaussian"/>
  </Sample>
  <Sample Name="free" HistoPath="signal" HistoName="fake" NormalizeByTheory="False">
    <ShapeFactor Name="form"/>
    <NormFactor Name="mu_squared" Val="1" Low="0" High="9"/>
  </Sample>
</Channel>
"""

CONTROL_REGION = """<Channel Name="control_region" InputFile="./data/histograms.root"
         HistoPath="control">
  <Data HistoName="data"/>
  <StatErrorConfig ConstraintType="Gaussian"/>
  <Sample Name="background" HistoName="background" NormalizeByTheory="True">
    <StatError Activate="True"/>
    <OverallSys Name="cross_section" Low="0.9" High="1.2"/>
    <ShapeFactor Name="tail" HistoName="tail" Const="True"/>
  </Sample>
</Channel>
"""


def axis(name: str, edges: np.ndarray) -> object:
    return to_TAxis(name, "", len(edges) - 1, edges[0], edges[-1], fXbins=edges)


def histogram(values: list, errors: list | None, *edges: np.ndarray) -> object:
    """One or two axes, x first; `errors` None: those of the contents."""
    contents = np.pad(np.array(values, dtype=float), 1)
    squares = np.pad(np.array(errors, dtype=float) ** 2, 1) if errors is not None else np.zeros(0)
    axes = [axis(f"{letter}axis", e) for letter, e in zip("xy", edges, strict=False)]
    totals = [1.0, 1.0, 1.0, 0.0, 0.0] + [0.0] * (3 if len(edges) == 2 else 0)
    if len(edges) == 1:
        return to_TH1x("h", "", contents, *totals, squares, axes[0])
    return to_TH2x("h", "", contents.T.ravel(), *totals, squares.T.ravel(), *axes)


def write_histograms(folder: Path) -> None:
    x = np.array([0.0, 1.0, 2.0, 5.0])
    y = np.array([0.0, 10.0, 20.0])
    with uproot.recreate(folder / "histograms.root") as file:
        for name, values, errors in (
            ("data", [55, 42, 31], None),
            ("signal", [5.0, 6.0, 7.0], [0.5, 0.5, 0.5]),
            ("background", [40.0, 30.0, 20.0], [4.0, 0.9, 3.0]),
            ("background_low", [38.0, 30.5, 21.0], None),
            ("background_high", [43.0, 29.0, 19.0], None),
            ("minor_low", [3.0, 3.0, 0.0], None),
            ("minor_high", [5.0, 4.0, 0.0], None),
            ("fake", [2.0, 3.0, 4.0], None),
            ("fake_relative", [0.2, 0.0, 0.25], None),
        ):
            file[f"signal/{name}"] = histogram(values, errors, x)
        file["control/data"] = histogram([[210, 105], [55, 22]], None, x[:3], y)
        file["control/background"] = histogram(
            [[200.0, 100.0], [50.0, 20.0]], [[20.0, 4.0], [5.0, 4.0]], x[:3], y
        )
        file["control/tail"] = histogram([[1.0, 1.0], [1.5, 2.0]], None, x[:3], y)
    with uproot.recreate(folder / "more.root") as file:
        file["minor"] = histogram([4.0, 3.5, 0.0], None, x)
        file["minor_relative"] = histogram([0.5, 0.2, 0.3], None, x)
        file["two_bins"] = histogram([4.0, 3.5], None, x[:3])


def write_xml(folder: Path) -> None:
    for name, text in (
        ("top.xml", TOP),
        ("signal_region.xml", SIGNAL_REGION),
        ("control_region.xml", CONTROL_REGION),
    ):
        root = text[1 : text.index(" ")]
        (folder / name).write_text(DOCTYPE.format(root) + text, encoding="utf-8")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name in ("config", "data"):
        (folder / name).mkdir(exist_ok=True)
    write_histograms(folder / "data")
    write_xml(folder / "config")


if __name__ == "__main__":
    main()

"""A small HistFactory input around any ROOT file."""

from collections.abc import Callable
from pathlib import Path

import pytest

TOP = """<Combination OutputFilePrefix="x">
{inputs}
<Measurement Name="m" Lumi="1" LumiRelErr="0.1"><POI>mu</POI></Measurement>
</Combination>"""
CHANNEL = """<Channel Name="{name}" InputFile="{file}">
<Data HistoName="h" HistoPath="{path}"/>
{samples}
</Channel>"""
SAMPLE = """<Sample Name="{name}" HistoName="h" HistoPath="{path}"><StatError Activate="{stat}"/>
<NormFactor Name="mu" Val="1" Low="0" High="10"/></Sample>"""

Write = Callable[..., Path]


@pytest.fixture
def histfactory(tmp_path: Path) -> Write:
    """Write top.xml, channels and the ROOT file; return the path of top.xml."""

    def write(
        content: bytes,
        *,
        path: str = "",
        file: str = "data.root",
        inputs: tuple[str, ...] = ("channel.xml",),
        n_samples: int = 1,
        stat: bool = True,
    ) -> Path:
        (tmp_path / "data.root").write_bytes(content)
        samples = "".join(
            SAMPLE.format(name=f"s{i}", path=path, stat=stat) for i in range(n_samples)
        )
        channel = CHANNEL.format(name="c", file=file, path=path, samples=samples)
        (tmp_path / "channel.xml").write_text(channel)
        listed = "\n".join(f"<Input>{name}</Input>" for name in inputs)
        top = tmp_path / "top.xml"
        top.write_text(TOP.format(inputs=listed))
        return top

    return write

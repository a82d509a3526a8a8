"""Sphinx: `python -m sphinx -W --keep-going docs build/site`, with the extra `docs`.

Everything that is drawn or computed is made by the build: the tutorial is executed, the gallery
drawn, and the pages of the C++ library are added where doxygen is installed.
"""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
GENERATED = HERE / "gallery" / "generated"

project = "nablafit"
author = "nablafit authors"
version = release = version_of("nablafit")
copyright = author  # noqa: A001

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["gallery/generated"]

html_theme = "furo"
html_title = f"nablafit {release}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
html_static_path: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False

# Types in docstrings are sentences ("array of shape (n,)"), and what is not of this package would
# need its inventory from the network: only dead references to what is public are reported, and a
# word that several types have as a member is not a reference.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!nablafit\.).*"),
    (r"py:.*", r"nablafit\.(batch|io\.\w+)\..*"),
]
suppress_warnings = ["ref.python"]

# External links are looked at by `sphinx -b linkcheck`, which needs the network.
linkcheck_retries = 2
linkcheck_timeout = 20


# Pages whose text is kept where it is looked for in the repository.
ELSEWHERE = {
    "CONTRIBUTING.md": "project/contributing",
    "SECURITY.md": "project/security",
    "CHANGELOG.md": "project/changelog",
    "CODE_OF_CONDUCT.md": "project/conduct",
    "benchmarks/README.md": "project/benchmarks",
    "benchmarks/results/hierarchy.md": "project/results_hierarchy",
    "benchmarks/results/quality.md": "project/results_quality",
    "benchmarks/results/rivals.md": "project/results_rivals",
}


def fetch_and_link(app: Sphinx, page: str, source: list[str]) -> None:
    """Take texts from elsewhere, and make links of the names of documents."""
    address = {page: file for file, page in ELSEWHERE.items()}.get(page)
    text = source[0] if address is None else (HERE.parent / address).read_text(encoding="utf-8")

    def link(match: re.Match[str]) -> str:
        path = re.sub(r"^(\.\./)+", "", match[2])
        name = ELSEWHERE.get(path, path.removeprefix("docs/").removesuffix(".md"))
        known = path in ELSEWHERE or (path.startswith("docs/") and name in app.env.found_docs)
        return f"[{match[1] or ''}](/{name}.md)" if known else match[0]

    text = re.sub(r"\[([^][]*)\]\(([\w./-]+\.md)\)", link, text)
    source[0] = re.sub(r"()`([\w./-]+\.md)`(?!\])", link, text)


def as_it_reads(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Docstrings are plain text with code in backticks: the rest of reStructuredText is escaped."""

    def escaped(line: str) -> str:
        if line.lstrip().startswith((">>>", "...")):
            return line
        bullet = re.match(r"\s*(\* )?", line)[0]
        return bullet + re.sub(r"([|*])", r"\\\1", line[len(bullet) :])

    parts = re.split(r"(``[^`]+``|`[^`]+`)", "\n".join(lines))
    for i in range(0, len(parts), 2):
        glue = "\\ " if i and re.match(r"[\w^(]", parts[i]) else ""
        parts[i] = glue + "\n".join(map(escaped, parts[i].split("\n")))
    for i in range(1, len(parts), 2):
        if not re.fullmatch(r"`[\w.]+`", parts[i]):
            parts[i] = "``" + " ".join(parts[i].strip("`").split()) + "``"
    lines[:] = "".join(parts).split("\n")


def draw_gallery(_app: Sphinx) -> None:
    """Draw all plots, and write the page that gallery/index.md includes."""
    GENERATED.mkdir(exist_ok=True)
    sys.path.insert(0, str(HERE / "gallery"))
    from make_gallery import gallery

    parts = []
    for entry in gallery(GENERATED):
        captions = (entry.caption, "The same fit, drawn by cabinetry.")
        figures = "\n\n".join(
            f":::{{figure}} /gallery/generated/{file}\n:alt: {entry.title}\n\n{caption}\n:::"
            for file, caption in zip(entry.files, captions, strict=False)
        )
        parts.append(f"## {entry.title}\n\n{figures}\n\n```python\n{entry.code}\n```\n")
    (GENERATED / "plots.md").write_text("\n".join(parts), encoding="utf-8")


def add_cpp_pages(app: Sphinx, exception: Exception | None) -> None:
    """Put doxygen's pages beside the others, which link to them."""
    if exception is not None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "cpp"
    shutil.rmtree(target, ignore_errors=True)
    doxygen = shutil.which("doxygen")
    if doxygen is None:
        target.mkdir()
        page = "<p>Made without doxygen. The headers in cpp/include have the same text.</p>"
        (target / "index.html").write_text(page, encoding="utf-8")
        return
    subprocess.run([doxygen, "docs/Doxyfile"], cwd=HERE.parent, check=True)
    shutil.copytree(HERE.parent / "build" / "doxygen", target)


def setup(app: Sphinx) -> None:
    """Add what this file does to Sphinx's own steps."""
    app.connect("builder-inited", draw_gallery)
    app.connect("source-read", fetch_and_link)
    app.connect("autodoc-process-docstring", as_it_reads, priority=100)
    app.connect("build-finished", add_cpp_pages)

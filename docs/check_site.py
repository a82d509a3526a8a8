"""Check a built site: `python docs/check_site.py build/site`.

Every link between its pages leads to a page and to an anchor there, no page tells where it was
built, and the index of the search knows the pages.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPOSITORY = Path(__file__).resolve().parents[1]


class Page(HTMLParser):
    """The links and anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what refers to something, and what can be referred to."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)


def broken_links(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Return `page: link` of everything that is not there."""
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            known = target in pages
            missing = not target.exists() or not target.is_relative_to(site)
            if missing or (
                known
                and parts.fragment
                and not pages[target].anchors & {parts.fragment, unquote(parts.fragment)}
            ):
                found.append(f"{path.relative_to(site)}: {link}")
    return found


def main() -> int:
    """Print what is wrong; the exit status says whether anything is."""
    site = Path(sys.argv[1]).resolve()
    # Doxygen checks its own links, and makes many anchors by scripts.
    paths = [path for path in site.rglob("*.html") if "cpp" not in path.relative_to(site).parts]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    wrong = broken_links(site, {path: Page(text) for path, text in texts.items()})
    places = [f"{place}/" for place in (REPOSITORY, sys.prefix, Path.home())]
    wrong += [
        f"{path.relative_to(site)}: tells of {place}"
        for path, text in texts.items()
        for place in places
        if place in text
    ]
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    wrong += [
        f"searchindex.js: {path.relative_to(site)} is missing"
        for path in paths
        if f'"{path.relative_to(site).with_suffix("").as_posix()}"' not in index
        and path.stem not in ("genindex", "search", "py-modindex")
    ]
    print("\n".join(wrong) or f"{len(paths)} pages, no broken link.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

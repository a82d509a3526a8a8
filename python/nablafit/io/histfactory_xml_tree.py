"""XML from untrusted sources as a small tree: no entities, no external files, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from .._budget import XML_NODES
from ..errors import WorkspaceError, located

if TYPE_CHECKING:
    from .._budget import Budget

__all__ = ["Element", "parse"]

MAX_DEPTH = 16


@dataclass
class Element:
    """One element: its name, attributes, text (stripped), children and where it is."""

    name: str
    attributes: dict[str, str]
    location: str
    children: list[Element] = field(default_factory=list)
    text: str = ""


class _Builder:
    """Builds the tree from expat's events, without recursion."""

    def __init__(self, name: str, budget: Budget) -> None:
        self.name = name
        self._budget = budget
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._refuse_entity
        self._parser.SkippedEntityHandler = self._refuse_reference
        self._parser.ExternalEntityRefHandler = self._refuse_external

    def parse(self, content: bytes) -> Element:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            raise self._error(f"not well-formed XML: {error}") from error
        except WorkspaceError:
            raise
        except (ValueError, LookupError) as error:
            raise self._error(f"not readable as XML: {error}") from error
        if self.root is None:
            raise self._error("no element in the document")
        return self.root

    def _error(self, message: str) -> WorkspaceError:
        where = f"{self.name}: line {self._parser.CurrentLineNumber}"
        return located(WorkspaceError, message, where)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._budget.spend(XML_NODES, 1 + len(attributes), self.name)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(f"elements are nested more than {MAX_DEPTH} deep")
        line = self._parser.CurrentLineNumber
        element = Element(name, attributes, f"{self.name}: line {line}: <{name}>")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _: str) -> None:
        self._open.pop().text = "".join(self._texts.pop()).strip()

    def _characters(self, text: str) -> None:
        self._texts[-1].append(text)

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise self._error(f"declares the entity {name!r}; write its text where it is used")

    def _refuse_reference(self, name: str, *_: object) -> None:
        raise self._error(f"refers to the unknown entity {name!r}; write its text instead")

    def _refuse_external(self, *_: object) -> int:
        raise self._error("refers to an external entity, which is never fetched")


def parse(name: str, content: bytes, budget: Budget) -> Element:
    """Return the root element of a document.

    The reference of a DOCTYPE to an external DTD is normal and ignored. Declarations of entities,
    references to them, and whatever exceeds the limits raise WorkspaceError with `name` and line.
    """
    return _Builder(name, budget).parse(content)

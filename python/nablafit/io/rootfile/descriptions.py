"""Class descriptions: those that a file brings (its StreamerInfo), and ours of histograms."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ...errors import WorkspaceError, located
from .layouts import CUSTOM, plan
from .records import ClassDescription, DecodeError, Element, Record
from .stream import Stream

if TYPE_CHECKING:
    from .file import RootFile
    from .records import ClassDescriptions
    from .stream import Step

__all__ = ["HISTOGRAMS", "file_descriptions"]


def file_descriptions(file: RootFile) -> ClassDescriptions:
    """Return the descriptions that a file brings; none if it has none.

    Raises
    ------
    WorkspaceError
        If they are damaged.
    """
    payload = file.class_descriptions()
    if payload is None:
        return {}
    stream = Stream(payload, {}, plan, {**CUSTOM, **_INFO_CLASSES}, file.name, file.budget)
    try:
        infos = map(stream.object, stream.top(payload.class_name).references())
        found = [_description(stream, info) for info in infos if info.class_name == _INFO]
    except DecodeError as error:
        message = f"the class descriptions are damaged: {error}"
        raise located(WorkspaceError, message, file.name) from error
    return {(description.name, description.version): description for description in found}


def _description(stream: Stream, info: Record) -> ClassDescription:
    elements = stream.object(info.reference("fElements")).references()
    return ClassDescription(
        info.text("fName"),
        int(info.number("fClassVersion")),
        int(info.number("fCheckSum")),
        tuple(_element(stream.object(reference)) for reference in elements),
    )


def _element(record: Record) -> Element:
    return Element(
        name=record.text("fName"),
        type=int(record.number("fType")),
        type_name=record.text("fTypeName"),
        array_length=int(record.number("fArrayLength")),
        count_name=record.get("fCountName", ""),
        is_base=record.class_name == "TStreamerBase",
    )


# --- the classes of a StreamerInfo ---------------------------------------------------------------

_INFO = "TStreamerInfo"
_CHAR, _UNSIGNED_CHAR, _BOOL = 1, 11, 18


def _info(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    """TStreamerInfo: name, checksum, version of the class, array of its elements."""
    _, end, position = stream.version(position)
    position = stream.named(position, record)
    record["fCheckSum"], record["fClassVersion"] = struct.unpack_from(">Ii", stream.data, position)
    record["fElements"], position = stream.pointer(position + 8)
    return position if end is None else end


def _plain_element(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    """TStreamerElement: name, type, size, length and dimensions of an array, name of the type."""
    version, end, position = stream.version(position)
    position = stream.named(position, record)
    kind, _, length, n_dimensions = struct.unpack_from(">iiii", stream.data, position)
    position += 16
    if version == 1:
        (n_dimensions,) = struct.unpack_from(">i", stream.data, position)
        position = stream.checked_end(position + 4, 4 * n_dimensions)
    else:
        position += 20
    record["fTypeName"], position = stream.string(position)
    is_bool = kind == _UNSIGNED_CHAR and record["fTypeName"] in ("Bool_t", "bool")
    record["fType"] = _BOOL if is_bool else kind
    record["fArrayLength"] = length
    return position if end is None else end


def _any_element(stream: Stream, position: int, record: Record, nesting: int) -> int:
    """Other classes of elements: nothing that they add is needed."""
    _, end, position = stream.version(position)
    position = _plain_element(stream, position, record, nesting)
    if end is None:
        raise DecodeError(f"a {record.class_name} without byte count")
    return end


def _string_element(stream: Stream, position: int, record: Record, nesting: int) -> int:
    """TStreamerSTLstring: a TStreamerSTL."""
    _, _, position = stream.version(position)
    return _any_element(stream, position, record, nesting)


def _counted_element(stream: Stream, position: int, record: Record, nesting: int) -> int:
    """TStreamerBasicPointer and TStreamerLoop: an array, and which member is its length."""
    _, end, position = stream.version(position)
    position = _plain_element(stream, position, record, nesting)
    record["fCountName"], position = stream.string(position + 4)
    return position if end is None else end


_INFO_CLASSES: dict[str, Step] = {
    _INFO: _info,
    "TStreamerElement": _plain_element,
    "TStreamerBasicPointer": _counted_element,
    "TStreamerLoop": _counted_element,
    "TStreamerSTLstring": _string_element,
    **dict.fromkeys(
        (
            "TStreamerArtificial",
            "TStreamerBase",
            "TStreamerBasicType",
            "TStreamerObject",
            "TStreamerObjectAny",
            "TStreamerObjectAnyPointer",
            "TStreamerObjectPointer",
            "TStreamerSTL",
            "TStreamerString",
        ),
        _any_element,
    ),
}

# --- histograms as ROOT 6 writes them ------------------------------------------------------------

# Base classes without a colon; a star is a pointer; an array of another member's length names it.
_LAYOUTS = """
TAxis 10 TNamed TAttAxis fNbins:int fXmin:double fXmax:double fXbins:TArrayD fFirst:int fLast:int
  fBits2:ushort fTimeDisplay:bool fTimeFormat:TString fLabels:THashList* fModLabs:TList*
TH1 8 TNamed TAttLine TAttFill TAttMarker fNcells:int fXaxis:TAxis fYaxis:TAxis fZaxis:TAxis
  fBarOffset:short fBarWidth:short fEntries:double fTsumw:double fTsumw2:double fTsumwx:double
  fTsumwx2:double fMaximum:double fMinimum:double fNormFactor:double fContour:TArrayD
  fSumw2:TArrayD fOption:TString fFunctions:TList* fBufferSize:int fBuffer:fBufferSize
  fBinStatErrOpt:int fStatOverflows:int
TH2 5 TH1 fScalefactor:double fTsumwy:double fTsumwy2:double fTsumwxy:double
TH3 6 TH1 TAtt3D fTsumwy:double fTsumwy2:double fTsumwxy:double fTsumwz:double fTsumwz2:double
  fTsumwxz:double fTsumwyz:double
"""
_CODES = {"short": 2, "int": 3, "double": 8, "ushort": 12, "bool": 18, "TString": 65}
_OBJECT, _POINTER, _DOUBLES = 62, 64, 48


def _known(line: str) -> ClassDescription:
    name, version, *members = line.split()
    elements = []
    for member in members:
        name_, colon, kind = member.partition(":")
        code = _CODES.get(kind, _POINTER if kind.endswith("*") else _OBJECT)
        is_counted = kind.startswith("f")
        code = _DOUBLES if is_counted else code
        elements.append(Element(name_, code, kind, 0, kind if is_counted else "", not colon))
    return ClassDescription(name, int(version), 0, tuple(elements))


def _histograms() -> ClassDescriptions:
    lines = _LAYOUTS.strip().replace("\n  ", " ").splitlines()
    lines += [
        f"TH{n}{kind} {3 if n == 1 else 4} TH{n} TArray{kind}"
        for n in (1, 2, 3)
        for kind in "CSIFD"
    ]
    return {(d.name, d.version): d for d in map(_known, lines)}


HISTOGRAMS = _histograms()
"""Descriptions of histograms and their axes, whatever a file says of these versions."""

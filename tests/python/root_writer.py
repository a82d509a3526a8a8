"""ROOT files byte by byte: with histograms, class descriptions and directories of any content."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np

BYTE_COUNT = 0x40000000
OBJECT = struct.pack(">HII", 1, 0, 0x03000000)

# Elements of class descriptions: class of the element, name, type, name of the type.
Element = tuple[str, str, int, str]
BASE, NUMBER, ARRAY = "TStreamerBase", "TStreamerBasicType", "TStreamerObjectAny"
VERSIONS = {"TAttLine": 2, "TAttFill": 2, "TAttMarker": 2, "TAttAxis": 4, "TH1": 7}
CODES = {"int": 3, "short": 2, "double": 8, "unsigned short": 12, "bool": 18}


def string(text: str) -> bytes:
    raw = text.encode()
    return (bytes([len(raw)]) if len(raw) < 255 else struct.pack(">BI", 255, len(raw))) + raw


def counted(version: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">IH", BYTE_COUNT | (len(body) + 2), version) + body


def named(name: str, title: str = "") -> bytes:
    return counted(1, OBJECT, string(name), string(title))


def pointer(class_name: str, body: bytes) -> bytes:
    content = b"\xff\xff\xff\xff" + class_name.encode() + b"\0" + body
    return struct.pack(">I", BYTE_COUNT | len(content)) + content


# --- class descriptions ---------------------------------------------------------------------------


def members(text: str) -> list[Element]:
    """Elements from words: a base, or name:type."""
    elements: list[Element] = []
    for word in text.split():
        name, colon, kind = word.partition(":")
        kind = kind.replace("_", " ")
        if not colon:
            elements.append((BASE, name, 67 if name == "TNamed" else 0, "BASE"))
        elif kind in CODES:
            elements.append((NUMBER, name, CODES[kind], kind))
        elif kind == "TString":
            elements.append(("TStreamerString", name, 65, kind))
        elif name == "fBuffer":
            elements.append(("TStreamerBasicPointer", name, 48, kind))
        elif kind == "TList*" and name == "fFunctions":
            elements.append(("TStreamerObjectPointer", name, 63, kind))
        elif kind.endswith("*"):
            elements.append(("TStreamerObjectPointer", name, 64, kind))
        else:
            elements.append((ARRAY, name, 62, kind))
    return elements


def element(class_name: str, name: str, kind: int, type_name: str) -> bytes:
    numbers = struct.pack(">4i5i", kind, 0, 0, 0, 0, 0, 0, 0, 0)
    plain = counted(4, named(name), numbers, string(type_name))
    base_version = struct.pack(">i", VERSIONS.get(name, 1))
    more = {BASE: (3, base_version), "TStreamerBasicPointer": (2, counts("fBufferSize", "TH1"))}
    version, tail = more.get(class_name, (2, b""))
    return pointer(class_name, counted(version, plain, tail))


def counts(name: str, class_name: str) -> bytes:
    return struct.pack(">i", 1) + string(name) + string(class_name)


def description(class_name: str, version: int, elements: Sequence[Element]) -> bytes:
    listed = b"".join(element(*each) for each in elements)
    array = counted(3, OBJECT, string(""), struct.pack(">ii", len(elements), 0), listed)
    head = struct.pack(">Ii", 1, version)
    return counted(9, named(class_name), head, pointer("TObjArray", array))


def descriptions(*infos: bytes) -> bytes:
    listed = b"".join(pointer("TStreamerInfo", info) + b"\0" for info in infos)
    return counted(5, OBJECT, string(""), struct.pack(">i", len(infos)), listed)


# --- histograms -----------------------------------------------------------------------------------

AXIS = """TNamed TAttAxis fNbins:int fXmin:double fXmax:double fXbins:TArrayD fFirst:int fLast:int
fBits2:unsigned_short fTimeDisplay:bool fTimeFormat:TString fLabels:THashList* fModLabs:TList*"""
TH1 = """TNamed TAttLine TAttFill TAttMarker fNcells:int fXaxis:TAxis fYaxis:TAxis fZaxis:TAxis
fBarOffset:short fBarWidth:short fEntries:double fTsumw:double fTsumw2:double fTsumwx:double
fTsumwx2:double fMaximum:double fMinimum:double fNormFactor:double fContour:TArrayD fSumw2:TArrayD
fOption:TString fFunctions:TList* fBufferSize:int fBuffer:double* fBinStatErrOpt:int"""
DTYPES = {"C": "i1", "S": ">i2", "I": ">i4", "L": ">i8", "F": ">f4", "D": ">f8"}


def array(values: Sequence[float] = (), kind: str = "D") -> bytes:
    return struct.pack(">i", len(values)) + np.asarray(values, dtype=DTYPES[kind]).tobytes()


def axis(n_bins: int, edges: Sequence[float] = (), version: int = 10) -> bytes:
    attributes = counted(4, struct.pack(">ihhhfffffhh", *[0] * 11))
    numbers = struct.pack(">idd", n_bins, 0.0, float(n_bins))
    rest = struct.pack(">iiH?", 0, 0, 0, False) + string("") + bytes(8)
    return counted(version, named("axis"), attributes, numbers, array(edges), rest)


def th1(
    axes: Sequence[bytes],
    n_cells: int,
    sumw2: Sequence[float],
    version: int,
    contour: Sequence[float],
    swap: bool,
    buffer: Sequence[float],
) -> bytes:
    """The base TH1."""
    arrays = [array(contour), array(sumw2)]
    if swap:
        arrays.reverse()
    stored = np.asarray(buffer, dtype=">f8").tobytes()
    end = struct.pack(">i?", len(buffer), bool(buffer)) + stored + struct.pack(">i", 0)
    end += struct.pack(">i", 2) if version == 8 else b""
    return counted(
        version,
        named("histogram"),
        counted(2, struct.pack(">hhh", 1, 1, 1)),
        counted(2, struct.pack(">hh", 1, 1)),
        counted(2, struct.pack(">hhf", 1, 1, 1.0)),
        struct.pack(">i", n_cells),
        *[*axes, axis(1), axis(1)][:3],
        struct.pack(">hh8d", 0, 1000, *[0.0] * 8),
        *arrays,
        string(""),
        counted(5, OBJECT, string(""), bytes(4)),
        end,
    )


def histogram(
    contents: np.ndarray,
    sumw2: np.ndarray | None = None,
    *,
    kind: str = "D",
    edges: Sequence[Sequence[float]] = (),
    version: int = 8,
    contour: Sequence[float] = (),
    swap: bool = False,
    buffer: Sequence[float] = (),
) -> tuple[str, bytes]:
    """Class and bytes of a histogram with empty under- and overflow.

    Contents are of shape (bins of each axis); `swap` stores fSumw2 before fContour.
    """

    def cells(values: np.ndarray) -> np.ndarray:
        return np.pad(values, 1).T.ravel()

    axes = [
        axis(n, bounds) for n, bounds in zip(contents.shape, [*edges, (), (), ()], strict=False)
    ]
    squares = () if sumw2 is None else cells(sumw2)
    stored = cells(contents)
    base = th1(axes, stored.size, squares, version, contour, swap, buffer)
    if contents.ndim == 2:
        base = counted(5, base, struct.pack(">4d", *[0.0] * 4))
    elif contents.ndim == 3:
        base = counted(6, base, counted(1), struct.pack(">7d", *[0.0] * 7))
    body = counted(3 if contents.ndim == 1 else 4, base, array(stored, kind))
    return f"TH{contents.ndim}{kind}", body


# --- files ----------------------------------------------------------------------------------------


class RootFile:
    """A file that grows; keys are what `directory` and `finish` list."""

    def __init__(self) -> None:
        self.data = bytearray(300)

    def key(self, name: str, class_name: str, size: int, stored: bytes) -> bytes:
        """Store bytes with a key in front; return the key."""
        names = string(class_name) + string(name) + string("")
        length = 26 + len(names)
        head = struct.pack(
            ">ihiIhhii", length + len(stored), 4, size, 0, length, 1, len(self.data), 100
        )
        self.data += head + names + stored
        return head + names

    def object(self, name: str, class_name: str, body: bytes, compress: bool = False) -> bytes:
        stored = blocks(body) if compress else body
        return self.key(name, class_name, len(body), stored)

    def directory(self, name: str, keys: Sequence[bytes]) -> bytes:
        listing = self.listing(keys)
        return self.key(name, "TDirectoryFile", 60, self.header(*listing))

    def listing(self, keys: Sequence[bytes]) -> tuple[int, int]:
        start = len(self.data)
        body = struct.pack(">i", len(keys)) + b"".join(keys)
        self.key("keys", "TFile", len(body), body)
        return start, len(self.data) - start

    @staticmethod
    def header(start: int, size: int) -> bytes:
        return struct.pack(">hIIiiiii", 5, 0, 0, size, 0, 0, 0, start) + bytes(30)

    def finish(self, keys: Sequence[bytes], infos: bytes = b"") -> bytes:
        info = len(self.data) if infos else 0
        if infos:
            self.object("StreamerInfo", "TList", infos)
        n_info = len(self.data) - info if infos else 0
        listing = self.listing(keys)
        end = len(self.data)
        self.data[:100] = struct.pack(
            ">4siiiiiiiBiiiH16s",
            *(b"root", 62400, 100, end, end, 0, 0, 60, 4, 1, info, n_info, 1, bytes(16)),
        ).ljust(100, b"\0")
        directory = self.header(*listing)
        self.data[160 : 160 + len(directory)] = directory
        return bytes(self.data)


def blocks(body: bytes, level: int = 9) -> bytes:
    """Compress as ROOT does, in blocks of at most 16 MiB."""
    size = (1 << 24) - 1
    result = b""
    for start in range(0, len(body), size):
        part = body[start : start + size]
        packed = zlib.compress(part, level)
        result += b"ZL\x08" + len(packed).to_bytes(3, "little") + len(part).to_bytes(3, "little")
        result += packed
    return result


def write(infos: bytes = b"", **histograms: tuple[str, bytes]) -> bytes:
    """A file with histograms in its top directory."""
    file = RootFile()
    keys = [file.object(name, kind, body) for name, (kind, body) in histograms.items()]
    return file.finish(keys, infos)

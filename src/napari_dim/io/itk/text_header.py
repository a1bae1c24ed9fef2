"""The text before the voxels of NRRD and MetaImage files, and what is wrong with it.

SimpleITK reads both. Its libraries say of a file that it can't read what went wrong in their
code, if anything; here is what a person can act on.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_LONGEST = 65536
_FIELD = re.compile(r"^(?P<name>[A-Za-z][A-Za-z0-9 _]*?)\s*(?::(?!=)|=)\s*(?P<value>.*?)\s*$")
_META_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_NRRD_TYPES = {
    "i1": "signed char|int8|int8_t", "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t", "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float", "f8": "double",
}  # fmt: skip
_NEEDED = {
    "nrrd": ("dimension", "type", "sizes", "encoding"),
    "metaimage": ("NDims", "DimSize", "ElementType", "ElementDataFile"),
}
_ORIGINS = ("offset", "position", "origin")
_TURNS = ("transformmatrix", "orientation", "rotation")
NOWHERE = "the file does not say how it lies in the patient; programs will differ"


@dataclass(frozen=True)
class TextHeader:
    """The fields of a header.

    Attributes
    ----------
    kind
        ``"nrrd"`` or ``"metaimage"``.
    fields
        Name, lower case -> value.
    end
        Bytes of the header: where voxels in the same file begin.
    """

    kind: str
    fields: dict[str, str]
    end: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Voxels along each axis of the file; ``()`` where they can't be read."""
        text = self.fields.get("sizes" if self.kind == "nrrd" else "dimsize", "")
        numbers = text.split()
        return tuple(map(int, numbers)) if all(one.isdecimal() for one in numbers) else ()

    @property
    def dtype(self) -> np.dtype | None:
        """How a value is stored; None where that is not known."""
        if self.kind == "metaimage":
            code = _META_TYPES.get(self.fields.get("elementtype", "").upper())
            told = (self.fields.get(name, "") for name in
                    ("elementbyteordermsb", "binarydatabyteordermsb"))  # fmt: skip
            big = any(one.lower() in ("true", "1") for one in told)
        else:
            name = self.fields.get("type", "").lower()
            code = next((c for c, names in _NRRD_TYPES.items() if name in names.split("|")), None)
            big = self.fields.get("endian", "").lower() == "big"
        return None if code is None else np.dtype(code).newbyteorder(">" if big else "<")

    @property
    def size(self) -> int:
        """Bytes of the voxels once unpacked; 0 where that is not known."""
        if not self.sizes or self.dtype is None:
            return 0
        count = self.fields.get("elementnumberofchannels", "1")
        channels = int(count) if self.kind == "metaimage" and count.isdecimal() else 1
        return math.prod(self.sizes) * channels * self.dtype.itemsize

    @property
    def data_file(self) -> str:
        """The other file that the voxels are in, as it is written; ``""`` for this one."""
        names = ("data file", "datafile") if self.kind == "nrrd" else ("elementdatafile",)
        name = next((self.fields[one] for one in names if one in self.fields), "")
        return "" if name.upper() == "LOCAL" else name

    @property
    def packed(self) -> bool | None:
        """Whether the voxels are compressed by zlib; None for ways that are not known here."""
        if self.kind == "metaimage":
            if self.fields.get("binarydata", "true").lower() in ("false", "0"):
                return None
            return self.fields.get("compresseddata", "false").lower() in ("true", "1")
        ways = {"raw": False, "gzip": True, "gz": True}
        return ways.get(self.fields.get("encoding", "").lower())

    @property
    def place_notes(self) -> tuple[str, ...]:
        """What the file does not say of its place; `NOWHERE` where it says nothing."""
        if self.kind == "nrrd":
            if not self.fields.keys() & {"space", "space dimension"}:
                return (NOWHERE,)
            begins, turns = "space origin" in self.fields, "space directions" in self.fields
        else:
            begins = any(name in self.fields for name in _ORIGINS)
            turns = any(name in self.fields for name in _TURNS)
            if not begins and not turns:
                return (NOWHERE,)
        notes = []
        if not begins:
            notes.append("the file does not say where its first voxel lies; 0, 0, 0 mm is taken")
        if not turns:
            notes.append("the file does not say how its axes are turned; those of DICOM are taken")
        return tuple(notes)

    def fault(self, held: int) -> tuple[str, str]:
        """What is wrong with it, and what to do, given the size of its file; ``""``: nothing seen.

        The words are those of its format, for whoever mends it by hand.
        """
        again = "Save it again with the program that made it"
        for name in _NEEDED[self.kind]:
            if not self.fields.get(name.lower()) and not (name == "encoding" and self.data_file):
                return f"the header does not say its {name}", again
        axes = self.fields["dimension" if self.kind == "nrrd" else "ndims"]
        sizes = "sizes" if self.kind == "nrrd" else "DimSize"
        if not self.sizes:
            return f"the header's {sizes} are no numbers of voxels", again
        if axes.isdecimal() and len(self.sizes) != int(axes):
            return f"the header declares {axes} axes and {len(self.sizes)} {sizes}", again
        if self.dtype is None:
            kind = "type" if self.kind == "nrrd" else "ElementType"
            return f"the header's {kind} is of no kind that can be read", again
        if self.packed is None:
            return "the voxels are encoded in a way that can't be read", again
        if not self.data_file and not self.packed and self.end + self.size > held:
            told = (
                f"the voxels are cut off: {max(0, held - self.end)} of {self.size} bytes are there"
            )
            return told, "Copy the file again"
        if self.packed:
            return "the compressed voxels are damaged or cut off", "Copy the file again"
        return "", ""


def header_of(path: Path) -> TextHeader | None:
    """The header of a NRRD or MetaImage file; None where it is neither, or can't be read."""
    kind = {".nrrd": "nrrd", ".nhdr": "nrrd", ".mha": "metaimage", ".mhd": "metaimage"}
    found = kind.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST)
    except OSError:
        return None
    if found is None or b"\0" in start[:16] or (found == "nrrd" and not start.startswith(b"NRRD")):
        return None
    fields: dict[str, str] = {}
    end = 0
    for line in start.splitlines(keepends=True):
        end += len(line)
        text = line.decode("latin-1").rstrip("\r\n")
        if found == "nrrd" and not text:
            break
        match = _FIELD.match(text)
        if match is not None:
            fields.setdefault(match["name"].lower(), match["value"])
        if found == "metaimage" and match is not None and match["name"] == "ElementDataFile":
            break
    return TextHeader(found, fields, end)


def fault_of(path: Path) -> tuple[str, str]:
    """Why SimpleITK can't read a file, and what to do about it, in words of its format."""
    if path.is_file() and not path.stat().st_size:
        return "the file is empty", "Copy it again"
    header = header_of(path)
    known = path.suffix.lower() in (".nrrd", ".nhdr", ".mha", ".mhd")
    if header is not None and header.fields:
        told = header.fault(path.stat().st_size)
        if told[0]:
            return told
    elif known:
        kind = "NRRD" if path.suffix.lower() in (".nrrd", ".nhdr") else "MetaImage"
        return f"this is not a {kind} file", "Save it again with the program that made it"
    return "SimpleITK can't read this", "It is probably cut off or damaged: copy it again"

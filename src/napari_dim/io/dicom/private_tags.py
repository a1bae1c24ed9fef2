"""The b value where scanners kept it before DICOM had a tag for it: in their makers' own tags."""

from __future__ import annotations

import struct
from typing import Any

B_VALUES = {0x0019100C: "SIEMENS", 0x00431039: "GE", 0x20011003: "Philips"}
"""Tag, and who writes it."""

_CREATORS = {0x0019100C: 0x00190010, 0x00431039: 0x00430010, 0x20011003: 0x20010010}
TAGS = (*B_VALUES, *_CREATORS.values())
"""All that `private_b_value` looks at."""

_NAMED = {0x0019100C: "siemens", 0x00431039: "gems", 0x20011003: "philips"}
_GE_OFFSET = 1_000_000_000
"""GE adds this to the b values of some sequences."""
_MOST = 1e6


def private_b_value(header: Any) -> float | None:
    """The b value in s/mm^2 that a maker's tag tells; None where none does, or can't be read."""
    for tag in B_VALUES:
        element = header.get(tag)
        creator = header.get(_CREATORS[tag])
        if element is None:
            continue
        # Anonymisers drop the maker's name and leave the value; another name is another tag.
        if creator is not None and _NAMED[tag] not in str(creator.value).lower():
            continue
        value = _number(element.value, real=tag == 0x20011003)
        if tag == 0x00431039 and value is not None and value >= _GE_OFFSET:
            value -= _GE_OFFSET
        if value is not None and 0 <= value <= _MOST:
            return value
    return None


def _number(value: Any, *, real: bool) -> float | None:
    """The first number of a value, which is bytes where its type isn't stored."""
    if isinstance(value, bytes):
        if real and len(value) == 4:
            return float(struct.unpack("<f", value)[0])
        value = value.decode("latin-1").strip(" \0").split("\\")
    if hasattr(value, "__len__") and not isinstance(value, str):
        value = value[0] if len(value) else None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None

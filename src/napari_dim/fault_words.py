"""What is wrong with a setting, in words of the user's: pydantic's own are for programmers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_KINDS = {
    "int_parsing": "a whole number", "int_type": "a whole number",
    "int_from_float": "a whole number", "float_parsing": "a number", "float_type": "a number",
    "bool_parsing": "true or false", "bool_type": "true or false", "string_type": "a word",
    "tuple_type": "a list", "finite_number": "a finite number",
}  # fmt: skip


def unknown(name: object, names: Iterable[str]) -> str:
    """A setting that there is not, with the nearest one that there is."""
    near = get_close_matches(str(name), list(names), 1)
    return f"there is no setting {name!r}" + (f": did you mean {near[0]}?" if near else "")


def in_words(fault: Any) -> str:
    """One of the faults that a `pydantic.ValidationError` lists, as a phrase."""
    # ("system", "dim", "confidence"): the option is told as it is written.
    name = ".".join(
        str(part) for part in fault["loc"][2 if fault["loc"][:1] == ("system",) else 0 :]
    )
    given, about, kind = fault.get("input"), fault.get("ctx", {}), fault["type"]
    if kind == "literal_error":
        return f"{name} is {given!r}, it can be {about['expected']}"
    if kind == "union_tag_invalid":
        return f"{name or 'system'} is {about['tag']!r}, it can be {about['expected_tags']}"
    limits = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"),
              "greater_than": ("gt", "above"), "less_than": ("lt", "below")}  # fmt: skip
    if kind in limits:
        key, word = limits[kind]
        return f"{name} is {given!r}, it must be {word} {about[key]:g}"
    if kind in _KINDS:
        return f"{name} is {given!r}, it must be {_KINDS[kind]}"
    if kind == "extra_forbidden":
        return f"{name} is no option of this system"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {text}" if name else text

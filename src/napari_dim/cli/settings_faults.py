"""What is wrong with a table of settings, all of it, in words of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from napari_dim.config import OPTION_NAMES, Settings, with_length
from napari_dim.errors import InputError

_KINDS = {
    "int_parsing": "a whole number", "int_type": "a whole number",
    "int_from_float": "a whole number", "float_parsing": "a number", "float_type": "a number",
    "bool_parsing": "true or false", "bool_type": "true or false", "string_type": "a word",
    "tuple_type": "a list", "finite_number": "a finite number",
}  # fmt: skip


def settings_faults(values: Mapping[str, Any]) -> list[str]:
    """One phrase for each setting that is unknown or can't have its value; none if all are right.

    An unknown name comes with the nearest right one.
    """
    names = [*Settings.model_fields, *OPTION_NAMES, "method"]
    faults = []
    for name in values:
        if name not in names:
            near = get_close_matches(str(name), names, 1)
            more = f": did you mean {near[0]}?" if near else ""
            faults.append(f"there is no setting {name!r}{more}")
    known = {name: value for name, value in values.items() if name in names}
    try:
        known = with_length(known)
    except InputError as error:
        faults.append(f"budget: {error.problem}" if error.where == "budget" else error.problem)
        known.pop("budget")
    try:
        Settings.make(**known)
    except InputError as error:
        cause = error.__cause__
        several = cause.errors(include_url=False) if isinstance(cause, ValidationError) else []
        faults += [_in_words(one) for one in several] or [error.problem]
    return faults


def _in_words(fault: Any) -> str:
    # ("system", "dim", "confidence"): the option is told as it is written.
    name = ".".join(
        str(part) for part in fault["loc"][2 if fault["loc"][:1] == ("system",) else 0 :]
    )
    given, about, kind = fault.get("input"), fault.get("ctx", {}), fault["type"]
    if kind == "literal_error":
        return f"{name} is {given!r}, it can be {about['expected']}"
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

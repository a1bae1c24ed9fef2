"""Write docs/settings.md from `config.py` and `options.py`: ``python docs/make_settings.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_dim.config import PRESETS, SYSTEM_DEFAULTS, Settings
from napari_dim.options import OPTIONS

PAGE = Path(__file__).with_name("settings.md")
HEAD = """# Settings

All settings, for `fit --config FILE` (TOML or JSON), `napari_dim.fit(name=value)`, \
`napari_dim.Settings.make(name=value)` and the window's *More settings*. This page is made from \
`config.py` and `options.py` by `python docs/make_settings.py`.

```toml
system = "fixmatch"
budget = "5m"
width = 32
confidence = 0.9
```

A system's own settings stand beside the others, or in a table `[system]` with its `name`. A \
`budget` is in seconds, or written `"60s"`, `"3m"`, `"until-stopped"`; `budget` and `steps` \
exclude each other.
"""
GROUPS = {
    "run": "Run", "data": "Slices", "network": "Network", "optimiser": "Optimiser",
    "views": "Views",
}  # fmt: skip


def page() -> str:
    """The whole page."""
    parts = [HEAD.replace("\\\n", "")]
    grouped: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        group = str(extra.get("group", "")) if isinstance(extra, dict) else ""
        grouped.setdefault(GROUPS.get(group, group.capitalize()), []).append(name)
    for group, names in grouped.items():
        parts.append(f"## {group}\n\n" + table(Settings, names))
    parts.append("## Presets\n\n`interactive` is the defaults above. What the others change:\n")
    rows = [
        f"| `{name}` | {shown(PRESETS['paper'].get(name))} | {shown(value)} |"
        for name, value in PRESETS["published"].items()
    ]
    head = "| setting | `paper` | `published` |\n|---|---|---|"
    parts.append("\n".join([head, *rows]) + "\n")
    parts.append("## Systems\n\nEach has settings of its own.\n")
    for name, options in OPTIONS.items():
        about = (options.__doc__ or "").strip().split("\n")[0]
        other = SYSTEM_DEFAULTS.get(name, {})
        changed = ", ".join(f"`{key}` is {shown(value)}" for key, value in other.items())
        text = f"### `{name}`\n\n{about}" + (
            f" Of the shared settings, {changed}." if changed else ""
        )
        own = [key for key in options.model_fields if key != "name"]
        parts.append(text + "\n" + ("\n" + table(options, own) if own else ""))
    return "\n".join(parts)


def table(model: type[BaseModel], names: list[str]) -> str:
    """A row a setting."""
    rows = ["| setting | default | can be | what it does |", "|---|---|---|---|"]
    for name in names:
        field = model.model_fields[name]
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        text = (field.description or "").replace("|", "\\|").rstrip(".")
        symbol = f" (`{extra['symbol']}`)" if extra.get("symbol") else ""
        unit = f" {extra['unit']}" if extra.get("unit") and field.default is not None else ""
        default = f"{shown(field.default)}{unit}"
        rows.append(f"| `{name}` | {default} | {values(field)} | {text}{symbol} |")
    return "\n".join(rows) + "\n"


def values(field: Any) -> str:
    """What a setting can be: its range, or its words."""
    if len(words := literals(field.annotation)) > 1:
        return ", ".join(f"`{word}`" for word in words)
    if field.annotation is bool:
        return "`true`, `false`"
    limits = {name: getattr(one, name) for one in field.metadata
              for name in ("ge", "gt", "le", "lt") if hasattr(one, name)}  # fmt: skip
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{signs[name]} {number(limit)}" for name, limit in limits.items())


def literals(annotation: Any) -> list[str]:
    """The words of a `Literal`, also within a union; names of systems for a union of options."""
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if isinstance(annotation, type) and annotation in OPTIONS.values():
        return [str(annotation.model_fields["name"].default)]
    return [word for inner in get_args(annotation) for word in literals(inner)]


def shown(value: Any) -> str:
    """A value as a settings file has it."""
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        return f"`{value.model_dump()['name']}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float | int):
        return f"`{number(value)}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def number(value: float) -> str:
    """A number as people write it."""
    if abs(value) >= 1e5:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.6g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

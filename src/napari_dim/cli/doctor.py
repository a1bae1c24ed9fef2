"""``napari-dim doctor``: what a bug report needs, and what to do about what is missing."""

from __future__ import annotations

import json as json_module
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from napari_dim.cli.console import messages, output
from napari_dim.cli.system import check_window

PACKAGES = (
    "napari-dim", "napari", "npe2", "torch", "numpy", "scipy", "scikit-image",
    "nibabel", "safetensors", "qtpy", "PyQt6", "PySide6", "PyQt5", "vispy",
)  # fmt: skip
LOSING = "6.12.0"
"""The PySide6 that takes a reference from None with every event that Python filters."""
BINDINGS = ("PyQt6", "PySide6", "PyQt5")
_OPTIONAL = frozenset(BINDINGS)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show versions, devices, Qt and OpenGL, and what to do about what is missing."""
    if not json:
        messages().print("Looking at torch, Qt and OpenGL ...")
    report = examine()
    if json:
        sys.stdout.write(json_module.dumps(report, indent=2) + "\n")
    else:
        for line in report_lines(report):
            output().print(line)


def examine() -> dict[str, Any]:
    """Everything that `doctor` shows, as plain values. Never raises: that is what it is for."""
    report: dict[str, Any] = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "devices": [],
        "advice": [],
    }
    missing = [n for n, v in report["versions"].items() if v is None and n not in _OPTIONAL]
    if missing:
        report["advice"].append(f"Missing packages: pip install {' '.join(missing)}")
    if not any(report["versions"][name] for name in BINDINGS):
        report["advice"].append('No Qt binding, so no window: pip install "napari[pyqt6]"')
    if report["versions"]["PySide6"] == LOSING and sys.version_info < (3, 12):
        report["advice"].append(
            f"PySide6 {LOSING} ends napari without a word, after some hundred thousand events, on "
            f'Python before 3.12: pip install "PySide6!={LOSING}"'
        )
    report["advice"] += _missing_formats()
    try:
        from napari_dim.engine.device import describe_devices

        report["devices"] = [vars(device) for device in describe_devices()]
    except Exception as error:
        # A broken torch raises whatever its libraries raise; the report must go on.
        report["advice"].append(f"torch can't be used: {' '.join(str(error).split())}")
    else:
        if len(report["devices"]) == 1:
            report["advice"].append("Training runs on the CPU: torch sees no GPU here")
    window = check_window()
    report["window"] = {"works": window.works, "reason": window.reason, **window.details}
    if not window.works:
        text = f"No window: {window.reason}. {window.remedy}"
        report["advice"].append(text.strip())
    return report


def report_lines(report: dict[str, Any]) -> list[str]:
    """The report for people."""
    lines = [f"System    {report['system']}", f"Python    {report['python']}", "", "Packages"]
    for name, number in report["versions"].items():
        if number or name not in _OPTIONAL:
            lines.append(f"  {name:<14}{number or 'missing'}")
    lines += ["", "Devices"]
    for device in report["devices"]:
        memory = f"{device['free'] / 2**30:.1f} of {device['memory'] / 2**30:.1f} GiB free"
        lines.append(f"  {device['name']:<14}{device['title']}, {memory}")
    window = report["window"]
    lines += ["", "Window"]
    if window.get("binding"):
        lines.append(
            f"  {'Qt':<14}{window['qt']} through {window['binding']} ({window['platform']})"
        )
    if window.get("opengl"):
        lines.append(f"  {'OpenGL':<14}{window['opengl']}, {window['renderer']}")
    lines.append(f"  {'opens':<14}{'yes' if window['works'] else 'no'}")
    lines += ["", "Advice", *(f"  - {text}" for text in report["advice"] or ["All is well"])]
    return lines


def _missing_formats() -> list[str]:
    """What can't be read or written for want of a package, a line each."""
    try:
        from napari_dim.io.formats import READERS, WRITERS
    except Exception as error:
        return [f"Files can't be read: {' '.join(str(error).split())}"]
    unread = {one.name: one.extra for one in READERS if one.missing}
    unwritten = {one.name: one.extra for one in WRITERS if one.missing and one.name not in unread}
    return [
        f'{name} can\'t be {done}: pip install "napari-dim[{extra}]"'
        for done, rows in (("read", unread), ("written", unwritten))
        for name, extra in rows.items()
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

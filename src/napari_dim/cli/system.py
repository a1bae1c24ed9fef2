"""Can a window be opened here? Standard library alone, for it runs where things are missing."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

QT_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libOpenGL.so.0": "libopengl0",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
"""What Qt's pip packages expect of a Linux system: library -> Debian package."""

PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class WindowCheck:
    """Whether a window can be opened.

    Attributes
    ----------
    works
        Whether Qt and OpenGL came up.
    reason
        Why not, one sentence without a full stop; empty if it works.
    remedy
        What to do about it, or empty.
    details
        What the probe found: Qt binding, platform, OpenGL renderer and version.
    """

    works: bool
    reason: str
    remedy: str
    details: dict[str, Any]


def has_display() -> bool:
    """Whether there is a screen to open a window on (always, except on Linux without one)."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def missing_qt_packages() -> list[str]:
    """Debian packages of the system libraries that Qt needs and that can't be loaded."""
    if not sys.platform.startswith("linux"):
        return []
    missing = []
    for library, package in QT_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def apt_line(packages: list[str]) -> str:
    """The line that installs Debian packages."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"


def check_window() -> WindowCheck:
    """Try Qt and OpenGL in a child process, which may crash in their place."""
    missing = missing_qt_packages()
    if missing:
        reason = f"Qt lacks system libraries ({', '.join(missing)})"
        return WindowCheck(False, reason, f"On Debian or Ubuntu: {apt_line(missing)}", {})
    if not has_display():
        return WindowCheck(
            False,
            "there is no display",
            "Run it in a desktop session, or under xvfb-run",
            {},
        )
    return _probe()


def _probe() -> WindowCheck:
    command = [sys.executable, "-m", "napari_dim.gui.hooks.qt_probe"]
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return WindowCheck(False, f"Qt does not answer: {error}", "", {})
    try:
        found = json.loads(child.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        lines = [line for line in child.stderr.splitlines() if line.strip()]
        said = lines[0].strip() if lines else f"it ended with code {child.returncode}"
        return WindowCheck(False, f"Qt crashes when it starts: {said}", "", {})
    reason = found.pop("error", "")
    return WindowCheck(not reason, reason, found.pop("remedy", ""), found)

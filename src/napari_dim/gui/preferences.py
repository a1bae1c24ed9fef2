"""The plugin's page in napari's Preferences, and defaults where napari is too old for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preferences:
    """What the user chose for all trainings. `threads` 0 takes what the window leaves.

    `server` is where trainings run, ``""`` for this computer; `hints` says whether the window tells
    what to do next; `dicom` is the reader of DICOM files by name, ``""`` for the usual one; `opens`
    whether napari's own ways to open scans take ours; `mouse` whether the wheel goes through the
    slices and the right button erases; `contours` whether masks are shown as contours only; `views`
    whether the linked views are shown.
    """

    budget: float = 180.0
    device: str = "auto"
    threads: int = 0
    run_folder: str = ""
    apart: bool = False
    server: str = ""
    hints: bool = True
    dicom: str = ""
    opens: bool = True
    mouse: bool = True
    contours: bool = False
    views: bool = False

    @property
    def runs(self) -> Path:
        """The folder that run folders are made in."""
        if self.run_folder.strip():
            return Path(self.run_folder).expanduser()
        from platformdirs import user_data_path

        return user_data_path("napari-dim", appauthor=False) / "runs"


def preferences() -> Preferences:
    """Read the preferences; napari before 0.9 has no page for them."""
    settings = _settings()
    if settings is None:
        return Preferences()
    chosen = settings.training
    return Preferences(
        float(chosen.budget),
        str(chosen.device),
        int(chosen.threads),
        str(chosen.run_folder),
        bool(chosen.apart),
        str(chosen.server).strip(),
        bool(settings.window.hints),
        "simpleitk" if settings.files.dicom == "SimpleITK" else "",
        bool(settings.files.opens),
        bool(settings.window.mouse),
        bool(settings.window.contours),
        bool(settings.window.views),
    )


def hide_hints() -> None:
    """Remember that the user needs no hints any more; napari saves it."""
    settings = _settings()
    if settings is not None:
        settings.window.hints = False


def remember_contours(wanted: bool) -> None:
    """Remember whether masks are shown as contours only; napari saves it, from 0.9 on."""
    settings = _settings()
    if settings is not None:
        settings.window.contours = wanted


def remember_views(shown: bool) -> None:
    """Remember whether the linked views are shown; napari saves it."""
    settings = _settings()
    if settings is not None and bool(settings.window.views) != shown:
        settings.window.views = shown


def _settings() -> Any:
    """The settings of this plugin; None for too old a napari, or without the manifest."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings("napari-dim")
    except Exception:
        return None

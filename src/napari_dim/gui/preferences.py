"""The plugin's page in napari's Preferences, and defaults where napari is too old for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preferences:
    """What the user chose for all trainings. `threads` 0 leaves one core free."""

    budget: float = 180.0
    device: str = "auto"
    threads: int = 0
    run_folder: str = ""
    apart: bool = False

    @property
    def runs(self) -> Path:
        """The folder that run folders are made in."""
        if self.run_folder.strip():
            return Path(self.run_folder).expanduser()
        from platformdirs import user_data_path

        return user_data_path("napari-dim", appauthor=False) / "runs"


def preferences() -> Preferences:
    """Read the preferences; napari before 0.9 has no page for them."""
    chosen: Any
    try:
        from napari.settings import get_plugin_settings

        chosen = get_plugin_settings("napari-dim").training
    except Exception:
        # Too old a napari, or run without the plugin's manifest.
        return Preferences()
    return Preferences(
        float(chosen.budget),
        str(chosen.device),
        int(chosen.threads),
        str(chosen.run_folder),
        bool(chosen.apart),
    )

"""Training systems by name: one a row of the paper's tables. README.md says how to add one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dim.systems.dim import DiM
from napari_dim.systems.system import System
from napari_dim.systems.unet import Supervised

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SYSTEMS", "System"]

SYSTEMS: Mapping[str, type[System]] = {kind.name: kind for kind in (DiM, Supervised)}
"""Every system, by the name in the settings."""

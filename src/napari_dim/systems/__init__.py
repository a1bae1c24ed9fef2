"""Training systems by name: one a row of the paper's tables. README.md says how to add one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dim.systems.bcp import BCP
from napari_dim.systems.caussl import CauSSL
from napari_dim.systems.coranet import CoraNet
from napari_dim.systems.cps import CPS
from napari_dim.systems.dim import DiM
from napari_dim.systems.fda import FDA
from napari_dim.systems.midss import FixMatch, FixMatchCutMix, MiDSS, UpperBound
from napari_dim.systems.sifa import SIFA
from napari_dim.systems.ssnet import SSNet
from napari_dim.systems.supervised import Supervised
from napari_dim.systems.system import System
from napari_dim.systems.uamt import UAMT
from napari_dim.systems.uda_vae import UDAVAE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SYSTEMS", "System"]

SYSTEMS: Mapping[str, type[System]] = {
    kind.name: kind
    for kind in (
        DiM, Supervised, MiDSS, FixMatch, FixMatchCutMix, UpperBound, UAMT, FDA, CPS, CauSSL,
        CoraNet, SSNet, BCP, SIFA, UDAVAE,
    )
}  # fmt: skip
"""Every system, by the name in the settings."""

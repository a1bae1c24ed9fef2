"""napari-dim: semi-supervised segmentation of clinical images inside napari."""

from __future__ import annotations

__version__ = "0.1.0"

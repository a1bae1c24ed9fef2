"""napari-dim: semi-supervised segmentation of clinical images, in napari and from Python.

::

    model = napari_dim.fit("cohort.csv", budget=60)
    mask = napari_dim.predict(model, "scan.nii.gz")

The names below are loaded when they are first used: importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dim.api import evaluate, fit, load_model, predict, predict_cohort
    from napari_dim.config import Settings
    from napari_dim.errors import InputError, TrainingError

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Settings",
    "TrainingError",
    "evaluate",
    "fit",
    "load_model",
    "predict",
    "predict_cohort",
]

_HOMES = {"Settings": "config", "InputError": "errors", "TrainingError": "errors"}
"""Where a name is; all others are in `api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What people use today: a random forest on pixel features, and shape interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from skimage.feature import multiscale_basic_features

from napari_dim.data.case import Case
from napari_dim.editing.shapes_between import between
from napari_dim.volume import Volume

PIXELS = 3000
"""Labelled pixels of a slice that the forest learns from, drawn at random."""


def forest(cases: Sequence[Case], seed: int) -> Callable[[Volume], np.ndarray]:
    """A pixel classifier on multi-scale intensity, edges and texture, slice by slice.

    The features and the classifier are those of interactive pixel classification; a
    hundred trees, leaves of at least 5 pixels.
    """
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    features, classes = [], []
    for case in cases:
        for number in case.labelled:
            every = _features(case.volume, number)
            picked = rng.permutation(len(every))[:PIXELS]
            features.append(every[picked])
            classes.append(case.mask[number].ravel()[picked])
    model = RandomForestClassifier(100, min_samples_leaf=5, n_jobs=-1, random_state=seed)
    model.fit(np.concatenate(features), np.concatenate(classes))

    def predict(volume: Volume) -> np.ndarray:
        mask = np.zeros(volume.array.shape[:3], np.int64)
        for number in range(len(mask)):
            every = _features(volume, number)
            mask[number] = model.predict(every).reshape(mask.shape[1:])
        return mask

    return predict


def interpolation(cases: Sequence[Case]) -> Callable[[Volume], np.ndarray]:
    """Shapes between the labelled slices of one volume, as “Fill between” makes them."""
    (case,) = cases
    labelled = [int(n) for n in case.labelled]
    mask = np.zeros(case.mask.shape, np.int64)
    mask[labelled] = case.mask[labelled]
    for number, plane in between(mask, labelled).items():
        mask[number] = plane
    return lambda _: mask


def _features(volume: Volume, number: int) -> np.ndarray:
    """``(pixel, feature)`` of a slice."""
    plane = volume.array[number].astype(np.float32)
    low, high = np.percentile(volume.array[:: max(1, len(volume.array) // 20)], (0.5, 99.5))
    plane = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    features = multiscale_basic_features(
        plane, sigma_min=1, sigma_max=16, channel_axis=-1 if plane.ndim == 3 else None
    )
    return features.reshape(-1, features.shape[-1])

"""How far the domains lie apart in the features of test slices: a map, and two numbers."""

from __future__ import annotations

import numpy as np

PERPLEXITY, COMPONENTS, FOLDS = 30.0, 30, 5


def feature_map(features: np.ndarray) -> np.ndarray:
    """Places in the plane, ``(n, 2)``, by t-SNE; the same features give the same map.

    Parameters
    ----------
    features
        ``(n, channel)``; standardised, and reduced to 30 principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = _standardised(features)
    if min(x.shape) < 2 or len(x) < 4:
        return np.pad(x[:, :2], ((0, 0), (0, max(0, 2 - x.shape[1]))))
    x = PCA(min(COMPONENTS, *x.shape), random_state=0).fit_transform(x)
    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    places: np.ndarray = TSNE(
        perplexity=perplexity, init="pca", random_state=0, n_jobs=1
    ).fit_transform(x)
    return places


def domain_silhouette(features: np.ndarray, sites: np.ndarray) -> float | None:
    """Mean silhouette of the domains in standardised features: low where they are mixed."""
    from sklearn.metrics import silhouette_score

    if not 1 < len(set(sites.tolist())) < len(sites):
        return None
    return round(float(silhouette_score(_standardised(features), sites)), 4)


def domain_accuracy(features: np.ndarray, sites: np.ndarray) -> float | None:
    """Accuracy, over 5 folds, of a linear classifier of the domain; chance where they are mixed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    counts = np.unique(sites, return_counts=True)[1]
    folds = min(FOLDS, int(counts.min()))
    if len(counts) < 2 or folds < 2:
        return None
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    scores = cross_val_score(
        LogisticRegression(max_iter=2000), _standardised(features), sites, cv=split
    )
    return round(float(scores.mean()), 4)


def _standardised(features: np.ndarray) -> np.ndarray:
    x = features.astype(np.float64)
    spread = x.std(0)
    standard: np.ndarray = (x - x.mean(0)) / np.where(spread > 0, spread, 1.0)
    return standard

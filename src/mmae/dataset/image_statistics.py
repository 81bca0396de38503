"""What the images of a training are like, and which others are unlike them.

A model gives some redshift for whatever it is shown. Flux on another scale, bands in another order,
magnitudes in the place of flux or a band of which half is missing can only be told from the images.
"""

from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mmae.instruments import BANDS, distance_from_middle

TRAINING_IMAGES = "training_images"
"""Key of model.json."""
CENTRE_ARCSEC = 1.0
"""Radius of the circle in the middle whose flux is measured."""
STEP = 4
"""Sky is measured in every such row."""
LAG, QUIET, QUIET_SIGMA = 4, 0.25, 0.4506
"""Noise: the difference of pixels so far apart (nearer ones share noise), in this quietest part of
the image; and that quantile of the difference of two normal deviates, without its sign."""
DARK, BLANK = 0.05, 0.25
"""Part of the darkest pixels; part of equal ones, from which on a band is blank in places."""
EXTREMES = (0.005, 0.5, 0.995)
"""Quantiles that are kept."""
SOFTENING = 10.0
"""Flux in units of the noise below which brightness is linear."""
LARGEST_SAMPLE, BLOCK = 20_000, 1000
"""Training galaxies that are measured at most, and at a time."""
TYPICAL, USUAL, SLACK, SMALL_SAMPLE_SLACK = 0.99, 0.985, 1.3, 50
"""Part of the training galaxies that the covariance is of; part of them that are not unusual; and
how much more so others must be, which is more where this was learned from few. A percent of the
training's images may have trails, bleeding stars or no data."""
RIDGE = 1e-6
"""Least variance of a feature."""
RED, BOX, NEAR_ARCSEC, OUTSHONE = slice(1, 4), 5, 3.0, 0.1
"""Off the middle: bands (r i z) and pixels on a side in which flux is averaged; how far from the
middle a source may be, and the part of its brightness that the middle has at most."""
SWAPPED = 8.0
"""How much less unusual (square of the distance) an image with two bands exchanged must be."""

MEASURED = tuple(f"{kind} {band}" for kind in ("noise", "flux", "sky") for band in BANDS)
FEATURES = (*MEASURED, *(f"colour {a}-{b}" for a, b in pairwise(BANDS)))
PAIRS = tuple(combinations(range(len(BANDS)), 2))
FLAGS = (
    *FEATURES,
    *(f"blank {band}" for band in BANDS),
    *(f"swapped {BANDS[a]}-{BANDS[b]}" for a, b in PAIRS),
    "combination",
    "off centre",
)
"""What may be unlike: each feature by itself, or only all together; or another source is shown."""


def _measure(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Noise, flux in the middle, flux of a dark pixel (B, 3, 5); whether bands are blank (B, 5)."""
    some = images[:, :, ::STEP]
    apart = np.abs(some[..., LAG:] - some[..., :-LAG]).reshape(*images.shape[:2], -1)
    ordered = np.sort(some.reshape(*images.shape[:2], -1), axis=2)
    n, place = ordered.shape[2], int(QUIET * apart.shape[2])
    noise = np.partition(apart, place, axis=2)[:, :, place] / QUIET_SIGMA
    middle = distance_from_middle(*images.shape[2:]) <= CENTRE_ARCSEC
    flux = images[:, :, middle].sum(axis=2, dtype=np.float64)
    equal = ordered[:, :, int(BLANK * n) :] == ordered[:, :, : n - int(BLANK * n)]
    return np.stack([noise, flux, ordered[:, :, int(DARK * n)]], axis=1), equal.any(axis=2)


def _features(measured: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The FEATURES of images (B, 19), out of what was measured, in units of the noise (5,)."""
    relative = measured / np.maximum(noise, np.finfo(np.float32).tiny)
    noises = np.log10(np.maximum(relative[:, 0], np.finfo(np.float32).tiny))
    fluxes, sky = np.arcsinh(relative[:, 1] / SOFTENING) / np.log(10), np.arcsinh(relative[:, 2])
    return np.hstack([noises, fluxes, sky, -np.diff(fluxes, axis=1)])


def describe_images(images: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """What the images of training galaxies are like, in some hundred numbers.

    Parameters
    ----------
    images : ndarray, shape (N, 5, H, W)
    rows : ndarray of int
        Of the training galaxies; of many, some are taken at equal distances.

    Returns
    -------
    dict
        For `flags`: n; noise, its median a band (flux); quantiles of each feature; covariance of
        those that are measured; limits of how extreme one may be, and how unusual all together.
    """
    rows = np.sort(rows)[:: -(-len(rows) // LARGEST_SAMPLE)]
    blocks = (images[rows[start : start + BLOCK]] for start in range(0, len(rows), BLOCK))
    measured, blank = map(np.concatenate, zip(*map(_measure, blocks), strict=True))
    finite, whole = np.isfinite(measured).all(axis=(1, 2)), ~blank.any(axis=1)
    # a band without noise would make any noise usual; such images are told by being blank
    measured = measured[finite & whole if (finite & whole).any() else finite]
    noise = np.median(measured[:, 0], axis=0)
    features = _features(measured, noise)
    quantiles = np.quantile(features, EXTREMES, axis=0)
    distance = np.zeros(len(features))
    for _ in range(2):
        typical = features[distance <= np.quantile(distance, TYPICAL), : len(MEASURED)]
        covariance = np.atleast_2d(np.cov(typical, rowvar=False, ddof=0))
        distance = _unusual(features, quantiles, covariance)
    slack = SLACK + SMALL_SAMPLE_SLACK / len(measured)
    extreme = np.quantile(_extreme(features, quantiles).max(axis=1), USUAL)
    unusual = np.quantile(distance, USUAL)
    return {
        "n": len(measured),
        "noise": noise.tolist(),
        "quantiles": dict(zip(FEATURES, quantiles.T.tolist(), strict=True)),
        "covariance": covariance.tolist(),
        "limits": [slack * float(extreme), slack**2 * float(unusual)],
    }


def _extreme(features: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """How far features are from the middle, in units of the extremes on that side: (B, 19)."""
    low, middle, high = quantiles
    away = features - middle
    width = np.where(away > 0, high - middle, middle - low)
    return np.abs(away) / np.maximum(width, RIDGE**0.5)


def _unusual(features: np.ndarray, quantiles: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Square of the Mahalanobis distance (B,): all together may be unusual where none is."""
    away = (features - quantiles[1])[:, : len(MEASURED)]
    inverse = np.linalg.inv(covariance + RIDGE * np.eye(len(MEASURED)))
    return (away @ inverse * away).sum(axis=1)


def _off_centre(images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Whether a source near the middle outshines what is in it, (B,)."""
    flux = (images[:, RED] / noise[RED, None, None]).sum(axis=1)
    smooth = sliding_window_view(flux, (BOX, BOX), axis=(1, 2)).mean(axis=(3, 4))
    distance = distance_from_middle(*smooth.shape[1:])
    middle, near = (
        smooth[:, distance <= reach].max(axis=1) for reach in (CENTRE_ARCSEC, NEAR_ARCSEC)
    )
    return middle < OUTSHONE * near


@np.errstate(all="ignore")
def flags(images: np.ndarray, training: dict[str, Any]) -> np.ndarray:
    """In what images are unlike those of a training.

    Parameters
    ----------
    images : ndarray, shape (B, 5, H, W)
        Finite.
    training : dict
        As `describe_images` gives it.

    Returns
    -------
    ndarray of bool, shape (B, len(FLAGS))

    Raises
    ------
    LookupError, TypeError, ValueError
        If `training` is of another form.
    """
    measured, blank = _measure(images)
    noise, covariance = np.array(training["noise"]), np.array(training["covariance"])
    quantiles = np.array([training["quantiles"][name] for name in FEATURES]).T
    extreme, unusual = training["limits"]
    features = _features(measured, noise)
    beyond, distance = (
        _extreme(features, quantiles) > extreme,
        _unusual(features, quantiles, covariance),
    )
    exchanged = np.empty((len(images), len(PAIRS)))
    for place, (a, b) in enumerate(PAIRS):
        order = np.arange(len(BANDS))
        order[[a, b]] = b, a
        others = _features(measured[:, :, order], noise)
        exchanged[:, place] = _unusual(others, quantiles, covariance)
    nearest = exchanged.min(axis=1, keepdims=True)
    swapped = (exchanged == nearest) & (nearest + SWAPPED < distance[:, None])
    found = np.hstack([beyond, blank, swapped])
    together = (distance > unusual) & ~found.any(axis=1)
    return np.column_stack([found, together, _off_centre(images, noise)])

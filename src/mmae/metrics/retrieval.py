"""Does an image lie nearest to its own spectrum in the space of the embeddings?"""

from collections.abc import Sequence

import numpy as np

from mmae.errors import InputError
from mmae.metrics.intervals import wilson

CHUNK = 512
"""Images at a time: 80 MB of similarities to 20,000 spectra."""

TIE = 1e-9
"""Similarities closer than this are equal: equal embeddings differ by rounding of the product."""


def retrieval(
    image_embedding: np.ndarray, spectrum_embedding: np.ndarray, ranks: Sequence[int] = (1, 10)
) -> dict[str, float]:
    """How often an image finds its own spectrum among those of all galaxies.

    Parameters
    ----------
    image_embedding, spectrum_embedding : ndarray, shape (N, D)
        Row k of both is the same galaxy; they need no normalisation.
    ranks : sequence of int
        Numbers of nearest spectra.

    Returns
    -------
    dict of str to float
        For each rank, as 10: `recall_at_10`, the fraction of the images whose own spectrum is
        among the 10 of the highest cosine similarity, with `recall_at_10_low` and `_high`, its 95%
        interval, and `chance_at_10`, what guessing gives;
        and `median_rank` of the own spectrum, where 1 is the best and N the worst.

    Raises
    ------
    InputError
        If the embeddings are empty, of unequal shape, or not finite.

    Notes
    -----
    The own spectrum stands behind all that are equally similar: a model that gives all galaxies
    the same embedding finds nothing. An embedding of zeros is equally similar to all.
    Source: the retrieval of Parker et al. 2024 (AstroCLIP, MNRAS 531, 4990).
    """
    image, spectrum = (np.asarray(e, dtype=float) for e in (image_embedding, spectrum_embedding))
    if image.shape != spectrum.shape or image.ndim != 2 or not image.size:
        raise InputError(
            "retrieval",
            found=f"{image.shape} image and {spectrum.shape} spectrum embeddings",
            expected="the same shape (N, D), not empty",
        )
    bad = int((~np.isfinite(image).all(axis=1) | ~np.isfinite(spectrum).all(axis=1)).sum())
    if bad:
        raise InputError(
            "retrieval", found=f"{bad} galaxies with embeddings not finite", expected="numbers"
        )
    places = _places(_normalised(image), _normalised(spectrum))
    n = len(places)
    report = {"median_rank": float(np.median(places))}
    for rank in ranks:
        name, recall = f"recall_at_{rank}", float(np.mean(places <= rank))
        ends = wilson(recall, n)
        report |= {name: recall} | dict(zip((f"{name}_low", f"{name}_high"), ends, strict=True))
        report[f"chance_at_{rank}"] = min(rank, n) / n
    return report


def _normalised(embedding: np.ndarray) -> np.ndarray:
    """Rows of length 1, or 0 where they were 0; shape (N, D)."""
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding / np.where(length > 0, length, 1.0)


def _places(image: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Rank of the own spectrum of each image, from 1; int, shape (N,)."""
    places = np.empty(len(image), dtype=int)
    for start in range(0, len(image), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(image)))
        similarity = image[rows] @ spectrum.T
        own = similarity[rows - start, rows]
        places[rows] = (similarity >= own[:, None] - TIE).sum(axis=1)
    return places

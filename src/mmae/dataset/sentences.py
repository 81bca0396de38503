"""A sentence for each galaxy, made from its catalogue, and its embedding by a language model."""

from pathlib import Path

import numpy as np

from mmae.errors import InputError

UNKNOWN = "unknown"
TYPES = ((0.45, "a point-like source"), (0.7, "a compact galaxy"), (9e9, "an extended galaxy"))
"""Half-light radius in i with the seeing, arcsec, below which it is called so."""
BRIGHTNESS = (
    *(
        (16.5, "very bright"),
        (17.5, "bright"),
        (18.5, "fairly bright"),
        (19.5, "of mean brightness"),
    ),
    *((20.5, "fairly faint"), (21.5, "faint"), (9e9, "very faint")),
)
"""i magnitude."""
COLOUR = (
    *((0.4, "very blue"), (0.8, "blue"), (1.2, "fairly blue"), (1.6, "neither blue nor red")),
    *((2.0, "fairly red"), (2.4, "red"), (9e9, "very red")),
)
"""g - i, and r - z shifted by 0.4."""
SIZE = ((0.5, "tiny"), (0.7, "small"), (0.9, "of mean size"), (1.2, "large"), (9e9, "very large"))
"""Half-light radius in i, arcsec."""


def sentences(magnitudes: np.ndarray, sizes: np.ndarray) -> list[str]:
    """Type, brightness, colours and size of galaxies in words.

    Parameters
    ----------
    magnitudes : ndarray, shape (N, 5), AB, g r i z y; NaN where unknown
    sizes : ndarray, shape (N, 5), half-light radii, arcsec
    """
    g, r, i, z, _ = magnitudes.T
    radius = sizes[:, 2]
    columns = [
        _words(radius, TYPES),
        _words(i, BRIGHTNESS),
        _words(g - i, COLOUR),
        _words(r - z + 0.4, COLOUR),
        _words(radius, SIZE),
    ]
    return [
        f"{kind}, {brightness} in the i band, {blue} between g and i, {red} between r and z, {size}"
        for kind, brightness, blue, red, size in zip(*columns, strict=True)
    ]


def _words(values: np.ndarray, steps: tuple[tuple[float, str], ...]) -> list[str]:
    """The word of the first step that each value is below."""
    edges, words = zip(*steps, strict=True)
    place = np.searchsorted(edges, np.nan_to_num(values, nan=0.0), side="right")
    named = np.array(words)[np.minimum(place, len(words) - 1)]
    return np.where(np.isfinite(values), named, UNKNOWN).tolist()


def embed(texts: list[str]) -> np.ndarray:
    """Embeddings of texts by WordLlama, whose weights are in its package: (N, 256) float32.

    Raises
    ------
    InputError
        If WordLlama is not installed.

    Notes
    -----
    Token embeddings of large language models, reduced to 256 numbers and averaged. The package
    looks for its own tokenizer in a folder of another name; said where it is, it asks no server.
    """
    try:
        import wordllama
    except ImportError:
        raise InputError(
            "mmae embed-text",
            found="no WordLlama",
            expected="it (pip install 'galaxy-mmae[text]'), or a file of vectors of your own",
        ) from None
    home = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=home, disable_download=True)
    return model.embed(texts, norm=True)

"""What frozen embeddings hold: neighbourhoods in two dimensions, and the way to the spectrum."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.read import read_npz
from mmae.metrics.retrieval import retrieval
from mmae.settings import SPECTRUM_ALONE, WHOLE_IMAGE

SHOWN = {WHOLE_IMAGE: "image", SPECTRUM_ALONE: "spectrum"}
"""View -> what it shows, of the two in which embeddings are compared."""

N_MAPPED = 4096
"""Training galaxies by which embeddings are mapped, at most: kept with those of test galaxies, they
are a few megabytes."""
MAP = "a ridge map fitted to training galaxies"
PENALTIES = 10.0 ** np.arange(-6, 2)
"""Of the map, for each galaxy and standardised embeddings."""


class Embedded(NamedTuple):
    """Embeddings of the test galaxies."""

    model: str
    view: str
    """What the model was shown: WHOLE_IMAGE or SPECTRUM_ALONE."""
    z_spec: np.ndarray
    """(N,)"""
    embedding: np.ndarray
    """(N, E)"""
    train_embedding: np.ndarray | None = None
    """(M, E) of training galaxies; None where embeddings of both modalities agree by training."""

    @property
    def label(self) -> str:
        """As tables and figures call it."""
        return f"{self.model}, {SHOWN.get(self.view, self.view)}"


def load_embeddings(paths: Sequence[Path | str]) -> list[Embedded]:
    """Read evaluation/<model>/mask<mask>/seed<seed>/<view>/embeddings.npz files.

    Raises
    ------
    InputError
        If a file is missing or damaged, or two are of other galaxies.
    """
    found, first = [], None
    for path in map(Path, paths):
        columns = read_npz(path)
        first = columns["targetid"] if first is None else first
        if not np.array_equal(first, columns["targetid"]):
            raise InputError(
                path,
                key="targetid",
                found="other galaxies, or another order",
                expected=f"those of {paths[0]}",
            )
        model, view = path.parents[3].name, path.parent.name
        own = (columns.get(name) for name in ("z_spec", "embedding", "train_embedding"))
        found.append(Embedded(model, view, *own))
    return found


def retrieval_table(embeddings: Sequence[Embedded]) -> pd.DataFrame:
    """How often an image finds its own spectrum, one row a model that embeds both.

    Returns
    -------
    DataFrame
        model, compared_by, n, and what `mmae.metrics.retrieval.retrieval` gives. Embeddings that
        were not trained to agree have no space in common, and their cosines are those of chance:
        those of images are mapped to those of spectra first, by what training galaxies say.
    """
    by_view: dict[str, dict[str, Embedded]] = {view: {} for view in SHOWN}
    for one in embeddings:
        by_view[one.view][one.model] = one
    images, spectra = by_view.values()
    rows = []
    for model, image in images.items():
        if model in spectra:
            spectrum, by = spectra[model], "cosine"
            pair = image.embedding, spectrum.embedding
            if image.train_embedding is not None and spectrum.train_embedding is not None:
                pair, by = mapped(image, spectrum), f"cosine after {MAP}"
            rows.append({"model": model, "compared_by": by, "n": len(pair[0])} | retrieval(*pair))
    return pd.DataFrame(rows)


def mapped(image: Embedded, spectrum: Embedded) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of test galaxies in one space: images as a linear map makes spectra of them.

    Returns
    -------
    of_images, of_spectra : ndarray, shape (N, E)
        In units of the standard deviation of training galaxies, whose mean is 0.
    """
    # who only draws maps starts without it
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    scales = [StandardScaler().fit(one.train_embedding) for one in (image, spectrum)]
    train = [
        scale.transform(one.train_embedding)
        for scale, one in zip(scales, (image, spectrum), strict=True)
    ]
    # the penalty by leaving out one training galaxy after the other
    ridge = RidgeCV(PENALTIES * len(train[0])).fit(*train)
    of_images = ridge.predict(scales[0].transform(image.embedding))
    return of_images, scales[1].transform(spectrum.embedding)


def flatten(embeddings: Sequence[Embedded], seed: int) -> dict[str, np.ndarray]:
    """Two dimensions of each set of embeddings, by its label.

    Parameters
    ----------
    embeddings : sequence of Embedded
    seed : int

    Returns
    -------
    dict of str to ndarray, shape (N, 2)

    Notes
    -----
    Source: UMAP, McInnes, Healy & Melville 2018 (arXiv:1802.03426), with cosine distances.
    Distances between far groups mean nothing.
    """
    with warnings.catch_warnings():
        # its progress bar looks for widgets in notebooks
        warnings.simplefilter("ignore")
        from umap import UMAP

    maps = {}
    for one in embeddings:
        # a seed needs a single thread
        reducer = UMAP(
            n_neighbors=min(15, len(one.embedding) - 1),
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        )
        with warnings.catch_warnings():
            # with few galaxies some have the same embedding
            warnings.simplefilter("ignore", UserWarning)
            maps[one.label] = reducer.fit_transform(one.embedding)
    return maps

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


class Embedded(NamedTuple):
    """Embeddings of the test galaxies."""

    model: str
    view: str
    """What the model was shown: WHOLE_IMAGE or SPECTRUM_ALONE."""
    z_spec: np.ndarray
    """(N,)"""
    embedding: np.ndarray
    """(N, E)"""

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
        columns = read_npz(path, ["targetid", "z_spec", "embedding"])
        first = columns["targetid"] if first is None else first
        if not np.array_equal(first, columns["targetid"]):
            raise InputError(
                path,
                key="targetid",
                found="other galaxies, or another order",
                expected=f"those of {paths[0]}",
            )
        model, view = path.parents[3].name, path.parent.name
        found.append(Embedded(model, view, columns["z_spec"], columns["embedding"]))
    return found


def retrieval_table(embeddings: Sequence[Embedded]) -> pd.DataFrame:
    """How often an image finds its own spectrum, one row a model that embeds both.

    Returns
    -------
    DataFrame
        model, n, and what `mmae.metrics.retrieval.retrieval` gives.
    """
    by_view: dict[str, dict[str, Embedded]] = {view: {} for view in SHOWN}
    for one in embeddings:
        by_view[one.view][one.model] = one
    images, spectra = by_view.values()
    rows = [
        {"model": model, "n": len(image.z_spec)}
        | retrieval(image.embedding, spectra[model].embedding)
        for model, image in images.items()
        if model in spectra
    ]
    return pd.DataFrame(rows)


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

"""Densities of redshifts as ensembles of qp, the field's package for them: HDF5 that it reads.

The layout is qp's own (qp-prob 1.1): `meta` says what the densities are, `data` has a row a galaxy,
`ancil` what else is known. It is written here block by block, without qp.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.files.new_hdf5 import new_hdf5
from mmae.models.base import Prediction

UNKNOWN = (1.0, 10.0)
"""Mean and standard deviation in the place of a Gaussian that is not known."""
CHUNK = 1000
"""Galaxies stored together."""


class Pdfs(NamedTuple):
    """Densities of B galaxies, as qp's parameters of them."""

    kind: str
    """hist: constant in bins of redshift; or norm."""
    shared: dict[str, np.ndarray]
    """What all have in common, shape (1, ...)."""
    data: dict[str, np.ndarray]
    """(B, ...) each."""
    mode: np.ndarray
    """Most probable redshifts, (B,), NaN of galaxies that are of no use."""


def pdfs_of(said: Prediction, usable: np.ndarray) -> Pdfs:
    """Densities out of what a model says; those of galaxies of no use (B,) say nothing.

    Raises
    ------
    InputError
        If the model gives none.
    """
    if said.density is not None:
        bins = np.expm1(said.density.edges.double().cpu().numpy())
        pdf = said.density.probability.double().cpu().numpy() / np.diff(bins)
        pdf[~usable] = 1.0
        pdf /= (pdf * np.diff(bins)).sum(axis=1, keepdims=True)
        mode = (0.5 * (bins[1:] + bins[:-1]))[pdf.argmax(axis=1)]
        found = Pdfs("hist", {"bins": bins[None]}, {"pdfs": pdf}, mode)
    elif said.z_pred is not None and said.z_std is not None:
        loc, scale = (one.double().cpu().numpy() for one in (said.z_pred, said.z_std))
        parts = (np.where(usable, *pair) for pair in zip((loc, scale), UNKNOWN, strict=True))
        data = dict(zip(("loc", "scale"), (part[:, None] for part in parts), strict=True))
        found = Pdfs("norm", {}, data, loc)
    else:
        raise InputError(
            "model",
            found="one without densities",
            expected="one with a density, or z_std, for --qp",
        )
    return found._replace(mode=np.where(usable, found.mode, np.nan))


def ancil_of(table: pd.DataFrame, mode: np.ndarray) -> dict[str, np.ndarray]:
    """What is known beside the densities: the columns of a table of predictions, and zmode."""
    columns = {name: table[name].to_numpy() for name in table}
    return {"zmode": mode} | {
        name: np.char.encode(values.astype(str), "utf-8") if values.dtype.kind in "OU" else values
        for name, values in columns.items()
    }


class Ensemble:
    """An ensemble that is written block by block.

    Parameters
    ----------
    file : h5py.File
    n : int
        Galaxies.
    """

    def __init__(self, file: h5py.File, n: int):
        self.file, self.n, self.done = file, n, 0
        self.ancil: list[tuple[pd.DataFrame, np.ndarray]] = []

    def add(self, pdfs: Pdfs, table: pd.DataFrame) -> None:
        """Write the next galaxies: their densities, and their rows of the table of predictions."""
        if not self.done:
            meta = {"pdf_name": np.array([pdfs.kind], "S"), "pdf_version": np.zeros(1, int)}
            for name, values in (meta | pdfs.shared).items():
                self.file[f"meta/{name}"] = values
            for name, values in pdfs.data.items():
                shape = (self.n, *values.shape[1:])
                chunks = (min(CHUNK, self.n), *shape[1:])
                self.file.create_dataset(f"data/{name}", shape, "f4", chunks=chunks)
        for name, values in pdfs.data.items():
            self.file[f"data/{name}"][self.done : self.done + len(table)] = values
        self.done += len(table)
        self.ancil.append((table, pdfs.mode))

    def finish(self) -> None:
        """Write what is known beside the densities."""
        tables, modes = zip(*self.ancil, strict=True)
        whole = ancil_of(pd.concat(tables, ignore_index=True), np.concatenate(modes))
        for name, values in whole.items():
            self.file[f"ancil/{name}"] = values


@contextmanager
def new_ensemble(path: Path, n: int) -> Iterator[Ensemble]:
    """Write an ensemble of n galaxies, whole or not at all."""
    with new_hdf5(path, 0) as (file, _):
        ensemble = Ensemble(file, n)
        yield ensemble
        ensemble.finish()

"""Training, validation and test galaxies (paper section 4)."""

import logging
from pathlib import Path

import numpy as np

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.files.read import read_npz
from mmae.files.write import write_npz
from mmae.limits import REDSHIFT

log = logging.getLogger(__name__)

SUBSETS = ("train", "validation", "test")


def split_sizes(n: int, train_fraction: float, validation_fraction: float) -> tuple[int, int, int]:
    """Galaxies in each subset; the test set is the rest (authors' code, train.py)."""
    train, validation = int(train_fraction * n), int(validation_fraction * n)
    return train, validation, n - train - validation


def random_split(
    n: int, train_fraction: float, validation_fraction: float, permutation: np.ndarray
) -> dict[str, np.ndarray]:
    """Cut a permutation of all rows into the three subsets, as torch's random_split does.

    Parameters
    ----------
    n : int
        Galaxies in the dataset, in file order.
    train_fraction, validation_fraction : float
    permutation : ndarray of int, shape (n,)
        For the authors' split: `torch.randperm(n, generator=torch.Generator().manual_seed(0))`.

    Returns
    -------
    dict of str to ndarray of int
        Rows of each subset, in the order drawn.

    Raises
    ------
    InputError
        If a subset would be empty.
    """
    sizes = split_sizes(n, train_fraction, validation_fraction)
    if min(sizes) < 1:
        raise InputError(
            "split",
            found=f"{n} galaxies, which would leave {dict(zip(SUBSETS, sizes, strict=True))}",
            expected="at least one galaxy in each subset",
        )
    parts = np.split(permutation, np.cumsum(sizes)[:-1])
    return dict(zip(SUBSETS, parts, strict=True))


def with_redshift(rows: dict[str, np.ndarray], redshift: np.ndarray) -> dict[str, np.ndarray]:
    """Leave galaxies without a redshift out of validation and test; the others stay where they are.

    In training they teach reconstruction.

    Parameters
    ----------
    rows : dict of str to ndarray of int
        As `random_split` gives them.
    redshift : ndarray, shape (N,)
        Of the dataset.

    Raises
    ------
    InputError
        If a subset would be empty.
    """
    known = REDSHIFT.contain(redshift)
    kept = {name: part if name == "train" else part[known[part]] for name, part in rows.items()}
    n_left = sum(map(len, rows.values())) - sum(map(len, kept.values()))
    if n_left:
        example = redshift[~known][0]
        words = "%d validation and test galaxies without a redshift, such as %g, are left out"
        log.warning(words, n_left, example)
    if not all(known[part].any() for part in kept.values()):
        found = f"redshifts of {known.sum()} of {len(known)} galaxies"
        raise InputError("split", found=found, expected="at least one of them in each subset")
    return kept


def with_unpaired(
    rows: dict[str, np.ndarray], arrays: TrainingArrays, limit: int | None
) -> dict[str, np.ndarray]:
    """Add galaxies without a spectrum, which follow the pairs, to those of the training.

    Parameters
    ----------
    rows : dict of str to ndarray of int
    arrays : TrainingArrays
    limit : int or None
        How many, at most; None: all.
    """
    n = len(arrays.redshift)
    first = n if arrays.n_paired is None else arrays.n_paired
    last = n if limit is None else min(n, first + limit)
    return rows | {"train": np.concatenate([rows["train"], np.arange(first, last)])}


def write_split(path: Path | str, rows: dict[str, np.ndarray], targetid: np.ndarray) -> None:
    """Write the rows of each subset with their TARGETIDs."""
    arrays = {name: rows[name] for name in SUBSETS}
    arrays |= {f"{name}_targetid": targetid[rows[name]] for name in SUBSETS}
    write_npz(path, **arrays)


def read_split(path: Path | str, targetid: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each subset, after checking that the split is one of this dataset.

    Parameters
    ----------
    path : path
    targetid : ndarray of int64, shape (N,)
        Of the dataset that the rows point into.

    Raises
    ------
    InputError
        If the file is damaged or belongs to another dataset, or a galaxy is in it twice.
    """
    names = [*SUBSETS, *(f"{name}_targetid" for name in SUBSETS)]
    arrays = read_npz(path, names)
    for name in SUBSETS:
        rows = arrays[name]
        fits = rows.dtype.kind in "iu" and ((rows >= 0) & (rows < len(targetid))).all()
        if not fits or not np.array_equal(targetid[rows], arrays[f"{name}_targetid"]):
            raise InputError(
                path,
                key=f"array '{name}_targetid'",
                found="the targets of another dataset",
                expected=f"those of this one, {len(targetid)} galaxies",
            )
    every = np.concatenate([arrays[name] for name in SUBSETS])
    rows, times = np.unique(every, return_counts=True)
    if (times > 1).any():
        again = rows[times > 1]
        within = [name for name in SUBSETS if again[0] in arrays[name]]
        raise InputError(
            path,
            key=f"array '{within[-1]}'",
            found=f"{len(again)} rows twice, such as row {again[0]} in {' and '.join(within)}",
            expected="each galaxy once, in one subset",
        )
    return {name: arrays[name] for name in SUBSETS}


def in_common(redshift: np.ndarray, other: np.ndarray) -> int:
    """How many redshifts two sets share, each counted as often as both have it.

    Both are compared as float32, in which the authors' code keeps them.
    """
    values, counts = np.unique(redshift.astype(np.float32), return_counts=True)
    others, other_counts = np.unique(other.astype(np.float32), return_counts=True)
    _, here, there = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return int(np.minimum(counts[here], other_counts[there]).sum())

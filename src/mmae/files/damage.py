"""Damaged values: a bad row or pixel loses itself and is counted; many of them end the work."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mmae.errors import InputError


def sound(table: pd.DataFrame, limits: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Which rows of a table have finite numbers inside their limits.

    Parameters
    ----------
    table : DataFrame, N rows
    limits : mapping from column to (low, high)
        Both included.

    Returns
    -------
    ndarray of bool, shape (N,)
    """
    is_sound = np.ones(len(table), bool)
    for name, (low, high) in limits.items():
        is_sound &= ((table[name] >= low) & (table[name] <= high)).to_numpy()
    return is_sound


def check_share(
    where: object, n_bad: int, n: int, limit: float, name: str, words: str, key: str | None = None
) -> None:
    """Raise InputError if more than a fraction `limit` of `n` things are bad.

    Parameters
    ----------
    where, key : object, str
        For the message, as InputError's.
    n_bad, n : int
    limit : float
    name : str
        Of the limit in the config.
    words : str
        What the bad ones are.
    """
    if n_bad > limit * n:
        raise InputError(
            where,
            key=key,
            found=f"{n_bad} of {n} {words}",
            expected=f"at most a fraction {limit:g} of them ({name})",
        )

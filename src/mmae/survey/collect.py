"""The spectra of matched targets, from DESI's coadd files or from SPARCL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.downloads.http import NotThere
from mmae.errors import InputError
from mmae.instruments import ARMS, N_WAVE
from mmae.progress import progress
from mmae.survey.desi import read_coadd

FILE_COLUMNS = ["survey", "program", "healpix"]
"""What names a coadd file."""
NEEDED = ["targetid", "desi_redshift", "zcat_primary", *FILE_COLUMNS]
"""Columns of the matches that finding a spectrum needs."""


class Spectra(NamedTuple):
    """Spectra that were had."""

    rows: np.ndarray
    """(B,) rows of the matches."""
    flux: np.ndarray
    """(B, 7781) float32, 1e-17 erg / (s cm2 Å); 0 where there are no data."""
    ivar: np.ndarray
    """(B, 7781) float32."""
    n_damaged: np.ndarray
    """(B,) pixels that lost their weight: flux or ivar is no number, or the ivar is negative."""


class Unavailable(NamedTuple):
    """Spectra that do not exist where they should."""

    rows: np.ndarray
    """(B,) rows of the matches."""
    reason: str
    """In words."""


OpenCoadd = Callable[[str, str, int], AbstractContextManager[Path]]
"""From survey, program and healpix to the path of a coadd file."""


def group_of(matches: pd.DataFrame, groups: int) -> np.ndarray:
    """Number of the group, 0 to `groups` - 1, that each match is collected in.

    Each coadd file belongs to one group, so that it is fetched once.

    Parameters
    ----------
    matches : DataFrame
        Columns survey, program, healpix.
    groups : int

    Returns
    -------
    ndarray of int, shape (N,)
    """
    number = matches.groupby(FILE_COLUMNS, sort=True, observed=True).ngroup().to_numpy()
    n_files = number.max() + 1 if len(number) else 1
    return number * groups // n_files


def coadd_spectra(matches: pd.DataFrame, open_coadd: OpenCoadd) -> Iterator[Spectra | Unavailable]:
    """Spectra of the matches, one coadd file after the other.

    Parameters
    ----------
    matches : DataFrame
        Columns NEEDED; the index is 0 to N - 1.
    open_coadd : callable
        Raises NotThere, or gives a path where nothing is, if there is no such file.

    Raises
    ------
    InputError
        If a coadd file is damaged or cannot be had now.
    """
    files = matches.groupby(FILE_COLUMNS, sort=True, observed=True)
    for (survey, program, healpix), group in progress(files, "coadd files", len(files)):
        try:
            with open_coadd(survey, program, healpix) as path:
                if not path.exists():
                    yield Unavailable(group.index.to_numpy(), f"{path}: no such file")
                else:
                    yield from _of_one_file(group, path)
        except NotThere as error:
            yield Unavailable(group.index.to_numpy(), str(error))


def _of_one_file(group: pd.DataFrame, path: Path) -> Iterator[Spectra | Unavailable]:
    """Spectra of the matches of one coadd file."""
    coadd = read_coadd(path)
    place = pd.Series(np.arange(len(coadd.targetid)), index=coadd.targetid)
    place = place[place.index.isin(group["targetid"])]
    if place.index.has_duplicates:
        raise InputError(
            path,
            key="HDU FIBERMAP, column TARGETID",
            found=f"several spectra of target {place.index[place.index.duplicated()][0]}",
            expected="one a target: coadded spectra, not those of single exposures",
        )
    there = group["targetid"].isin(place.index).to_numpy()
    if not there.all():
        absent = group.index.to_numpy()[~there]
        yield Unavailable(absent, f"{path.name}: the target is not in its FIBERMAP")
    rows = place[group["targetid"][there]].to_numpy()
    if len(rows):
        flux, ivar, mask = (
            {arm: values[rows] for arm, values in part.items()}
            for part in (coadd.flux, coadd.ivar, coadd.mask)
        )
        n_damaged = sum(damaged(flux[arm], ivar[arm], mask[arm]).sum(axis=1) for arm in flux)
        yield Spectra(group.index.to_numpy()[there], *combine_arms(flux, ivar, mask), n_damaged)


def damaged(flux: np.ndarray, ivar: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels that are not masked and cannot be used, bool, in the shape of all three.

    Their ivar is negative or no number, or their flux is none in spite of a weight.
    """
    bad = ~(np.isfinite(ivar) & (ivar >= 0)) | ((ivar > 0) & ~np.isfinite(flux))
    return bad & (mask == 0)


def combine_arms(
    flux: dict[str, np.ndarray], ivar: dict[str, np.ndarray], mask: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Combine DESI's arms by inverse variance onto one grid of 0.8 Å.

    The arms share the grid, so that overlapping pixels are averaged and none is interpolated.

    Parameters
    ----------
    flux, ivar, mask : dict of str to ndarray, shape (B, pixels of the arm)
        By arm; masked pixels (mask not 0) and damaged ones have no weight.

    Returns
    -------
    flux, ivar : ndarray, shape (B, 7781), float32
        Pixels without weight are 0 in both.
    """
    rows = len(flux[ARMS[0].name])
    weighted, weight = np.zeros((rows, N_WAVE)), np.zeros((rows, N_WAVE))
    for arm in ARMS:
        part = slice(arm.offset, arm.offset + arm.n_pixels)
        arrays = flux[arm.name], ivar[arm.name], mask[arm.name]
        good = np.where((mask[arm.name] == 0) & ~damaged(*arrays), ivar[arm.name], 0.0)
        weighted[:, part] += np.where(good > 0, flux[arm.name], 0.0) * good
        weight[:, part] += good
    combined = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    return combined.astype(np.float32), weight.astype(np.float32)

"""The spectra of matched targets, taken out of DESI's coadd files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.instruments import ARMS, N_WAVE
from mmae.progress import progress
from mmae.survey.desi import coadd_path, read_coadd


def matched_spectra(
    matches: pd.DataFrame, root: Path | str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Spectra of the matched targets, one coadd file after the other.

    Parameters
    ----------
    matches : DataFrame
        Columns targetid, survey, program, healpix.
    root : path
        Root of a DESI tree.

    Yields
    ------
    rows : ndarray of int, shape (B,)
        Rows of `matches`.
    flux, ivar : ndarray, shape (B, 7781), float32

    Raises
    ------
    InputError
        If a coadd file is missing or damaged, or lacks a target.
    """
    groups = matches.reset_index(drop=True).groupby(["survey", "program", "healpix"])
    for (survey, program, healpix), group in progress(groups, "coadd files", len(groups)):
        path = coadd_path(root, survey, program, healpix)
        coadd = read_coadd(path)
        place = pd.Series(np.arange(len(coadd.targetid)), index=coadd.targetid)
        absent = group.loc[~group["targetid"].isin(place.index), "targetid"]
        if len(absent):
            raise InputError(
                path,
                key="HDU FIBERMAP, column TARGETID",
                found=f"no target {absent.iloc[0]}",
                expected=f"the {len(group)} matched targets of this healpix",
            )
        rows = place[~place.index.duplicated()][group["targetid"]].to_numpy()
        arms = (
            {arm: values[rows] for arm, values in part.items()}
            for part in (coadd.flux, coadd.ivar, coadd.mask)
        )
        flux, ivar = combine_arms(*arms)
        yield group.index.to_numpy(), flux, ivar


def combine_arms(
    flux: dict[str, np.ndarray], ivar: dict[str, np.ndarray], mask: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Combine DESI's arms by inverse variance onto one grid of 0.8 Å.

    The arms share the grid, so that overlapping pixels are averaged and none is interpolated.

    Parameters
    ----------
    flux, ivar, mask : dict of str to ndarray, shape (B, pixels of the arm)
        By arm; masked pixels (mask not 0) have no weight.

    Returns
    -------
    flux, ivar : ndarray, shape (B, 7781), float32
        Pixels without weight are 0 in both.
    """
    rows = len(flux[ARMS[0].name])
    weighted, weight = np.zeros((rows, N_WAVE)), np.zeros((rows, N_WAVE))
    for arm in ARMS:
        part = slice(arm.offset, arm.offset + arm.n_pixels)
        good = np.where(mask[arm.name] == 0, ivar[arm.name], 0.0)
        weighted[:, part] += np.where(good > 0, flux[arm.name], 0.0) * good
        weight[:, part] += good
    combined = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    return combined.astype(np.float32), weight.astype(np.float32)

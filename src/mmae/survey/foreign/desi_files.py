"""Spectra of DESI's coadd and spectra files, also of those that lack some of what a release has."""

from pathlib import Path

import numpy as np

from mmae.errors import InputError
from mmae.instruments import ARMS
from mmae.survey.collect import combine_arms
from mmae.survey.desi import arm_image, check_wave
from mmae.survey.fits_files import fits_columns, fits_hdu, open_fits


def is_desi(path: Path) -> bool:
    """Whether a FITS file has spectra by arm."""
    with open_fits(path) as hdus:
        return any(f"{arm.name}_FLUX" in hdus for arm in ARMS)


def desi_spectra(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names, flux and inverse variance of all targets; exposures of one are averaged by ivar.

    Arms that are absent have no weight, and without masks no pixel is masked.

    Returns
    -------
    targetid : ndarray of int64, shape (N,)
        In the order in which they come first; numbers of rows in a file without FIBERMAP.
    flux, ivar : ndarray, shape (N, 7781), float32

    Raises
    ------
    InputError
        If an HDU is damaged or not what its checksum says, or of another shape.
    """
    flux, ivar, mask = {}, {}, {}
    with open_fits(path, checksum=True) as hdus:
        first = next(arm for arm in ARMS if f"{arm.name}_FLUX" in hdus)
        n = fits_hdu(hdus, path, f"{first.name}_FLUX").header.get("NAXIS2", 0)
        for arm in ARMS:
            shape = (n, arm.n_pixels)
            flux[arm.name], ivar[arm.name] = np.zeros(shape), np.zeros(shape)
            mask[arm.name] = np.zeros(shape, int)
            if f"{arm.name}_FLUX" in hdus:
                check_wave(hdus, path, arm)
                flux[arm.name] = arm_image(hdus, path, arm, "FLUX", shape)
                ivar[arm.name] = arm_image(hdus, path, arm, "IVAR", shape)
            if f"{arm.name}_MASK" in hdus:
                mask[arm.name] = arm_image(hdus, path, arm, "MASK", shape)
        targetid = np.arange(n)
        if "FIBERMAP" in hdus:
            targetid = fits_columns(hdus, path, "FIBERMAP", ["TARGETID"])["TARGETID"].to_numpy()
    if len(targetid) != n:
        found = f"{len(targetid)} rows"
        raise InputError(path, key="HDU FIBERMAP", found=found, expected=f"{n}, as the flux has")
    return _by_target(targetid, *combine_arms(flux, ivar, mask))


def _by_target(
    targetid: np.ndarray, flux: np.ndarray, ivar: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average exposures of each target by inverse variance."""
    unique, first, place = np.unique(targetid, return_index=True, return_inverse=True)
    if len(unique) == len(targetid):
        return targetid, flux, ivar
    order = first.argsort()
    total, weighted = (np.zeros((len(unique), flux.shape[1])) for _ in range(2))
    np.add.at(total, place, ivar.astype(float))
    np.add.at(weighted, place, flux * ivar.astype(float))
    mean = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)
    return unique[order], mean[order].astype(np.float32), total[order].astype(np.float32)

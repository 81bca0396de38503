"""Spectra of any file on DESI's pixels: what a model is shown of another survey."""

import logging
import re
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmae.errors import InputError
from mmae.instruments import N_WAVE, desi_wave
from mmae.survey.fits_files import fits_columns, open_fits
from mmae.survey.foreign.columns import spectra_of
from mmae.survey.foreign.desi_files import desi_spectra, is_desi
from mmae.survey.foreign.formats import is_fits, read_columns
from mmae.survey.foreign.resample import estimated_ivar, resample

log = logging.getLogger(__name__)

MIN_PIXELS = 0.25
"""Share of DESI's pixels below which a spectrum is flagged."""
USUAL_RMS = (1e-3, 1e5)
"""Of flux in 1e-17 erg / (s cm2 Å), from sky fibres to the brightest quasars, with room."""
MAX_IVAR = 1e30
"""What single precision holds, with room."""
AIR, NO_IVAR, IVAR_ZERO = "air", "ivar missing", "ivar zero"
NOTHING, FEW, SCALE = "no overlap", "few pixels", "scale"
"""Flags."""
REDROCK = "REDSHIFTS"
"""HDU of its redshifts."""
UNITS = {"nm": 10.0, "µm": 1e4, "m": 1e10}
"""That wavelengths could be in by mistake."""


class ForeignSpectra(NamedTuple):
    """N spectra on DESI's 7,781 pixels."""

    name: np.ndarray
    """(N,) TARGETID or another identifier of the file, int64 or str; else the number of the row, or
    of a single spectrum the file's name."""
    flux: np.ndarray
    """(N, 7781) float32, 1e-17 erg / (s cm2 Å) if the file tells its unit; 0 without data."""
    ivar: np.ndarray
    """(N, 7781) float32; 0 where nothing is covered, or all is bad."""
    z_spec: np.ndarray | None
    """(N,) the file's redshift, NaN where it has none; None if it tells none."""
    z_redrock: np.ndarray | None
    """(N,) Redrock's redshift, of DESI's files that have it in them or beside them."""
    flags: np.ndarray
    """(N,) str, what is unusual, separated by "; "."""


def read_spectra(path: Path | str, *, air: bool = False) -> ForeignSpectra:
    """Read the spectra of a file and resample them.

    Parameters
    ----------
    path : path
        npz, FITS tables, SDSS's spec and spPlate, DESI's coadd and spectra, or a table that astropy
        reads; docs/predict.md tells the layouts.
    air : bool
        Whether wavelengths are in air; by default they are, if the file tells so.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, lacks wavelengths or flux, or none of
        its wavelengths are from 3600 to 9824 Å.
    """
    path = Path(path)
    if is_fits(path) and is_desi(path):
        if air:
            found = "wavelengths of DESI, which are in vacuum"
            raise InputError(path, found=found, expected="no --air")
        name, flux, ivar = desi_spectra(path)
        flags = _flags([], (ivar > 0).any(axis=1), ivar, np.ones(len(ivar)))
        return ForeignSpectra(name, flux, ivar, None, _redrock(path, name), flags)
    found = spectra_of(read_columns(path), path, air)
    ivar, of_file = found.ivar, [AIR] * found.is_air
    if ivar is None:
        of_file.append(NO_IVAR)
        log.warning("%s: no ivar or error: noise is estimated from neighbouring pixels", path)
        ivar = estimated_ivar(found.flux, found.good)
    flux, weight = _on_grid(found.wave, found.flux, ivar, path)
    rms = np.sqrt(np.square(flux).sum(axis=1) / np.maximum((weight > 0).sum(axis=1), 1))
    scale = np.where((rms > 0) & ((rms < USUAL_RMS[0]) | (rms > USUAL_RMS[1])), rms, 1.0)
    flags = _flags(of_file, (ivar > 0).any(axis=1), weight, scale)
    flux = (flux / scale[:, None]).astype(np.float32)
    weight = np.minimum(weight * scale[:, None] ** 2, MAX_IVAR).astype(np.float32)
    name = np.arange(len(flux)) if found.name is None else found.name
    if found.name is None and len(flux) == 1:
        name = np.array([path.stem])
    return ForeignSpectra(name, flux, weight, found.z_spec, None, flags)


def _on_grid(
    wave: np.ndarray, flux: np.ndarray, ivar: np.ndarray, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of one grid, or of one each, on DESI's pixels."""
    grids = [(wave, slice(None))] if wave.ndim == 1 else [(w, [k]) for k, w in enumerate(wave)]
    parts = []
    for grid, rows in grids:
        known = np.isfinite(grid)
        order = np.flatnonzero(known)[grid[known].argsort(kind="stable")]
        if len(order) < 2 or (np.diff(grid[order]) <= 0).any():
            few = f"{len(order)} wavelength{'s' * (len(order) != 1)}"
            found = few if len(order) < 2 else "equal ones"
            expected = "two or more different wavelengths"
            raise InputError(path, key="wavelengths", found=found, expected=expected)
        parts.append(resample(grid[order], flux[rows][:, order], ivar[rows][:, order]))
    _check_overlap(wave, path)
    flux, ivar = (np.concatenate(part) for part in zip(*parts, strict=True))
    return flux, ivar


def _check_overlap(wave: np.ndarray, path: Path) -> None:
    """Raise InputError if no wavelength is one of DESI's, and tell which unit would do."""
    low, high = np.nanmin(wave), np.nanmax(wave)
    first, last = desi_wave()[[0, -1]]
    if low <= last and high >= first:
        return
    words = f"{low:g} to {high:g} Å"
    for unit, factor in UNITS.items():
        if 1000 <= low * factor <= last and first <= high * factor <= 1e5:
            words = f"{low:g} to {high:g}, as if in {unit}"
    if high < 5 and low > 3:
        words = f"{low:g} to {high:g}, as if log10 of Å"
    raise InputError(
        path,
        key="wavelengths",
        found=words,
        expected=f"some from {first:g} to {last:g} Å; or a unit, or a name as wave_nm or loglam",
    )


def _flags(
    of_file: Sequence[str], has_ivar: np.ndarray, weight: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Flags of spectra, (N,) str, of which those of the file come first."""
    n_pixels = (weight > 0).sum(axis=1)
    which = {
        IVAR_ZERO: ~has_ivar,
        NOTHING: has_ivar & (n_pixels == 0),
        FEW: (n_pixels > 0) & (n_pixels < MIN_PIXELS * N_WAVE),
        SCALE: scale != 1,
    }
    rows = zip(*which.values(), strict=True)
    return np.array(["; ".join([*of_file, *compress(which, row)]) for row in rows], dtype=object)


def _redrock(path: Path, targetid: np.ndarray) -> np.ndarray | None:
    """Redrock's redshifts of targets, from the file or the one beside it; NaN where it has none."""
    beside = path.with_name(re.sub("^(coadd|spectra)-", "redrock-", path.name))
    for one in (path, beside):
        if one.is_file():
            with open_fits(one) as hdus:
                if REDROCK in hdus:
                    table = fits_columns(hdus, one, REDROCK, ["TARGETID", "Z"])
                    z = table.drop_duplicates("TARGETID").set_index("TARGETID")["Z"]
                    return z.reindex(targetid).to_numpy()
    return None

"""DESI's redshift catalogue and coadded spectra, in the layout of the data release.

Source: DESI data model, zall-pix and coadd files (desidatamodel, "iron" = DR1).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy import units
from astropy.io import fits
from astropy_healpix import HEALPix

from mmae.checks import check_numbers
from mmae.errors import InputError
from mmae.files import atomic
from mmae.instruments import ARMS, Arm
from mmae.limits import REDSHIFT
from mmae.survey.fits_files import fits_columns, fits_hdu, open_fits
from mmae.survey.fits_rows import BLOCK_BYTES, Kind, row_blocks

ZCATALOG_PATH = "zcatalog/v1/zall-pix-iron.fits"
ZCATALOG_HDU = "ZCATALOG"
ZCATALOG_COLUMNS = (
    *("TARGETID", "SURVEY", "PROGRAM", "HEALPIX", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2"),
    *("TARGET_RA", "TARGET_DEC", "OBJTYPE", "COADD_FIBERSTATUS", "ZCAT_PRIMARY"),
)
ZCATALOG_KINDS: dict[str, Kind] = {
    **{"TARGETID": "integer", "SURVEY": "text", "PROGRAM": "text", "HEALPIX": "integer"},
    **{"Z": "number", "ZWARN": "integer", "SPECTYPE": "text"},
    **{"TARGET_RA": "number", "TARGET_DEC": "number", "OBJTYPE": "text", "ZCAT_PRIMARY": "boolean"},
}
"""Columns that the workflow uses, and what they hold."""
ZCATALOG_READ = tuple(ZCATALOG_KINDS)

TARGET = "TGT"
"""OBJTYPE of a fibre on a target."""

LIMITS = {"TARGET_RA": (-360, 360), "TARGET_DEC": (-90, 90), "Z": REDSHIFT}
"""What positions (degrees) and redshifts of targets can be."""

HEALPIX = HEALPix(nside=64, order="nested")
"""DESI groups its coadded spectra by these pixels."""


class Coadd(NamedTuple):
    """One coadd file: the spectra of one survey, program and healpix."""

    targetid: np.ndarray
    """(B,) int64."""
    flux: dict[str, np.ndarray]
    """By arm, (B, pixels of the arm), 1e-17 erg / (s cm2 Å)."""
    ivar: dict[str, np.ndarray]
    """By arm, inverse variance; 0 where the pixel is missing."""
    mask: dict[str, np.ndarray]
    """By arm, 0 is good."""


def healpix_of(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """DESI's healpix of positions in degrees."""
    return HEALPIX.lonlat_to_healpix(ra * units.deg, dec * units.deg)


def coadd_path(root: Path | str, survey: str, program: str, healpix: int) -> Path:
    """Path of a coadd file below the root of a DESI tree.

    Raises
    ------
    InputError
        If survey or program are no names, so that the path could lead elsewhere.
    """
    for name in (survey, program):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InputError(
                "matches", key="survey, program", found=repr(name), expected="names such as 'main'"
            )
    folder = Path(root) / "healpix" / survey / program / str(healpix // 100) / str(healpix)
    return folder / f"coadd-{survey}-{program}-{healpix}.fits"


def zcatalog_blocks(
    root: Path | str, columns: Sequence[str] = ZCATALOG_READ, block_bytes: int = BLOCK_BYTES
) -> Iterator[pd.DataFrame]:
    """Redshift catalogue below the root of a DESI tree, one range of rows after the other.

    The real one has 20 million rows of a kilobyte: it is never held whole.

    Parameters
    ----------
    root : path
    columns : sequence of str
        Of ZCATALOG_READ; OBJTYPE is among them.
    block_bytes : int
        About so much of the file at a time.

    Yields
    ------
    DataFrame
        Text is categorical; the index is the row of the catalogue.

    Raises
    ------
    InputError
        If the file is damaged, a column is missing or of another kind, or a target's position or
        redshift is impossible.
    """
    path = Path(root) / ZCATALOG_PATH
    limits = {name: LIMITS[name] for name in columns if name in LIMITS}
    kinds = {name: ZCATALOG_KINDS[name] for name in columns}
    for block in row_blocks(path, ZCATALOG_HDU, kinds, block_bytes):
        where = f"{path}: rows {block.index.start} to {block.index.stop - 1}"
        check_numbers(where, block[block["OBJTYPE"] == TARGET], limits)
        yield block


def target_redshifts(root: Path | str) -> np.ndarray:
    """Redshifts of all rows on targets, in file order; those on blank sky have none.

    Raises
    ------
    InputError
        As `zcatalog_blocks`.
    """
    blocks = zcatalog_blocks(root, ["OBJTYPE", *LIMITS])
    return np.concatenate([block.loc[block["OBJTYPE"] == TARGET, "Z"] for block in blocks])


def write_zcatalog(root: Path | str, catalog: pd.DataFrame) -> None:
    """Write a redshift catalogue in the layout of zall-pix."""
    columns = {
        name: values.to_numpy().astype("S") if values.dtype.kind not in "biuf" else values
        for name, values in catalog[list(ZCATALOG_COLUMNS)].items()
    }
    table = fits.BinTableHDU(
        np.rec.fromarrays(list(columns.values()), names=list(columns)), name=ZCATALOG_HDU
    )
    path = Path(root) / ZCATALOG_PATH
    with atomic(path) as part:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(part)


def read_coadd(path: Path | str) -> Coadd:
    """Read a coadd file.

    Raises
    ------
    InputError
        If the file is damaged or an HDU is not what its checksum says, an HDU is missing, shapes or
        wavelengths are not DESI's, the ivar is negative or not finite, or a flux with weight is not
        finite.
    """
    targetid = fits_columns(path, "FIBERMAP", ["TARGETID"])["TARGETID"].to_numpy()
    flux, ivar, mask = {}, {}, {}
    with open_fits(path, checksum=True) as hdus:
        for arm in ARMS:
            wave = _image(hdus, path, arm, "WAVELENGTH", (arm.n_pixels,))
            if not np.allclose(wave, arm.wave, atol=0.01):
                raise InputError(
                    path,
                    key=f"HDU {arm.name}_WAVELENGTH",
                    found=f"{wave[0]:.1f} to {wave[-1]:.1f} Å",
                    expected=f"{arm.wave[0]:.1f} to {arm.wave[-1]:.1f} Å",
                )
            shape = (len(targetid), arm.n_pixels)
            flux[arm.name] = _image(hdus, path, arm, "FLUX", shape)
            ivar[arm.name] = _image(hdus, path, arm, "IVAR", shape)
            mask[arm.name] = _image(hdus, path, arm, "MASK", shape)
            _check_spectra(path, arm, flux[arm.name], ivar[arm.name])
    return Coadd(targetid, flux, ivar, mask)


def _image(hdus: fits.HDUList, path: Path | str, arm: Arm, kind: str, shape: tuple) -> np.ndarray:
    """One image HDU of an arm, in native byte order."""
    name = f"{arm.name}_{kind}"
    try:
        data = fits_hdu(hdus, path, name).data
    except (TypeError, ValueError, OSError) as error:
        raise InputError(
            path, key=f"HDU {name}", found=f"unreadable data ({error})", expected="an image"
        ) from error
    if data is None or data.shape != shape:
        found = "no data" if data is None else f"shape {data.shape}"
        raise InputError(path, key=f"HDU {name}", found=found, expected=f"shape {shape}")
    return data.astype(data.dtype.newbyteorder("="))


def _check_spectra(path: Path | str, arm: Arm, flux: np.ndarray, ivar: np.ndarray) -> None:
    """An inverse variance is a finite number that is not negative; flux that has one is finite."""
    good = np.isfinite(ivar) & (ivar >= 0)
    for kind, bad, expected in (
        ("IVAR", ~good, "inverse variances of 0 or more"),
        ("FLUX", (ivar > 0) & ~np.isfinite(flux), "numbers where the ivar is above 0"),
    ):
        if bad.any():
            raise InputError(
                path,
                key=f"HDU {arm.name}_{kind}",
                found=f"{bad.sum()} pixels negative or not finite",
                expected=expected,
            )


def write_coadd(path: Path | str, coadd: Coadd, fibermap: pd.DataFrame) -> None:
    """Write a coadd file; masks are compressed and HDUs have checksums, as in the release."""
    fibers = fits.BinTableHDU(
        np.rec.fromarrays(
            [fibermap[name].to_numpy() for name in fibermap], names=list(fibermap.columns)
        ),
        name="FIBERMAP",
    )
    hdus: list = [fits.PrimaryHDU(), fibers]
    for arm in ARMS:
        hdus += [
            _image_hdu(arm.wave, arm, "WAVELENGTH", "Angstrom"),
            _image_hdu(coadd.flux[arm.name], arm, "FLUX", "10**-17 erg/(s cm2 Angstrom)"),
            _image_hdu(coadd.ivar[arm.name], arm, "IVAR", "10**+34 (s2 cm4 Angstrom2) / erg2"),
            fits.CompImageHDU(coadd.mask[arm.name], name=f"{arm.name}_MASK"),
        ]
    for hdu in hdus:
        hdu.add_checksum(when="")  # without the time, so that the same data are the same bytes
    with atomic(path) as part:
        fits.HDUList(hdus).writeto(part)


def _image_hdu(data: np.ndarray, arm: Arm, kind: str, unit: str) -> fits.ImageHDU:
    """One image HDU of an arm."""
    hdu = fits.ImageHDU(data, name=f"{arm.name}_{kind}")
    hdu.header["BUNIT"] = unit
    return hdu

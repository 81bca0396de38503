"""DESI's redshift catalogue and coadded spectra, in the layout of the data release.

Source: DESI data model, zall-pix and coadd files (desidatamodel, "iron" = DR1).
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy import units
from astropy.io import fits
from astropy_healpix import HEALPix

from mmae.errors import InputError
from mmae.files.damage import check_share, sound
from mmae.files.write import atomic
from mmae.instruments import ARMS, Arm
from mmae.limits import REDSHIFT
from mmae.survey.fits_files import fits_columns, fits_hdu, open_fits, readable
from mmae.survey.fits_rows import BLOCK_BYTES, Kind, row_blocks

ZCATALOG_PATH = "zcatalog/v1/zall-pix-iron.fits"
ZCATALOG_HDU = "ZCATALOG"
ZCATALOG_KINDS: dict[str, Kind] = {
    **{"TARGETID": "integer", "SURVEY": "text", "PROGRAM": "text", "HEALPIX": "integer"},
    **{"Z": "number", "ZWARN": "integer", "SPECTYPE": "text", "DELTACHI2": "number"},
    **{"TARGET_RA": "number", "TARGET_DEC": "number", "OBJTYPE": "text"},
    **{"COADD_FIBERSTATUS": "integer", "ZCAT_PRIMARY": "boolean"},
}
"""Columns that the workflow uses, and what they hold."""
ZCATALOG_READ = tuple(ZCATALOG_KINDS)

TARGET, SKY = "TGT", "SKY"
"""OBJTYPE of a fibre on a target, and on blank sky. That of others is BAD, NON or empty."""

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
    root: Path | str,
    columns: Sequence[str] = ZCATALOG_READ,
    block_bytes: int = BLOCK_BYTES,
    max_damaged: float = 1.0,
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
    max_damaged : float
        Fraction of the targets whose position or redshift may be impossible. Their rows are among
        the others: see LIMITS.

    Yields
    ------
    DataFrame
        Text is categorical; the index is the row of the catalogue.

    Raises
    ------
    InputError
        If the file is damaged, a column is missing or of another kind, or too many positions or
        redshifts are impossible.
    """
    path = Path(root) / ZCATALOG_PATH
    limits = {name: LIMITS[name] for name in columns if name in LIMITS}
    kinds = {name: ZCATALOG_KINDS[name] for name in columns}
    n_damaged = n_targets = 0
    for block in row_blocks(path, ZCATALOG_HDU, kinds, block_bytes):
        is_target = (block["OBJTYPE"] == TARGET).to_numpy()
        n_targets += is_target.sum()
        n_damaged += (is_target & ~sound(block, limits)).sum()
        yield block
    words = f"targets with an impossible {' or '.join(limits)}"
    check_share(path, n_damaged, n_targets, max_damaged, "crossmatch.max_damaged", words)


def target_redshifts(root: Path | str) -> np.ndarray:
    """Redshifts of all rows on targets, in file order; impossible ones are left out.

    Raises
    ------
    InputError
        As `zcatalog_blocks`.
    """
    blocks = zcatalog_blocks(root, ["OBJTYPE", *LIMITS])
    parts = [b.loc[(b["OBJTYPE"] == TARGET) & sound(b, LIMITS), "Z"] for b in blocks]
    return np.concatenate(parts)


def write_zcatalog(root: Path | str, catalog: pd.DataFrame) -> None:
    """Write a redshift catalogue with the columns of zall-pix; those not in `catalog` are empty."""
    path = Path(root) / ZCATALOG_PATH
    with atomic(path) as part:
        fits.HDUList([fits.PrimaryHDU(), _table(ZCATALOG_HDU, catalog)]).writeto(part)


@cache
def release_columns() -> pd.DataFrame:
    """Columns of the release's tables: hdu, name, format (data/README.md tells their origin)."""
    with (files("mmae.survey") / "data" / "desi_columns.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream)


def _table(hdu: str, values: pd.DataFrame) -> fits.BinTableHDU:
    """A table with the release's columns, in their types and widths; what is not given is empty."""
    columns = []
    for _, name, form in release_columns().query("hdu == @hdu").itertuples(index=False):
        array = values[name].to_numpy("S" if "A" in form else None) if name in values else None
        columns.append(fits.Column(name, form, array=array))
    return fits.BinTableHDU.from_columns(columns, nrows=len(values), name=hdu)


def read_coadd(path: Path | str) -> Coadd:
    """Read a coadd file.

    Raises
    ------
    InputError
        If the file is damaged or an HDU is not what its checksum says, an HDU is missing, or shapes
        or wavelengths are not DESI's.
    """
    flux, ivar, mask = {}, {}, {}
    with open_fits(path, checksum=True) as hdus:
        targetid = fits_columns(hdus, path, "FIBERMAP", ["TARGETID"])["TARGETID"].to_numpy()
        for arm in ARMS:
            check_wave(hdus, path, arm)
            shape = (len(targetid), arm.n_pixels)
            flux[arm.name] = arm_image(hdus, path, arm, "FLUX", shape)
            ivar[arm.name] = arm_image(hdus, path, arm, "IVAR", shape)
            mask[arm.name] = arm_image(hdus, path, arm, "MASK", shape)
    return Coadd(targetid, flux, ivar, mask)


def check_wave(hdus: fits.HDUList, path: Path | str, arm: Arm) -> None:
    """Raise InputError unless an arm of a file has DESI's wavelengths."""
    wave = arm_image(hdus, path, arm, "WAVELENGTH", (arm.n_pixels,))
    if not np.allclose(wave, arm.wave, atol=0.01):
        raise InputError(
            path,
            key=f"HDU {arm.name}_WAVELENGTH",
            found=f"{wave[0]:.1f} to {wave[-1]:.1f} Å",
            expected=f"{arm.wave[0]:.1f} to {arm.wave[-1]:.1f} Å",
        )


def arm_image(
    hdus: fits.HDUList, path: Path | str, arm: Arm, kind: str, shape: tuple
) -> np.ndarray:
    """One image HDU of an arm, in native byte order."""
    name = f"{arm.name}_{kind}"
    with readable(path, name, "an image"):
        data = fits_hdu(hdus, path, name).data
    if data is None or data.shape != shape:
        found = "no data" if data is None else f"shape {data.shape}"
        raise InputError(path, key=f"HDU {name}", found=found, expected=f"shape {shape}")
    return data.astype(data.dtype.newbyteorder("="))


def write_coadd(path: Path | str, coadd: Coadd, fibermap: pd.DataFrame) -> None:
    """Write a coadd file as in the release: masks are uint32, HDUs have checksums.

    The matrices of the resolution are left out: they are three quarters of such a file, and nothing
    here reads them.

    Parameters
    ----------
    path : path
    coadd : Coadd
    fibermap : DataFrame
        TARGETID and other columns of the release's FIBERMAP; the others are empty.
    """
    exposures = fibermap.rename(columns={"COADD_FIBERSTATUS": "FIBERSTATUS"})
    hdus: list = [fits.PrimaryHDU(), _table("FIBERMAP", fibermap)]
    hdus.append(_table("EXP_FIBERMAP", exposures))
    for arm in ARMS:
        hdus += [
            _image_hdu(arm.wave, arm, "WAVELENGTH", "Angstrom"),
            _image_hdu(coadd.flux[arm.name], arm, "FLUX", "10**-17 erg/(s cm2 Angstrom)"),
            _image_hdu(coadd.ivar[arm.name], arm, "IVAR", "10**+34 (s2 cm4 Angstrom2) / erg2"),
            fits.ImageHDU(coadd.mask[arm.name].astype(np.uint32), name=f"{arm.name}_MASK"),
        ]
    hdus.append(_table("SCORES", fibermap))
    for hdu in hdus:
        hdu.add_checksum(when="")  # without the time, so that the same data are the same bytes
    with atomic(path) as part:
        fits.HDUList(hdus).writeto(part)


def _image_hdu(data: np.ndarray, arm: Arm, kind: str, unit: str) -> fits.ImageHDU:
    """One image HDU of an arm."""
    hdu = fits.ImageHDU(data, name=f"{arm.name}_{kind}")
    hdu.header["BUNIT"] = unit
    return hdu

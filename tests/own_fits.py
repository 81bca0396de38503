"""HSC cutouts in FITS as its cutout service writes them, and as others do."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC

FLUXMAG0 = 63095734448.0194
"""Of HSC's coadds: zero point 27.0."""
POSITIONS = ((150.1, 2.2), (150.1002, 2.2), (150.3, -0.5))
"""Degrees; the second is 0.7 arcsec from the first."""


def header(
    ra: float, dec: float, shape: tuple[int, int], name: str, scale: float = 1.0, shift: int = 0
) -> fits.Header:
    """A header with a position in the middle of the image, or so many pixels left of it."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2 - shift, (shape[0] + 1) / 2]
    wcs.wcs.cdelt = scale * np.array([-1, 1]) * PIXEL_SCALE_ARCSEC / 3600
    found = wcs.to_header()
    found["EXTNAME"] = found["EXTTYPE"] = name
    return found


def band_file(
    path: Path, flux: np.ndarray, band: str, ra: float, dec: float, shift: int = 0
) -> Path:
    """One band, with mask and variance, as HSC's service writes it."""
    first = fits.PrimaryHDU()
    first.header["FILTER"], first.header["FLUXMAG0"] = f"HSC-{band.upper()}", FLUXMAG0
    kinds = {"IMAGE": flux, "MASK": np.zeros(flux.shape, "i4"), "VARIANCE": flux * 0 + 1}
    hdus = [fits.ImageHDU(v, header(ra, dec, flux.shape, k, shift=shift)) for k, v in kinds.items()]
    fits.HDUList([first, *hdus]).writeto(path)
    return path


def band_files(folder: Path, images: np.ndarray) -> Path:
    """A file a band and galaxy, in the order and with the names of HSC's service."""
    folder.mkdir()
    for row, (image, place) in enumerate(zip(images, POSITIONS, strict=True)):
        for k, (flux, band) in enumerate(zip(image, BANDS, strict=True)):
            name = f"{2 + 5 * row + k}-cutout-HSC-{band.upper()}-9813-pdr2_wide.fits"
            band_file(folder / name, flux, band, *place)
    return folder


def five_hdus(path: Path, image: np.ndarray, compressed: bool = False) -> Path:
    """One file with an HDU a band, without positions."""
    kind = fits.CompImageHDU if compressed else fits.ImageHDU
    lossless = {"compression_type": "GZIP_1", "quantize_level": 0} if compressed else {}
    hdus = [kind(v, name=f"HSC-{band.upper()}", **lossless) for v, band in zip(image, BANDS)]  # noqa: B905
    for hdu in hdus:
        hdu.header["MAGZERO"] = 27.0
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path

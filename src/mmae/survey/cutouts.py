"""HSC images in FITS: which band, which flux, which pixels, and which belong to one galaxy."""

import re
import warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from mmae.errors import InputError
from mmae.instruments import BANDS, IMAGE_SIZE, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG
from mmae.survey.fits_files import open_fits, readable

FITS = re.compile(r"\.(fits?|fts)(\.(gz|fz|bz2))?$", re.IGNORECASE)
"""How the names of FITS files end."""
NO_FLUX = re.compile(r"MASK|VAR|PSF|IVAR|WEIGHT|ERR|SIGMA|CHI", re.IGNORECASE)
"""Names of HDUs that are no image of the sky."""
BAND = re.compile(r"(?:.*[^a-z])?([grizy])2?(?:[^a-z].*)?", re.IGNORECASE)
"""A band in an HDU's name, such as HSC-G, R2 or IMAGE_Z."""
FILE_BAND = re.compile(r"(?<![^-_.])(HSC[-_])?([grizy])2?(?![^-_.])", re.IGNORECASE)
"""A band in a file's name, such as 2-cutout-HSC-G-9813-pdr2_wide.fits."""
ZERO_POINTS = ("MAGZERO", "MAGZP", "MAGZPT", "ZEROPNT", "ZEROPOINT", "PHOTZP", "ZP")
"""Cards with the AB magnitude of a flux of 1; HSC's own FLUXMAG0 is the flux of magnitude 0."""
POSSIBLE_MAG, SAME_MAG = (5.0, 50.0), 0.01
"""Zero points that can be, from one in 100 Jy to one in erg / (s cm2 Hz); and that agree."""
SAME_SCALE, SAME_ARCSEC = 0.01, 0.5
"""Part by which pixel scales may differ; distance of the images of one galaxy."""
LARGEST = 512
"""Pixels on a side of a cutout: what is larger shows many galaxies."""
ADVICE = "FLUXMAG0 or MAGZERO in its header (astropy: fits.setval(file, 'MAGZERO', value=27.0))"


class Plane(NamedTuple):
    """The image of one band in a FITS file."""

    path: Path
    hdu: int
    band: str
    factor: float
    """To a flux with zero point 27.0."""
    shape: tuple[int, int]
    wcs: WCS | None


class Cutout(NamedTuple):
    """The images of one galaxy, some bands of which may be missing."""

    name: str
    planes: Mapping[str, Plane]

    def read(self) -> np.ndarray:
        """Flux (5, 64, 64) float32 of the middle, zero point 27.0; NaN in bands that are missing.

        Raises
        ------
        InputError
            If an image is damaged.
        """
        found = np.full((len(BANDS), IMAGE_SIZE, IMAGE_SIZE), np.nan, np.float32)
        for path, planes in groupby(self.planes.values(), key=attrgetter("path")):
            with open_fits(path) as hdus:
                for plane in planes:
                    middle = tuple(
                        slice((n - IMAGE_SIZE) // 2, (n + IMAGE_SIZE) // 2) for n in plane.shape
                    )
                    with readable(path, str(plane.hdu), "an image"):
                        flux = hdus[plane.hdu].section[middle] * plane.factor
                        found[BANDS.index(plane.band)] = flux
        return found


def fits_files(path: Path) -> list[Path]:
    """The FITS files of a folder in the order of their names, numbers by value; or the file."""
    if not path.is_dir():
        return [path]
    found = [one for one in path.iterdir() if FITS.search(one.name)]
    if not found:
        raise InputError(path, found="a folder without FITS files", expected="cutouts in it")
    return sorted(found, key=lambda one: _in_order(one.name))


def _in_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names with numbers by the numbers' values."""
    return [(int(p), p) if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)]


def find_cutouts(paths: Iterable[Path]) -> list[Cutout]:
    """The galaxies of FITS files, each with all bands or with one of them.

    Images of single bands belong together if they show the same place in the sky, or, where their
    headers tell none, if their names are the same but for the band.

    Raises
    ------
    InputError
        If a file is damaged, or lacks its band, zero point or size; if the pixels are of another
        scale; or if a galaxy has two images of one band.
    """
    files = [_of_size(read_planes(path)) for path in paths]
    single = [planes[0] for planes in files if len(planes) == 1]
    places = iter(_places(single))
    galaxies: dict[object, list[Plane]] = {}
    for planes in files:
        key = next(places) if len(planes) == 1 else planes[0].path
        galaxies.setdefault(key, []).extend(planes)
    return [_cutout(planes) for planes in galaxies.values()]


def cutout_of(files: Iterable[tuple[Path, str | None]]) -> Cutout:
    """The galaxy of some FITS files, with the band of each if that is known; raises as above."""
    planes = [one for path, band in files for one in _of_size(read_planes(path, band))]
    places = {*_places([plane for plane in planes if plane.wcs is not None])}
    if len(places) > 1:
        words = f"another place in the sky than {planes[0].path.name}"
        raise InputError(planes[-1].path, found=words, expected="the same galaxy")
    return _cutout(planes)


def read_planes(path: Path, band: str | None = None) -> list[Plane]:
    """The images of the bands in a FITS file; pixels are not read yet.

    Raises
    ------
    InputError
        As `find_cutouts`, but for the size; or if the band is another than is told.
    """
    with open_fits(path) as hdus:
        images = [
            (place, hdu)
            for place, hdu in enumerate(hdus)
            if hdu.is_image and hdu.shape and not NO_FLUX.search(_name(hdu))
        ]
        if not images:
            words = [hdu.name for hdu in hdus]
            raise InputError(path, found=f"no image in the HDUs {words}", expected="one a band")
        if any(len(hdu.shape) != 2 for _, hdu in images):
            shapes = [hdu.shape for _, hdu in images]
            expected = "one image of two axes a band, in HDUs or files of their own"
            raise InputError(path, found=f"images of shape {shapes}", expected=expected)
        planes = []
        for place, hdu in images:
            with readable(path, str(place), "a header of an image"):
                cards = ChainMap(hdu.header, hdus[0].header)
                alone = _file_band(path) if len(images) == 1 else None
                its_band = _band(path, hdu.name, cards, band or alone)
                factor = 10 ** (0.4 * (ZERO_POINT_MAG - _zero_point(path, place, cards)))
                wcs = _wcs(path, hdu.header)
                planes.append(Plane(path, place, its_band, factor, hdu.shape, wcs))
    return planes


def _name(hdu: fits.hdu.base.ExtensionHDU) -> str:
    """What an HDU says that it is."""
    return f"{hdu.name} {hdu.header.get('EXTTYPE', '')}"


def _band(path: Path, name: str, cards: Mapping[str, object], told: str | None) -> str:
    """The band of an image: from FILTER or BAND, its HDU's name, or as it is told elsewhere."""
    key = f"HDU {name}"
    for card in ("FILTER", "BAND"):
        text = str(cards.get(card, "")).strip()
        if not text:
            continue
        found = re.fullmatch(r"(?:HSC[-_ ]?)?([grizy])2?", text, re.IGNORECASE)
        if found is None:
            expected = f"one of {' '.join(f'HSC-{band.upper()}' for band in BANDS)}"
            raise InputError(path, key=f"{key}, {card}", found=repr(text), expected=expected)
        if told not in (None, found[1].lower()):
            words = f"{text!r} where the name of file or column says {told}"
            raise InputError(path, key=f"{key}, {card}", found=words, expected="the same band")
        return found[1].lower()
    if found := BAND.fullmatch(name):
        return found[1].lower()
    if told is None:
        expected = "FILTER in the header, such as HSC-G, or the band in the HDU's or file's name"
        raise InputError(path, key=key, found="no band", expected=expected)
    return told


def _file_band(path: Path) -> str | None:
    """The band that a file's name tells: as HSC-G if it has that, else as its one such letter."""
    found = [(bool(hsc), band.lower()) for hsc, band in FILE_BAND.findall(FITS.sub("", path.name))]
    bands = {band for is_hsc, band in found if is_hsc} or {band for _, band in found}
    return bands.pop() if len(bands) == 1 else None


def _zero_point(path: Path, place: int, cards: Mapping[str, object]) -> float:
    """AB magnitude of a flux of 1, from all cards that tell it."""
    found: dict[str, float] = {}
    for card in ("FLUXMAG0", *ZERO_POINTS):
        if card in cards:
            value, is_flux = cards[card], card == "FLUXMAG0"
            number = float(value) if isinstance(value, int | float) else np.nan
            with np.errstate(all="ignore"):
                found[card] = float(2.5 * np.log10(number)) if is_flux else number
            if not POSSIBLE_MAG[0] <= found[card] <= POSSIBLE_MAG[1]:
                raise InputError(
                    path,
                    key=f"HDU {place}, {card}",
                    found=value,
                    expected="the flux of magnitude 0, such as 6.30957e10"
                    if is_flux
                    else "an AB magnitude of a flux of 1, such as 27.0",
                )
    unit = str(cards.get("BUNIT", "")).strip()
    parsed = units.Unit(unit, parse_strict="silent")
    if parsed.is_equivalent(units.Jy):
        found[f"BUNIT {unit}"] = float((1 * parsed).to(units.ABmag).value)
    if not found:
        raise InputError(
            path, key=f"HDU {place}", found="no zero point of the flux", expected=ADVICE
        )
    if max(found.values()) - min(found.values()) > SAME_MAG:
        words = ", ".join(f"{card} ({value:.2f} mag)" for card, value in found.items())
        expected = "one zero point; delete the wrong cards"
        raise InputError(path, key=f"HDU {place}", found=words, expected=expected)
    return next(iter(found.values()))


def _wcs(path: Path, header: fits.Header) -> WCS | None:
    """Where the pixels are in the sky, after checking their scale; None if nothing is told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header)
    if not wcs.has_celestial:
        return None
    scales = 3600 * proj_plane_pixel_scales(wcs.celestial)
    if not np.allclose(scales, PIXEL_SCALE_ARCSEC, rtol=SAME_SCALE):
        raise InputError(
            path,
            key="WCS",
            found=f"pixels of {scales.max():.3g} arcsec",
            expected=f"{PIXEL_SCALE_ARCSEC}; resample them (reproject), or train on such images",
        )
    return wcs.celestial


def _of_size(planes: list[Plane]) -> list[Plane]:
    """The images, after checking that they are as large as models need, and show one galaxy."""
    for plane in planes:
        words = {"key": f"HDU {plane.hdu}", "found": "{1} x {0} pixels".format(*plane.shape)}
        if min(plane.shape) < IMAGE_SIZE:
            expected = f"at least {IMAGE_SIZE} x {IMAGE_SIZE} around the galaxy"
            raise InputError(plane.path, **words, expected=expected)
        if max(plane.shape) > LARGEST:
            expected = f"at most {LARGEST}: `mmae cutouts` cuts galaxies out of larger images"
            raise InputError(plane.path, **words, expected=expected)
    return planes


def _places(planes: list[Plane]) -> Iterator[object]:
    """What images of one galaxy have in common: a place in the sky, or a name."""
    known = [plane for plane in planes if plane.wcs is not None]
    points = np.empty((len(known), 3))
    for row, plane in enumerate(known):
        y, x = ((n - 1) / 2 for n in plane.shape)
        ra, dec = np.radians(plane.wcs.pixel_to_world_values(x, y))
        points[row] = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)
    numbers = iter(())
    if known:
        reach = np.radians(SAME_ARCSEC / 3600)
        pairs = KDTree(points).query_pairs(reach, output_type="ndarray").T
        links = coo_array((np.ones(pairs.shape[1]), pairs), (len(known),) * 2)
        numbers = iter(connected_components(links, directed=False)[1].tolist())
    for plane in planes:
        yield next(numbers) if plane.wcs is not None else plane.path.with_name(_stem(plane.path))


def _stem(path: Path) -> str:
    """A file's name without its band."""
    name = FITS.sub("", path.name)
    return FILE_BAND.sub("", name).strip("-_.").replace("--", "-").replace("__", "_") or name


def _cutout(planes: list[Plane]) -> Cutout:
    """The galaxy of some images."""
    by_band: dict[str, Plane] = {}
    for plane in planes:
        if (other := by_band.setdefault(plane.band, plane)) is not plane:
            raise InputError(
                plane.path,
                key=f"HDU {plane.hdu}",
                found=f"a second image in {plane.band}, as HDU {other.hdu} of {other.path.name}",
                expected="one a galaxy and band",
            )
    bands = {band: by_band[band] for band in BANDS if band in by_band}
    if not planes:
        return Cutout("", bands)
    first, own = planes[0].path, len(planes) > 1 and planes[0].path == planes[1].path
    return Cutout(FITS.sub("", first.name) if own else _stem(first), bands)


def all_files(paths: Iterable[Path]) -> list[Path]:
    """`fits_files` of several files and folders."""
    return [one for path in paths for one in fits_files(path)]

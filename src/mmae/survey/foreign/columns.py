"""Spectra in the columns of a table, whatever those are called."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from astropy import units

from mmae.errors import InputError
from mmae.files.checks import check_identifiers
from mmae.limits import FLUX, REDSHIFT
from mmae.survey.foreign.resample import air_to_vacuum

NAMES = {
    "wave": ("wave", "wavelength", "lambda", "lam", "wav", "awav", "spectral"),
    "loglam": ("loglam", "logwave", "loglambda", "log_wave", "log_lambda"),
    "flux": ("flux", "flux_density", "flux_lambda", "f_lambda", "flam", "spectrum"),
    "ivar": ("ivar", "flux_ivar", "ivar_flux", "invvar", "inverse_variance"),
    "variance": ("variance", "var"),
    "error": (
        *("error", "err", "sigma", "std", "noise", "uncertainty", "fluxerr", "flux_err"),
        *("flux_error", "flux_sigma", "err_flux", "error_flux", "sigma_flux", "e_flux"),
    ),
    "mask": ("mask", "flux_mask", "bad"),
    "good": ("good", "valid"),
    "z": ("z", "z_spec", "zspec", "redshift", "spec_z", "specz", "specz_redshift"),
    "name": ("targetid", "object_id", "id", "specobjid", "objid", "name", "source_id"),
}
"""Names, in small letters, of what is read; the first that is there counts."""
WAVE_WORDS = {
    **dict.fromkeys(("angstrom", "aa", "a"), "Angstrom"),
    **{"nm": "nm", "um": "um", "micron": "um", "axis": "", "vac": "", "vacuum": "", "air": ""},
}
"""What may follow the name of wavelengths, as in `wave_air_nm`, and the unit that it tells."""
FIBRE = ("plate",), ("mjd",), ("fiber", "fiberid")
"""Columns that name a spectrum of SDSS together."""
FLAM = 1e-17 * units.erg / units.s / units.cm**2 / units.AA
EQUIVALENT = units.spectral(), units.zero_point_flux(3631 * units.Jy)
MOST_LISTED = 30
"""Columns that an error names."""


class Columns(NamedTuple):
    """What a file has."""

    values: Mapping[str, np.ndarray]
    """By name."""
    units: Mapping[str, str] = {}
    """By name, as far as the file tells them."""
    header: Mapping[str, Any] = {}
    """Cards of a FITS file, or metadata of a table."""


class Spectra(NamedTuple):
    """N spectra of L pixels, as they were observed."""

    wave: np.ndarray
    """(L,), or (N, L) where each has its own; vacuum, Å; NaN where none is told."""
    flux: np.ndarray
    """(N, L) float64."""
    ivar: np.ndarray | None
    """(N, L) float64, 0 where bad; None if nothing is told of the noise."""
    good: np.ndarray
    """(N, L) bool: finite, and not masked."""
    z_spec: np.ndarray | None
    """(N,), NaN where unknown."""
    name: np.ndarray | None
    """(N,) int or str; None if they have no names."""
    is_air: bool = False
    """Whether wavelengths were in air."""


def spectra_of(columns: Columns, path: object, air: bool) -> Spectra:
    """Find spectra in columns.

    Parameters
    ----------
    columns : Columns
        One row a pixel, or arrays of shape (N, L).
    path : path
        For errors.
    air : bool
        Whether wavelengths are in air, whatever the file tells.

    Raises
    ------
    InputError
        If wavelengths or flux are not there, or are no numbers, or shapes do not fit.
    """
    found = {role: named(columns.values, names) for role, names in NAMES.items()}
    of_wave = found["loglam"] or found["wave"] or wave_name(columns.values)
    if of_wave is None:
        raise _lacks(columns, path, "wavelengths", ("wave", "loglam"))
    if found["flux"] is None:
        raise _lacks(columns, path, "flux", NAMES["flux"][:2])
    arrays = {
        role: _numbers(columns.values[name], path, name)
        for role, name in {**found, "wave": of_wave}.items()
        if name is not None and role not in ("z", "name", "loglam")
    }
    flux = np.atleast_2d(arrays["flux"]).astype(float)
    wave, is_air = _wave(columns, arrays["wave"], of_wave, found["loglam"] is not None, path)
    wave = wave[0] if wave.ndim == 2 and len(wave) == 1 else wave
    told = _told(columns.header)
    if air and (told == "vacuum"):
        raise InputError(path, found="wavelengths in vacuum by its header", expected="no --air")
    is_air = air or is_air or told == "air"
    for role in {*arrays} - {"flux"}:
        _check_shape(path, found[role] or of_wave, arrays[role], flux)
    factor = _to_flam(columns.units.get(found["flux"], ""), wave)
    good, ivar = np.isfinite(flux) & FLUX.contain(flux), None
    for role, is_good in (("mask", False), ("good", True)):
        if role in arrays:
            good &= (arrays[role] != 0) == is_good
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if "ivar" in arrays:
            ivar = arrays["ivar"].astype(float)
        elif "variance" in arrays:
            ivar = 1 / np.where(arrays["variance"] > 0, arrays["variance"], np.nan).astype(float)
        elif "error" in arrays:
            ivar = 1 / np.where(arrays["error"] > 0, arrays["error"], np.nan).astype(float) ** 2
        flux = np.where(good, flux * factor, 0.0)
        if ivar is not None:
            ivar = np.broadcast_to(ivar / np.square(factor), flux.shape)
            ivar = np.where(good & np.isfinite(ivar) & (ivar > 0), ivar, 0.0)
    wave = air_to_vacuum(wave) if is_air else wave
    told_z = {**columns.header, **columns.values}
    z_spec = _z_spec(told_z, named(told_z, NAMES["z"]), len(flux))
    return Spectra(wave, flux, ivar, good, z_spec, _names(columns.values, path, len(flux)), is_air)


def named(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of some names, in any letters, that is there."""
    lower = {name.lower(): name for name in reversed([*values])}
    return next((lower[name] for name in names if name in lower), None)


def wave_name(values: Mapping[str, Any]) -> str | None:
    """A name of wavelengths with words after it."""
    for name in values:
        first, *words = name.lower().split("_")
        if first in NAMES["wave"] and set(words) <= {*WAVE_WORDS}:
            return name
    return None


def _lacks(columns: Columns, path: object, what: str, names: Sequence[str]) -> InputError:
    """The error of a file without some column."""
    listed = [*columns.values]
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    expected = f"a column such as {' or '.join(names)}"
    return InputError(path, key=what, found=f"only {listed[:MOST_LISTED]}{more}", expected=expected)


def _numbers(values: np.ndarray, path: object, name: str) -> np.ndarray:
    """An array of numbers, masked ones unknown, without axes of length 1 in the middle."""
    if isinstance(values, np.ma.MaskedArray):
        values = values.astype(float).filled(np.nan) if values.dtype.kind in "iuf" else values.data
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        kind = "objects" if values.dtype.kind == "O" else f"type {values.dtype}"
        raise InputError(path, key=name, found=kind, expected="numbers")
    if values.ndim == 3 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or 0 in values.shape:
        found = f"shape {values.shape}"
        raise InputError(path, key=name, found=found, expected="(L,), or (N, L)")
    return values


def _check_shape(path: object, name: str, values: np.ndarray, flux: np.ndarray) -> None:
    """Raise InputError unless values are those of all spectra, or of one grid."""
    if values.shape[-1] == flux.shape[1] and (values.ndim == 1 or len(values) in (1, len(flux))):
        return
    expected = f"{flux.shape[1:]}, or {flux.shape}, as the flux is of {len(flux)} spectra"
    raise InputError(path, key=name, found=f"shape {values.shape}", expected=expected)


def _wave(
    columns: Columns, values: np.ndarray, name: str, is_log: bool, path: object
) -> tuple[np.ndarray, bool]:
    """Wavelengths in Å, and whether the column says that they are in air."""
    values = values.astype(float)
    unit = columns.units.get(name, "")
    words = name.lower().split("_")[1:]
    is_air = "air" in [*words, *re.findall("[a-z]+", unit.lower())] or name.lower() == "awav"
    if is_log:
        # beyond, 10 to the power of it is none of a wavelength in any unit
        return 10 ** np.where((values > -9) & (values < 9), values, np.nan), is_air
    told = next((WAVE_WORDS[word] for word in words if WAVE_WORDS.get(word)), unit)
    try:
        parsed = units.Unit(re.sub(r"[^\w]*(air|vacuum|vac)\W*$", "", told.strip(), flags=re.I))
        values = parsed.to(units.AA, values, equivalencies=units.spectral())
    except (ValueError, TypeError, units.UnitsError):
        if told and units.Unit(told, parse_strict="silent").physical_type != "unknown":
            raise InputError(
                path, key=name, found=f"the unit {told}", expected="one of wavelengths"
            ) from None
    return np.where(values > 0, values, np.nan), is_air


def _told(header: Mapping[str, Any]) -> str | None:
    """What a header says of wavelengths: air (FITS's AWAV), vacuum, or nothing."""
    cards = {str(key).upper(): str(value).strip().lower() for key, value in header.items()}
    if cards.get("VACUUM") in ("false", "f", "0"):
        return "air"
    if cards.get("VACUUM") in ("true", "t", "1"):
        return "vacuum"
    for key in ("AIRORVAC", "WAVETYPE", "CTYPE1"):
        value = cards.get(key, "")
        if value in ("air", "vac", "vacuum", "awav"):
            return "air" if value.startswith("a") else "vacuum"
    return None


def _to_flam(unit: str, wave: np.ndarray) -> np.ndarray | float:
    """By what flux is multiplied to be 1e-17 erg / (s cm2 Å); 1 where its unit is not told."""
    try:
        per_wave = units.spectral_density(np.where(np.isfinite(wave), wave, 1.0) * units.AA)
        parsed = units.Unit(unit)
        in_jy = parsed.is_equivalent(units.Jy, EQUIVALENT[1]) and not parsed.is_equivalent(units.Jy)
        scale = parsed.to(units.Jy, equivalencies=EQUIVALENT[1]) if in_jy else 1.0
        return scale * (units.Jy if in_jy else parsed).to(FLAM, equivalencies=per_wave)
    except (ValueError, TypeError, units.UnitsError):
        return 1.0


def _z_spec(values: Mapping[str, np.ndarray], name: str | None, n: int) -> np.ndarray | None:
    """Known redshifts, if there is one for each spectrum."""
    if (
        name is None
        or np.size(values[name]) != n
        or np.asarray(values[name]).dtype.kind not in "fiu"
    ):
        return None
    found = np.ma.filled(np.ma.asarray(values[name], float), np.nan).reshape(n)
    return np.where(REDSHIFT.contain(found), found, np.nan)


def _names(values: Mapping[str, np.ndarray], path: object, n: int) -> np.ndarray | None:
    """What spectra are called: an identifier, or plate, MJD and fibre."""
    parts = [named(values, names) for names in FIBRE]
    if all(part is not None and np.size(values[part]) == n for part in parts):
        rows = zip(*(np.ravel(values[part]) for part in parts), strict=True)
        return np.array(["-".join(str(part) for part in row) for row in rows])
    name = named(values, NAMES["name"])
    if name is None or np.size(values[name]) != n:
        return None
    found = np.asarray(values[name]).reshape(n)
    check_identifiers(path, name, found)
    return np.char.strip(found.astype(str)) if found.dtype.kind in "SUO" else found

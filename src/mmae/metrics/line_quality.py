"""Emission lines of reconstructed spectra against those of the true ones, galaxy by galaxy."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from astropy.stats import mad_std

from mmae.errors import InputError
from mmae.instruments import LINES, SPEED_OF_LIGHT_KMS
from mmae.metrics.lines import WINDOW_ANGSTROM, LineFit, fit_line

COMPARED_LINES = (
    *("Ly-alpha", "C IV", "C III]", "Mg II", "[O II]"),
    *("H-beta", "[O III]", "H-alpha", "[S II]"),
)
"""The strong lines of quasars and galaxies, by wavelength."""

SHIFT_ANGSTROM = 60.0
"""How far from its place a line may be: not as far as half way to the next line at z = 0."""

SIGNIFICANCE = 5.0
"""Height in units of the scatter. Where there is no line, noise passes 3 in an eighth of spectra
of faint galaxies, 5 in one of thirty (measured on the embedded survey)."""

MAX_WIDTH_ANGSTROM = 400.0
"""FWHM; what is wider is a bend of the continuum. Quasars' lines are up to 300 Å wide."""

BPT_RATIOS = {
    "[O III]/H-beta": ("[O III]", "H-beta"),
    "[S II]/H-alpha": ("[S II]", "H-alpha"),
}
"""Ratios of the diagrams of Baldwin, Phillips & Terlevich (1981, PASP 93, 5) and Veilleux &
Osterbrock (1987, ApJS 63, 295). [N II]/H-alpha is not among them: in pixels of 24 Å [N II] is
blended with H-alpha, and so H-alpha here is the sum of both."""

ERROR_COLUMNS = {
    **{"galaxy": int, "line": str, "found_true": bool, "found_reconstructed": bool},
    **{"centre_error_kms": float, "height_ratio": float, "width_ratio": float},
    **{"missed": bool, "false": bool},
}
"""Columns and their types."""


def line_errors(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    redshift: np.ndarray,
    lines: Iterable[str] = COMPARED_LINES,
    hidden: np.ndarray | None = None,
) -> pd.DataFrame:
    """Every line of every galaxy in the true and in the reconstructed spectrum.

    A line is in range if it is at least SHIFT_ANGSTROM inside the spectrum. Pixels that are nearer
    to another of the lines than half way are left out of its fit.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
    spectrum, reconstruction : ndarray, shape (B, L)
        Normalised flux.
    redshift : ndarray, shape (B,)
        z_spec.
    lines : iterable of str
        Keys of `mmae.instruments.LINES`.
    hidden : ndarray of bool, shape (B, L), optional
        A line is left out unless all pixels where it is looked for are hidden.

    Returns
    -------
    DataFrame
        ERROR_COLUMNS, one row a galaxy and line in range. `galaxy` is the row of `spectrum`;
        `centre_error_kms` (km/s), `height_ratio` and `width_ratio` are reconstructed minus, and
        relative to, true, NaN unless both are found; `missed`: only the true one is found;
        `false`: only the reconstructed one is found, though it is so high that the noise of the
        true spectrum would not hide it.

    Raises
    ------
    InputError
        If the arrays do not match, or a line is unknown.
    """
    spectrum, reconstruction = (np.asarray(f, dtype=float) for f in (spectrum, reconstruction))
    wave, redshift, lines = np.asarray(wave), np.asarray(redshift, dtype=float), tuple(lines)
    _check(wave, spectrum, reconstruction, redshift, lines)
    rows = []
    for line in lines:
        expected = LINES[line].wave * (1 + redshift)
        wanted = (expected > wave[0] + SHIFT_ANGSTROM) & (expected < wave[-1] - SHIFT_ANGSTROM)
        if hidden is not None:
            searched = np.abs(wave - expected[:, None]) < SHIFT_ANGSTROM
            wanted &= (hidden | ~searched).all(axis=1)
        for galaxy in np.flatnonzero(wanted):
            z = float(redshift[galaxy])
            own = _own_pixels(wave, line, lines, z)
            fluxes = spectrum[galaxy, own], reconstruction[galaxy, own]
            true, rebuilt = (_find(wave[own], flux, line, z) for flux in fluxes)
            # a line that the noise may hide is not false
            false = (
                true is None
                and rebuilt is not None
                and rebuilt.height > SIGNIFICANCE * _noise(wave[own], fluxes[0], expected[galaxy])
            )
            found = true is not None, rebuilt is not None
            missed = found == (True, False)
            rows.append((int(galaxy), line, *found, *_compared(true, rebuilt), missed, false))
    return pd.DataFrame(rows, columns=list(ERROR_COLUMNS)).astype(ERROR_COLUMNS)


def bpt_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Errors of the logarithms of line ratios, reconstructed minus true.

    Fluxes are height times width, as of a Gaussian.

    Parameters
    ----------
    errors : DataFrame
        As from `line_errors`.

    Returns
    -------
    DataFrame, dex
        One column for each of BPT_RATIOS; indexed by `galaxy`, those with both lines found in both
        spectra for at least one ratio. NaN for the other ratio if it is not.
    """
    flux = np.log10(errors["height_ratio"] * errors["width_ratio"])
    table = errors.assign(flux=flux).pivot(index="galaxy", columns="line", values="flux")
    table = table.reindex(columns=sorted({line for pair in BPT_RATIOS.values() for line in pair}))
    ratios = {name: table[upper] - table[lower] for name, (upper, lower) in BPT_RATIOS.items()}
    return pd.DataFrame(ratios).dropna(how="all")


def _check(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    redshift: np.ndarray,
    lines: tuple[str, ...],
) -> None:
    """Raise InputError unless the arrays match and the lines are known."""
    if not (spectrum.shape == reconstruction.shape == redshift.shape + wave.shape):
        raise InputError(
            "lines",
            found=f"spectra {spectrum.shape} and {reconstruction.shape}, {wave.shape} wavelengths, "
            f"{redshift.shape} redshifts",
            expected="a spectrum for each redshift and a pixel for each wavelength",
        )
    unknown = [line for line in lines if line not in LINES]
    if unknown:
        raise InputError("lines", found=unknown, expected=f"some of {list(LINES)}")


def _own_pixels(wave: np.ndarray, line: str, lines: tuple[str, ...], redshift: float) -> np.ndarray:
    """Pixels that no other line is near to, bool, shape (L,).

    One Gaussian is fitted: a strong neighbour in the window would take the place of a weak line,
    or hide it in the scatter.
    """
    own = np.ones(wave.shape, dtype=bool)
    for other in lines:
        if other != line:
            apart = abs(LINES[other].wave - LINES[line].wave) * (1 + redshift)
            distance = np.abs(wave - LINES[other].wave * (1 + redshift))
            own &= distance > apart / 2
    return own


def _find(wave: np.ndarray, flux: np.ndarray, line: str, redshift: float) -> LineFit | None:
    """The line, unless what is found is wider than a line or at the end of the search."""
    fit = fit_line(wave, flux, line, redshift, SHIFT_ANGSTROM, SIGNIFICANCE)
    if fit is None or fit.width > MAX_WIDTH_ANGSTROM:
        return None
    offset = abs(fit.centre - LINES[line].wave * (1 + redshift))
    return fit if offset < 0.99 * SHIFT_ANGSTROM else None


def _noise(wave: np.ndarray, flux: np.ndarray, centre: float) -> float:
    """Noise of a pixel around a wavelength, from differences of neighbours."""
    near = np.abs(wave - centre) < WINDOW_ANGSTROM
    return float(mad_std(np.diff(flux[near])) / np.sqrt(2))


def _compared(true: LineFit | None, rebuilt: LineFit | None) -> tuple[float, float, float]:
    """Difference of centres, km/s, and ratios of heights and widths; NaN unless both are found."""
    if true is None or rebuilt is None:
        return (np.nan,) * 3
    return (
        SPEED_OF_LIGHT_KMS * (rebuilt.centre / true.centre - 1),
        rebuilt.height / true.height,
        rebuilt.width / true.width,
    )

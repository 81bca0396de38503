"""Emission lines of reconstructed spectra against those of the true ones, galaxy by galaxy."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pandas as pd
from astropy.stats import mad_std

from mmae.errors import InputError
from mmae.instruments import LINES, SPEED_OF_LIGHT_KMS
from mmae.metrics.lines import SIGNIFICANCE, WINDOW_ANGSTROM, LineFit, fit_line

COMPARED_LINES = (
    *("Ly-alpha", "C IV", "C III]", "Mg II", "[O II]"),
    *("H-beta", "[O III]", "H-alpha", "[S II]"),
)
"""The strong lines of quasars and galaxies, by wavelength."""

SHIFT_ANGSTROM = 60.0
"""How far from its place a line of a measured spectrum may be: not as far as half way to the next
line at z = 0."""

Z_ERROR = 0.02
"""How far, relative to its wavelength, the line of a reconstruction may be beyond that. A model
reads its redshift in an image and is off by as much: in the paper's Figure 2 by 72 of 3852 Å."""

MAX_WIDTH_ANGSTROM = 400.0
"""FWHM; a wider line is too wide. Quasars' lines are up to 300 Å wide, the paper's reconstructed
H-alpha is 528 Å."""

RIGHT = 2.0
"""Factor within which height and width of a line that is right are the true ones."""

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
    **{"flux_ratio": float, "too_wide": bool, "missed": bool, "false": bool, "unresolved": bool},
    **{"right": bool, "flux_true": float},
}
"""Columns and their types."""


def find_line(
    wave: np.ndarray,
    flux: np.ndarray,
    line: str,
    redshift: float,
    z_error: float = 0.0,
    lines: Iterable[str] = COMPARED_LINES,
) -> LineFit | None:
    """A line of a spectrum, by the rule of all tables and figures.

    Parameters
    ----------
    wave, flux : ndarray, shape (L,)
        Å; normalised flux.
    line : str
        A key of `mmae.instruments.LINES`.
    redshift : float
    z_error : float
        How far, relative to its wavelength, the line may be beyond SHIFT_ANGSTROM.
    lines : iterable of str
        Pixels that are nearer to another of these than half way are left out.

    Returns
    -------
    LineFit or None
        As `mmae.metrics.lines.fit_line`; one wider than MAX_WIDTH_ANGSTROM is too wide.
    """
    expected = LINES[line].wave * (1 + redshift)
    own = _own_pixels(wave, line, lines, redshift)
    return fit_line(wave[own], flux[own], expected, SHIFT_ANGSTROM + z_error * expected)


def is_too_wide(fit: LineFit | None) -> bool:
    """Whether what was found is wider than a line."""
    return fit is not None and fit.width > MAX_WIDTH_ANGSTROM


def line_errors(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    redshift: np.ndarray,
    lines: Iterable[str] = COMPARED_LINES,
    hidden: np.ndarray | None = None,
    own_redshift: np.ndarray | None = None,
) -> pd.DataFrame:
    """Every line of every galaxy in the true and in the reconstructed spectrum.

    A line is in range if it is at least SHIFT_ANGSTROM inside the spectrum.

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
        A line is left out unless all pixels within SHIFT_ANGSTROM are hidden; it is looked for no
        farther from there unless those pixels are hidden, too.
    own_redshift : ndarray, shape (B,), optional
        Redshift of the reconstruction as its model says it. Its lines are then looked for there,
        as near as those of the true spectrum, and centres are compared in the rest frame.

    Returns
    -------
    DataFrame
        ERROR_COLUMNS, one row a galaxy and line in range. `galaxy` is the row of `spectrum`. A true
        line is found, and not too wide, or there is none. Of those that are found, the
        reconstruction's is found, `too_wide` or `missed`; `centre_error_kms` (km/s) and
        `height_ratio`, `width_ratio`, `flux_ratio` are reconstructed minus, and relative to, true,
        NaN where it is missed, that of the width also where one of the two is not resolved;
        `unresolved`: the true one is not. `right`: found, and as high and wide as the true one
        within RIGHT; `flux_true` (Å) is the flux of the true one. `false`: only the reconstructed
        one is found, though it is so high that the noise of the true spectrum would not hide it.

    Raises
    ------
    InputError
        If the arrays do not match, or a line is unknown.
    """
    spectrum, reconstruction = (np.asarray(f, dtype=float) for f in (spectrum, reconstruction))
    wave, redshift, lines = np.asarray(wave, float), np.asarray(redshift, float), tuple(lines)
    _check(wave, spectrum, reconstruction, redshift, lines)
    theirs = redshift if own_redshift is None else np.asarray(own_redshift, dtype=float)
    allowed = Z_ERROR if own_redshift is None else 0.0
    hidden = np.ones(spectrum.shape, dtype=bool) if hidden is None else hidden
    rows = []
    for line in lines:
        expected, shifted = (LINES[line].wave * (1 + z) for z in (redshift, theirs))
        wanted = _all_hidden(wave, hidden, expected, SHIFT_ANGSTROM)
        far = _all_hidden(wave, hidden, shifted, SHIFT_ANGSTROM + allowed * shifted)
        for place in (expected, shifted):
            wanted &= (place > wave[0] + SHIFT_ANGSTROM) & (place < wave[-1] - SHIFT_ANGSTROM)
        for galaxy in np.flatnonzero(wanted):
            z, own_z = float(redshift[galaxy]), float(theirs[galaxy])
            true = _true_line(wave.tobytes(), spectrum[galaxy].tobytes(), line, z, lines)
            true = None if is_too_wide(true) else true
            z_error = allowed if far[galaxy] else 0.0
            rebuilt = find_line(wave, reconstruction[galaxy], line, own_z, z_error, lines)
            # a line that the noise may hide is not false
            own = _own_pixels(wave, line, lines, z)
            noise = _noise(wave[own], spectrum[galaxy, own], expected[galaxy])
            wide, found = is_too_wide(rebuilt), true is not None
            clear = rebuilt is not None and not wide and rebuilt.height > SIGNIFICANCE * noise
            errors = _compared(true, rebuilt, (1 + z) / (1 + own_z))
            kinds = found and wide, found and rebuilt is None, not found and clear
            unresolved = found and np.isnan(true.width)
            drawn = rebuilt is not None and not wide
            right = found and drawn and _is_right(true, rebuilt, float(np.diff(wave).mean()))
            flux = true.flux if found else np.nan
            rows.append((int(galaxy), line, found, drawn, *errors, *kinds, unresolved, right, flux))
    return pd.DataFrame(rows, columns=list(ERROR_COLUMNS)).astype(ERROR_COLUMNS)


def noise_lines(wave: np.ndarray, spectrum: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Where noise passes for a line: one window without any known line in each true spectrum.

    Parameters
    ----------
    wave : ndarray, shape (L,), Å
    spectrum : ndarray, shape (B, L)
    redshift : ndarray, shape (B,)

    Returns
    -------
    ndarray, shape (B,)
        1 where the rule finds a line in the window, 0 where not, NaN where there is no window.
    """
    places = np.array([line.wave for line in LINES.values()])
    centres = np.arange(wave[0] + WINDOW_ANGSTROM, wave[-1] - WINDOW_ANGSTROM, WINDOW_ANGSTROM / 2)
    passed = np.full(len(spectrum), np.nan)
    for galaxy, z in enumerate(redshift):
        known = places * (1 + z)
        free = centres[(np.abs(centres[:, None] - known) > 3 * SHIFT_ANGSTROM).all(axis=1)]
        if len(free):
            # another one in each galaxy, so that all wavelengths count
            centre = free[galaxy % len(free)]
            own = (np.abs(wave[:, None] - known) > SHIFT_ANGSTROM).all(axis=1)
            fit = fit_line(wave[own], spectrum[galaxy, own], float(centre), SHIFT_ANGSTROM)
            passed[galaxy] = fit is not None and not is_too_wide(fit)
    return passed


def bpt_errors(errors: pd.DataFrame, column: str = "flux_ratio") -> pd.DataFrame:
    """Errors of the logarithms of line ratios, reconstructed minus true.

    Parameters
    ----------
    errors : DataFrame
        As from `line_errors`.
    column : str
        `flux_true` for the true logarithms instead, of the same galaxies.

    Returns
    -------
    DataFrame, dex
        One column for each of BPT_RATIOS; indexed by `galaxy`, those with both lines found in both
        spectra for at least one ratio. NaN for the other ratio if it is not.
    """
    flux = np.log10(errors[column].where(errors["found_reconstructed"]))
    table = errors.assign(flux=flux).pivot(index="galaxy", columns="line", values="flux")
    table = table.reindex(columns=sorted({line for pair in BPT_RATIOS.values() for line in pair}))
    ratios = {name: table[upper] - table[lower] for name, (upper, lower) in BPT_RATIOS.items()}
    return pd.DataFrame(ratios).dropna(how="all")


@lru_cache(maxsize=16384)
def _true_line(
    wave: bytes, flux: bytes, line: str, redshift: float, lines: tuple[str, ...]
) -> LineFit | None:
    """`find_line`, once for all reconstructions of a spectrum."""
    return find_line(np.frombuffer(wave), np.frombuffer(flux), line, redshift, lines=lines)


def _is_right(true: LineFit, rebuilt: LineFit, pixel: float) -> bool:
    """Whether height and width are the true ones within RIGHT; none is narrower than a pixel."""
    widths = [max(np.nan_to_num(fit.width), pixel) for fit in (true, rebuilt)]
    ratios = np.array([rebuilt.height / true.height, widths[1] / widths[0]])
    return bool((np.abs(np.log(ratios)) <= np.log(RIGHT)).all())


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


def _own_pixels(wave: np.ndarray, line: str, lines: Iterable[str], redshift: float) -> np.ndarray:
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


def _all_hidden(
    wave: np.ndarray, hidden: np.ndarray, centre: np.ndarray, reach: float | np.ndarray
) -> np.ndarray:
    """Whether all pixels (B, L) within a distance of a wavelength (B,) are hidden: (B,)."""
    searched = np.abs(wave - centre[:, None]) < np.reshape(reach, (-1, 1))
    return (hidden | ~searched).all(axis=1)


def _noise(wave: np.ndarray, flux: np.ndarray, centre: float) -> float:
    """Noise of a pixel around a wavelength, from differences of neighbours."""
    near = np.abs(wave - centre) < WINDOW_ANGSTROM
    return float(mad_std(np.diff(flux[near])) / np.sqrt(2))


def _compared(
    true: LineFit | None, rebuilt: LineFit | None, redshifted: float
) -> tuple[float, float, float, float]:
    """Difference of centres, km/s, and ratios of heights, widths and fluxes.

    NaN unless both are there; `redshifted` brings the reconstructed centre to the true redshift.
    """
    if true is None or rebuilt is None:
        return (np.nan,) * 4
    return (
        SPEED_OF_LIGHT_KMS * (rebuilt.centre * redshifted / true.centre - 1),
        rebuilt.height / true.height,
        rebuilt.width / true.width,
        rebuilt.flux / true.flux,
    )

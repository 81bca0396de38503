"""Emission lines of a true spectrum and of its reconstruction, side by side (section 5.1)."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from mmae.metrics.line_quality import Z_ERROR, find_line, is_too_wide
from mmae.metrics.lines import LineFit

LINE_COLUMNS = ("line", "spectrum", "kind", "centre_angstrom", "height", "width_angstrom")


def line_table(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    redshift: float,
    lines: Iterable[str],
    z_pred: float | None = None,
) -> pd.DataFrame:
    """Centre, height and width of lines in the true and the reconstructed spectrum.

    Parameters
    ----------
    wave, spectrum, reconstruction : ndarray, shape (L,)
        Å; normalised flux.
    redshift : float
        z_spec, for both.
    lines : iterable of str
        Keys of `mmae.instruments.LINES`; lines outside the spectrum are left out.
    z_pred : float, optional
        The model's own redshift, where lines that are missed at z_spec are looked for, too.

    Returns
    -------
    DataFrame
        LINE_COLUMNS; kind is found, unresolved (it has no width), too wide or missed, by the rule
        of `mmae.metrics.line_quality`. Lines that the true spectrum lacks are left out.
    """
    rows = []
    for line in lines:
        fits = {
            "true": find_line(wave, spectrum, line, redshift),
            "reconstructed": find_line(wave, reconstruction, line, redshift, Z_ERROR),
        }
        if fits["reconstructed"] is None and z_pred is not None:
            fits["reconstructed"] = find_line(wave, reconstruction, line, z_pred)
        if fits["true"] is not None and not is_too_wide(fits["true"]):
            for name, fit in fits.items():
                measured = (np.nan,) * 3 if fit is None else fit[:3]
                rows.append((line, name, _kind(fit), *measured))
    return pd.DataFrame(rows, columns=LINE_COLUMNS)


def galaxy_lines(galaxy: Mapping[str, np.ndarray], lines: Iterable[str]) -> pd.DataFrame:
    """`line_table` of an example galaxy, as `mmae.evaluation.examples.example_of` gives it."""
    return line_table(
        galaxy["spectrum_wave"],
        galaxy["spectrum"],
        galaxy[f"spectrum_{galaxy['kind']}"],
        float(galaxy["z_spec"]),
        lines,
        float(galaxy["z_pred"]),
    )


def _kind(fit: LineFit | None) -> str:
    """What was found, in words."""
    if fit is None:
        return "missed"
    return "too wide" if is_too_wide(fit) else "unresolved" if np.isnan(fit.width) else "found"

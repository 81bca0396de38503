"""Emission lines of a true spectrum and of its reconstruction, side by side (section 5.1)."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mmae.metrics.lines import fit_line

LINE_COLUMNS = ("line", "spectrum", "centre_angstrom", "height", "width_angstrom")


def line_table(
    wave: np.ndarray,
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    redshift: float,
    lines: Iterable[str],
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

    Returns
    -------
    DataFrame
        LINE_COLUMNS; NaN where a line is in range but no emission is found.
    """
    rows = []
    for line in lines:
        fits = {
            "true": fit_line(wave, spectrum, line, redshift),
            "reconstructed": fit_line(wave, reconstruction, line, redshift),
        }
        if fits["true"] is not None:
            rows += [(line, name, *(fit or (np.nan,) * 3)) for name, fit in fits.items()]
    return pd.DataFrame(rows, columns=LINE_COLUMNS)

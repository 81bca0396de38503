"""Quasar spectra in their rest frame, and the intergalactic hydrogen in front of them."""

import numpy as np

from mmae.survey.simulated.templates import gaussian_lines

# (wavelength, equivalent width, sigma), all Å: Vanden Berk et al. 2001, AJ 122, 549, table 2
BROAD_LINES = np.array(
    [
        (1033.0, 9.8, 7.8),
        (1215.67, 92.9, 19.5),
        (1240.14, 6.0, 7.0),
        (1396.76, 8.1, 14.0),
        (1549.06, 23.8, 14.3),
        (1908.73, 21.2, 23.6),
        (2798.75, 32.3, 35.0),
        (4341.68, 12.6, 20.3),
        (4862.68, 46.2, 40.4),
        (5008.24, 13.2, 6.0),
        (6564.61, 194.5, 47.4),
    ]
)

# (wavelength, A) of the Lyman series: Madau 1995, ApJ 441, 18, equation 12 and figure 3
LYMAN_SERIES = ((1215.67, 3.6e-3), (1025.72, 1.7e-3), (972.54, 1.2e-3), (949.74, 9.3e-4))
LYMAN_LIMIT = 911.75


def quasar_flux(wave: np.ndarray, line_strength: np.ndarray | None = None) -> np.ndarray:
    """F_lambda of a quasar, 1 at 2500 Å in the continuum.

    A power law (F_nu ~ nu^-0.5, flatter beyond 5000 Å, as in Vanden Berk et al. 2001) under
    broad lines of the composite's equivalent widths.

    Parameters
    ----------
    wave : ndarray, shape (W,)
        Rest wavelength, Å.
    line_strength : ndarray, shape (len(BROAD_LINES),), optional
        Equivalent widths relative to the composite's.
    """
    continuum = (wave / 2500.0) ** -1.5
    red = wave > 5000.0
    continuum[red] = (5000.0 / 2500.0) ** -1.5 * (wave[red] / 5000.0) ** -0.5
    centre, width, sigma = BROAD_LINES.T
    if line_strength is not None:
        width = width * line_strength
    # equivalent width in Å times a profile of unit area (1/Å): flux relative to the continuum
    return continuum * (1 + width @ gaussian_lines(wave, centre, sigma))


def igm_transmission(wave: np.ndarray, redshift: float) -> np.ndarray:
    """Mean transmission of intergalactic hydrogen, dimensionless, shape of `wave`.

    Parameters
    ----------
    wave : ndarray
        Observed wavelength, Å.
    redshift : float
        Of the source.

    Notes
    -----
    Madau 1995, ApJ 441, 18: line blanketing (equation 15) and the approximate integral of the
    photoelectric absorption (footnote 3).
    """
    tau = np.zeros_like(wave, dtype=float)
    for line, strength in LYMAN_SERIES:
        tau += np.where(wave < line * (1 + redshift), strength * (wave / line) ** 3.46, 0.0)
    xc, xe = wave / LYMAN_LIMIT, 1 + redshift
    with np.errstate(invalid="ignore"):
        limit = (
            0.25 * xc**3 * (xe**0.46 - xc**0.46)
            + 9.4 * xc**1.5 * (xe**0.18 - xc**0.18)
            - 0.7 * xc**3 * (xc**-1.32 - xe**-1.32)
            - 0.023 * (xe**1.68 - xc**1.68)
        )
    tau += np.where((xc > 1) & (xc < xe), np.clip(limit, 0, None), 0.0)
    return np.exp(-tau)

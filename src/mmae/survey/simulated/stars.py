"""Spectra of stars, which cleaning removes."""

import numpy as np
from astropy import units
from astropy.modeling.physical_models import BlackBody

NORMAL_WAVE = 7730.0
"""Å, where a star's flux is 1."""


def star_flux(wave: np.ndarray, temperature: float) -> np.ndarray:
    """F_lambda of a black body, 1 at NORMAL_WAVE."""
    body = BlackBody(
        temperature * units.K, scale=1 * units.erg / (units.cm**2 * units.s * units.AA * units.sr)
    )
    return (body(wave * units.AA) / body(NORMAL_WAVE * units.AA)).value

"""Spectra as other telescopes see them."""

import numpy as np
import pytest
import torch

from galaxies import modalities_of
from mmae.models.batch import to_batch
from mmae.training.degrade import degrade, degraded

N, LENGTH = 400, 259
SPECTRUM = modalities_of(length=LENGTH)["spectrum"]
WAVE = SPECTRUM.wave


@pytest.fixture(scope="module")
def spectra():
    """Noiseless lines with a told noise of 0.1, and a part without data."""
    rng = np.random.default_rng(1)
    centre = rng.uniform(4000, 9000, (N, 1))
    flux = 3 * np.exp(-0.5 * ((WAVE - centre) / 100) ** 2).astype(np.float32)
    ivar = np.full((N, LENGTH), 100, np.float32)
    flux[:, :20], ivar[:, :20] = 0, 0
    return flux, ivar


def test_it_is_normalised_and_what_is_missing_stays_so(spectra):
    flux, ivar = degraded(*spectra, WAVE, N, slice(None), np.random.default_rng(0))
    assert (ivar[:, :20] == 0).all()
    assert (flux[ivar == 0] == 0).all()
    assert np.isfinite(flux).all()
    weight = ivar / (1 + ivar / 400)
    assert np.abs((weight * flux).sum(1) / weight.sum(1)).max() < 0.01
    assert (ivar[:, -3:] == 0).mean() == pytest.approx(0.3, abs=0.1), "red ends are cut"


def test_its_noise_is_about_what_it_says(spectra):
    """Against neighbours two pixels apart; misjudged by some percent from spectrum to spectrum."""
    flux, ivar = degraded(*spectra, WAVE, N, slice(None), np.random.default_rng(0))
    sigma = 1 / np.sqrt(np.median(ivar[:, 80:150], axis=1))
    second = np.diff(flux[:, 80:150], 2, axis=1)
    measured = 1.4826 * np.median(np.abs(second), axis=1) / np.sqrt(6)
    # of those where lines are no part of the differences
    noisy = sigma > 0.4
    assert noisy.sum() > 50
    assert np.median(measured[noisy] / sigma[noisy]) == pytest.approx(1, abs=0.15)
    assert sigma.max() > 4 * sigma.min()


def test_a_process_degrades_its_own_as_all_would(spectra):
    names = {"spectrum": SPECTRUM}

    def batch(rows):
        parts = ({"spectrum": part[rows]} for part in spectra)
        values, ivar = parts
        return to_batch(values, np.zeros(len(values["spectrum"]), np.float32), "cpu", ivar=ivar)

    own = np.array([1, 4, 7])
    whole, part = (
        degrade(batch(rows), names, N, rows, np.random.default_rng(3))
        for rows in (slice(None), own)
    )
    assert torch.equal(whole.values["spectrum"][own], part.values["spectrum"])
    assert torch.equal(whole.valid["spectrum"], whole.ivar["spectrum"] > 0)

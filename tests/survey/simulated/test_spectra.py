"""DESI spectra: what falls into the fibre, and the noise of a sky with lines."""

import numpy as np
import pytest

from mmae.instruments import LINES, desi_wave
from mmae.survey.simulated.spectra import (
    SKY_LINES,
    fibre_flux,
    lose_pixels,
    observe,
    sky_noise,
    vacuum_wave,
)


def test_sky_lines_are_in_vacuum():
    """[O I] 5577 and 6300, in air and in vacuum (NIST)."""
    for air, vacuum in ((5577.34, 5578.89), (6300.30, 6302.05)):
        assert vacuum_wave(np.array([air]))[0] == pytest.approx(vacuum, abs=0.01)
        assert np.abs(SKY_LINES[:, 0] - vacuum).min() < 0.1


def test_lines_are_narrow_and_at_their_redshift(one):
    wave, flux = desi_wave(), fibre_flux(one(0.2, i_mag=19.0, colour=0.6), 0)
    # the tilt keeps g - z; lines stay where they are
    for line in ("H-alpha", "[O III]"):
        centre = LINES[line].wave * 1.2
        near = np.abs(wave - centre) < 20
        peak = wave[near][np.argmax(flux[near])]
        assert abs(peak - centre) < 1.0
        half = flux[near] > 0.5 * (flux[near].max() + np.median(flux[near]))
        assert half.sum() * 0.8 < 10


def test_noise_is_what_ivar_says_but_for_sky_residuals(one):
    source = one(0.3)
    spectra = observe(source, np.zeros(40, dtype=int), np.arange(40))
    truth = fibre_flux(source, 0)
    part = slice(600, 2400)  # of arm B, without bright sky lines
    pull = (spectra["B"].flux - truth[:2751]) * np.sqrt(spectra["B"].ivar)
    assert pull[:, part].std() == pytest.approx(1, abs=0.05)
    # residuals at the sky line of 5577 Å exceed the stated noise
    line = np.abs(desi_wave()[:2751] - 5578.9) < 1
    assert pull[:, line].std() > 1.1


def test_noise_knows_the_wavelength():
    sky = sky_noise()
    at = {wave: sky[round((wave - 3600) / 0.8)] for wave in (3600, 5000, 5579.2, 7000, 8888.8)}
    assert at[3600] > 3 * at[5000]
    assert at[5579.2] > 3 * at[5000]
    assert at[8888.8] > 3 * at[7000]


def test_noise_is_as_in_coadds_of_the_early_release():
    """Between sky lines, of 1000 effective seconds: measured to 10%."""
    sky = sky_noise()
    for wave, sigma in {4000: 0.87, 5000: 0.42, 6700: 0.25, 8200: 0.18, 9150: 0.17}.items():
        near = np.abs(desi_wave() - wave) < 25
        assert np.percentile(sky[near], 20) == pytest.approx(sigma, rel=0.15)


def test_bright_time_is_shorter(one):
    """180 seconds of dark sky, not 1000 (Schlafly et al. 2023)."""
    source, rows = one(0.3, i_mag=24.0), np.zeros(10, dtype=int)
    dark, bright = (
        observe(source, rows, np.arange(10), program)["R"].ivar for program in ("dark", "bright")
    )
    seen = (dark > 0) & (bright > 0)
    assert np.median(dark[seen] / bright[seen]) == pytest.approx(1000 / 180, rel=0.02)


def test_lost_pixels_have_neither_flux_nor_weight(one):
    spectra = observe(one(0.3), np.zeros(2, dtype=int), np.arange(2))
    whole = {arm: s.ivar.copy() for arm, s in spectra.items()}
    lose_pixels(spectra, np.array([0, 3000]), np.array([7781, 4000]))
    assert np.array_equal(spectra["B"].ivar[0], whole["B"][0])
    for arm, first, last in (("B", 0, 0), ("R", 300, 1300), ("Z", 0, 0)):
        kept = np.zeros_like(whole[arm][1])
        kept[first:last] = whole[arm][1, first:last]
        assert np.array_equal(spectra[arm].ivar[1], kept)
        assert ((spectra[arm].mask[1] == 0) == (spectra[arm].ivar[1] > 0)).all()


def test_a_few_pixels_are_bad_in_the_middle_of_spectra(one):
    spectra = observe(one(0.3), np.zeros(50, dtype=int), np.arange(50))
    for arm in spectra.values():
        bad = arm.mask != 0
        assert 1 < bad.sum(axis=1).mean() < 12
        assert not arm.ivar[bad].any()
        assert not arm.flux[bad].any()

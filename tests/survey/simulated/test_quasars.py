"""Spectra of quasars: broad lines, iron, and a scatter of their own."""

import numpy as np
import pytest

from mmae.instruments import LINES, desi_wave
from mmae.survey.simulated.population import Population
from mmae.survey.simulated.quasars import Nuclei, draw_nuclei, nucleus_flux
from mmae.survey.simulated.sources import make_sources
from mmae.survey.simulated.spectra import fibre_flux

WAVE = np.arange(1000.0, 7500.0)


@pytest.fixture(scope="module")
def nuclei() -> Nuclei:
    return draw_nuclei(400, np.random.default_rng(0))


def test_quasars_have_broad_lines(nuclei):
    flux = np.median(nucleus_flux(nuclei, WAVE), axis=0)
    for line in ("Ly-alpha", "C IV", "C III]", "Mg II", "H-beta", "H-alpha"):
        centre = LINES[line].wave
        peak, side = (np.interp(centre + shift, WAVE, flux) for shift in (0, 120))
        assert peak > 1.15 * side, line


def test_n_v_is_a_shoulder_of_ly_alpha(nuclei):
    """Flux over the continuum at 1282 Å of 78 quasars of BOSS: 2.23 at 1240 Å, 1.61 at 1248 Å."""
    flux = np.median(nucleus_flux(nuclei, WAVE), axis=0)
    level = flux[np.abs(WAVE - 1282.5) < 7.5].mean()
    at = {w: flux[np.abs(WAVE - w) <= 2].mean() / level for w in (1240, 1248)}
    assert at[1240] == pytest.approx(2.23, rel=0.15)
    assert at[1248] == pytest.approx(1.61, rel=0.15)


def test_no_two_quasars_are_alike(nuclei):
    flux = nucleus_flux(nuclei, WAVE)
    at = [np.interp(w, WAVE, np.arange(len(WAVE))).round().astype(int) for w in (1450, 2200, 4000)]
    slope = np.log(flux[:, at[2]] / flux[:, at[0]]) / np.log(4000 / 1450)
    assert 0.2 < slope.std() < 0.6
    # C IV against the continuum beside it
    peak = flux[:, 549] / flux[:, 450]
    assert 0.08 < np.log10(peak).std() < 0.3


def test_iron_stands_between_the_lines(nuclei):
    without = nuclei._replace(iron=nuclei.iron * 0)
    ratio = np.median(nucleus_flux(nuclei, WAVE) / nucleus_flux(without, WAVE), axis=0)
    for wave in (2450, 4570, 5300):
        assert 1.05 < np.interp(wave, WAVE, ratio) < 1.6


def test_some_have_troughs_of_broad_absorption(nuclei):
    absorbed = nuclei.absorption[:, 0] > 0
    assert 0.08 < absorbed.mean() < 0.2
    without = nuclei._replace(absorption=nuclei.absorption * 0)
    ratio = nucleus_flux(nuclei, WAVE) / nucleus_flux(without, WAVE)
    assert (ratio[~absorbed] == 1).all()
    assert (ratio[absorbed].min(axis=1) < 0.7).all()
    # blueward of C IV, or not at all
    assert (ratio[:, WAVE > 1560] == 1).all()


def test_what_has_no_nucleus_has_no_light(nuclei):
    assert not nucleus_flux(nuclei._replace(light=np.zeros(400)), WAVE).any()


def test_narrow_lines_of_quasars_are_narrower_than_their_broad_ones():
    n, z = 20, 0.5
    population = Population(np.full(n, 19.0), np.full(n, 0.5), np.full(n, z), np.ones(n, bool))
    sources = make_sources(population, np.random.default_rng(0))
    wave = desi_wave() / (1 + z)
    flux = np.array([fibre_flux(sources, k) / fibre_flux(sources, k).mean() for k in range(n)])
    flux = np.median(flux, axis=0)
    oxygen, beside = (flux[np.abs(wave - w) < 3].max() for w in (5008.24, 5040.0))
    assert oxygen > 1.5 * beside
    # 40 Å from its centre H-beta is still there, [O III] is not
    far = {w: np.interp(w, wave, flux) for w in (4900.0, 5048.0)}
    assert far[4900.0] > 1.1 * far[5048.0]

"""Simulated sources: real colours at real redshifts, spectra, images."""

from importlib.resources import files

import numpy as np
import pytest

from mmae.instruments import BANDS, LINES, PIXEL_SCALE_ARCSEC, desi_wave, flux_from_mag
from mmae.survey.simulated.images import PIXEL_NOISE, Scene, make_scene, render, sky_sigma
from mmae.survey.simulated.population import Population, draw, real_sample
from mmae.survey.simulated.quasars import igm_transmission, quasar_flux
from mmae.survey.simulated.sources import GALAXY, QUASAR, Sources, make_sources, make_stars, take
from mmae.survey.simulated.spectra import (
    SKY_LINES,
    fibre_flux,
    lose_pixels,
    observe,
    sky_noise,
    vacuum_wave,
)
from mmae.survey.simulated.templates import load_templates


@pytest.fixture(scope="module")
def population() -> Population:
    return draw(400, np.random.default_rng(0), desi_like=True)


@pytest.fixture(scope="module")
def sources(population) -> Sources:
    return make_sources(population, np.random.default_rng(1))


def one(redshift: float, i_mag: float = 17.0, quasar: bool = False) -> Sources:
    """A single source."""
    population = Population(*(np.array([x]) for x in (i_mag, 1.0, redshift, quasar)))
    return make_sources(population, np.random.default_rng(0))


def test_the_real_sample_is_small_and_real():
    data = files("mmae.survey") / "data"
    assert (data / "hsc_specz_sample.npz").stat().st_size <= 500_000
    assert "MIT" in (data / "README.md").read_text()
    sample = real_sample()
    assert len(sample.redshift) == 80_000
    assert 22 < np.percentile(sample.i_mag, 90) < 24


def test_magnitudes_and_colours_are_the_real_ones(population, sources):
    assert np.allclose(sources.mag[:, BANDS.index("i")], population.i_mag, atol=0.06)
    colour = sources.mag[:, 0] - sources.mag[:, 3]
    assert np.abs(colour - population.g_minus_z).mean() < 0.03


def test_spectrum_and_magnitude_of_a_source_agree(sources):
    """Synthetic r magnitude of the spectrum against that of the image."""
    from astropy import units
    from speclite import filters

    r_band = filters.load_filters("hsc2017-r")
    wave = desi_wave()
    for row in np.flatnonzero(sources.kind == GALAXY)[:10]:
        flux = fibre_flux(sources, row) / sources.fibre_fraction[row]
        flux = flux * 1e-17 * units.erg / (units.cm**2 * units.s * units.AA)
        mag = r_band.get_ab_magnitudes(flux, wave * units.AA)["hsc2017-r"][0]
        assert mag == pytest.approx(sources.mag[row, 1], abs=0.1)


def test_lines_are_narrow_and_at_their_redshift():
    wave, flux = desi_wave(), fibre_flux(one(0.2), 0)
    # the tilt keeps g - z; lines stay where they are
    for line in ("H-alpha", "[O III]"):
        centre = LINES[line].wave * 1.2
        near = np.abs(wave - centre) < 20
        peak = wave[near][np.argmax(flux[near])]
        assert abs(peak - centre) < 1.0
        half = flux[near] > 0.5 * (flux[near].max() + np.median(flux[near]))
        assert half.sum() * 0.8 < 10


def test_templates_lose_their_lines_and_nothing_else():
    templates = load_templates()
    assert (templates.continuum <= templates.flux + 1e-12).all()
    assert templates.line_flux.max() > 10
    away = np.abs(templates.wave - 5500) < 100
    assert np.array_equal(templates.continuum[:, away], templates.flux[:, away])


def test_quasars_have_broad_lines_and_absorbed_blue_ends():
    wave = np.arange(1000.0, 3500.0)
    flux = quasar_flux(wave)
    for line in ("Ly-alpha", "C IV", "C III]", "Mg II"):
        centre = LINES[line].wave
        peak, side = (np.interp(centre + shift, wave, flux) for shift in (0, 120))
        assert peak > 1.15 * side, line
    observed = np.array([4000.0, 5500.0, 7000.0])
    assert (np.diff(igm_transmission(observed, 4.0)) >= 0).all()
    assert igm_transmission(observed, 4.0)[0] < 0.1
    assert igm_transmission(observed, 0.5).tolist() == [1, 1, 1]


def test_noise_is_what_ivar_says_but_for_sky_residuals():
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


def test_lost_pixels_have_neither_flux_nor_weight():
    spectra = observe(one(0.3), np.zeros(2, dtype=int), np.arange(2))
    whole = {arm: s.ivar.copy() for arm, s in spectra.items()}
    lose_pixels(spectra, np.array([0, 3000]), np.array([7781, 4000]))
    assert np.array_equal(spectra["B"].ivar[0], whole["B"][0])
    for arm, first, last in (("B", 0, 0), ("R", 300, 1300), ("Z", 0, 0)):
        kept = np.zeros_like(whole[arm][1])
        kept[first:last] = whole[arm][1, first:last]
        assert np.array_equal(spectra[arm].ivar[1], kept)
        assert ((spectra[arm].mask[1] == 0) == (spectra[arm].ivar[1] > 0)).all()


def test_a_few_pixels_are_bad_in_the_middle_of_spectra():
    spectra = observe(one(0.3), np.zeros(50, dtype=int), np.arange(50))
    for arm in spectra.values():
        bad = arm.mask != 0
        assert 1 < bad.sum(axis=1).mean() < 12
        assert not arm.ivar[bad].any()
        assert not arm.flux[bad].any()


def test_images_hold_the_flux_of_their_source(sources):
    row = int(np.argmin(np.abs(sources.mag[:, 2] - 19)))
    scene = Scene(
        image=np.arange(20),
        source=np.zeros(20, int),
        dimming_mag=np.zeros(20),
        position=np.zeros((20, 2)),
    )
    images = render(take(sources, np.array([row])), scene, np.arange(20))
    flux = images.sum(axis=(2, 3)).mean(axis=0)
    assert flux == pytest.approx(flux_from_mag(sources.mag[row]), rel=0.1)


def test_empty_sky_has_the_noise_of_the_depth(sources):
    """A pixel has its share of it, which it has in common with neighbours; large areas have all."""
    scene = Scene(np.arange(40), np.zeros(40, int), np.full(40, 20.0), np.zeros((40, 2)))
    sky = render(take(sources, np.array([0])), scene, np.arange(40))[:, :, :16]
    assert sky.std(axis=(0, 2, 3)) == pytest.approx(sky_sigma() * PIXEL_NOISE, rel=0.05)
    blocks = sky.reshape(40, 5, 16, 4, 16).sum(axis=(2, 4))
    assert blocks.std(axis=(0, 2)) == pytest.approx(16 * sky_sigma(), rel=0.15)


def test_each_band_has_its_own_seeing():
    star = make_stars(1, np.random.default_rng(0))
    star = star._replace(mag=np.full((1, 5), 15.0))
    scene = Scene(np.arange(30), np.zeros(30, int), np.zeros(30), np.zeros((30, 2)))
    image = render(star, scene, np.arange(30)).mean(axis=0)
    y, x = np.mgrid[:64, :64] - 31.5
    inside = np.hypot(x, y) < 12
    radius = [np.sqrt((band * (x**2 + y**2))[inside].sum() / band[inside].sum()) for band in image]
    assert radius[BANDS.index("i")] == min(radius)
    assert radius[0] * PIXEL_SCALE_ARCSEC > 0.3


def test_kinds_are_galaxies_and_quasars(sources, population):
    assert set(sources.kind) == {GALAXY, QUASAR}
    assert (sources.kind[population.redshift > 2] == QUASAR).all()
    assert (sources.disk_radius[sources.kind == QUASAR] == 0).all()
    assert (sources.disk_radius[sources.kind == GALAXY] > 0).all()


def test_pixels_are_as_bright_and_as_noisy_as_the_release():
    """Of all its pixels, g r i z y: negative ones scatter by, and all have the mean, of this."""
    n, rng = 600, np.random.default_rng(2)
    sources = make_sources(draw(n, rng, desi_like=True), rng)
    images = render(sources, make_scene(np.arange(n), np.zeros((n, 2)), n, rng), np.arange(n))
    bands = images.transpose(1, 0, 2, 3).reshape(5, -1)
    scatter = [band[band < 0].std() for band in bands]
    assert scatter == pytest.approx([0.021, 0.035, 0.037, 0.069, 0.137], rel=0.05)
    assert bands.mean(axis=1) == pytest.approx([0.29, 0.60, 0.91, 1.17, 1.39], rel=0.15)


def test_sky_lines_are_in_vacuum():
    """[O I] 5577 and 6300, in air and in vacuum (NIST)."""
    for air, vacuum in ((5577.34, 5578.89), (6300.30, 6302.05)):
        assert vacuum_wave(np.array([air]))[0] == pytest.approx(vacuum, abs=0.01)
        assert np.abs(SKY_LINES[:, 0] - vacuum).min() < 0.1

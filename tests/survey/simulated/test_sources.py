"""Simulated sources: real colours at real redshifts, of light that spectra and images share."""

import numpy as np
import pytest
from astropy import units
from speclite import filters

from mmae.instruments import BANDS, desi_wave
from mmae.survey.simulated.bands import REST_WAVE
from mmae.survey.simulated.galaxies import components
from mmae.survey.simulated.population import draw, real_sample
from mmae.survey.simulated.sources import (
    BULGE,
    DISK,
    GALAXY,
    NUCLEUS,
    QUASAR,
    join,
    make_sources,
    make_stars,
    take,
    true_properties,
)
from mmae.survey.simulated.spectra import fibre_flux

I_BAND = BANDS.index("i")


def test_magnitudes_and_colours_are_the_real_ones(population, sources):
    assert np.allclose(sources.mag[:, I_BAND], population.i_mag, atol=0.02)
    missed = sources.mag[:, 0] - sources.mag[:, 3] - population.g_minus_z
    galaxies = ~population.is_quasar
    assert np.abs(missed[galaxies]).mean() < 0.01
    # a quasar's is that of its spectrum
    assert abs(np.median(missed[~galaxies])) < 0.15
    assert np.std(missed[~galaxies]) > 0.1


def test_quasars_have_the_colours_of_real_ones_at_their_redshifts():
    real, rng = real_sample(), np.random.default_rng(0)
    drawn = draw(2500, rng, {"qso": 1.0})
    mag = make_sources(drawn, rng).mag
    for low, high in ((0.8, 1.2), (1.6, 2.0), (2.0, 2.5), (2.5, 3.2)):
        of = real.is_quasar & (real.redshift > low) & (real.redshift < high)
        ours = (drawn.redshift > low) & (drawn.redshift < high)
        expected = np.median(real.g_minus_z[of])
        assert np.median(mag[ours, 0] - mag[ours, 3]) == pytest.approx(expected, abs=0.17)


@pytest.mark.parametrize("band", ["r", "i"])
def test_spectrum_and_magnitude_of_a_source_agree(sources, band):
    """Synthetic magnitude of the spectrum against that of the image."""
    curve = filters.load_filters(f"hsc2017-{band}")
    wave = desi_wave()
    for row in np.flatnonzero(sources.kind == GALAXY)[:20]:
        flux = fibre_flux(sources, row) / sources.fibre_fraction[row]
        flux = flux * 1e-17 * units.erg / (units.cm**2 * units.s * units.AA)
        mag = curve.get_ab_magnitudes(flux, wave * units.AA)[f"hsc2017-{band}"][0]
        assert mag == pytest.approx(sources.mag[row, BANDS.index(band)], abs=0.01)


def test_kinds_are_galaxies_and_quasars(sources, population):
    assert set(sources.kind) == {GALAXY, QUASAR}
    assert (sources.kind[population.redshift > 2] == QUASAR).all()
    distant = (sources.kind == QUASAR) & (sources.redshift > 2)
    assert (sources.share[distant, NUCLEUS, I_BAND] == 1).all()
    near = (sources.kind == QUASAR) & (sources.redshift < 1)
    assert near.any()
    hosts = sources.share[near, NUCLEUS, I_BAND]
    assert ((hosts > 0.3) & (hosts < 1)).all()
    galaxies = sources.kind == GALAXY
    without = sources.share[galaxies, NUCLEUS, I_BAND] == 0
    assert 0.95 < without.mean() < 1
    assert np.allclose(sources.share.sum(axis=1), 1)


def test_old_stars_are_red_and_in_the_middle(sources):
    galaxies = take(sources, np.flatnonzero((sources.kind == GALAXY) & (sources.redshift < 0.5)))
    forming = galaxies.galaxies.light[:, 1] > 0
    both = forming & (galaxies.share[:, BULGE, 2] > 0.02)
    share = galaxies.share[both]
    colour = [-2.5 * np.log10(share[:, k, 0] / share[:, k, 3]) for k in (BULGE, DISK)]
    assert np.median(colour[0] - colour[1]) > 0.3
    red = galaxies.mag[:, 0] - galaxies.mag[:, 3] > np.where(galaxies.redshift > 0.25, 2.2, 1.7)
    assert (~forming)[red].mean() > 0.4
    assert (~forming)[galaxies.mag[:, 0] - galaxies.mag[:, 3] < 1.2].mean() < 0.05


def test_no_two_galaxies_have_the_same_spectrum_to_mix(sources):
    """Each has degrees of freedom of its own: colours are not on a sheet of few templates."""
    galaxies = take(sources, np.flatnonzero(sources.kind == GALAXY)).galaxies
    flux = np.log(components(galaxies, coarse=True).sum(1))
    inside = (REST_WAVE > 3000) & (REST_WAVE < 7000)
    flux = flux[:, inside] - flux[:, inside].mean(axis=1, keepdims=True)
    size = np.linalg.svd(flux - flux.mean(axis=0), compute_uv=False) / np.sqrt(flux.size)
    assert (size > 0.001).sum() >= 7


def test_parts_of_sources_are_taken_and_joined(sources):
    rows = np.array([3, 1, 1])
    taken = take(sources, rows)
    assert np.array_equal(taken.nuclei.lines, sources.nuclei.lines[rows])
    both = join([taken, take(sources, np.array([0]))])
    assert np.array_equal(both.shapes.angle, sources.shapes.angle[[3, 1, 1, 0]])


def test_the_truth_tells_what_an_ideal_observer_would_know(sources):
    truth = true_properties(sources)
    for band, mag in zip(BANDS, sources.mag.T, strict=True):
        parts = [
            10 ** (-0.4 * truth[f"{part}_mag_{band}"]) for part in ("bulge", "disk", "nucleus")
        ]
        assert -2.5 * np.log10(sum(parts)) == pytest.approx(mag, abs=1e-3)
        assert np.array_equal(truth[f"mag_{band}"], mag)
    assert set(truth["spectype"]) == {"GALAXY", "QSO"}
    assert (truth["disk_mag_i"][truth["quiescent"]] > truth["mag_i"][truth["quiescent"]]).all()
    assert all(len(values) == len(sources.mag) for values in truth.values())


def test_stars_are_points_of_their_magnitude():
    stars = make_stars(5, np.random.default_rng(0))
    flux = fibre_flux(stars, 0)
    assert flux.min() > 0
    assert (stars.share[:, NUCLEUS] == 1).all()
    assert ((stars.mag[:, I_BAND] > 16) & (stars.mag[:, I_BAND] < 20.5)).all()


def test_untied_objects_tell_nothing_of_their_redshift_by_brightness_or_colour():
    rng = np.random.default_rng(0)
    population = draw(800, rng, {"any_galaxy": 0.5, "any_quasar": 0.5})
    sources, quasar = make_sources(population, rng), population.is_quasar
    zeta = np.log1p(population.redshift)
    assert quasar.mean() == pytest.approx(0.5, abs=0.06)
    for kind, low, high in ((~quasar, 0.01, 1.7), (quasar, 0.05, 4.2)):
        middle = np.log1p([low, high]).mean()
        assert zeta[kind].mean() == pytest.approx(middle, abs=0.06)
        assert abs(np.corrcoef(zeta[kind], sources.mag[kind, I_BAND])[0, 1]) < 0.15
    assert all(np.isfinite(part).all() for part in (sources.mag, sources.share, sources.tilt))
    assert np.std(sources.tilt) == pytest.approx(0.6, rel=0.1)
    # lines of galaxies alike in their stars differ by far more than a factor
    stars = sources.galaxies.light[~quasar].sum(1)
    lines = sources.galaxies.lines[~quasar].sum(1) / stars
    assert 0.1 < (lines == 0).mean() < 0.3
    assert np.log10(lines[lines > 0]).std() > 0.5

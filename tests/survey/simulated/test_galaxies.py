"""Spectra of galaxies: what age, dust and star formation do to them."""

import numpy as np
import pytest

from mmae.survey.simulated.galaxies import components, draw_stars, with_gas
from mmae.survey.simulated.templates import NEBULAR_WAVE, OLD, YOUNG, load_templates

N = 300
LINE = {
    name: int(np.argmin(np.abs(NEBULAR_WAVE - wave)))
    for name, wave in {
        **{"[O II]": 3729.0, "H-beta": 4862.68, "[O III]": 5008.24, "H-alpha": 6564.61},
        **{"[N II]": 6585.27},
    }.items()
}


@pytest.fixture(scope="module")
def galaxies():
    """Half quiescent, half forming stars, all of M_i = -19.5 at z = 0.1."""
    rng = np.random.default_rng(0)
    absolute, z = np.full(2 * N, -19.5), np.full(2 * N, 0.1)
    stars = draw_stars(absolute, z, np.arange(2 * N) < N, rng)
    return with_gas(stars, absolute, z, rng)


def break_4000(wave: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """D4000 of Balogh et al. 1999 (ApJ 527, 54), of spectra (N, W)."""
    red, blue = ((wave > lo) & (wave < lo + 100) for lo in (4000, 3850))
    return (flux * wave**2)[:, red].mean(1) / (flux * wave**2)[:, blue].mean(1)


def test_components_are_mixtures_of_templates(galaxies):
    assert np.allclose(galaxies.mixture[:, OLD].sum(1), 1)
    assert np.allclose(galaxies.mixture[:, YOUNG].sum(1), 1)
    plain = galaxies._replace(dust=galaxies.dust * 0, shape=galaxies.shape * 0)
    flux = components(plain)
    templates = load_templates()
    at = np.abs(templates.wave - 4700) < 50
    expected = galaxies.mixture[:, OLD] @ templates.continuum[list(OLD)][:, at]
    assert flux[:, 0][:, at] == pytest.approx(expected, rel=1e-6)


def test_old_stars_have_a_stronger_break_than_young_ones(galaxies):
    wave, flux = load_templates().wave, components(galaxies)
    old, young = break_4000(wave, flux[:, 0]), break_4000(wave, flux[N:, 1])
    assert 1.7 < np.median(old) < 2.1
    assert 1.0 < np.median(young) < 1.45
    assert old.std() > 0.03


def test_dust_reddens_and_dims(galaxies):
    dusty = galaxies._replace(dust=galaxies.dust + 1.0)
    ratio = components(dusty)[:, 0] / components(galaxies)[:, 0]
    wave = load_templates().wave
    magnitudes = [
        -2.5 * np.log10(ratio[:, np.argmin(np.abs(wave - w))]) for w in (4000, 5500, 8000)
    ]
    assert np.median(magnitudes[1]) == pytest.approx(1.0, abs=0.02)
    assert (magnitudes[0] > magnitudes[1]).all()
    assert (magnitudes[1] > magnitudes[2]).all()


def test_lines_are_of_star_formation(galaxies):
    h_alpha = galaxies.lines[:, LINE["H-alpha"]]
    assert np.median(h_alpha[N:]) > 10 * np.median(h_alpha[:N])
    # not tied to the continuum: they scatter by half
    assert 0.1 < np.log10(h_alpha[N:]).std() < 0.5


def test_ratios_lie_along_the_sequence_of_star_formation(galaxies):
    """Of metals: where nitrogen is strong, oxygen is weak (Baldwin, Phillips & Terlevich 1981)."""
    lines = galaxies.lines[N:]
    n2 = np.log10(lines[:, LINE["[N II]"]] / lines[:, LINE["H-alpha"]])
    o3 = np.log10(lines[:, LINE["[O III]"]] / lines[:, LINE["H-beta"]])
    pure = n2 < -0.37  # others have a nucleus, or saturate
    assert pure.sum() > 50
    assert np.corrcoef(n2[pure], o3[pure])[0, 1] < -0.3
    below = o3 < 0.61 / (np.minimum(n2, 0.0) - 0.47) + 1.19  # Kewley et al. 2001
    assert below.mean() > 0.9
    decrement = lines[:, LINE["H-alpha"]] / lines[:, LINE["H-beta"]]
    assert decrement.min() > 2.8
    # old galaxies are above it, where there are lines at all
    old = galaxies.lines[:N]
    assert np.median(old[:, LINE["[N II]"]] / old[:, LINE["H-alpha"]]) > 0.8

"""Templates of galaxies, whose lines are taken apart."""

import numpy as np

from mmae.survey.simulated.templates import load_templates


def test_templates_lose_their_lines_and_nothing_else():
    templates = load_templates()
    assert (templates.continuum <= templates.flux + 1e-12).all()
    assert templates.h_alpha[1] > 100
    assert templates.h_alpha[3] < 3
    away = np.abs(templates.wave - 5500) < 100
    assert np.array_equal(templates.continuum[:, away], templates.flux[:, away])


def test_absorption_lines_are_negative_where_old_stars_absorb():
    templates = load_templates()
    for line in (3934.8, 4305.0, 5176.0):
        assert np.interp(line, templates.wave, templates.absorption) < -0.03
    assert abs(templates.absorption[(templates.wave > 3000)].mean()) < 0.02

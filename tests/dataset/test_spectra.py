"""Artefacts, normalisation and pooling."""

import h5py
import numpy as np
import pytest

from mmae.dataset.spectra import (
    find_artefacts,
    missing_fraction,
    normalise,
    pool,
    replace_artefacts,
)


def spectrum(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two spectra of unit noise around 10."""
    rng = np.random.default_rng(seed)
    return rng.normal(10, 1, (2, n)), np.ones((2, n))


@pytest.mark.parametrize("pixels", [[100], [100, 101], [0], [399]])
@pytest.mark.parametrize("height", [40.0, -40.0])
def test_spikes_of_one_or_two_pixels_are_found(pixels, height):
    flux, ivar = spectrum()
    flux[1, pixels] += height
    found = find_artefacts(flux, ivar, sigma=12)
    assert np.argwhere(found).tolist() == [[1, pixel] for pixel in pixels]


def test_lines_as_wide_as_the_resolution_are_no_artefacts():
    flux, ivar = spectrum()
    x = np.arange(400)
    for sigma in (0.9, 2, 10):  # pixels; DESI's resolution is 0.9 and more
        line = 500 * np.exp(-0.5 * ((x - 200.3) / sigma) ** 2)
        assert not find_artefacts(flux + line, ivar, sigma=12).any(), sigma


@pytest.mark.parametrize("missing", [[199], [201], [199, 201], [198, 202], [200]])
@pytest.mark.parametrize("sigma", [0.95, 1.2, 2.0])
def test_lines_beside_missing_pixels_are_no_artefacts(missing, sigma):
    flux, ivar = spectrum()
    flux += 500 * np.exp(-0.5 * ((np.arange(400) - 200.2) / sigma) ** 2)
    flux[:, missing], ivar[:, missing] = 0, 0
    assert not find_artefacts(flux, ivar, sigma=12).any()


def test_a_bright_continuum_between_gaps_is_no_artefact():
    flux, ivar = spectrum()
    flux += 90
    gaps = [*range(100, 110), 112, *range(114, 120), *range(123, 140)]
    flux[:, gaps], ivar[:, gaps] = 0, 0
    assert not find_artefacts(flux, ivar, sigma=12).any()


def test_a_spike_beside_a_missing_pixel_is_found():
    flux, ivar = spectrum()
    flux[0, 150] += 80
    flux[0, 151], ivar[0, 151] = 0, 0
    assert np.argwhere(find_artefacts(flux, ivar, sigma=12)).tolist() == [[0, 150]]


def test_pixels_without_data_are_no_artefacts():
    flux, ivar = spectrum()
    flux[0, 50], ivar[0, 50] = 1e6, 0
    assert not find_artefacts(flux, ivar, sigma=12).any()


def test_artefacts_become_the_median_and_nothing_else_changes():
    flux, ivar = spectrum()
    flux[1, 100] += 50
    clean, count = replace_artefacts(flux, ivar, sigma=12)
    assert count.tolist() == [0, 1]
    rest = np.delete(flux[1], 100)
    assert clean[1, 100] == pytest.approx(np.median(rest))
    assert np.array_equal(np.delete(clean[1], 100), rest)
    assert np.array_equal(clean[0], flux[0])
    assert flux[1, 100] > 50


def test_planted_spikes_are_replaced_in_the_dataset(small_survey):
    planted = small_survey.truth_table("ARTEFACTS")
    twice = small_survey.truth_table("DESI").query("role == 'duplicate'")["TARGETID"].tolist()
    with h5py.File(small_survey.dataset) as file, h5py.File(small_survey.spectra) as before:
        old = {int(t): k for k, t in enumerate(before["targetid"][:])}
        replaced = {
            (int(t), int(pixel))
            for k, t in enumerate(file["targetid"][:])
            if int(t) not in twice
            for pixel in np.flatnonzero(
                file["spectrum/flux"][k] != before["spectrum/flux"][old[int(t)]]
            )
        }
    planted = planted[~planted["TARGETID"].isin(twice)]
    spikes = set(zip(planted["TARGETID"].tolist(), planted["pixel"].tolist(), strict=True))
    # noise and neighbouring features may hide one of the lowest
    assert len(spikes - replaced) <= 0.02 * len(spikes)
    assert len(replaced - spikes) <= 0.01 * len(spikes)


def test_missing_fraction():
    assert missing_fraction(np.array([[1, 0, 0, 0], [1, 1, 1, 1]])).tolist() == [0.75, 0.0]


def test_normalised_spectra_have_weighted_mean_zero_and_rms_one():
    flux, ivar = spectrum()
    ivar *= np.linspace(0.5, 2, 400)
    ivar[:, 7], flux[:, 9] = 0, 0
    normalised = normalise(flux, ivar)
    assert normalised.dtype == np.float32
    assert (normalised[:, [7, 9]] == 0).all()
    weight = np.where(flux == 0, 0, ivar)
    assert np.average(normalised[0], weights=weight[0]) == pytest.approx(0, abs=1e-6)
    assert np.average(normalised[0] ** 2, weights=weight[0]) == pytest.approx(1, rel=1e-6)


def test_a_spike_at_the_edge_becomes_the_median():
    flux, ivar = spectrum()
    flux[0, 0], ivar[0, 0] = 1e5, 1e-6
    flux[1, -1], ivar[1, -1] = -1e5, 1e-6
    normalised = normalise(flux, ivar)
    for row, edge in ((0, 0), (1, -1)):
        assert abs(normalised[row, edge]) < 1
        assert normalised[row, edge] == pytest.approx(np.median(normalised[row]), abs=0.01)


def test_spectra_that_cannot_be_normalised_are_zeros():
    flux, ivar = np.ones((3, 5)), np.ones((3, 5))
    ivar[0] = 0  # no valid pixel
    flux[1] = 0  # none either
    assert not normalise(flux, ivar).any()  # the third is constant: its rms is 0


@pytest.mark.parametrize("length", [7781, 7783])
def test_both_grids_pool_to_259(length):
    assert pool(np.zeros((2, length), np.float32), 30).shape == (2, 259)


def test_pooling_averages_and_drops_the_rest():
    assert pool(np.array([[1.0, 3.0, 5.0, 7.0, 100.0]]), 2).tolist() == [[2.0, 6.0]]

"""Cutouts at positions, out of patches that overlap."""

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers import run_mmae
from mmae.errors import InputError
from mmae.files.write import write_table
from mmae.instruments import BANDS
from mmae.survey.coadds import check_positions, cut, find_images
from own_fits import band_file


@pytest.fixture
def patches(tmp_path):
    """Two patches, the second shifted by 150 pixels, of one sky; and the sky."""
    sky = np.random.default_rng(0).normal(0, 1, (5, 150, 410)).astype("f4")
    folder = tmp_path / "patches"
    folder.mkdir()
    first = band_file(folder / "first-HSC-G.fits", sky[0, :, :260], "g", 150.0, 2.0)
    (plane,) = find_images([first])
    for k, band in enumerate(BANDS):
        if k:
            band_file(folder / f"first-HSC-{band.upper()}.fits", sky[k, :, :260], band, 150.0, 2.0)
        path = folder / f"second-HSC-{band.upper()}.fits"
        band_file(path, sky[k, :, 150:], band, 150.0, 2.0, shift=150)
    return folder, sky, plane.wcs


def test_cutouts_are_of_the_position_and_from_the_nearest_patch(tmp_path, patches):
    folder, sky, wcs = patches
    x, y = np.array([100, 200, 330, 20, 5000]), np.array([70, 80, 90, 75, 70])
    ra, dec = wcs.pixel_to_world_values(x - 0.3, y - 0.3)
    table = tmp_path / "positions.fits"
    columns = {"RAJ2000": ra, "DEJ2000": dec, "object_id": 10**17 + np.arange(5), "z_spec": x / 500}
    write_table(table, pd.DataFrame(columns))
    output = tmp_path / "own.hdf5"
    words = ["--positions", table, "--columns", "ra=RAJ2000,dec=DEJ2000", "--galaxiesml", output]
    result = run_mmae("cutouts", folder, *words)
    assert result.returncode == 0, result.stderr
    assert "1 of 5 positions are outside the images of a band" in result.stderr
    with h5py.File(output) as file:
        found = file["image"][:]
        assert file["object_id"][:].tolist() == columns["object_id"].tolist()
        assert file["specz_redshift"][:].tolist() == columns["z_spec"].tolist()
    for k in range(3):
        middle = sky[:, y[k] - 32 : y[k] + 32, x[k] - 32 : x[k] + 32]
        np.testing.assert_array_equal(found[k], middle)
    assert np.isnan(found[3][:, :, :12]).all(), "beyond the edge"
    assert np.isfinite(found[3][:, :, 12:]).all()
    assert np.isnan(found[4]).all()
    assert len(list(cut(find_images(sorted(folder.iterdir())), ra, dec))) == 1


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"ra": np.array([1.0])}, "column dec: found only numbers in"),
        ({"ra": np.array([1.0, 2]), "dec": np.array([3.0, 99])}, "found 99.0 in row 1"),
        ({"ra": np.array([np.nan]), "dec": np.array([3.0])}, "column ra: found nan in row 0"),
    ],
)
def test_wrong_positions_are_told(columns, words):
    with pytest.raises(InputError, match=words):
        check_positions("positions.csv", columns)

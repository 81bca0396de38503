"""The cleaned dataset and the training arrays."""

import hashlib
import json

import h5py
import numpy as np
import pytest

from helpers import read_zcatalog
from mmae.dataset.arrays import open_arrays
from mmae.dataset.assemble import _rows
from mmae.dataset.make_arrays import write_arrays
from mmae.dataset.spectra import normalise, pool
from mmae.errors import InputError
from mmae.instruments import N_WAVE


def test_the_dataset_is_what_the_authors_loader_reads(small_survey):
    """The names, and what is done with them, of the authors' galaxy_loader.py."""
    with h5py.File(small_survey.dataset) as file:
        image, spectrum, redshifts = file["image"], file["spectrum"], file["DESI_fibermap"]
        assert image.shape == (150, 5, 64, 64)
        assert spectrum["flux"].shape == spectrum["ivar"].shape == (150, N_WAVE)
        assert spectrum["wave"].shape == (1, N_WAVE)
        assert int(file["targetid"][0].decode("utf-8")) > 39e15
        assert 0 < float(redshifts["DESI_redshift"][0]) < 4.2


def test_images_spectra_and_redshifts_belong_together(small_survey):
    """Row by row against the two surveys, by their identifiers."""
    catalog = read_zcatalog(small_survey.desi)
    catalog = catalog[catalog["ZCAT_PRIMARY"]].set_index("TARGETID")
    with (
        h5py.File(small_survey.dataset) as file,
        h5py.File(small_survey.galaxiesml) as hsc,
        h5py.File(small_survey.spectra) as spectra,
    ):
        roles = small_survey.truth_table("HSC")["role"]
        good = np.flatnonzero(roles == "good")
        hsc_row = dict(zip(hsc["object_id"][:][good].tolist(), good, strict=True))
        spectrum_row = {int(t): k for k, t in enumerate(spectra["targetid"][:])}
        for k in range(0, 150, 10):
            target = int(file["targetid"][k])
            ours = hsc_row[int(file["hsc/object_id"][k])]
            assert np.array_equal(file["image"][k], hsc["image"][ours])
            assert file["DESI_fibermap/DESI_redshift"][k] == catalog.loc[target, "Z"]
            assert np.array_equal(
                file["spectrum/ivar"][k], spectra["spectrum/ivar"][spectrum_row[target]]
            )
            assert hsc["ra"][ours] == pytest.approx(catalog.loc[target, "TARGET_RA"], abs=1e-4)


def test_arrays_are_the_dataset_normalised_and_pooled(small_survey):
    arrays = open_arrays(small_survey.arrays)
    with h5py.File(small_survey.dataset) as file:
        flux, ivar = file["spectrum/flux"][:], file["spectrum/ivar"][:]
        assert np.array_equal(arrays.images, file["image"][:])
        assert np.allclose(arrays.redshift, file["DESI_fibermap/DESI_redshift"][:])
        assert arrays.targetid.tolist() == [int(t) for t in file["targetid"][:]]
        assert np.allclose(arrays.magnitudes[:, 2], file["hsc/i_cmodel_mag"][:])
    assert np.array_equal(arrays.spectra, pool(normalise(flux, ivar), 30))
    assert arrays.spectra.shape == (150, 259)
    assert arrays.wave[0] == pytest.approx(3600 + 14.5 * 0.8)
    assert isinstance(arrays.images, np.memmap)


def test_the_manifest_tells_shapes_types_units_and_checksums(small_survey):
    manifest = json.loads((small_survey.arrays / "manifest.json").read_text())["arrays"]
    for name, entry in manifest.items():
        path = small_survey.arrays / f"{name}.npy"
        array = np.load(path)
        assert (entry["shape"], entry["dtype"]) == (list(array.shape), str(array.dtype))
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["unit"]
    assert {"images", "spectra", "redshift", "targetid"} <= set(manifest)


def test_arrays_that_are_not_the_manifests_are_refused(scratch_survey):
    np.save(scratch_survey.arrays / "redshift.npy", np.zeros(3, np.float32))
    with pytest.raises(InputError, match=r"redshift\.npy: found shape \(3,\), float32, expected"):
        open_arrays(scratch_survey.arrays)
    (scratch_survey.arrays / "images.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"images\.npy: found a damaged array"):
        open_arrays(scratch_survey.arrays)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("spectrum/ivar", -1.0, "dataset 'spectrum/ivar': found 1 negative values"),
        ("spectrum/ivar", np.nan, "dataset 'spectrum/ivar': found 1 values not finite"),
        ("spectrum/flux", np.inf, "dataset 'spectrum/flux': found 1 values not finite"),
    ],
)
def test_bad_numbers_in_a_dataset_are_named(scratch_survey, tmp_path, name, value, words):
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file[name][3, 17] = value
    with pytest.raises(InputError, match=words):
        write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64)
    assert list(tmp_path.glob("*arrays*")) == []


def test_pooling_wider_than_the_spectrum_is_refused(small_survey, tmp_path):
    with pytest.raises(InputError, match=r"arrays\.pool: found 9000, expected at most the 7781"):
        write_arrays(tmp_path / "arrays", small_survey.dataset, 9000, 64)


def test_rows_far_apart_are_read_one_by_one(small_survey):
    with h5py.File(small_survey.dataset) as file:
        every = file["targetid"][:]
        for rows in ([0, 1, 2, 5], [3, 149], [7]):
            assert np.array_equal(_rows(file["targetid"], np.array(rows)), every[rows])


def test_a_dataset_without_magnitudes_still_trains(scratch_survey, tmp_path):
    """GalaxiesML-Spectra as released has none of our extra datasets."""
    with h5py.File(scratch_survey.dataset, "r+") as file:
        del file["hsc"], file["separation_arcsec"]
    write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64)
    arrays = open_arrays(tmp_path / "arrays")
    assert np.isfinite(arrays.magnitudes).mean() > 0.9
    assert np.array_equal(arrays.images, open_arrays(scratch_survey.arrays).images)

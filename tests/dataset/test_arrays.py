"""The cleaned dataset and the training arrays."""

import hashlib
import json
import os

import h5py
import numpy as np
import pytest
import torch
from mmae.models.scaling import Standardise

from helpers import read_zcatalog
from mmae.dataset import arrays as arrays_module
from mmae.dataset.arrays import TrainingArrays, open_arrays
from mmae.dataset.assemble import _rows
from mmae.dataset.make_arrays import write_arrays
from mmae.dataset.spectra import normalise, pool
from mmae.errors import InputError
from mmae.instruments import N_WAVE
from mmae.outputs import ARRAYS, check_output


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


def changed(path, **values) -> None:
    """Write values into rows of datasets."""
    with h5py.File(path, "r+") as file:
        for name, rows in values.items():
            for row, value in rows.items():
                file[name][row] = value


def test_values_that_cannot_be_are_unknown_counted_and_told(scratch_survey, tmp_path, caplog):
    before = open_arrays(scratch_survey.arrays)
    rows = np.arange(0, 150, 5)
    for band, value in zip("grizy", (99, -99, -999, np.inf, np.nan), strict=True):
        changed(scratch_survey.dataset, **{f"hsc/{band}_cmodel_mag": dict.fromkeys(rows, value)})
    redshifts = {3: -9.0, 4: -99.0, 5: np.inf, 6: np.nan, 7: 99.0}
    changed(scratch_survey.dataset, **{"DESI_fibermap/DESI_redshift": redshifts})
    write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64)
    after = open_arrays(tmp_path / "arrays")
    for name, gone in (("magnitudes", rows), ("redshift", [*redshifts])):
        values, old = getattr(after, name), getattr(before, name)
        assert np.isnan(values[gone]).all()
        others = np.setdiff1d(np.arange(150), gone)
        np.testing.assert_array_equal(values[others], old[others])
    told = [record.getMessage() for record in caplog.records]
    assert sum("magnitudes: 120 of 750 values are not from 5 to 35" in text for text in told) == 1
    assert sum("DESI_redshift: 4 of 150 values" in text for text in told) == 1
    assert str(scratch_survey.dataset) in told[0]


def test_a_fifth_of_the_magnitudes_missing_leaves_their_scale(scratch_survey, tmp_path):
    """A scale that takes 99 for a magnitude moves from 24 to 38."""
    scales = []
    for value in (None, 99.0, -999.0):
        for band in "grizy" if value else "":
            rows = dict.fromkeys(range(0, 150, 5), value)
            changed(scratch_survey.dataset, **{f"hsc/{band}_cmodel_mag": rows})
        folder = tmp_path / str(value)
        write_arrays(folder, scratch_survey.dataset, 30, 64)
        standardise = Standardise()
        standardise.fit(torch.from_numpy(np.array(open_arrays(folder).magnitudes)))
        scales.append(standardise)
    for other in scales[1:]:
        assert torch.allclose(other.mean, scales[0].mean, atol=0.2)
        assert torch.allclose(other.std, scales[0].std, rtol=0.15)


def flip(path, times=None):
    """Change one bit, as a disk does: nothing else says so."""
    with path.open("r+b") as stream:
        stream.seek(-100, 2)
        byte = stream.read(1)[0]
        stream.seek(-100, 2)
        stream.write(bytes([byte ^ 1]))
    if times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", ["images", "spectra", "redshift"])
@pytest.mark.parametrize("seen", [False, True], ids=["first use", "used before"])
def test_a_flipped_bit_is_noticed_also_where_times_say_nothing(scratch_survey, name, seen):
    if seen:
        open_arrays(scratch_survey.arrays)
    path = scratch_survey.arrays / f"{name}.npy"
    flip(path, path.stat())
    for _ in range(2):
        with pytest.raises(InputError, match=rf"{name}\.npy: found SHA-256 .* as in manifest"):
            open_arrays(scratch_survey.arrays)


def test_arrays_are_read_through_once(scratch_survey, monkeypatch):
    read = []
    digest = arrays_module.file_digest

    def counting(path):
        read.extend([path.name] * (path.suffix == ".npy"))
        return digest(path)

    monkeypatch.setattr(arrays_module, "file_digest", counting)
    for _ in range(3):
        open_arrays(scratch_survey.arrays)
    assert len(read) == len(TrainingArrays._fields)
    stamp = (scratch_survey.arrays / ".verified").read_bytes()
    os.utime(scratch_survey.arrays / "wave.npy")
    open_arrays(scratch_survey.arrays)
    assert len(read) == 2 * len(TrainingArrays._fields)
    (scratch_survey.arrays / ".verified").write_text("by hand")
    open_arrays(scratch_survey.arrays)
    assert len(read) == 3 * len(TrainingArrays._fields)
    check_output(scratch_survey.arrays, ARRAYS)
    assert (scratch_survey.arrays / ".verified").read_bytes() == stamp, "the same bytes"


def test_arrays_in_a_folder_that_cannot_be_written_are_read(scratch_survey, monkeypatch):
    def refuse(*arguments):
        raise InputError("folder", "cannot be written")

    monkeypatch.setattr(arrays_module, "atomic", refuse)
    assert len(open_arrays(scratch_survey.arrays).redshift) == 150


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("spectrum/ivar", -1.0, "spectrum/ivar: 1 of 1167150 values are not from 0"),
        ("spectrum/ivar", np.nan, "taken as 0, such as nan"),
        ("spectrum/flux", np.inf, "spectrum/flux: 1 of 1167150 values are not from -3e+38"),
        ("image", np.nan, "image: 1 of 3072000 values"),
    ],
)
def test_one_bad_pixel_loses_itself_and_is_told(
    scratch_survey, tmp_path, caplog, name, value, words
):
    before = open_arrays(scratch_survey.arrays)
    place = (3, 2, 10, 10) if name == "image" else (3, 17)
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file[name][place] = value
        flux, ivar = file["spectrum/flux"][3:4], file["spectrum/ivar"][3:4]
    write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64)
    after = open_arrays(tmp_path / "arrays")
    assert words in caplog.text
    assert all(np.isfinite(array).all() for array in (after.images, after.spectra))
    if name == "image":
        assert after.images[place] == 0
        assert (after.images != before.images).sum() == 1
    else:
        flux[0, 17] = ivar[0, 17] = 0
        np.testing.assert_array_equal(after.spectra[3], pool(normalise(flux, ivar), 30)[0])
    others = np.arange(150) != 3
    np.testing.assert_array_equal(after.spectra[others], before.spectra[others])


def test_many_bad_galaxies_are_no_dataset(scratch_survey, tmp_path):
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file["spectrum/flux"][3, file["spectrum/ivar"][3] == 0] = np.nan  # without weight: allowed
        file["spectrum/ivar"][4, 7], file["image"][5, 0, 0, 0] = -1, np.nan
    words = r"found 2 of 150 galaxies with pixels.*at most a fraction 0\.01.*arrays\.max_damaged"
    with pytest.raises(InputError, match=words):
        write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64)
    assert list(tmp_path.glob("*arrays*")) == []
    write_arrays(tmp_path / "arrays", scratch_survey.dataset, 30, 64, max_damaged=0.02)


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

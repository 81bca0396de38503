"""The cleaned dataset and the training arrays."""

import hashlib
import json
import os
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import SMALL_PAPER, TOY, arrays_of, training_with
from helpers import read_zcatalog, run_mmae
from mmae.dataset import arrays as arrays_module
from mmae.dataset.arrays import are_whole, open_arrays
from mmae.dataset.assemble import _rows
from mmae.dataset.make_arrays import Unpaired
from mmae.dataset.spectra import normalise, pool
from mmae.dataset.split import with_unpaired as add_unpaired
from mmae.errors import InputError
from mmae.files.outputs import ARRAYS, check_output
from mmae.instruments import BANDS, N_WAVE
from mmae.modalities import from_plain
from mmae.modalities.scaling import Standardise
from mmae.training.run import train_model

ENTRIES = TOY["modalities"]
DATASET = {"file": "../dataset.hdf5", "offset": 9}


def copied(dataset) -> None:
    """Store the images in chunks, as a user's file may have them: they cannot be referred to."""
    with h5py.File(dataset, "r+") as file:
        image = file["image"][:]
        del file["image"]
        file.create_dataset("image", data=image, chunks=(16, 5, 64, 64))


def test_the_dataset_is_what_the_authors_loader_reads(small_survey):
    """The names, and what is done with them, of the authors' galaxy_loader.py."""
    with h5py.File(small_survey.dataset) as file:
        image, spectrum, redshifts = file["image"], file["spectrum"], file["DESI_fibermap"]
        assert image.shape == (150, 5, 64, 64)
        assert spectrum["flux"].shape == spectrum["ivar"].shape == (150, N_WAVE)
        assert spectrum["wave"].shape == (1, N_WAVE)
        assert int(file["targetid"][0].decode("utf-8")) > 39e15
        assert 0 < float(redshifts["DESI_redshift"][0]) < 4.2


def test_every_column_of_hscs_catalogue_comes_along(small_survey):
    """Any may become a modality."""
    with h5py.File(small_survey.galaxiesml) as hsc, h5py.File(small_survey.dataset) as file:
        names = set(hsc) - {"image"}
        assert {"g_cmodel_magsigma", "i_ellipticity", "ra"} < names
        assert set(file["hsc"]) == names
        good = np.flatnonzero(small_survey.truth_table("HSC")["role"] == "good")
        row = dict(zip(hsc["object_id"][:][good].tolist(), good, strict=True))
        rows = [row[name] for name in file["hsc/object_id"][:].tolist()]
        for name in names:
            np.testing.assert_array_equal(file[f"hsc/{name}"][:], hsc[name][:][rows])
            assert file[f"hsc/{name}"].dtype == hsc[name].dtype, name


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
        assert np.array_equal(arrays.values["image"], file["image"][:])
        assert np.allclose(arrays.redshift, file["DESI_fibermap/DESI_redshift"][:])
        assert arrays.targetid.tolist() == [int(t) for t in file["targetid"][:]]
        assert np.allclose(arrays.values["photometry"][:, 2], file["hsc/i_cmodel_mag"][:])
    assert set(arrays.values) == {*ENTRIES}
    spectra = arrays.values["spectrum"]
    assert np.array_equal(np.nan_to_num(spectra), pool(normalise(flux, ivar), 30))
    # pooled pixels without any data are missing, and no others
    empty = (ivar[:, : 259 * 30].reshape(150, 259, 30) <= 0).all(axis=2)
    assert np.array_equal(np.isnan(spectra), empty)
    assert empty.any()
    assert spectra.shape == (150, 259)
    assert isinstance(arrays.values["image"], np.memmap)
    assert isinstance(spectra, np.memmap)
    assert arrays.complete == {"image", "photometry"}
    assert arrays.n_paired == 150


def test_the_geometry_of_the_galaxies_is_in_the_manifest(small_survey):
    found = from_plain(open_arrays(small_survey.arrays).modalities, "manifest")
    assert set(found) == {*ENTRIES}
    image, spectrum, photometry = (found[name].geometry for name in ENTRIES)
    assert (image.bands, image.size) == (BANDS, 64)
    assert (image.pixel_scale_arcsec, image.zero_point_mag) == (0.168, 27.0)
    assert (spectrum.pool, len(spectrum.wave)) == (30, 259)
    assert spectrum.wave[0] == pytest.approx(3600 + 14.5 * 0.8)
    assert photometry.columns == tuple(ENTRIES["photometry"]["columns"])


def test_pooled_by_fifteen_spectra_reach_to_the_end(small_survey, tmp_path):
    """Models follow the geometry: nothing is cut to another length."""
    arrays = arrays_of(tmp_path / "arrays", small_survey.dataset, pool=15)
    spectrum = from_plain(arrays.modalities, "manifest")["spectrum"]
    assert arrays.values["spectrum"].shape == (150, 518)
    assert spectrum.wave[-1] == pytest.approx(3600 + 0.8 * (517 * 15 + 7))
    assert spectrum.wave[-1] > 9800
    assert (spectrum.n_tokens, spectrum.n_outputs) == (64, 518)
    # all but the last six pixels of the grid are in a token
    assert spectrum.covered(torch.ones(1, 64, dtype=torch.bool)).sum() == 512


def test_images_that_stand_as_they_are_in_the_dataset_are_not_copied(small_survey, tmp_path):
    described = json.loads((small_survey.arrays / "manifest.json").read_text())["arrays"]["image"]
    assert (small_survey.arrays / described["file"]).samefile(small_survey.dataset)
    assert not (small_survey.arrays / "image.npy").exists()
    assert are_whole(small_survey.arrays)
    arrays = open_arrays(small_survey.arrays)
    with h5py.File(small_survey.dataset) as file:
        image = file["image"][:]
    raw = np.fromfile(small_survey.dataset, "<f4", image.size, offset=described["offset"]).reshape(
        image.shape
    )
    assert np.array_equal(raw, image)
    assert np.array_equal(arrays.values["image"], image)
    assert described["sha256"] == hashlib.sha256(image.tobytes()).hexdigest()


def test_images_that_do_not_are_copied(scratch_survey, tmp_path):
    """In chunks, or with pixels that are missing: the arrays are the same."""
    before = np.array(open_arrays(scratch_survey.arrays).values["image"])
    copied(scratch_survey.dataset)
    arrays = arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    assert (tmp_path / "arrays/image.npy").is_file()
    assert np.array_equal(arrays.values["image"], before)
    assert "image" in arrays.complete


def test_a_copy_and_the_dataset_give_the_same_galaxies(small_survey, scratch_survey, tmp_path):
    copied(scratch_survey.dataset)
    copy = arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    place = open_arrays(small_survey.arrays)
    for name in ENTRIES:
        np.testing.assert_array_equal(copy.values[name], place.values[name])
    rows = np.array([3, 7, 149])
    assert np.array_equal(copy.values["image"][rows], place.values["image"][rows])


def test_a_dataset_that_changes_under_its_arrays_is_noticed(scratch_survey):
    """And one that is gone."""
    open_arrays(scratch_survey.arrays)
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file["image"][3, 2, 10, 10] += 1
    words = r"dataset\.hdf5: found SHA-256 .* as in manifest\.json \(damaged or changed: make the"
    for _ in range(2):
        with pytest.raises(InputError, match=words):
            open_arrays(scratch_survey.arrays)
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file["image"][3, 2, 10, 10] -= 1
    os.truncate(scratch_survey.dataset, 200_000)
    with pytest.raises(InputError, match=r"dataset\.hdf5: found a damaged array"):
        open_arrays(scratch_survey.arrays)
    scratch_survey.dataset.unlink()
    assert not are_whole(scratch_survey.arrays)
    with pytest.raises(InputError, match=r"dataset\.hdf5: found no such file"):
        open_arrays(scratch_survey.arrays)


def test_other_columns_of_the_dataset_may_change(scratch_survey):
    """Their own arrays were made of them."""
    before = np.array(open_arrays(scratch_survey.arrays).values["image"])
    changed(scratch_survey.dataset, **{"hsc/i_cmodel_mag": {3: 20.0}})
    assert np.array_equal(open_arrays(scratch_survey.arrays).values["image"], before)


def test_arrays_and_their_dataset_move_together(scratch_survey, tmp_path):
    before = np.array(open_arrays(scratch_survey.arrays).values["image"])
    shutil.move(scratch_survey.arrays.parent, tmp_path / "elsewhere")
    arrays = open_arrays(tmp_path / "elsewhere" / scratch_survey.arrays.name)
    assert np.array_equal(arrays.values["image"], before)


def test_the_manifest_tells_shapes_types_units_and_checksums(small_survey):
    manifest = json.loads((small_survey.arrays / "manifest.json").read_text())["arrays"]
    for name, entry in manifest.items():
        if "file" in entry:
            continue
        path = small_survey.arrays / f"{name}.npy"
        array = np.load(path)
        assert (entry["shape"], entry["dtype"]) == (list(array.shape), str(array.dtype))
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(manifest) == {*ENTRIES, "redshift", "targetid"}


def test_arrays_that_are_not_the_manifests_are_refused(scratch_survey):
    np.save(scratch_survey.arrays / "redshift.npy", np.zeros(3, np.float32))
    with pytest.raises(InputError, match=r"redshift\.npy: found shape \(3,\), float32, expected"):
        open_arrays(scratch_survey.arrays)
    (scratch_survey.arrays / "spectrum.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"spectrum\.npy: found a damaged array"):
        open_arrays(scratch_survey.arrays)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"modalities": None},
            r"manifest\.json: modalities: found none, expected those of the arr",
        ),
        (
            {"modalities": [{}]},
            r"manifest\.json: modalities: found none, expected those of the arr",
        ),
        ({"arrays": {}}, "found no such file|shape"),
        ({"arrays": {"image": DATASET}}, r"dataset\.hdf5: found a damaged array"),
        (
            {"arrays": {"image": DATASET | {"shape": 3, "dtype": "<f4"}}},
            r"dataset\.hdf5: found a damaged array",
        ),
        (
            {"arrays": {"image": DATASET | {"shape": [150], "dtype": "O"}}},
            r"dataset\.hdf5: found (a damaged array|shape)",
        ),
    ],
)
def test_manifests_that_are_none_are_refused(scratch_survey, change, words):
    path = scratch_survey.arrays / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words):
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
    after = arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    for values, old, gone in (
        (after.values["photometry"][:, :5], before.values["photometry"][:, :5], rows),
        (after.redshift, before.redshift, [*redshifts]),
    ):
        assert np.isnan(values[gone]).all()
        others = np.setdiff1d(np.arange(150), gone)
        np.testing.assert_array_equal(values[others], old[others])
    told = [record.getMessage() for record in caplog.records]
    for band, n in zip("grizy", (30, 30, 30, 30, 0), strict=True):
        words = f"{band}_cmodel_mag: {n} of 150 values are not from 5 to 35"
        assert sum(words in text for text in told) == (n > 0)
    assert sum("DESI_redshift: 4 of 150 values" in text for text in told) == 1
    assert any(str(scratch_survey.dataset) in text for text in told)
    assert "photometry" not in after.complete


def test_a_fifth_of_the_magnitudes_missing_leaves_their_scale(scratch_survey, tmp_path):
    """A scale that takes 99 for a magnitude moves from 24 to 38."""
    scales = []
    for value in (None, 99.0, -999.0):
        for band in "grizy" if value else "":
            rows = dict.fromkeys(range(0, 150, 5), value)
            changed(scratch_survey.dataset, **{f"hsc/{band}_cmodel_mag": rows})
        photometry = arrays_of(tmp_path / str(value), scratch_survey.dataset).values["photometry"]
        standardise = Standardise(5)
        standardise.fit(torch.from_numpy(np.array(photometry)[:, :5]))
        scales.append(standardise)
    for other in scales[1:]:
        assert torch.allclose(other.mean, scales[0].mean, atol=0.2)
        assert torch.allclose(other.std, scales[0].std, rtol=0.15)


def flip(path, times=None, end=None):
    """Change one bit, as a disk does: nothing else says so."""
    end = path.stat().st_size if end is None else end
    with path.open("r+b") as stream:
        stream.seek(end - 100)
        byte = stream.read(1)[0]
        stream.seek(end - 100)
        stream.write(bytes([byte ^ 1]))
    if times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", ["image", "spectrum", "redshift"])
@pytest.mark.parametrize("seen", [False, True], ids=["first use", "used before"])
def test_a_flipped_bit_is_noticed_also_where_times_say_nothing(scratch_survey, name, seen):
    if seen:
        open_arrays(scratch_survey.arrays)
    path = scratch_survey.arrays / f"{name}.npy"
    if name == "image":
        # its last bytes are not the file's
        path = scratch_survey.dataset
        with h5py.File(path) as file:
            image = file["image"]
            end = image.id.get_offset() + image.id.get_storage_size()
        flip(path, path.stat(), end)
    else:
        flip(path, path.stat())
    for _ in range(2):
        with pytest.raises(InputError, match=rf"{path.name}: found SHA-256 .* as in manifest"):
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
    own = ["photometry.npy", "redshift.npy", "spectrum.npy", "targetid.npy"]
    assert sorted(read) == own
    stamp = (scratch_survey.arrays / ".verified").read_bytes()
    os.utime(scratch_survey.arrays / "photometry.npy")
    open_arrays(scratch_survey.arrays)
    assert sorted(read) == sorted(2 * own)
    (scratch_survey.arrays / ".verified").write_text("by hand")
    open_arrays(scratch_survey.arrays)
    assert sorted(read) == sorted(3 * own)
    # the dataset, in which one of them stands
    os.utime(scratch_survey.dataset)
    open_arrays(scratch_survey.arrays)
    assert sorted(read) == sorted(4 * own)
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
    # the images are those of the dataset, which is damaged below
    opened = open_arrays(scratch_survey.arrays).values
    before = {key: np.array(opened[key]) for key in ("image", "spectrum")}
    place = (3, 2, 10, 10) if name == "image" else (3, 17)
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file[name][place] = value
        flux, ivar = file["spectrum/flux"][3:4], file["spectrum/ivar"][3:4]
    after = arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    told = [record.getMessage() for record in caplog.records]
    assert sum(words in text for text in told) == 1
    images, spectra = (after.values[key] for key in ("image", "spectrum"))
    if name == "image":
        assert np.isnan(images).sum() == 1
        assert np.isnan(images[place])
        assert (images != before["image"]).sum() == 1
        assert after.complete == {"photometry"}
    else:
        flux[0, 17] = ivar[0, 17] = 0
        expected = pool(normalise(flux, ivar), 30)[0]
        np.testing.assert_array_equal(np.nan_to_num(spectra[3]), expected)
        assert after.complete == {"image", "photometry"}
    others = np.arange(150) != 3
    np.testing.assert_array_equal(spectra[others], before["spectrum"][others])


def test_many_bad_galaxies_are_no_dataset(scratch_survey, tmp_path):
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file["spectrum/flux"][3, file["spectrum/ivar"][3] == 0] = np.nan  # without weight: allowed
        file["spectrum/ivar"][4, 7], file["image"][5, 0, 0, 0] = -1, np.nan
    words = r"found 2 of 150 galaxies with pixels.*at most a fraction 0\.01.*arrays\.max_damaged"
    with pytest.raises(InputError, match=words):
        arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    assert list(tmp_path.glob("*arrays*")) == []
    arrays_of(tmp_path / "arrays", scratch_survey.dataset, max_damaged=0.02)


def test_pooling_wider_than_the_spectrum_is_refused(small_survey, tmp_path):
    with pytest.raises(InputError, match=r"arrays\.pool: found 9000, expected at most the 7781"):
        arrays_of(tmp_path / "arrays", small_survey.dataset, pool=9000)


def test_rows_far_apart_are_read_one_by_one(small_survey):
    with h5py.File(small_survey.dataset) as file:
        every = file["targetid"][:]
        for rows in ([0, 1, 2, 5], [3, 149], [7]):
            assert np.array_equal(_rows(file["targetid"], np.array(rows)), every[rows])


def test_a_dataset_without_magnitudes_still_trains(scratch_survey, tmp_path):
    """GalaxiesML-Spectra as released has none of our extra datasets."""
    with h5py.File(scratch_survey.dataset, "r+") as file:
        del file["hsc"], file["separation_arcsec"]
        image = file["image"][:]
    arrays = arrays_of(tmp_path / "arrays", scratch_survey.dataset)
    magnitudes = arrays.values["photometry"][:, :5]
    assert np.isfinite(magnitudes).mean() > 0.9
    assert np.array_equal(arrays.values["image"], image)
    # which is told to whoever reads them with a model of cmodel magnitudes
    found = from_plain(arrays.modalities, "arrays")["photometry"].geometry.columns
    assert found[:5] == tuple(f"measured/{band}_aperture_mag" for band in BANDS)


def test_a_config_of_other_modalities_gives_other_arrays(small_survey, tmp_path):
    entries = {
        "sizes": {"kind": "vector", "columns": ["measured/i_half_light_radius"]},
        "spectrum": {"kind": "spectrum", "patch": 8, "pooling": "ivar"},
    }
    arrays = arrays_of(tmp_path / "arrays", small_survey.dataset, entries)
    assert list(arrays.values) == ["sizes", "spectrum"]
    assert arrays.values["sizes"].shape == (150, 1)
    assert arrays.values["spectrum"].shape == arrays.ivar["spectrum"].shape == (150, 259)
    missing = np.isnan(arrays.values["spectrum"])
    assert np.array_equal(missing, arrays.ivar["spectrum"] == 0)
    assert (arrays.ivar["spectrum"] >= 0).all()


# --- galaxies without a spectrum ------------------------------------------------------------------


UNPAIRED = np.array([5, 63, 64, 100, 175])
"""Rows of GalaxiesML, in blocks of 64."""


@pytest.fixture
def with_unpaired(small_survey, tmp_path):
    """Arrays of all pairs and of some images as if they had no spectrum, and what is known of
    these."""
    rows = UNPAIRED
    with h5py.File(small_survey.galaxiesml) as file:
        known = {name: file[name][:][rows] for name in ("image", "object_id", "specz_redshift")}
        known["magnitude"] = file["g_cmodel_mag"][:][rows]
        more = Unpaired(file, rows, -known["object_id"], known["specz_redshift"])
        arrays = arrays_of(tmp_path / "arrays", small_survey.dataset, unpaired=more)
    return arrays, known


def test_images_without_a_spectrum_follow_the_pairs(small_survey, with_unpaired):
    arrays, known = with_unpaired
    pairs, n = open_arrays(small_survey.arrays), len(known["image"])
    assert len(arrays.redshift) == 150 + n
    assert arrays.n_paired == 150
    for name in ENTRIES:
        np.testing.assert_array_equal(arrays.values[name][:150], pairs.values[name])
    assert np.array_equal(arrays.targetid[:150], pairs.targetid)
    assert np.array_equal(arrays.values["image"][150:], known["image"])
    assert np.isnan(arrays.values["spectrum"][150:]).all()
    np.testing.assert_allclose(arrays.values["photometry"][150:, 0], known["magnitude"], rtol=1e-6)
    np.testing.assert_allclose(arrays.redshift[150:], known["specz_redshift"], rtol=1e-6)
    assert np.array_equal(arrays.targetid[150:], -known["object_id"])
    assert (arrays.targetid[150:] < 0).all(), "no target of DESI's"
    assert "spectrum" not in arrays.complete


def test_their_geometry_is_that_of_the_pairs(small_survey, with_unpaired):
    arrays, _ = with_unpaired
    pairs = open_arrays(small_survey.arrays)
    ours, theirs = (
        {one["name"]: one["geometry"] for one in found.modalities} for found in (arrays, pairs)
    )
    assert ours == theirs


def test_the_command_keeps_them_if_it_is_given_them(small_survey, tmp_path, with_unpaired):
    expected, _ = with_unpaired
    pd.DataFrame({"hsc_row": UNPAIRED, "object_id": 0}).to_csv(tmp_path / "u.csv", index=False)
    result = run_mmae(
        *("training-arrays", "--dataset", small_survey.dataset, "--arrays", tmp_path / "a"),
        *("--galaxiesml", small_survey.galaxiesml, "--unpaired", tmp_path / "u.csv"),
        *("--config", "config/config.yaml"),
    )
    assert result.returncode == 0, result.stderr
    arrays = open_arrays(tmp_path / "a")
    for name in ENTRIES:
        np.testing.assert_array_equal(arrays.values[name], expected.values[name])
    # the first time that the photometry is told is the last
    assert result.stderr.count("photometry: hsc/g_cmodel_mag") == 1


def test_a_training_with_them_sees_them_and_one_without_does_not(with_unpaired, tmp_path):
    """A small model, for an epoch: it counts as many galaxies as it is given."""
    arrays, known = with_unpaired
    split = {"train": np.arange(100), "validation": np.arange(100, 150)}
    settings = training_with(epochs=1, batch_size=16)
    for limit, n in ((None, len(known["image"])), (2, 2), (0, 0)):
        rows = add_unpaired(split, arrays, limit)
        options = (SMALL_PAPER, "mmae", arrays, rows, 0.5, 0, settings, "arrays")
        trained = train_model(*options)
        assert trained.cost.galaxies_seen == 100 + n
        assert np.isfinite(trained.history.drop(columns="epoch").to_numpy()).all()

"""GalaxiesML's files, and several of them shown as one."""

import h5py
import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.survey.galaxiesml import (
    IMAGE,
    MAGNITUDES,
    join_galaxiesml,
    open_galaxiesml,
    read_catalog,
)


def write_part(path, n: int, side: int = 64, first: int = 0, **columns) -> np.ndarray:
    """A file of the release with images of random pixels, which are returned."""
    images = np.random.default_rng(first).normal(size=(n, 5, side, side)).astype("f4")
    rows = np.arange(first, first + n)
    with h5py.File(path, "w") as file:
        file[IMAGE] = images
        for name in ("object_id", "ra", "dec", "specz_redshift", *MAGNITUDES):
            file[name] = columns.get(name, rows * (1 if name == "object_id" else 0.01))
        file["specz_name"] = np.array([b"name"] * n)
        file["g_sersic_index"] = rows * 0.1
    return images


def test_files_follow_each_other(tmp_path):
    images = [write_part(tmp_path / f"{k}.hdf5", n, first=10 * k) for k, n in enumerate((3, 4))]
    assert join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"]) == 7
    catalog = read_catalog(tmp_path / "all.hdf5")
    assert catalog["object_id"].tolist() == [0, 1, 2, 10, 11, 12, 13]
    with open_galaxiesml(tmp_path / "all.hdf5") as file:
        np.testing.assert_array_equal(file[IMAGE][:], np.concatenate(images))
        np.testing.assert_array_equal(file[IMAGE][2:5], np.concatenate(images)[2:5])
        assert file["g_sersic_index"].shape == (7,)
    assert (tmp_path / "all.hdf5").stat().st_size < 100_000, "nothing is copied"


def test_of_larger_images_the_middle_is_shown(tmp_path):
    images = write_part(tmp_path / "0.hdf5", 2, side=127)
    join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5"])
    with open_galaxiesml(tmp_path / "all.hdf5") as file:
        np.testing.assert_array_equal(file[IMAGE][:], images[:, :, 31:95, 31:95])
    # the middle pixel, on which the galaxy is centred, is the middle of what is shown
    assert 31 + 64 // 2 == 127 // 2


def test_a_file_that_has_gone_is_named_and_not_read_as_zeros(tmp_path):
    for k in range(2):
        write_part(tmp_path / f"{k}.hdf5", 2)
    join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"])
    (tmp_path / "1.hdf5").unlink()
    with pytest.raises(InputError, match=r"all.hdf5: dataset 'image': found no file .*1\.hdf5"):
        read_catalog(tmp_path / "all.hdf5")


def test_numbers_of_different_types_keep_their_value(tmp_path):
    for k in range(2):
        write_part(tmp_path / f"{k}.hdf5", 2)
    large = 2**60
    with (
        h5py.File(tmp_path / "0.hdf5", "r+") as first,
        h5py.File(tmp_path / "1.hdf5", "r+") as other,
    ):
        del first["object_id"], other["object_id"]
        first["object_id"] = np.array([1, 2], np.int32)
        other["object_id"] = np.array([large, large + 1])
    join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"])
    assert read_catalog(tmp_path / "all.hdf5")["object_id"].tolist() == [1, 2, large, large + 1]


def test_identifiers_never_become_decimal_numbers(tmp_path):
    for k, dtype in enumerate(("u8", "i8")):
        write_part(tmp_path / f"{k}.hdf5", 2, object_id=np.arange(2, dtype=dtype))
    parts = [tmp_path / "0.hdf5", tmp_path / "1.hdf5"]
    with pytest.raises(
        InputError, match=r"0\.hdf5: dataset 'object_id': found values .* \(float64"
    ):
        join_galaxiesml(tmp_path / "all.hdf5", parts)
    write_part(tmp_path / "0.hdf5", 2, object_id=np.arange(2.0))
    with pytest.raises(
        InputError, match=r"0\.hdf5: dataset 'object_id': found values such as 0\.0"
    ):
        join_galaxiesml(tmp_path / "all.hdf5", parts)
    for k in range(2):
        write_part(tmp_path / f"{k}.hdf5", 2, object_id=np.array([b"G1", b"G200"]))
    join_galaxiesml(tmp_path / "all.hdf5", parts)
    assert read_catalog(tmp_path / "all.hdf5")["object_id"].tolist() == 2 * ["G1", "G200"]


def test_parts_lie_anywhere_and_have_any_name(tmp_path):
    folder = tmp_path / "100%20b"
    folder.mkdir()
    images = write_part(folder / "0.hdf5", 2)
    joined = tmp_path / "catalog/all.hdf5"
    join_galaxiesml(joined, [folder / "0.hdf5"])
    with open_galaxiesml(joined) as file:
        np.testing.assert_array_equal(file[IMAGE][:], images)


def test_what_has_no_row_a_galaxy_is_left_out(tmp_path):
    write_part(tmp_path / "0.hdf5", 3)
    with h5py.File(tmp_path / "0.hdf5", "r+") as file:
        file["version"], file["bands"] = 2, np.arange(5)
    join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5"])
    with h5py.File(tmp_path / "all.hdf5") as file:
        assert not {"version", "bands"} & set(file)


def test_a_column_that_one_file_lacks_is_left_out(tmp_path):
    for k in range(2):
        write_part(tmp_path / f"{k}.hdf5", 2)
    with h5py.File(tmp_path / "1.hdf5", "r+") as file:
        del file["g_sersic_index"]
    join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"])
    with h5py.File(tmp_path / "all.hdf5") as file:
        assert "g_sersic_index" not in file
        assert "ra" in file


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.__delitem__("ra"), "1.hdf5: dataset 'ra': found only"),
        (lambda file: file.__delitem__(IMAGE), "1.hdf5: dataset 'image': found only"),
        (
            lambda file: (file.__delitem__(IMAGE), file.create_group(IMAGE)),
            "dataset 'image': found a group",
        ),
        (
            lambda file: (file.__delitem__(IMAGE), file.__setitem__(IMAGE, 1.0)),
            r"dataset 'image': found shape \(\)",
        ),
        (
            lambda file: (file.__delitem__(IMAGE), file.__setitem__(IMAGE, np.ones((2, 5, 9, 9)))),
            r"dataset 'image': found shape \(2, 5, 9, 9\), expected shape \(N, 5, 64, 64\)",
        ),
    ],
)
def test_a_part_that_is_not_galaxiesml_is_named(tmp_path, damage, words):
    for k in range(2):
        write_part(tmp_path / f"{k}.hdf5", 2)
    with h5py.File(tmp_path / "1.hdf5", "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=words):
        join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"])
    assert not (tmp_path / "all.hdf5").exists()


@pytest.mark.parametrize("place", [0, 40, 600, 2000])
def test_flipped_bytes_in_a_files_structure_are_an_error_or_harmless(tmp_path, place):
    """Flips in HDF5's own bytes never end in a traceback or in other numbers."""
    write_part(tmp_path / "0.hdf5", 3)
    whole = read_catalog(tmp_path / "0.hdf5")
    content = bytearray((tmp_path / "0.hdf5").read_bytes())
    content[place] ^= 0xFF
    (tmp_path / "bad.hdf5").write_bytes(content)
    try:
        read = read_catalog(tmp_path / "bad.hdf5")
    except InputError:
        return
    pd.testing.assert_frame_equal(read, whole)


@pytest.mark.parametrize("keep", [0, 1, 100, 2000, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path, keep):
    write_part(tmp_path / "0.hdf5", 3)
    content = (tmp_path / "0.hdf5").read_bytes()
    end = keep if isinstance(keep, int) else int(keep * len(content))
    (tmp_path / "bad.hdf5").write_bytes(content[:end])
    with pytest.raises(InputError, match=r"bad.hdf5: found a damaged or truncated file"):
        read_catalog(tmp_path / "bad.hdf5")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("ra", [0.0, np.nan, 1.0]),
        ("dec", [0.0, 91.0, 1.0]),
        ("specz_redshift", [0.1, np.inf, 1.0]),
    ],
)
def test_impossible_numbers_are_an_error_only_where_they_are_many(tmp_path, column, values):
    write_part(tmp_path / "0.hdf5", 3, **{column: values})
    assert len(read_catalog(tmp_path / "0.hdf5", max_damaged=0.34)) == 3
    words = r"0\.hdf5: found 1 of 3 rows with an impossible ra or dec or .*\(crossmatch.max_damaged"
    with pytest.raises(InputError, match=words):
        read_catalog(tmp_path / "0.hdf5", max_damaged=0.33)


def test_text_for_numbers_is_named(tmp_path):
    write_part(tmp_path / "0.hdf5", 3, ra=[b"a", b"b", b"c"])
    with pytest.raises(InputError, match=r"dataset 'ra': found text, expected numbers"):
        read_catalog(tmp_path / "0.hdf5")


def test_no_galaxy_at_all(tmp_path):
    write_part(tmp_path / "0.hdf5", 0)
    with pytest.raises(InputError, match="dataset 'object_id': found no row, expected galaxies"):
        read_catalog(tmp_path / "0.hdf5")


def test_empty_parts_are_passed_over(tmp_path):
    write_part(tmp_path / "0.hdf5", 0)
    write_part(tmp_path / "1.hdf5", 2)
    assert join_galaxiesml(tmp_path / "all.hdf5", [tmp_path / "0.hdf5", tmp_path / "1.hdf5"]) == 2
    assert len(read_catalog(tmp_path / "all.hdf5")) == 2

"""The authors' split."""

import h5py
import numpy as np
import pytest
import torch

from galaxies import made_up_galaxies
from helpers import run_mmae
from mmae.dataset.split import (
    random_split,
    read_split,
    split_sizes,
    with_redshift,
    with_unpaired,
    write_split,
)
from mmae.errors import InputError


def our_split(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    permutation = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    return random_split(n, 0.70, 0.15, permutation)


def test_the_papers_sizes_and_rows():
    assert split_sizes(134_533, 0.70, 0.15) == (94_173, 20_179, 20_181)
    theirs = torch.utils.data.random_split(
        range(134_533), [94_173, 20_179, 20_181], torch.Generator().manual_seed(0)
    )
    for ours, subset in zip(our_split(134_533).values(), theirs, strict=True):
        assert np.array_equal(ours, subset.indices)


def test_every_galaxy_is_in_one_subset():
    rows = np.concatenate([*our_split(101).values()])
    assert sorted(rows) == list(range(101))
    assert not np.array_equal(our_split(101)["test"], our_split(101, seed=1)["test"])


def test_the_command_splits_by_the_seed_of_the_config(small_survey):
    with np.load(small_survey.split) as archive:
        assert np.array_equal(archive["test"], our_split(150)["test"])
        targetid = np.load(small_survey.arrays / "targetid.npy")
        assert np.array_equal(archive["train_targetid"], targetid[archive["train"]])


def test_a_split_of_another_dataset_is_refused(tmp_path):
    targetid = np.arange(20) + 1000
    write_split(tmp_path / "s.npz", our_split(20), targetid)
    assert read_split(tmp_path / "s.npz", targetid).keys() == {"train", "validation", "test"}
    for other in (targetid + 1, targetid[:10]):
        with pytest.raises(InputError, match="targets of another dataset"):
            read_split(tmp_path / "s.npz", other)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("test", lambda rows: rows.astype(float), "array 'test_targetid': found the targets of"),
        ("test", lambda rows: rows - 20, "array 'test_targetid': found the targets of another"),
        ("train_targetid", lambda ids: ids + 0.5, "array 'train_targetid': found values such as"),
    ],
)
def test_rows_and_targets_that_are_no_integers_are_refused(tmp_path, name, change, words):
    targetid = np.arange(20) + 1000
    write_split(tmp_path / "s.npz", our_split(20), targetid)
    with np.load(tmp_path / "s.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "s.npz", **arrays | {name: change(arrays[name])})
    with pytest.raises(InputError, match=words):
        read_split(tmp_path / "s.npz", targetid)


def test_too_few_galaxies():
    with pytest.raises(InputError, match=r"3 galaxies, which would leave \{'train': 2"):
        our_split(3)


def test_galaxies_without_a_redshift_stay_in_training_alone_and_the_others_where_they_are(caplog):
    """They teach reconstruction."""
    rows, redshift = our_split(101), np.full(101, 0.5)
    for name, part in with_redshift(rows, redshift).items():
        assert np.array_equal(part, rows[name])
    assert not caplog.records
    values = [-9.0, np.nan, -99.0, np.inf]
    gone = [rows["test"][2], rows["validation"][0], rows["train"][5], rows["test"][-1]]
    redshift[gone] = values
    kept = with_redshift(rows, redshift)
    assert np.array_equal(kept["train"], rows["train"])
    for name in ("validation", "test"):
        assert kept[name].tolist() == [row for row in rows[name] if row not in gone]
    words = "3 validation and test galaxies without a redshift, such as "
    assert words in caplog.text
    told = float(caplog.text.split(words)[1].split(",")[0])
    assert told in values or np.isnan(told)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_subset_without_any_redshift_is_no_subset(name):
    rows, redshift = our_split(101), np.full(101, 0.5)
    redshift[rows[name]] = -99.0
    with pytest.raises(InputError, match=r"found redshifts of \d+ of 101 galaxies, expected"):
        with_redshift(rows, redshift)


@pytest.mark.parametrize(("limit", "last"), [(None, 64), (10, 60), (0, 50), (99, 64)])
def test_galaxies_without_a_spectrum_join_the_training_alone(limit, last):
    """They follow the pairs; as many as are wanted."""
    arrays, rows = made_up_galaxies(64)._replace(n_paired=50), our_split(50)
    found = with_unpaired(rows, arrays, limit)
    assert found["train"].tolist() == [*rows["train"], *range(50, last)]
    for name in ("validation", "test"):
        assert np.array_equal(found[name], rows[name])
    every = np.concatenate([*found.values()])
    assert len(np.unique(every)) == len(every) == last


def test_where_all_are_pairs_nobody_joins():
    arrays, rows = made_up_galaxies(64), our_split(64)
    assert np.array_equal(with_unpaired(rows, arrays, None)["train"], rows["train"])


def test_a_split_is_one_of_the_pairs_whoever_follows_them(tmp_path):
    targetid = np.arange(20) + 1000
    write_split(tmp_path / "s.npz", our_split(20), targetid)
    longer = np.concatenate([targetid, -np.arange(1, 6)])
    assert np.array_equal(read_split(tmp_path / "s.npz", longer)["test"], our_split(20)["test"])


def test_the_command_leaves_them_out(scratch_survey, tmp_path):
    before = np.load(scratch_survey.split)
    in_training, in_test = before["train"][5], before["test"][3]
    with h5py.File(scratch_survey.dataset, "r+") as file:
        for row in (in_training, in_test):
            file["DESI_fibermap/DESI_redshift"][row] = -99
    words = ["--dataset", scratch_survey.dataset, "--split", tmp_path / "s.npz"]
    result = run_mmae("split", *words)
    assert result.returncode == 0, result.stderr
    words = "1 validation and test galaxies without a redshift, such as -99, are left out"
    assert words in result.stderr
    after = np.load(tmp_path / "s.npz")
    assert np.array_equal(after["test"], np.delete(before["test"], 3))
    assert np.array_equal(after["test_targetid"], np.delete(before["test_targetid"], 3))
    assert np.array_equal(after["train"], before["train"])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"test": [14, 15, 3]}, r"array 'test': found 1 rows twice, such as row 3 in train and te"),
        ({"validation": [7, 0]}, "found 2 rows twice, such as row 0 in train and validation"),
        ({"train": [1, 2, 2]}, "array 'train': found 1 rows twice, such as row 2 in train, "),
        ({"test": [-1]}, "targets of another dataset"),
        ({"test": [14.0]}, "targets of another dataset"),
    ],
)
def test_a_galaxy_in_two_subsets_is_refused(tmp_path, rows, words):
    """Metrics of galaxies that the model was trained on are worth nothing."""
    targetid = np.arange(20) + 1000
    subsets = {"train": np.arange(10), "validation": np.arange(10, 14), "test": np.arange(14, 20)}
    subsets |= {name: np.array(values) for name, values in rows.items()}
    names = {f"{name}_targetid": targetid[part.astype(int)] for name, part in subsets.items()}
    np.savez(tmp_path / "s.npz", **subsets, **names)
    with pytest.raises(InputError, match=words):
        read_split(tmp_path / "s.npz", targetid)

"""The authors' split."""

import h5py
import numpy as np
import pytest
import torch

from helpers import run_mmae
from mmae.dataset.split import random_split, read_split, split_sizes, with_redshift, write_split
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


def test_too_few_galaxies():
    with pytest.raises(InputError, match=r"3 galaxies, which would leave \{'train': 2"):
        our_split(3)


def test_galaxies_without_a_redshift_are_left_out_and_the_others_stay_where_they_are(caplog):
    rows, redshift = our_split(101), np.full(101, 0.5)
    for name, part in with_redshift(rows, redshift).items():
        assert np.array_equal(part, rows[name])
    assert not caplog.records
    gone = {3: -9.0, 50: np.nan, 77: -99.0, 100: np.inf}
    redshift[[*gone]] = [*gone.values()]
    kept = with_redshift(rows, redshift)
    for name, part in rows.items():
        assert kept[name].tolist() == [row for row in part if row not in gone]
    assert "4 galaxies without a redshift, such as -9, are left out" in caplog.text
    redshift[rows["test"]] = -99.0
    with pytest.raises(InputError, match=r"redshifts of \d+ of 101 galaxies, expected at"):
        with_redshift(rows, redshift)


def test_the_command_leaves_them_out(scratch_survey, tmp_path):
    before = np.load(scratch_survey.split)
    row = before["train"][5]
    with h5py.File(scratch_survey.dataset, "r+") as file:
        file["DESI_fibermap/DESI_redshift"][row] = -99
    words = ["--dataset", scratch_survey.dataset, "--split", tmp_path / "s.npz"]
    result = run_mmae("split", *words)
    assert result.returncode == 0, result.stderr
    assert "1 galaxies without a redshift, such as -99, are left out" in result.stderr
    after = np.load(tmp_path / "s.npz")
    assert np.array_equal(after["train"], np.delete(before["train"], 5))
    assert np.array_equal(after["train_targetid"], np.delete(before["train_targetid"], 5))
    assert np.array_equal(after["test"], before["test"])


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

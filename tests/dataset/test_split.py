"""The authors' split."""

import numpy as np
import pytest
import torch

from mmae.dataset.split import random_split, read_split, split_sizes, write_split
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

"""Images turned and mirrored at random in training."""

import numpy as np
import pytest
import torch

from galaxies import batch_of, made_up_galaxies, training_with
from mmae.models.base import GalaxyModel
from mmae.training.augment import turn
from mmae.training.fit import fit

N = 400


def the_group(image: torch.Tensor) -> list[torch.Tensor]:
    """A square image under the eight symmetries of the square."""
    return [
        turned for k in range(4) for turned in (image.rot90(k, (1, 2)), image.rot90(k, (1, 2)).mT)
    ]


def turned(batch, seed: int):
    return turn(batch, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def batch():
    return batch_of(made_up_galaxies(N, size=6, length=8), 8)


def test_each_image_becomes_one_of_the_eight_turns_and_all_eight_occur(batch):
    counts = np.zeros(8, dtype=int)
    for before, after in zip(batch.image, turned(batch, 0).image, strict=True):
        same = [torch.equal(image, after) for image in the_group(before)]
        assert sum(same) == 1, "all bands alike"
        counts[same.index(True)] += 1
    assert counts.sum() == N
    # 50 each: ten within four standard deviations of a binomial
    assert (np.abs(counts - N / 8) < 4 * (N * 7 / 64) ** 0.5).all()


def test_all_but_the_images_stays(batch):
    after = turned(batch, 0)
    for name in set(batch._fields) - {"image", "share"}:
        ours, theirs = getattr(batch, name), getattr(after, name)
        assert torch.equal(ours.nan_to_num(), theirs.nan_to_num()), name


def test_the_seed_decides(batch):
    one, same, other = (turned(batch, seed).image for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


class Witness(GalaxyModel):
    """Keeps what it is given to learn from and to be validated with."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = {"training": [], "validation": []}

    def training_losses(self, batch, mask_ratio, generator):
        self.seen["training"].append(batch)
        return {"total": self.weight.square().sum()}

    def validation_losses(self, batch, mask_ratio, generator):
        self.seen["validation"].append(batch)
        return {"total": self.weight.square().sum()}, None


def seen_with(augment: str, seed: int = 0) -> Witness:
    model, split = Witness(), {"train": np.arange(48), "validation": np.arange(48, 64)}
    settings = training_with(augment=augment, epochs=2)
    fit(model, made_up_galaxies(), split, 0.0, seed, settings)
    return model


def as_given(batch) -> torch.Tensor:
    """The images of a batch, found again by the redshift of their galaxies."""
    arrays = made_up_galaxies()
    rows = [int(np.flatnonzero(arrays.redshift == z.item())[0]) for z in batch.redshift]
    return torch.from_numpy(arrays.images[rows])


def test_training_without_it_sees_images_as_they_are():
    for batch in seen_with("none").seen["training"]:
        assert torch.equal(batch.image, as_given(batch))


def test_training_with_it_turns_training_images_anew_each_epoch_and_no_others():
    model = seen_with("dihedral")
    turned = [not torch.equal(b.image, as_given(b)) for b in model.seen["training"]]
    assert turned == [True] * 12
    for batch in model.seen["validation"]:
        assert torch.equal(batch.image, as_given(batch))
    epochs = [model.seen["training"][start : start + 6] for start in (0, 6)]
    images = [
        {z.item(): image for b in epoch for z, image in zip(b.redshift, b.image, strict=True)}
        for epoch in epochs
    ]
    same = [torch.equal(image, images[1][z]) for z, image in images[0].items()]
    assert 0 < sum(same) < 24, "one in eight by chance"


def test_turns_follow_the_seed_and_leave_the_order_of_galaxies():
    runs = [seen_with(*options).seen["training"] for options in (("dihedral",), ("dihedral",))]
    plain = seen_with("none").seen["training"]
    for one, same, other in zip(*runs, plain, strict=True):
        assert torch.equal(one.image, same.image)
        assert torch.equal(one.redshift, other.redshift)

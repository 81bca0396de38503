"""Images turned and mirrored at random in training."""

import numpy as np
import pytest
import torch

from galaxies import batch_of, made_up_galaxies, training_with
from mmae.modalities import from_plain
from mmae.models.base import GalaxyModel, Losses
from mmae.models.losses import Mean
from mmae.settings.models import CanDo
from mmae.training.augment import augment
from mmae.training.fit import fit

N = 400


def the_group(image: torch.Tensor) -> list[torch.Tensor]:
    """A square image under the eight symmetries of the square."""
    return [
        turned for k in range(4) for turned in (image.rot90(k, (1, 2)), image.rot90(k, (1, 2)).mT)
    ]


def images_of(batch) -> torch.Tensor:
    return batch.values["image"]


def turned(batch, seed: int):
    generator = torch.Generator().manual_seed(seed)
    return augment(batch, torch.randint(0, 8, (len(batch.redshift),), generator=generator))


@pytest.fixture(scope="module")
def batch():
    return batch_of(made_up_galaxies(N, size=6, length=8))


def test_each_image_becomes_one_of_the_eight_turns_and_all_eight_occur(batch):
    counts = np.zeros(8, dtype=int)
    for before, after in zip(images_of(batch), images_of(turned(batch, 0)), strict=True):
        same = [torch.equal(image, after) for image in the_group(before)]
        assert sum(same) == 1, "all bands alike"
        counts[same.index(True)] += 1
    assert counts.sum() == N
    # 50 each: ten within four standard deviations of a binomial
    assert (np.abs(counts - N / 8) < 4 * (N * 7 / 64) ** 0.5).all()


def test_all_but_the_images_stays(batch):
    after = turned(batch, 0)
    assert torch.equal(after.redshift, batch.redshift)
    assert set(after.values) == {"image", "spectrum", "photometry"}
    assert set(after.valid) == {"photometry"}
    for name in ("spectrum", "photometry"):
        assert torch.equal(after.values[name], batch.values[name])
        assert torch.equal(after.known(name).nan_to_num(), batch.known(name).nan_to_num())


def test_pixels_that_are_missing_turn_with_their_images(batch):
    hidden = torch.zeros(N, 5, 6, 6, dtype=torch.bool)
    hidden[:, 2, :2, 1] = True
    lacking = batch.without("image", hidden)
    after = turned(lacking, 0)
    assert torch.equal(after.values["image"] == 0, ~after.valid["image"])
    whole = images_of(turned(batch, 0))
    assert torch.equal(whole.masked_fill(~after.valid["image"], 0.0), images_of(after))


def test_each_number_is_one_of_the_group(batch):
    for number in range(8):
        after = augment(batch, torch.full((N,), number))
        places = [
            [torch.equal(image, one) for image in the_group(before)].index(True)
            for before, one in zip(images_of(batch)[:5], images_of(after)[:5], strict=True)
        ]
        assert len(set(places)) == 1
    assert torch.equal(images_of(augment(batch, torch.zeros(N, dtype=int))), images_of(batch))


def test_the_seed_decides(batch):
    one, same, other = (images_of(turned(batch, seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


class Witness(GalaxyModel):
    """Keeps what it is given to learn from and to be validated with."""

    def __init__(self, modalities):
        super().__init__(CanDo(), modalities)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = {"training": [], "validation": []}

    def losses(self, batch, masks, generator):
        self.seen["training" if self.training else "validation"].append(batch)
        return Losses({"total": Mean(self.weight.square().sum(), torch.tensor(1))})


def seen_with(augment: str, seed: int = 0) -> Witness:
    arrays = made_up_galaxies()
    model = Witness(from_plain(arrays.modalities, "made up"))
    split = {"train": np.arange(48), "validation": np.arange(48, 64)}
    settings = training_with(augment=augment, epochs=2)
    fit(model, arrays, split, 0.0, seed, settings)
    return model


def as_given(batch) -> torch.Tensor:
    """The images of a batch, found again by the redshift of their galaxies."""
    arrays = made_up_galaxies()
    rows = [int(np.flatnonzero(arrays.redshift == z.item())[0]) for z in batch.redshift]
    return torch.from_numpy(arrays.values["image"][rows])


def test_training_without_it_sees_images_as_they_are():
    for batch in seen_with("none").seen["training"]:
        assert torch.equal(images_of(batch), as_given(batch))


def test_training_with_it_turns_training_images_anew_each_epoch_and_no_others():
    model = seen_with("dihedral")
    turned = [not torch.equal(images_of(b), as_given(b)) for b in model.seen["training"]]
    assert turned == [True] * 12
    for batch in model.seen["validation"]:
        assert torch.equal(images_of(batch), as_given(batch))
    epochs = [model.seen["training"][start : start + 6] for start in (0, 6)]
    images = [
        {z.item(): image for b in epoch for z, image in zip(b.redshift, images_of(b), strict=True)}
        for epoch in epochs
    ]
    same = [torch.equal(image, images[1][z]) for z, image in images[0].items()]
    assert 0 < sum(same) < 24, "one in eight by chance"


def test_turns_follow_the_seed_and_leave_the_order_of_galaxies():
    runs = [seen_with(*options).seen["training"] for options in (("dihedral",), ("dihedral",))]
    plain = seen_with("none").seen["training"]
    for one, same, other in zip(*runs, plain, strict=True):
        assert torch.equal(images_of(one), images_of(same))
        assert torch.equal(one.redshift, other.redshift)

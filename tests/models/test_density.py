"""Redshift as a density: bins, quantiles, the loss."""

import pytest
import torch

from mmae.metrics.ends import QUANTILES
from mmae.models.density import Density, DensityHead

EDGES = torch.linspace(0, 1, 11)
UNIFORM = Density(torch.full((1, 10), 0.1), EDGES)


@pytest.fixture
def head() -> DensityHead:
    torch.manual_seed(0)
    return DensityHead(4, 8, 200, 4.0, 0.01)


def test_it_is_normalised_and_its_bins_end_at_z_max(head):
    density = head.density(head(torch.randn(5, 4)))
    assert density.probability.shape == (5, 200)
    assert torch.allclose(density.probability.sum(dim=1), torch.ones(5))
    assert density.edges[[0, -1]].expm1().tolist() == pytest.approx([0.0, 4.0], rel=1e-5)


def test_quantiles_of_a_uniform_density_are_its_levels():
    found = UNIFORM.quantiles(QUANTILES)[0]
    assert torch.allclose(found, torch.tensor(QUANTILES).expm1(), atol=1e-6)


def test_all_quantiles_of_one_bin_lie_in_it():
    one = Density(torch.eye(10)[3:4], EDGES)
    ends = one.quantiles((0.25, 0.5, 1.0))[0].log1p()
    assert torch.allclose(ends, torch.tensor([0.325, 0.35, 0.4]), atol=1e-6)


def test_what_is_told_is_median_half_of_the_interval_and_quantiles():
    said = UNIFORM.told(torch.ones(1, 2))
    low, median, high = torch.tensor([0.16, 0.5, 0.84]).expm1()
    assert torch.allclose(said.z_pred, median)
    assert torch.allclose(said.z_std, (high - low) / 2)
    assert torch.equal(said.quantiles, UNIFORM.quantiles(QUANTILES))
    assert UNIFORM.told(torch.ones(1, 2), torch.tensor([2.0])).z_pred == 2.0


def test_other_bins_hold_the_same_probability():
    density = Density(torch.rand(3, 10).softmax(dim=1), EDGES)
    fine = density.on(torch.linspace(0, 1, 21)).probability
    assert torch.allclose(fine.unflatten(1, (10, 2)).sum(dim=2), density.probability, atol=1e-6)
    assert torch.allclose(fine[:, ::2], fine[:, 1::2], atol=1e-6), "halves of a bin are alike"


def test_the_loss_is_least_where_the_density_is_the_softened_truth(head):
    redshift = torch.tensor([0.5, torch.nan])
    place = (head.edges - torch.tensor(0.5).log1p()) / head.softness
    target = torch.special.ndtr(place).diff()
    best = head.loss(target.clamp(min=1e-30).log().expand(2, -1), redshift)
    entropy = -torch.special.xlogy(target, target).sum()
    assert best.total.item() == pytest.approx(entropy.item(), rel=1e-3)
    assert best.n == 1, "an unknown redshift does not count"
    worse = head.loss(torch.zeros(2, 200), redshift)
    assert worse.total.item() == pytest.approx(torch.tensor(200.0).log().item(), rel=1e-5)

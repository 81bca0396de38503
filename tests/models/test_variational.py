"""The variational layer and the forecast of the Bayesian network, against theory."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from galaxies import TOY, batch_of, made_up_galaxies, modalities_of
from mmae.models import build_model
from mmae.models.batch import generator_of
from mmae.models.bcnn import DRAWS, MIN_STD, Bcnn
from mmae.models.variational import INITIAL_STD, VariationalLinear

N_DRAWS = 20_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def layer() -> VariationalLinear:
    torch.manual_seed(0)
    layer = VariationalLinear(4, 2, prior_std=0.7)
    with torch.no_grad():
        layer.raw_std.copy_(torch.randn(layer.raw_std.shape, generator=generator(1)))
    return layer


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn((3, 4), generator=generator(2))


def theory(layer: VariationalLinear, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the outputs: those of a sum of independent Gaussians."""
    mean, std = layer.mean.detach(), layer.std.detach()
    variance = x.square() @ std[:, :-1].square().T + std[:, -1].square()
    return x @ mean[:, :-1].T + mean[:, -1], variance.sqrt()


def test_it_starts_narrow():
    assert torch.allclose(VariationalLinear(4, 2, 1.0).std, torch.tensor(INITIAL_STD))


def test_the_divergence_is_torchs_and_the_formula(layer):
    prior = Normal(torch.zeros_like(layer.mean), torch.full_like(layer.mean, 0.7))
    expected = kl_divergence(Normal(layer.mean, layer.std), prior).sum().item()
    assert layer.divergence().item() == pytest.approx(expected, rel=1e-6)
    mean, std = layer.mean.detach().double(), layer.std.detach().double()
    by_hand = (0.7 / std).log() + (std**2 + mean**2) / (2 * 0.7**2) - 0.5
    assert layer.divergence().item() == pytest.approx(by_hand.sum().item(), rel=1e-5)


def test_a_posterior_like_the_prior_costs_nothing(layer):
    with torch.no_grad():
        layer.mean.zero_()
        layer.raw_std.fill_(float(np.log(np.expm1(0.7))))
    assert layer.divergence().item() == pytest.approx(0, abs=1e-5)


@torch.no_grad()
def test_draws_of_weights_have_the_moments_of_theory(layer, x):
    draws = layer.draw(x, N_DRAWS, generator())
    assert draws.shape == (N_DRAWS, 3, 2)
    mean, std = theory(layer, x)
    assert ((draws.mean(dim=0) - mean).abs() < 5 * std / N_DRAWS**0.5).all()
    assert torch.allclose(draws.std(dim=0), std, rtol=0.03)


@torch.no_grad()
def test_draws_of_outputs_have_the_same_moments_and_are_independent(layer, x):
    draws = layer(x.repeat(N_DRAWS, 1), generator()).view(N_DRAWS, 3, 2)
    mean, std = theory(layer, x)
    assert ((draws.mean(dim=0) - mean).abs() < 5 * std / N_DRAWS**0.5).all()
    assert torch.allclose(draws.std(dim=0), std, rtol=0.03)
    assert abs(np.corrcoef(draws[:, 0, 0], draws[:, 1, 0])[0, 1]) < 0.05


@torch.no_grad()
def test_drawn_weights_are_the_same_for_all_galaxies(layer, x):
    draws = layer.draw(x[:1].repeat(2, 1), 10, generator())
    assert torch.equal(draws[:, 0], draws[:, 1])
    assert not torch.equal(draws[0], draws[1])


@torch.no_grad()
def test_the_seed_decides(layer, x):
    for draw in (lambda g: layer(x, g), lambda g: layer.draw(x, 5, g)):
        one, same, other = (draw(generator(seed)) for seed in (0, 0, 1))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


# --- the forecast of the Bayesian network ---------------------------------------------------------


@pytest.fixture(scope="module")
def galaxies():
    return batch_of(made_up_galaxies(16, size=64))


def network(**keys) -> Bcnn:
    torch.manual_seed(0)
    model = build_model(TOY["models"]["bcnn"] | keys, modalities_of(size=64)).eval()
    with torch.no_grad():
        model.head.raw_std.fill_(-2.0)  # draws differ as much as
        model.head.mean[1, -1] = -2.0  # each of them is wide
    return model


def forecast(model: Bcnn, galaxies):
    with torch.no_grad():
        return model.predict(galaxies, {})


def test_the_forecast_is_the_mixture_of_the_draws(galaxies):
    """Law of total variance: of the draws' means, and the mean of their own variances."""
    model = network(draws=3000)
    said = forecast(model, galaxies)
    with torch.no_grad():
        draws = model.head.draw(model.features(galaxies), 3000, generator(7)).double()
    means, stds = draws[..., 0], torch.nn.functional.softplus(draws[..., 1]) + MIN_STD
    samples = torch.normal(means, stds, generator=generator(8))  # of ln(1 + z)
    z_pred = samples.mean(dim=0).expm1()
    assert torch.allclose(said.z_pred.double(), z_pred, atol=0.02)
    assert torch.allclose(said.z_std.double(), (1 + z_pred) * samples.std(dim=0), rtol=0.1)
    for part in (means.std(dim=0), stds.square().mean(dim=0).sqrt()):
        assert (part < 0.8 * samples.std(dim=0)).all(), "neither alone is enough"


def test_one_draw_is_as_wide_as_it_says(galaxies):
    model = network(draws=1)
    said = forecast(model, galaxies)
    with torch.no_grad():
        mean, raw_std = model.head.draw(model.features(galaxies), 1, generator_of(0, DRAWS))[0].T
    std = torch.nn.functional.softplus(raw_std) + MIN_STD
    assert torch.allclose(said.z_pred, mean.expm1())
    assert torch.allclose(said.z_std, mean.exp() * std)


def test_the_same_forecast_each_time(galaxies):
    model = network()
    one, again = forecast(model, galaxies), forecast(model, galaxies)
    assert torch.equal(one.z_pred, again.z_pred)
    assert torch.equal(one.z_std, again.z_std)


def test_it_starts_from_the_training_galaxies(galaxies):
    model = network()
    model.prepare(galaxies, 1000)
    zeta = galaxies.redshift.log1p()
    mean, raw_std = model.head.mean[:, -1].tolist()
    assert mean == pytest.approx(zeta.mean().item(), rel=1e-5)
    assert np.log1p(np.exp(raw_std)) == pytest.approx(zeta.std().item(), rel=1e-4)


def test_losses_are_the_likelihood_and_a_share_of_the_divergence(galaxies):
    model = network().train()
    model.prepare(galaxies, 1000)
    # batch norm with the same numbers, whose running means nobody reads
    mean, std = model(galaxies, generator(3))
    parts = model.losses(galaxies, {}, generator(3)).parts
    losses = {name: part.value for name, part in parts.items()}
    assert set(losses) == {"likelihood", "divergence"}
    zeta = galaxies.redshift.log1p()
    by_hand = (0.5 * ((zeta - mean) / std) ** 2 + (std * (2 * np.pi) ** 0.5).log()).mean()
    assert losses["likelihood"].item() == pytest.approx(by_hand.item(), rel=1e-5)
    share = model.head.divergence().item() / 1000
    assert losses["divergence"].item() == pytest.approx(share, rel=1e-6)
    total = losses["likelihood"] + losses["divergence"]
    assert model.total(losses).item() == pytest.approx(total.item(), rel=1e-6)


def test_at_validation_the_likelihood_alone_counts(galaxies):
    model = network()
    losses = model.losses(galaxies, {}, generator(3))
    mean, std = model(galaxies, generator(3))
    assert set(losses.parts) == {"total"}
    assert losses.parts["total"].n == 16
    assert torch.equal(losses.z_pred, mean.expm1())
    by_hand = -Normal(mean, std).log_prob(galaxies.redshift.log1p()).mean()
    assert losses.parts["total"].value.item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_galaxies_without_a_redshift_teach_the_others_nothing(galaxies):
    model, redshift = network(), galaxies.redshift.clone()
    redshift[[2, 7]] = torch.nan
    lacking = galaxies._replace(redshift=redshift)
    found = model.losses(lacking, {}, generator(3)).parts["total"]
    mean, std = model(galaxies, generator(3))
    each = -Normal(mean, std).log_prob(galaxies.redshift.log1p())
    known = redshift.isfinite()
    assert found.n == 14
    assert found.value.item() == pytest.approx(each[known].mean().item(), rel=1e-6)
    model.prepare(lacking, 1000)
    zeta = redshift[known].log1p()
    assert model.head.mean[0, -1].item() == pytest.approx(zeta.mean().item(), rel=1e-5)

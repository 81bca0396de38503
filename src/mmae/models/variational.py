"""A linear layer whose weights are distributions.

A few lines of our own: of the libraries for it, torchbnn (2020), BLiTZ (2022) and bayesian-torch
(2024) are no longer kept up, and Pyro, which is, would want its own training loop and guides for
one layer.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

INITIAL_STD = 0.02
"""Of the posterior: narrow at first, so that the mean can learn."""


class VariationalLinear(nn.Module):
    """Linear layer with a Gaussian posterior for each weight and bias (Blundell et al. 2015).

    Parameters
    ----------
    n_in, n_out : int
    prior_std : float
        The prior of each weight is a Gaussian with mean 0 and this standard deviation.
    """

    def __init__(self, n_in: int, n_out: int, prior_std: float):
        super().__init__()
        self.prior_std = prior_std
        # the last column is the bias
        self.mean = nn.Parameter(torch.empty(n_out, n_in + 1).normal_(0, n_in**-0.5))
        self.raw_std = nn.Parameter(
            torch.full((n_out, n_in + 1), math.log(math.expm1(INITIAL_STD)))
        )

    @property
    def std(self) -> Tensor:
        """Standard deviations of the weights, (n_out, n_in + 1)."""
        return nn.functional.softplus(self.raw_std)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """One draw for each galaxy: (B, n_in) to (B, n_out).

        The outputs are drawn, not the weights: the same distribution with less noise in the
        gradient (Kingma, Salimans & Welling 2015, arXiv:1506.02557, eq. 6).
        """
        x = _with_one(x)
        mean = x @ self.mean.T
        std = (x.square() @ self.std.square().T).sqrt()
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        return mean + std * noise

    def draw(self, x: Tensor, n_draws: int, generator: torch.Generator) -> Tensor:
        """The same `n_draws` sets of weights for all galaxies: (B, n_in) to (n_draws, B, n_out)."""
        noise = torch.randn((n_draws, *self.mean.shape), generator=generator).to(x.device)
        weights = self.mean + self.std * noise
        return torch.einsum("bi,doi->dbo", _with_one(x), weights)

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence of the posterior from the prior, summed over the weights."""
        return kl_divergence(Normal(self.mean, self.std), Normal(0.0, self.prior_std)).sum()


def _with_one(x: Tensor) -> Tensor:
    """Append a 1, by which the bias is multiplied."""
    return nn.functional.pad(x, (0, 1), value=1.0)

"""Redshift by synthesis: a spectrum decoded at every redshift is compared with what is visible.

A network that reads a redshift from a spectrum knows it to a few percent; one that can draw the
spectrum at any redshift need only look where the drawing fits. Real and simulated spectra differ by
smooth errors of calibration: at each redshift an amplitude and a few polynomials are free.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmae.models.density import rebinned

PRIOR_FLOOR = -12.0
"""Of the logarithm of the prior's probability a step: a surprise is not impossible."""
APART = 0.005
"""In ln(1 + z): fits that are no farther apart are one."""


class Fit(NamedTuple):
    """What synthesis says of B galaxies."""

    probability: Tensor
    """(B, G), of each step of the grid."""
    best: Tensor
    """(B,) redshift of the highest probability."""
    delta_chi2: Tensor
    """(B,) how much worse the best fit at another redshift is."""


class Synthesis(nn.Module):
    """Fits decoded spectra on a fine grid of zeta = ln(1 + z).

    Parameters
    ----------
    decoder : RestframeDecoder
    z_max : float
        End of the grid.
    step, decode_step : float
        Of the grid, and between redshifts for which the network decodes, in zeta.
    temper : float
        Factor of chi2: noise has heavier tails, and neighbours more in common, than chi2 believes.
    model_error : float
        Added to the noise, in units of the normalised flux.
    n_polynomials : int
    """

    def __init__(
        self,
        decoder: nn.Module,
        z_max: float,
        step: float = 5e-4,
        decode_step: float = 0.01,
        temper: float = 0.25,
        model_error: float = 0.03,
        n_polynomials: int = 3,
    ):
        super().__init__()
        self.decode = decoder.rest
        self.temper, self.model_error, self.step = temper, model_error, step
        last = torch.tensor(z_max).log1p().item()
        zeta, nodes = torch.arange(0, last, step), torch.arange(0, last, decode_step)
        self.register_buffer("edges", torch.arange(len(zeta) + 1) * step - step / 2, False)
        node = (zeta / decode_step).round().long().clamp(max=len(nodes) - 1)
        place = (decoder.edges - zeta[:, None] - decoder.first) / decoder.step
        place = place.clamp(0, decoder.n_rest - 1e-3)  # (G, L + 1)
        left = place.floor()
        self.register_buffer("zeta", zeta, persistent=False)
        self.register_buffer("nodes", nodes, persistent=False)
        self.register_buffer("part", place - left, persistent=False)
        row = node[:, None] * (decoder.n_rest + 1)
        self.register_buffer("index", left.long() + row, persistent=False)
        width = place.diff(dim=1).clamp(min=1e-3)
        self.register_buffer("width", width, persistent=False)
        x = torch.linspace(-1, 1, len(decoder.edges) - 1)
        powers = torch.stack([x**k for k in range(n_polynomials)])
        self.register_buffer("polynomials", powers, persistent=False)

    @torch.no_grad()
    def forward(
        self, embedding: Tensor, prior: Tensor, edges: Tensor, flux: Tensor, ivar: Tensor
    ) -> Fit:
        """Fit galaxies one after the other.

        Parameters
        ----------
        embedding : Tensor, shape (B, E)
        prior : Tensor, shape (B, K)
            What is known of the redshift before, on bins of their own.
        edges : Tensor, shape (K + 1,)
            Of these, in zeta.
        flux, ivar : Tensor, shape (B, L)
            Normalised; ivar 0 where hidden or missing.
        """
        chi2 = torch.stack(
            [self.chi2(*one) for one in zip(embedding.float(), flux, ivar, strict=True)]
        )
        known = rebinned(prior, edges, self.edges).clamp(min=1e-30).log()
        floored = torch.logaddexp(known, torch.full_like(known, PRIOR_FLOOR))
        score = floored - 0.5 * self.temper * chi2
        best = score.argmax(dim=1)
        # in units of chi2, prior included
        cost = chi2 - 2 / self.temper * floored
        far = (self.zeta - self.zeta[best][:, None]).abs() > APART
        other = cost.masked_fill(~far, torch.inf).amin(dim=1)
        own = cost.gather(1, best[:, None])[:, 0]
        return Fit(score.softmax(dim=1), torch.expm1(self.zeta[best]), other - own)

    def chi2(self, embedding: Tensor, flux: Tensor, ivar: Tensor) -> Tensor:
        """Of one galaxy at each step, (G,), with the best amplitude and polynomials there."""
        root = (ivar / (1 + ivar * self.model_error**2)).sqrt()
        # take out what the polynomials can fit, of the data and of all drawings
        basis, _ = torch.linalg.qr((self.polynomials * root).T)
        data = flux * root
        data = data - basis @ (basis.T @ data)
        model = self.drawings(embedding) * root
        model = model - (model @ basis) @ basis.T
        # no galaxy shines with a negative amplitude
        shared = (model @ data).clamp(min=0)
        power = model.square().sum(dim=1).clamp(min=1e-6)
        return data @ data - shared.square() / power

    def drawings(self, embedding: Tensor) -> Tensor:
        """One galaxy as it would look at each step of the grid, (G, L); not normalised."""
        rest = self.decode(embedding.expand(len(self.nodes), -1), self.nodes)
        summed = pad(rest.cumsum(dim=1), (1, 0)).flatten()
        at = torch.lerp(summed[self.index], summed[self.index + 1], self.part)
        return at.diff(dim=1) / self.width

"""Redshift by synthesis: a spectrum decoded at every redshift is compared with what is visible.

A network that reads a redshift from a spectrum knows it to a few percent; one that can draw the
spectrum at any redshift need only look where the drawing fits. Real and simulated spectra differ by
smooth errors of calibration: at each redshift an amplitude and a few polynomials are free.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmae.models.density import Density
from mmae.models.restframe_decoder import RestframeDecoder

STEP, DECODE_STEP = 5e-4, 0.01
"""Of the grid, and between redshifts for which the network decodes, in zeta."""
N_POLYNOMIALS = 3
PRIOR_FLOOR = -12.0
"""Of the logarithm of the prior's probability a step: a surprise is not impossible."""
APART = 0.005
"""In zeta: fits that are no farther apart are one."""


class Fit(NamedTuple):
    """What synthesis says of B galaxies."""

    density: Density
    """On the G steps of the grid."""
    best: Tensor
    """(B,) redshift of the highest probability."""
    delta_chi2: Tensor
    """(B,) how much worse the best fit at another redshift is, prior and misfit included."""


class Synthesis(nn.Module):
    """Fits of decoded spectra on a fine grid of zeta = ln(1 + z); holds tables, learns nothing.

    Parameters
    ----------
    decoder : RestframeDecoder
        Whose grids the tables are of.
    z_max : float
        End of the grid.
    temper : float
        Factor of chi2: noise has heavier tails, and neighbours more in common, than chi2 believes.
    model_error : float
        Added to the noise, in units of the normalised flux.
    misfit : float
        Power of the best chi2 per degree of freedom, where over 1, by which the logarithm of the
        density is divided: what is not understood at the best redshift does not tell others apart.

    Notes
    -----
    At each zeta, chi2 = min over a >= 0 and c of sum_i w_i (f_i - a m_i(zeta) - sum_k c_k x_i^k)^2
    with w_i = 1 / (1 / ivar_i + model_error^2), and the density is proportional to
    p(zeta) exp(-temper chi2 / 2), where p is what was known before.
    """

    def __init__(
        self,
        decoder: RestframeDecoder,
        z_max: float,
        temper: float,
        model_error: float,
        misfit: float = 0.0,
    ):
        super().__init__()
        self.temper, self.model_error, self.misfit = temper, model_error, misfit
        last = torch.tensor(z_max).log1p().item()
        zeta, nodes = torch.arange(0, last, STEP), torch.arange(0, last, DECODE_STEP)
        tables = {"zeta": zeta, "nodes": nodes}
        tables["edges"] = torch.arange(len(zeta) + 1) * STEP - STEP / 2
        place = decoder.places(zeta.to(decoder.edges.device)).cpu()  # (G, L + 1)
        left = place.floor()
        # places in all decoded spectra, one behind the other
        node = (zeta / DECODE_STEP).round().long().clamp(max=len(nodes) - 1)
        tables["index"] = left.long() + node[:, None] * (decoder.n_rest + 1)
        tables["part"] = place - left
        tables["width"] = place.diff(dim=1).clamp(min=1e-3)
        x = torch.linspace(-1, 1, len(decoder.edges) - 1)
        tables["polynomials"] = torch.stack([x**k for k in range(N_POLYNOMIALS)])
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    @torch.no_grad()
    def forward(
        self,
        decoder: RestframeDecoder,
        embedding: Tensor,
        prior: Density,
        flux: Tensor,
        ivar: Tensor,
    ) -> Fit:
        """Fit galaxies one after the other.

        Parameters
        ----------
        decoder : RestframeDecoder
        embedding : Tensor, shape (B, E)
        prior : Density
            What is known of the redshifts before.
        flux, ivar : Tensor, shape (B, L)
            Normalised; ivar 0 where hidden or missing.
        """
        chi2 = torch.stack(
            [
                self.chi2(self.drawings(decoder, one), *data)
                for one, *data in zip(embedding.float(), flux, ivar, strict=True)
            ]
        )
        free = (ivar > 0).sum(dim=1) - N_POLYNOMIALS - 1
        excess = (chi2.amin(dim=1) / free.clamp(min=1)).clamp(min=1)
        known = prior.on(self.edges).probability.clamp(min=1e-30).log()
        known = torch.logaddexp(known, torch.full_like(known, PRIOR_FLOOR))
        score = (known - 0.5 * self.temper * chi2) / excess[:, None] ** self.misfit
        best = score.argmax(dim=1)
        far = (self.zeta - self.zeta[best][:, None]).abs() > APART
        other = score.masked_fill(~far, -torch.inf).amax(dim=1)
        lead = score.gather(1, best[:, None])[:, 0] - other
        density = Density(score.softmax(dim=1), self.edges)
        return Fit(density, torch.expm1(self.zeta[best]), 2 / self.temper * lead)

    def drawings(self, decoder: RestframeDecoder, embedding: Tensor) -> Tensor:
        """One galaxy (E,) as it would look at each step of the grid, (G, L); not normalised."""
        rest = decoder.rest(embedding.expand(len(self.nodes), -1), self.nodes)
        summed = pad(rest.cumsum(dim=1), (1, 0)).flatten()
        at = torch.lerp(summed[self.index], summed[self.index + 1], self.part)
        return at.diff(dim=1) / self.width

    def chi2(self, drawings: Tensor, flux: Tensor, ivar: Tensor) -> Tensor:
        """Of one galaxy (L,) at each step, (G,), with the best amplitude and polynomials there."""
        root = (ivar / (1 + ivar * self.model_error**2)).sqrt()
        # what polynomials can fit is taken out of the data and of all drawings
        basis, _ = torch.linalg.qr((self.polynomials * root).T)
        data = flux * root
        data = data - basis @ (basis.T @ data)
        model = drawings * root
        model = model - (model @ basis) @ basis.T
        # no galaxy shines with a negative amplitude
        shared = (model @ data).clamp(min=0)
        power = model.square().sum(dim=1).clamp(min=1e-6)
        return data @ data - shared.square() / power

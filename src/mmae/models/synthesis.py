"""Redshift by synthesis: a spectrum decoded at every redshift is compared with what is visible.

A network that reads a redshift from a spectrum knows it to a few percent; one that can draw the
spectrum at any redshift need only look where the drawing fits. Real and simulated spectra differ by
smooth errors of calibration: at each redshift an amplitude and a few polynomials are free.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from mmae.models.density import Density
from mmae.models.restframe_decoder import RestframeDecoder

STEP, DECODE_STEP, FINER = 1e-3, 0.01, 4
"""Of the grid on which spectra are fitted, and between redshifts for which the network decodes, in
zeta; steps of the density in one of the former, between which chi2 is interpolated."""
PRIOR_FLOOR = -12.0
"""Of the logarithm of the prior's probability a step: a surprise is not impossible."""
APART = 0.005
"""In zeta: fits that are no farther apart are one."""


class Fit(NamedTuple):
    """What synthesis says of B galaxies."""

    density: Density
    """On the steps of the finer grid."""
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
    misfit : float
        Power of the best chi2 per degree of freedom, where over 1, by which the logarithm of the
        density is divided: what is not understood at the best redshift does not tell others apart.

    Notes
    -----
    At each zeta, chi2 = min over a >= 0, b and c of
    sum_i w_i (f_i - a m_i(zeta) - sum_j b_j d_ij(zeta) - sum_k c_k x_i^k)^2 + sum_j b_j^2
    with w_i = 1 / (1 / ivar_i + model_error^2), deviations d that the decoder has learnt, if any,
    and the density is proportional to p(zeta) exp(-temper chi2 / 2), where p is what was known
    before.
    """

    def __init__(
        self,
        decoder: RestframeDecoder,
        z_max: float,
        temper: float,
        misfit: float = 0.0,
    ):
        super().__init__()
        self.temper, self.misfit = temper, misfit
        last = torch.tensor(z_max).log1p().item()
        zeta, nodes = torch.arange(0, last, STEP), torch.arange(0, last, DECODE_STEP)
        tables = {"zeta": zeta, "nodes": nodes}
        tables["fine"] = torch.arange(FINER * len(zeta)) * (STEP / FINER)
        tables["edges"] = (torch.arange(FINER * len(zeta) + 1) - 0.5) * (STEP / FINER)
        # cubics through four neighbours (Catmull & Rom 1974)
        u = torch.arange(FINER)[:, None] / FINER
        cubic = torch.tensor([[0, -1, 2, -1], [2, 0, -5, 3], [0, 1, 4, -3], [0, 0, -1, 1]]) / 2
        tables["cubic"] = u ** torch.arange(4) @ cubic.T  # (F, 4)
        place = decoder.places(zeta.to(decoder.edges.device)).cpu()  # (G, L + 1)
        left = place.floor()
        # places in all decoded spectra, one behind the other
        node = (zeta / DECODE_STEP).round().long().clamp(max=len(nodes) - 1)
        tables["index"] = left.long() + node[:, None] * (decoder.n_rest + 1)
        tables["part"] = place - left
        tables["width"] = place.diff(dim=1).clamp(min=1e-3)
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
        directions = decoder.directions(self.zeta)
        chi2 = torch.stack(
            [
                self.chi2(decoder, self.drawings(decoder, one), directions, *data)
                for one, *data in zip(embedding.float(), flux, ivar, strict=True)
            ]
        )
        # (B, G) to (B, FINER G)
        around = pad(chi2[:, None], (1, 2), mode="replicate")
        chi2 = conv1d(around, self.cubic[:, None]).mT.flatten(1)
        free = (ivar > 0).sum(dim=1) - len(decoder.polynomials) - 1
        excess = (chi2.amin(dim=1) / free.clamp(min=1)).clamp(min=1)
        known = prior.on(self.edges).probability.clamp(min=1e-30).log()
        known = torch.logaddexp(known, torch.full_like(known, PRIOR_FLOOR))
        score = (known - 0.5 * self.temper * chi2) / excess[:, None] ** self.misfit
        best = score.argmax(dim=1)
        far = (self.fine - self.fine[best][:, None]).abs() > APART
        other = score.masked_fill(~far, -torch.inf).amax(dim=1)
        lead = score.gather(1, best[:, None])[:, 0] - other
        density = Density(score.softmax(dim=1), self.edges)
        return Fit(density, torch.expm1(self.fine[best]), 2 / self.temper * lead)

    def drawings(self, decoder: RestframeDecoder, embedding: Tensor) -> Tensor:
        """One galaxy (E,) as it would look at each step of the grid, (G, L); not normalised."""
        rest = decoder.rest(embedding.expand(len(self.nodes), -1), self.nodes)
        summed = pad(rest.cumsum(dim=1), (1, 0)).flatten()
        at = torch.lerp(summed[self.index], summed[self.index + 1], self.part)
        return at.diff(dim=1) / self.width

    def chi2(
        self,
        decoder: RestframeDecoder,
        drawings: Tensor,
        directions: Tensor,
        flux: Tensor,
        ivar: Tensor,
    ) -> Tensor:
        """Of one galaxy (L,) at each step, (G,), with the best amplitude and deviations there."""
        root = decoder.weights(ivar).sqrt()
        data, model, ways = flux * root, drawings * root, directions * root
        # what deviations can explain is taken out of the data and of all drawings
        factor = torch.linalg.cholesky(ways @ ways.mT + decoder.precision)
        of_data, of_model = (
            torch.linalg.solve_triangular(factor, ways @ part[..., None], upper=False)[..., 0]
            for part in (data, model)
        )
        # no galaxy shines with a negative amplitude
        shared = (model @ data - (of_data * of_model).sum(dim=1)).clamp(min=0)
        power = model.square().sum(dim=1) - of_model.square().sum(dim=1)
        left = data @ data - of_data.square().sum(dim=1)
        return left - shared.square() / power.clamp(min=1e-6)

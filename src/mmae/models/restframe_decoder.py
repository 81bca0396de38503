"""From an embedding to a spectrum in the rest frame, and from there to observed pixels.

The network never sees the observed frame: what a galaxy emits is learnt, and shifting it by
ln(1 + z), averaging it over pixels and normalising it are arithmetic. A line is as sharp as the
rest frame's grid, however uncertain the redshift is.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.models.base import full_precision
from mmae.models.layers import perceptron
from mmae.settings import RestframeModel

N_WAVES = 5
"""Sines and cosines of zeta that tell the network which part of the rest frame is observed."""
SLOWEST = 1.8
"""Frequency of the slowest: less than a period between zeta 0 and 1.7."""
FIRST_SCALE = 0.3
"""Of the last weights at first, so that spectra begin near their mean."""
DEVIATION = 0.1
"""Of learnt deviations at first, in units of the normalised flux."""
BEND = 0.3
"""How large smooth errors of calibration are taken to be in what is drawn: fits, which look at
visible pixels only, let them free."""


class RestframeDecoder(nn.Module):
    """Spectra on R steps of ln(wavelength) in the rest frame, seen on L observed pixels.

    Parameters
    ----------
    modality : Modality
        Of the spectra, with wavelengths.
    settings : RestframeModel

    Raises
    ------
    InputError
        If the modality has no wavelengths.

    Notes
    -----
    As in spender (Melchior et al. 2023, arXiv:2211.07890, section 2.2), which interpolates; here a
    pixel is the mean of the spectrum over its width.
    """

    def __init__(self, modality: Modality, settings: RestframeModel):
        super().__init__()
        wave = torch.tensor(modality.geometry.wave, dtype=torch.float64)
        if len(wave) < 2:
            raise InputError("model", key=modality.name, found="one pixel", expected="spectra")
        low, high = settings.rest_wave
        self.step, self.first = settings.log_step, math.log(low)
        self.n_rest = int((math.log(high) - self.first) / self.step) + 2
        n_in = settings.embedding + 2 * N_WAVES
        # the last output is the amplitude
        self.network = perceptron(n_in, settings.hidden, settings.hidden, self.n_rest + 1)
        with torch.no_grad():
            self.network[-1].weight.mul_(FIRST_SCALE)
            self.network[-1].bias.zero_()
        half = (wave[1] - wave[0]) / 2
        edges = torch.cat([wave - half, wave[-1:] + half]).log().float()
        self.register_buffer("edges", edges, persistent=False)
        self.register_buffer("weight", torch.ones(len(wave)))
        self.max_ivar, self.model_error = settings.max_snr**2, settings.model_error
        self.deviations = None
        if settings.deviations:
            rough = torch.randn(settings.deviations, self.n_rest).cumsum(dim=1)
            rough = (rough - rough.mean(dim=1, keepdim=True)) / rough.std(dim=1, keepdim=True)
            self.deviations = nn.Parameter(DEVIATION * rough)
        x = torch.linspace(-1, 1, len(wave))
        polynomials = torch.stack([x**k for k in range(settings.polynomials)])
        self.register_buffer("polynomials", polynomials, persistent=False)
        for name, of_polynomials in (("precision", 1e-4), ("drawn_precision", BEND**-2)):
            known = [1.0] * settings.deviations + [of_polynomials] * settings.polynomials
            self.register_buffer(name, torch.diag(torch.tensor(known)), persistent=False)

    def fit(self, ivar: Tensor) -> None:
        """Learn what pixels usually weigh in the normalisation, from inverse variances (B, L)."""
        self.weight.copy_(self._capped(ivar).mean(dim=0))

    def forward(self, embedding: Tensor, zeta: Tensor, ivar: Tensor | None = None) -> Tensor:
        """Normalised flux of galaxies at zeta = ln(1 + z).

        Parameters
        ----------
        embedding : Tensor, shape (B, E)
        zeta : Tensor, shape (B,)
        ivar : Tensor, shape (B, L), optional
            That the data were normalised by, if it is known.

        Returns
        -------
        Tensor, shape (B, L)
            With the weighted mean 0 and an rms that is learnt: that of the data, 1, counts noise.
        """
        with full_precision(embedding):
            outputs = self._outputs(embedding, zeta)
            flux = self.normalise(self.shift(outputs[:, :-1], zeta), ivar)
            return flux * outputs[:, -1:].exp()

    def rest(self, embedding: Tensor, zeta: Tensor) -> Tensor:
        """The spectrum in its rest frame, (B, R), of galaxies observed at zeta."""
        return self._outputs(embedding, zeta)[:, :-1]

    def _outputs(self, embedding: Tensor, zeta: Tensor) -> Tensor:
        """The spectrum, and the logarithm of its amplitude, (B, R + 1)."""
        angle = SLOWEST * zeta[:, None] * torch.arange(1, N_WAVES + 1, device=zeta.device)
        return self.network(torch.cat([embedding.float(), angle.sin(), angle.cos()], dim=1))

    def places(self, zeta: Tensor) -> Tensor:
        """Where the edges of the observed pixels lie in the rest frame, in its steps: (G, L + 1).

        Those beyond its ends lie at its ends.
        """
        place = (self.edges - zeta[:, None] - self.first) / self.step
        return place.clamp(0, self.n_rest - 1e-3)

    def shift(self, rest: Tensor, zeta: Tensor) -> Tensor:
        """Mean of the redshifted spectrum over each observed pixel: (B, R) to (B, L).

        Pixels beyond the ends of the rest frame are 0.
        """
        summed, place = pad(rest.cumsum(dim=1), (1, 0)), self.places(zeta)  # (B, R + 1), (B, L + 1)
        left = place.floor()
        index = left.long()
        at = torch.lerp(summed.gather(1, index), summed.gather(1, index + 1), place - left)
        return at.diff(dim=1) / place.diff(dim=1).clamp(min=1e-3)

    def directions(self, zeta: Tensor) -> Tensor:
        """In which observed spectra may differ from what is decoded: (G, J, L), or G = 1 if alike.

        Learnt deviations in the rest frame as they are seen at zeta (G,), whose amounts are known
        to be about 1, and smooth polynomials for errors of calibration, whose amounts are free:
        `precision`, (J, J).
        """
        if self.deviations is None:
            return self.polynomials[None]
        summed, place = pad(self.deviations.cumsum(dim=1), (1, 0)), self.places(zeta)
        left = place.floor()
        index = left.long()
        at = torch.lerp(summed[:, index], summed[:, index + 1], place - left)  # (K, G, L + 1)
        seen = at.diff(dim=2) / place.diff(dim=1).clamp(min=1e-3)
        return torch.cat([seen.transpose(0, 1), self.polynomials.expand(len(zeta), -1, -1)], dim=1)

    def weights(self, ivar: Tensor) -> Tensor:
        """Of pixels in fits, with the model's error."""
        return ivar / (1 + ivar * self.model_error**2)

    def deviate(self, decoded: Tensor, zeta: Tensor, flux: Tensor, ivar: Tensor) -> Tensor:
        """Decoded spectra with the deviations that what is visible of the flux asks for, (B, L).

        Parameters
        ----------
        decoded, flux, ivar : Tensor, shape (B, L)
            Normalised; ivar 0 where hidden or missing.
        zeta : Tensor, shape (B,)
        """
        with full_precision(decoded):
            directions = self.directions(zeta)
            weighted = directions * self.weights(ivar)[:, None]
            left = weighted @ directions.mT + self.drawn_precision
            amounts = torch.linalg.solve(left, weighted @ (flux - decoded)[:, :, None])
            return decoded + (amounts.mT @ directions)[:, 0]

    def normalise(self, flux: Tensor, ivar: Tensor | None = None) -> Tensor:
        """Weighted mean 0 and rms 1 of (B, L), as the data are."""
        weight = self.weight.expand(flux.shape) if ivar is None else self._capped(ivar)
        total = weight.sum(dim=1, keepdim=True).clamp(min=1e-9)
        centred = flux - (weight * flux).sum(dim=1, keepdim=True) / total
        rms = ((weight * centred.square()).sum(dim=1, keepdim=True) / total).sqrt()
        return centred / rms.clamp(min=1e-3)

    def _capped(self, ivar: Tensor) -> Tensor:
        """Weights that do not grow beyond the largest signal to noise."""
        return ivar / (1 + ivar / self.max_ivar)

"""Redshift from a spectrum by fits of what is decoded."""

import pytest
import torch

from galaxies import TOY, modalities_of
from mmae.config import read_section
from mmae.models.density import Density
from mmae.models.restframe_decoder import RestframeDecoder
from mmae.models.synthesis import FINER, STEP, Synthesis
from mmae.settings import RestframeModel

LENGTH, Z_MAX, N_EDGES = 259, 1.0, 41
SPECTRUM = modalities_of(length=LENGTH)["spectrum"]
SETTINGS = read_section(RestframeModel, TOY["models"]["restframe"], "config")
LINES = {3728.5: 2.0, 4862.7: 1.0, 5008.2: 3.0, 6564.6: 4.0}
"""Å: height."""
TRUE = torch.tensor([0.053, 0.31, 0.7712])


class KnownLines(RestframeDecoder):
    """A decoder whose galaxies all have the same lines."""

    def rest(self, embedding, zeta):
        place = self.first + self.step * (torch.arange(self.n_rest) + 0.5)
        lines = [
            height * torch.exp(-0.5 * ((place - torch.tensor(wave).log()) / 0.004) ** 2)
            for wave, height in LINES.items()
        ]
        return sum(lines).expand(len(zeta), -1)


@pytest.fixture
def decoder() -> KnownLines:
    return KnownLines(SPECTRUM, SETTINGS)


@pytest.fixture
def synthesis(decoder) -> Synthesis:
    return Synthesis(decoder, Z_MAX, temper=0.25)


@pytest.fixture
def prior() -> Density:
    last = torch.tensor(1 + Z_MAX).log().item()
    edges = torch.linspace(0, last, N_EDGES)
    return Density(torch.full((len(TRUE), N_EDGES - 1), 1 / (N_EDGES - 1)), edges)


def fitted(synthesis, decoder, prior, change=lambda flux: flux, ivar=400.0):
    """The fit of noiseless spectra."""
    zeta = TRUE.log1p()
    flux = change(decoder.shift(decoder.rest(None, zeta), zeta))
    weights = torch.as_tensor(ivar).expand(flux.shape)
    embedding = torch.zeros(len(TRUE), SETTINGS.embedding)
    return synthesis(decoder, embedding, prior, flux, weights)


def test_it_finds_the_redshift_of_a_noiseless_spectrum(synthesis, decoder, prior):
    fit = fitted(synthesis, decoder, prior)
    assert (fit.best.log1p() - TRUE.log1p()).abs().max() <= STEP / FINER
    assert torch.allclose(fit.density.probability.sum(dim=1), torch.ones(len(TRUE)))
    assert (fit.delta_chi2 > 25).all()


def test_amplitude_and_smooth_errors_change_nothing(synthesis, decoder, prior):
    x = torch.linspace(-1, 1, LENGTH)
    fit = fitted(synthesis, decoder, prior, lambda flux: 0.3 * flux + 5 - 3 * x + 2 * x**2)
    assert (fit.best.log1p() - TRUE.log1p()).abs().max() <= STEP / FINER


def test_pixels_without_ivar_do_not_matter(synthesis, decoder, prior):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.rand(LENGTH, generator=generator) < 0.3
    ivar = torch.where(hidden, 0.0, 400.0)
    ours = fitted(synthesis, decoder, prior, ivar=ivar)
    theirs = fitted(synthesis, decoder, prior, lambda flux: flux.masked_fill(hidden, 1e3), ivar)
    assert torch.equal(ours.best, theirs.best)
    assert torch.equal(ours.density.probability, theirs.density.probability)


def test_without_a_spectrum_the_prior_stays(synthesis, decoder, prior):
    shares = torch.ones(N_EDGES - 1)
    shares[10:12] = 1000
    known = prior._replace(probability=(shares / shares.sum()).expand(len(TRUE), -1))
    fit = fitted(synthesis, decoder, known, ivar=0.0)
    zeta = fit.best.log1p()
    assert ((zeta >= known.edges[10]) & (zeta <= known.edges[12])).all()


def test_chi2_is_that_of_least_squares(synthesis, decoder):
    """Against a direct solution with amplitude, deviations and polynomials as unknowns."""
    generator = torch.Generator().manual_seed(0)
    model, flux, ivar, *deviations = torch.rand(5, LENGTH, generator=generator)
    ivar = 400 * ivar
    weight = ivar / (1 + ivar * SETTINGS.model_error**2)
    flux = flux + 2 * model + deviations[0]
    directions = torch.stack([*deviations, *decoder.polynomials])[None]
    decoder.precision = torch.diag(torch.tensor([1.0, 1.0, 1e-4, 1e-4, 1e-4]))
    root = weight.sqrt().double()
    columns = torch.cat([model[None], directions[0]]).double() * root
    # a deviation of amount b costs b^2
    prior = torch.zeros(2, 6, dtype=torch.float64)
    prior[0, 1] = prior[1, 2] = 1
    wanted = torch.cat([flux.double() * root, torch.zeros(2, dtype=torch.float64)])
    design = torch.cat([columns.T, prior])
    solution = torch.linalg.lstsq(design, wanted[:, None]).solution
    direct = (wanted - design @ solution[:, 0]).square().sum()
    found = synthesis.chi2(decoder, model[None], directions, flux, ivar)
    assert found.item() == pytest.approx(direct.item(), rel=1e-3)

"""Noise of spectra from how far their neighbouring pixels differ."""

import pytest
import torch

from galaxies import batch_of, made_up_galaxies, modalities_of
from mmae.models import build_model
from mmae.models.noise import estimated_ivar, usual_ivar

N, LENGTH = 600, 100
NOISE = torch.linspace(0.05, 0.5, LENGTH)
FLUX = 3 * torch.randn(N, 1, generator=torch.Generator().manual_seed(0)) + NOISE * torch.randn(
    N, LENGTH, generator=torch.Generator().manual_seed(1)
)


def test_the_noise_of_each_pixel_is_found_in_many_galaxies():
    missing = FLUX.masked_fill(torch.rand(N, LENGTH) < 0.1, torch.nan)
    assert (usual_ivar(missing)[0].rsqrt() / NOISE - 1).abs().max() < 0.15


def test_a_galaxy_has_the_usual_noise_times_a_number_where_it_is_seen():
    seen = torch.rand(N, LENGTH, generator=torch.Generator().manual_seed(2)) < 0.7
    loud = torch.cat([FLUX[:1], 2 * FLUX[:1]])
    found = estimated_ivar(loud, seen[:1].expand(2, -1), NOISE.pow(-2))
    assert torch.allclose(found[0], 4 * found[1])
    assert torch.equal(found[0] > 0, seen[0])
    noise = found[0, seen[0]].rsqrt() / NOISE[seen[0]]
    assert noise[0].item() == pytest.approx(1, abs=0.3)
    assert torch.allclose(noise, noise[0].expand(len(noise))), "its shape is the usual one"


def test_decoded_spectra_have_the_mean_of_data_normalised_by_an_ivar_that_is_not_known():
    known = {"spectrum": modalities_of(size=64, length=LENGTH)["spectrum"]}
    batch = batch_of(made_up_galaxies(N, size=64, length=LENGTH))
    level = (FLUX / NOISE**2).sum(dim=1, keepdim=True) / NOISE.pow(-2).sum()
    batch = batch._replace(values={"spectrum": FLUX - level}, valid={}, ivar={})
    model = build_model({"kind": "restframe", "modalities": ["spectrum"]}, known)
    model.prepare(batch, N)
    slope = torch.linspace(-1, 1, LENGTH).expand(1, -1)
    weight = NOISE.pow(-2)
    found = model.decoders["spectrum"].normalise(slope)
    assert (weight * found).sum() / weight.sum() == pytest.approx(0, abs=0.2)
    assert found.mean() > 0.4, "noisy pixels do not count"

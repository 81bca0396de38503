"""Decoding in the rest frame, and what does not reach what the model says."""

import math

import numpy as np
import pytest
import torch

from galaxies import TOY, batch_of, made_up_galaxies, mask_of, modalities_of
from mmae.config import read_section
from mmae.models import build_model
from mmae.models.batch import generator_of
from mmae.models.losses import redshift_loss
from mmae.models.restframe_decoder import RestframeDecoder
from mmae.settings import RestframeModel

LENGTH = 259
KNOWN = modalities_of(size=64, length=LENGTH)
WAVE = torch.tensor(KNOWN["spectrum"].geometry.wave)
ENTRY = TOY["models"]["restframe"]
SETTINGS = read_section(RestframeModel, ENTRY, "config")
N = 6


@pytest.fixture
def decoder() -> RestframeDecoder:
    torch.manual_seed(0)
    return RestframeDecoder(KNOWN["spectrum"], SETTINGS)


@pytest.fixture
def batch():
    return batch_of(made_up_galaxies(N, size=64, length=LENGTH))


@pytest.fixture
def model(batch):
    torch.manual_seed(0)
    model = build_model(ENTRY, {name: KNOWN[name] for name in ("image", "spectrum")})
    model.prepare(batch, N)
    return model.eval()


def places(decoder: RestframeDecoder) -> torch.Tensor:
    """Middle of each step of the rest frame, Å."""
    return (decoder.first + decoder.step * (torch.arange(decoder.n_rest) + 0.5)).exp()


@pytest.mark.parametrize(("rest_wave", "z"), [(6564.6, 0.1), (6564.6, 0.45), (1215.7, 2.5)])
def test_a_line_lands_where_its_redshift_says(decoder, rest_wave, z):
    rest = torch.zeros(1, decoder.n_rest)
    step = int((math.log(rest_wave) - decoder.first) / decoder.step)
    rest[0, step] = 1.0
    flux = decoder.shift(rest, torch.tensor([z]).log1p())[0]
    assert (WAVE[flux.argmax()] - rest_wave * (1 + z)).abs() < 24.0
    # photons are kept: flux times widths in ln(wavelength)
    widths = decoder.edges.diff()
    assert (flux * widths).sum().item() == pytest.approx(decoder.step, rel=1e-3)
    assert (flux > 1e-4).sum() <= 3


def test_a_smooth_spectrum_is_what_it_is_at_the_wavelengths_of_its_rest_frame(decoder):
    rest = (places(decoder) / 5000).log()[None].repeat(3, 1)
    z = torch.tensor([0.0, 0.3, 1.2])
    flux = decoder.shift(rest, z.log1p())
    expected = (WAVE / (1 + z[:, None]) / 5000).log()
    assert (flux - expected).abs().max() < 1e-3


def test_pixels_beyond_the_rest_frame_are_0(decoder):
    flux = decoder.shift(torch.ones(1, decoder.n_rest), torch.tensor([0.0]).log1p())[0]
    high = SETTINGS.rest_wave[1]
    assert (flux[high - 50 > WAVE] - 1).abs().max() < 1e-3
    flux = decoder.shift(torch.ones(1, decoder.n_rest), torch.tensor([5.5]).log1p())[0]
    assert (flux[SETTINGS.rest_wave[0] * 6.5 - 50 > WAVE] == 0).all()


def test_decoded_spectra_are_normalised_by_the_weights_that_are_given(decoder):
    ivar = torch.rand(4, LENGTH, generator=torch.Generator().manual_seed(0)) * 900
    flux = torch.randn(4, LENGTH, generator=torch.Generator().manual_seed(1))
    weight = ivar / (1 + ivar / SETTINGS.max_snr**2)
    found = decoder.normalise(3 * flux + 7, ivar)
    assert (weight * found).sum(dim=1).abs().max() / weight.sum(dim=1).min() < 1e-4
    rms = ((weight * found.square()).sum(dim=1) / weight.sum(dim=1)).sqrt()
    assert torch.allclose(rms, torch.ones(4), atol=1e-4)


def test_what_is_visible_tells_deviations_of_what_is_hidden():
    torch.manual_seed(0)
    settings = read_section(RestframeModel, ENTRY | {"deviations": 2}, "config")
    decoder = RestframeDecoder(KNOWN["spectrum"], settings)
    zeta = torch.rand(N).mul(0.5)
    directions = decoder.directions(zeta)
    assert directions.shape == (N, 2 + len(decoder.polynomials), LENGTH)
    decoded = torch.rand(N, LENGTH)
    flux = decoded + 1.5 * directions[:, 0] - 0.8 * directions[:, 1] + 0.1 * directions[:, 3]
    seen = torch.rand(LENGTH) < 0.4
    found = decoder.deviate(decoded, zeta, flux.masked_fill(~seen, 1e3), 400.0 * seen.expand(N, -1))
    before, after = ((one - flux)[:, ~seen].square().mean() for one in (decoded, found))
    assert after < 0.02 * before
    nothing = decoder.deviate(decoded, zeta, flux, torch.zeros(N, LENGTH))
    assert torch.allclose(nothing, decoded, atol=1e-5)


@pytest.mark.parametrize("deviations", [0, 3])
def test_hidden_values_do_not_reach_what_it_says(batch, deviations):
    torch.manual_seed(0)
    entry = ENTRY | {"deviations": deviations}
    model = build_model(entry, {name: KNOWN[name] for name in ("image", "spectrum")})
    model.prepare(batch, N)
    model.eval()
    masks = {
        "image": mask_of(KNOWN["image"], 3, 9, 40),
        "spectrum": mask_of(KNOWN["spectrum"], 2, 17, 30),
    }
    values = dict(batch.values)
    for name, mask in masks.items():
        hidden = KNOWN[name].covered(mask.tokens)
        values[name] = values[name].masked_fill(hidden, 1e3)
    other = batch._replace(values=values)
    for kind in ("mean", "mode"):
        ours, said = model.reconstruct(batch, masks, kind)
        theirs, also = model.reconstruct(other, masks, kind)
        for name in ours:
            assert torch.equal(ours[name], theirs[name])
        assert torch.equal(said.density.probability, also.density.probability)
        for one, two in zip(said[:-1], also[:-1], strict=True):
            assert torch.equal(one, two)
    assert not torch.equal(model.predict(other, {}).z_pred, model.predict(batch, {}).z_pred)


def test_masks_differ_by_galaxy_up_to_the_ratio_and_the_seed_decides(model):
    one, again, other = (model.draw_masks(400, 0.75, generator_of(s), True) for s in (0, 0, 1))
    for name in ("image", "spectrum"):
        assert torch.equal(one[name].tokens, again[name].tokens)
        assert not torch.equal(one[name].tokens, other[name].tokens)
    share = one["image"].tokens.float().mean(dim=1)
    assert share.max() <= 0.75 + 1 / 64
    assert (share == 0).float().mean().item() == pytest.approx(SETTINGS.whole, abs=0.1)
    spectrum = one["spectrum"].tokens.all(dim=1).float().mean().item()
    assert spectrum == pytest.approx(SETTINGS.dropped["spectrum"], abs=0.1)
    validation = model.draw_masks(4, 0.75, generator_of(0), False)
    assert validation["spectrum"].tokens.all()


def test_the_loss_of_its_own_drawing_is_0_and_galaxies_without_redshift_do_not_count(model, batch):
    masks = model.complete(batch, {"spectrum": mask_of(KNOWN["spectrum"], 1, 2, n=N)})
    with torch.no_grad():
        encoded = model(batch, masks)
        drawn = model.decoders["spectrum"](encoded.embedding, batch.redshift.log1p())
        same = batch._replace(values=batch.values | {"spectrum": drawn})
        assert model._parts(encoded, same, masks)["spectrum"].value == 0
        off = same._replace(values=same.values | {"spectrum": drawn + 2})
        assert model._parts(encoded, off, masks)["spectrum"].value == pytest.approx(4.0, rel=1e-4)
        unknown = off._replace(redshift=torch.full_like(batch.redshift, np.nan))
        assert model._parts(encoded, unknown, masks)["spectrum"].n == 0


def test_the_mean_spectrum_is_that_over_the_density(model, batch):
    """Of a whole hidden spectrum, at 24 redshifts that are equally probable."""
    masks = {"spectrum": mask_of(KNOWN["spectrum"], *range(KNOWN["spectrum"].n_tokens), n=N)}
    with torch.no_grad():
        values, _ = model.reconstruct(batch, masks)
        encoded = model(batch, model.complete(batch, masks))
        density = model.redshift_head.density(encoded.logits)
        z = density.quantiles([(k + 0.5) / 24 for k in range(24)])
        decoder = model.decoders["spectrum"]
        drawn = [decoder(encoded.embedding, one.log1p()) for one in z.T]
    assert torch.allclose(values["spectrum"], torch.stack(drawn).mean(dim=0), atol=1e-5)


def variant(batch, **settings):
    """The toy's model with a switch thrown."""
    torch.manual_seed(0)
    known = {name: KNOWN[name] for name in ("image", "spectrum")}
    model = build_model(ENTRY | settings, known)
    model.prepare(batch, N)
    return model.eval()


def test_without_ivar_as_input_it_changes_nothing(model, batch):
    other = batch._replace(ivar={"spectrum": torch.rand(N, LENGTH) * 100})
    louder = batch._replace(ivar={"spectrum": other.ivar["spectrum"] / 9})
    for one, matters in ((model, True), (variant(batch, ivar_input=False), False)):
        with torch.no_grad():
            ours, theirs = (one(b, one.complete(b, {})).embedding for b in (other, louder))
        assert torch.equal(ours, theirs) != matters


def test_pixels_at_lines_weigh_more_if_they_should(model, batch):
    masks = model.complete(batch, {})
    plain = model._weight("spectrum", batch, masks["spectrum"])
    found = variant(batch, line_weight=3.0)._weight("spectrum", batch, masks["spectrum"])
    ratio = (found / plain.clamp(min=1e-9))[plain > 0]
    assert set(ratio.tolist()) == {1.0, 4.0}
    far = (WAVE - 3728.48 * (1 + batch.redshift[:, None])).abs()  # of [O II]
    assert torch.equal(found[far < 12], 4 * plain[far < 12])
    assert (far < 12).any()


def test_the_papers_loss_of_the_point_estimate_may_join(batch):
    model = variant(batch, weights={"point": 2.0})
    masks = model.complete(batch, {})
    found = model(batch, masks)
    part = model._parts(found, batch, masks)["point"]
    median = model.redshift_head.density(found.logits).quantiles((0.5,))[:, 0]
    assert torch.equal(part.value, redshift_loss(median, batch.redshift).value)
    part.value.backward()
    assert model.redshift_head.network[0].weight.grad.abs().max() > 0


def test_learnt_weights_are_the_variances_of_the_losses(batch):
    model = variant(batch, dynamic_weights=True)
    parts = {"redshift": torch.tensor(3.0), "spectrum": torch.tensor(0.25)}
    assert model.total(parts).item() == pytest.approx(3.25)
    with torch.no_grad():
        # where the sum is least: s = ln(loss)
        for name, part in parts.items():
            model.log_variance[name].fill_(part.log())
    model.total(parts).backward()
    assert all(abs(model.log_variance[name].grad) < 1e-6 for name in parts)

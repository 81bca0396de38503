"""The paper's model by itself: sizes, shapes, what masks hide, files."""

import json

import pytest
import torch

from mmae.errors import InputError
from mmae.models import build_model
from mmae.models.batch import Batch, check_sizes, to_batch
from mmae.models.masking import random_mask
from mmae.models.paper import PaperMMAE
from mmae.models.weights import load_model, save_model
from mmae.settings import PaperModel

PAPER = {
    **{"kind": "paper", "image_size": 64, "image_patch": 8, "spectrum_length": 259},
    **{"spectrum_patch": 8, "dim": 256, "depth": 4, "heads": 8, "cross_layers": 4, "dropout": 0.1},
}
SMALL = PAPER | {"image_size": 24, "spectrum_length": 43, "dim": 16, "depth": 1, "heads": 2}


@pytest.fixture
def model() -> PaperMMAE:
    torch.manual_seed(0)
    return build_model(SMALL).eval()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    shapes = ((3, 5, 24, 24), (3, 43), (3,), (3, 5), (3, 5))
    arrays = [torch.rand(shape, generator=generator).numpy() for shape in shapes]
    return to_batch(*arrays, spectrum_length=43, device="cpu")


@pytest.fixture
def masks(model):
    generator = torch.Generator().manual_seed(2)
    return tuple(
        random_mask(3, n, 0.5, generator) for n in (model.n_image_tokens, model.n_spectrum_tokens)
    )


def test_the_papers_model_has_the_papers_size():
    model = build_model(PAPER)
    assert sum(p.numel() for p in model.parameters()) == 16_364_036
    assert (model.n_image_tokens, model.n_spectrum_tokens) == (64, 32)
    assert len(model.image_encoder.layers) == len(model.fusion) == 4


def test_shapes_on_the_way_are_those_of_the_comments(model, batch, masks):
    image = model.embed_image(batch.image)
    spectrum = model.embed_spectrum(batch.spectrum)
    assert image.shape == (3, 9, 16)
    assert spectrum.shape == (3, 5, 16)
    assert model.join(*model.fuse(image, spectrum)).shape == (3, 32)
    output = model(batch.image, batch.spectrum, *masks)
    shapes = [tuple(values.shape) for values in output]
    assert shapes == [(3, 5, 24, 24), (3, 43), (3,), (3, 32)]


def test_hidden_values_never_reach_the_output(model, batch, masks):
    image_mask, spectrum_mask = masks
    before = model(batch.image, batch.spectrum, *masks)
    hidden_image = model.image_pixels(image_mask).expand_as(batch.image)
    hidden_spectrum = model.spectrum_pixels(spectrum_mask)
    assert hidden_image.any()
    assert hidden_spectrum.any()
    after = model(
        batch.image.masked_fill(hidden_image, 99.0),
        batch.spectrum.masked_fill(hidden_spectrum, 99.0),
        *masks,
    )
    for ours, theirs in zip(before, after, strict=True):
        assert torch.equal(ours, theirs)


def test_visible_values_of_both_modalities_reach_the_redshift(model, batch, masks):
    z_pred = model(batch.image, batch.spectrum, *masks).z_pred
    assert not torch.equal(z_pred, model(batch.image + 1, batch.spectrum, *masks).z_pred)
    assert not torch.equal(z_pred, model(batch.image, batch.spectrum + 1, *masks).z_pred)


def test_both_directions_of_the_fusion_read_the_same_previous_state(model, batch):
    """One block's weights serve both directions: swapping the modalities swaps the results."""
    image, spectrum = model.embed_image(batch.image), model.embed_spectrum(batch.spectrum)
    fused = model.fuse(image, spectrum)
    swapped = model.fuse(spectrum, image)
    for ours, theirs in zip(fused, reversed(swapped), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(fused[0], image)


def test_weights_start_as_the_authors(model):
    """Glorot for linear layers with zero biases, He for the convolution; the head as torch's."""
    for layer in (model.spectrum_projection, model.image_decoder[0], model.spectrum_decoder[6]):
        bound = (6 / sum(layer.weight.shape)) ** 0.5
        assert (layer.bias == 0).all()
        assert 0.8 * bound < layer.weight.abs().max() <= bound
    convolution = model.image_projection.weight  # fan out: D x 8 x 8
    assert convolution.std().item() == pytest.approx((2 / (16 * 64)) ** 0.5, rel=0.1)
    assert (model.redshift_head[0].bias != 0).any()


def test_patches_come_back_where_they_were(model, batch):
    patches = batch.image.unfold(2, 8, 8).unfold(3, 8, 8)  # (B, C, H / 8, W / 8, 8, 8)
    values = patches.permute(0, 2, 3, 1, 4, 5).flatten(1)
    assert torch.equal(model.unpatchify(values), batch.image)


def test_masks_cover_the_pixels_of_their_tokens(model):
    mask = torch.zeros(1, model.n_image_tokens, dtype=torch.bool)
    mask[0, 5] = True  # second row, third column of 3 x 3
    pixels = model.image_pixels(mask)[0, 0]
    assert pixels[8:16, 16:24].all()
    assert pixels.sum() == 64
    spectrum = torch.zeros(1, model.n_spectrum_tokens, dtype=torch.bool)
    spectrum[0, 4] = True
    assert torch.nonzero(model.spectrum_pixels(spectrum)[0]).flatten().tolist() == [*range(32, 40)]


def test_losses_count_hidden_pixels_only(model, batch, masks):
    output = model(batch.image, batch.spectrum, *masks)
    losses = model.losses(output, *batch[:3], *masks)
    hidden = model.image_pixels(masks[0]).expand_as(batch.image)
    by_hand = (output.image - batch.image)[hidden].square().mean()
    assert torch.allclose(losses.image, by_hand)
    hidden = model.spectrum_pixels(masks[1])
    by_hand = (output.spectrum - batch.spectrum)[hidden].square().mean()
    assert torch.allclose(losses.spectrum, by_hand)
    none = torch.zeros_like(masks[1])
    assert model.losses(output, *batch[:3], masks[0], none).spectrum == 0


def test_slow_parameters_are_positions_and_queries(model):
    slow = {id(p) for p in model.slow_parameters()}
    names = {name for name, p in model.named_parameters() if id(p) in slow}
    assert names == {
        *("image_position", "spectrum_position", "image_pool.query", "spectrum_pool.query")
    }


def test_same_seed_same_weights():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build_model(SMALL).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["image_position"], states[2]["image_position"])


def test_saving_and_loading_is_identity(model, batch, masks, tmp_path):
    save_model(tmp_path, model, {"model": SMALL, "mask": 0.75})
    loaded, description = load_model(tmp_path)
    assert description["mask"] == 0.75
    assert not loaded.training
    for ours, theirs in zip(
        model(batch.image, batch.spectrum, *masks),
        loaded(batch.image, batch.spectrum, *masks),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_damaged_models_are_named(model, tmp_path):
    with pytest.raises(InputError, match=r"model\.json: found no such file"):
        load_model(tmp_path)
    save_model(tmp_path, model, {"model": SMALL | {"dim": 32}})
    with pytest.raises(InputError, match="weights that do not fit"):
        load_model(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="weights that do not fit"):
        load_model(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors: found no such file"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"mask": 0.75}))
    with pytest.raises(InputError, match=r"model\.json: found no description"):
        load_model(tmp_path)


def test_a_model_of_another_name_is_told(model, tmp_path):
    save_model(tmp_path, model, {"model": SMALL, "name": "mmae"})
    assert load_model(tmp_path, name="mmae")[1]["name"] == "mmae"
    with pytest.raises(InputError, match=r"model\.json: name: found 'mmae', expected model 'big'"):
        load_model(tmp_path, name="big")


def test_unknown_kinds_and_wrong_sizes_are_named():
    with pytest.raises(InputError, match=r"model\.kind: found 'vit', expected one of \['paper', "):
        build_model(SMALL | {"kind": "vit"})
    with pytest.raises(InputError, match="not a multiple of image_patch"):
        build_model(SMALL | {"image_size": 20})


def test_spectra_are_cut_or_padded_to_the_models_length(batch):
    parts = [values.numpy() for values in batch if values is not None]
    assert to_batch(*parts, 40, "cpu").spectrum.shape == (3, 40)
    longer = to_batch(*parts, 50, "cpu").spectrum
    assert longer.shape == (3, 50)
    assert (longer[:, 43:] == 0).all()


@pytest.mark.parametrize("entry", [None, "paper", {}])
def test_entries_that_are_none_are_named(entry):
    with pytest.raises(InputError, match=r"config: models\.m\.kind: found None, expected one of"):
        build_model(entry, "config", "models.m")


def test_arrays_of_other_sizes_are_refused(model):
    check_sizes(model, (9, 5, 24, 24), (9, 43), "arrays")
    check_sizes(model, (9, 5, 24, 24), (9, 259), "arrays")
    with pytest.raises(
        InputError, match=r"images: found shape \(9, 5, 64, 64\), expected \(N, 5, 24"
    ):
        check_sizes(model, (9, 5, 64, 64), (9, 43), "arrays")
    with pytest.raises(
        InputError, match=r"spectra: found 42 pooled pixels, expected at least .* 43"
    ):
        check_sizes(model, (9, 5, 24, 24), (9, 42), "arrays")


def test_settings_are_those_of_the_paper_model():
    assert build_model(SMALL).settings == PaperModel(**SMALL)

"""The paper's model by itself: sizes, shapes, what masks hide."""

import pytest
import torch

from galaxies import (
    SMALL_PAPER,
    TOY,
    batch_of,
    made_up_galaxies,
    mask_of,
    modalities_of,
    paper_model,
)
from mmae.errors import InputError
from mmae.models import build_model
from mmae.models.batch import Batch
from mmae.models.losses import redshift_loss
from mmae.models.masking import Mask, draw, hidden_values, random_mask
from mmae.models.paper import PaperMMAE, Tokens, others
from mmae.settings import PaperModel

PAPER = SMALL_PAPER | {"dim": 256, "depth": 4, "heads": 8, "cross_layers": 4, "dropout": 0.1}
KNOWN = modalities_of(size=24, length=43)
IMAGE, SPECTRUM = KNOWN["image"], KNOWN["spectrum"]


@pytest.fixture
def model() -> PaperMMAE:
    return paper_model(KNOWN, cross_layers=4)


@pytest.fixture
def batch() -> Batch:
    arrays = made_up_galaxies(3, size=24, length=43)
    batch = batch_of(arrays)
    return batch._replace(values={name: batch.values[name] for name in ("image", "spectrum")})


@pytest.fixture
def masks(model) -> dict[str, Mask]:
    generator = torch.Generator().manual_seed(2)
    return {
        name: Mask(random_mask(3, one.n_tokens, 0.5, generator))
        for name, one in model.modalities.items()
    }


def equal(one, other) -> bool:
    """Whether two outputs are the same bits."""
    parts = [(one.z_pred, other.z_pred), (one.embedding, other.embedding)]
    parts += [(one.reconstruction[name], other.reconstruction[name]) for name in one.reconstruction]
    return all(torch.equal(*pair) for pair in parts)


def test_the_papers_model_has_the_papers_size():
    model = build_model(PAPER, modalities_of(size=64, length=259))
    assert sum(p.numel() for p in model.parameters()) == 16_364_036
    assert [one.n_tokens for one in model.modalities.values()] == [64, 32]
    assert [len(encoder.layers) for encoder in model.encoders.values()] == [4, 4]
    assert len(model.fusion) == 4


def test_shapes_on_the_way_are_those_of_the_comments(model, batch, masks):
    embedded = {name: model.embed(name, batch.values[name], masks[name]) for name in masks}
    assert [tuple(tokens.shape) for tokens in embedded.values()] == [(3, 9, 16), (3, 5, 16)]
    tokens = {name: Tokens(values) for name, values in embedded.items()}
    assert model.concatenate(model.fuse(tokens)).shape == (3, 32)
    output = model(batch.values, masks)
    shapes = [*output.reconstruction.values(), output.z_pred, output.embedding]
    assert [tuple(s.shape) for s in shapes] == [(3, 5, 24, 24), (3, 43), (3,), (3, 32)]


@pytest.mark.parametrize("masking", ["zero", "drop"])
def test_hidden_values_never_reach_the_output(batch, masks, masking):
    model = paper_model(KNOWN, masking=masking)
    before = model(batch.values, masks)
    other = {}
    for name, values in batch.values.items():
        hidden = hidden_values(KNOWN[name], masks[name]).expand_as(values)
        assert hidden.any()
        assert not hidden.all()
        other[name] = values.masked_fill(hidden, 99.0)
    assert equal(before, model(other, masks))


@pytest.mark.parametrize("masking", ["zero", "drop"])
@pytest.mark.parametrize("mask_channel", [False, True])
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("image", {"bands": "g"}),
        ("image", {"dead_pixels": 0.2}),
        ("image", {"random": 0.3, "gap": 0.5}),
        ("spectrum", {"wave": (4000.0, 4300.0)}),
        ("spectrum", {"cosmic_rays": 9.0}),
    ],
)
def test_values_hidden_inside_tokens_never_reach_the_output(
    batch, masking, mask_channel, name, kinds
):
    model = paper_model(KNOWN, masking=masking, mask_channel=mask_channel)
    masks = {key: mask_of(one, n=3) for key, one in model.modalities.items()}
    masks[name] = draw(KNOWN[name], 3, kinds, torch.Generator().manual_seed(0))
    hidden = hidden_values(KNOWN[name], masks[name]).expand_as(batch.values[name])
    assert hidden.any()
    other = {name: batch.values[name].masked_fill(hidden, 99.0)}
    assert equal(model(batch.values, masks), model(batch.values | other, masks))
    other = {name: batch.values[name].masked_fill(~hidden, 99.0)}
    assert not equal(model(batch.values, masks), model(batch.values | other, masks))


@pytest.mark.parametrize("name", ["image", "spectrum"])
def test_with_a_mask_channel_the_model_is_told_what_is_hidden(batch, name):
    """A value of 0 that is hidden is not one that was measured."""
    hidden = torch.zeros(batch.values[name].shape, dtype=torch.bool)
    hidden[..., 3:7] = True
    values = batch.values | {name: batch.values[name].masked_fill(hidden, 0.0)}
    none = {key: mask_of(KNOWN[key], n=3) for key in ("image", "spectrum")}
    some = none | {name: none[name]._replace(values=hidden)}
    told, untold = (paper_model(KNOWN, mask_channel=has) for has in (True, False))
    assert equal(untold(values, none), untold(values, some))
    assert not equal(told(values, none), told(values, some))
    # for each galaxy what is hidden of it alone
    one = some | {
        name: some[name]._replace(
            values=hidden & (torch.arange(3) == 1).view(3, *[1] * (hidden.dim() - 1))
        )
    }
    changed = told(values, none).z_pred != told(values, one).z_pred
    assert changed.tolist() == [False, True, False]


def test_visible_values_of_both_modalities_reach_the_redshift(model, batch, masks):
    z_pred = model(batch.values, masks).z_pred
    for name, values in batch.values.items():
        assert not torch.equal(z_pred, model(batch.values | {name: values + 1}, masks).z_pred)


def embedded(model, batch) -> dict[str, Tokens]:
    names = model.modalities
    return {n: Tokens(model.embed(n, batch.values[n], mask_of(KNOWN[n], n=3))) for n in names}


def test_both_directions_of_the_fusion_read_the_same_previous_state(model, batch):
    """One block's weights serve both directions: swapping the modalities swaps the results."""
    tokens = embedded(model, batch)
    fused = model.fuse(tokens)
    swapped = model.fuse({"image": tokens["spectrum"], "spectrum": tokens["image"]})
    assert torch.equal(fused["image"].values, swapped["spectrum"].values)
    assert torch.equal(fused["spectrum"].values, swapped["image"].values)
    assert not torch.equal(fused["image"].values, tokens["image"].values)


def test_with_three_modalities_queries_read_the_others_concatenated(batch):
    known = KNOWN | {"photometry": modalities_of()["photometry"]}
    model = paper_model(known, modalities=list(known), cross_layers=2)
    generator = torch.Generator().manual_seed(3)
    tokens = {
        name: torch.randn((3, n, 16), generator=generator)
        for name, n in (("image", 9), ("spectrum", 5), ("photometry", 2))
    }
    state = dict(tokens)
    for block in model.fusion:
        state = {
            name: block(own, Tokens(torch.cat([state[o] for o in state if o != name], dim=1)))
            for name, own in state.items()
        }
    fused = model.fuse({name: Tokens(values) for name, values in tokens.items()})
    for name, values in state.items():
        assert torch.equal(fused[name].values, values)
    # in no other order, and with as many tokens
    read = others({name: Tokens(values) for name, values in tokens.items()}, "spectrum")
    assert torch.equal(read.values, torch.cat([tokens["image"], tokens["photometry"]], dim=1))
    assert read.padding is None


def test_padding_of_those_that_are_read_is_concatenated_with_them():
    tokens = {
        "a": Tokens(torch.ones(2, 3, 4), torch.tensor([[False, False, True], [False] * 3])),
        "b": Tokens(torch.ones(2, 2, 4)),
        "c": Tokens(torch.ones(2, 1, 4)),
    }
    assert others(tokens, "c").padding.tolist() == [
        [False, False, True, False, False],
        [False] * 5,
    ]
    assert others(tokens, "a").padding is None
    assert others({"a": tokens["a"]}, "a") is None, "nobody else is there"


def test_weights_start_as_the_authors(model):
    """Glorot for linear layers with zero biases, He for the convolution; the head as torch's."""
    linear = (
        model.projections["spectrum"],
        *(
            d[k]
            for d, k in zip(
                (model.decoders["image"], model.decoders["spectrum"]), (0, 6), strict=True
            )
        ),
    )
    for layer in linear:
        bound = (6 / sum(layer.weight.shape)) ** 0.5
        assert (layer.bias == 0).all()
        assert 0.8 * bound < layer.weight.abs().max() <= bound
    convolution = model.projections["image"].weight  # fan out: D x 8 x 8
    assert convolution.std().item() == pytest.approx((2 / (16 * 64)) ** 0.5, rel=0.1)
    assert (model.redshift_head[0].bias != 0).any()


def test_losses_count_hidden_pixels_only(model, batch, masks):
    output = model(batch.values, masks)
    parts = model.losses(batch, masks, torch.Generator()).parts
    for name, mask in masks.items():
        hidden = hidden_values(KNOWN[name], mask).expand_as(batch.values[name])
        by_hand = (output.reconstruction[name] - batch.values[name])[hidden].square().mean()
        assert torch.allclose(parts[name].value, by_hand)
        assert parts[name].n == hidden.sum()
    assert parts["redshift"] == redshift_loss(output.z_pred, batch.redshift)
    none = masks | {"spectrum": mask_of(SPECTRUM, n=3)}
    nothing = model.losses(batch, none, torch.Generator()).parts["spectrum"]
    assert (nothing.value, nothing.n) == (0, 0)
    # what a mask leaves out is all as if nothing were hidden
    assert model.losses(batch, {"image": masks["image"]}, torch.Generator()).parts == (
        model.losses(batch, none, torch.Generator()).parts
    )


def test_masks_of_values_count_in_the_losses(model, batch):
    mask = draw(IMAGE, 3, {"bands": "g"}, torch.Generator())
    output = model(batch.values, {"image": mask, "spectrum": mask_of(SPECTRUM, n=3)})
    part = model.losses(batch, {"image": mask}, torch.Generator()).parts["image"]
    by_hand = (output.reconstruction["image"] - batch.values["image"])[:, 0].square().mean()
    assert part.value.item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert part.n == 3 * 24 * 24


def test_slow_parameters_are_positions_and_queries(model):
    slow = {id(p) for p in model.slow_parameters()}
    names = {name for name, p in model.named_parameters() if id(p) in slow}
    assert names == {
        f"{part}"
        for name in ("image", "spectrum")
        for part in (f"positions.{name}", f"pools.{name}.query")
    }


def test_same_seed_same_weights():
    states = [paper_model(KNOWN, seed).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["positions.image"], states[2]["positions.image"])


def test_unknown_kinds_and_modalities_are_named():
    with pytest.raises(InputError, match=r"model\.kind: found 'vit', expected one of \['paper', "):
        paper_model(KNOWN, kind="vit")
    words = r"config: model: found a model that reads 'text', expected one of the modalities \['im"
    with pytest.raises(InputError, match=words):
        paper_model(KNOWN, modalities=["image", "text"], weights={}, dropped={})
    for part in ("mask_ratios", "dropped", "weights", "more_masks"):
        words = rf"{part}: 'text' is not among \['image', 'spectrum'"
        with pytest.raises(InputError, match=words):
            paper_model(KNOWN, **{part: {"text": 0.5}})
    with pytest.raises(InputError, match="bad values are hidden in training by `missing: hidden`"):
        paper_model(KNOWN, more_masks={"image": {"bad": True}})
    with pytest.raises(InputError, match="dim 16 is not a multiple of heads 3"):
        paper_model(KNOWN, heads=3)


@pytest.mark.parametrize("entry", [None, "paper", {}])
def test_entries_that_are_none_are_named(entry):
    with pytest.raises(InputError, match=r"config: models\.m\.kind: found None, expected one of"):
        build_model(entry, KNOWN, "config", "models.m")


def test_settings_are_those_of_the_paper_model():
    keys = SMALL_PAPER | {"modalities": ("image", "spectrum")}
    assert build_model(SMALL_PAPER, KNOWN).settings == PaperModel(**keys)
    assert paper_model(KNOWN).settings.reads == ("image", "spectrum")


@pytest.mark.parametrize("name", ["astroclip", "cnn"])
def test_what_reconstructs_nothing_says_so(batch, name):
    model = build_model(TOY["models"][name], modalities_of(size=64, length=43))
    with pytest.raises(InputError, match="found one that reconstructs nothing"):
        model.reconstruct(batch, {})

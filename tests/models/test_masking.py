"""What is hidden of galaxies: tokens, whole modalities, and values of every kind of mask."""

import pytest
import torch

from galaxies import modalities_of
from mmae.config import read_section
from mmae.errors import InputError
from mmae.instruments import BANDS, SKY_LINE_WAVE
from mmae.modalities.vector import Vector, VectorGeometry
from mmae.models.masking import (
    VALUE_MASKS,
    Mask,
    draw,
    hidden_values,
    modality_dropout,
    random_mask,
)
from mmae.settings import MASK_KINDS, VectorModality, View


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("ratio", "n_tokens", "n_hidden"), [(0.75, 64, 48), (0.75, 33, 24), (0.0, 8, 0), (1.0, 8, 8)]
)
def test_each_galaxy_hides_the_same_number(ratio, n_tokens, n_hidden):
    mask = random_mask(5, n_tokens, ratio, generator())
    assert mask.dtype == torch.bool
    assert mask.sum(dim=1).tolist() == [n_hidden] * 5


def test_galaxies_hide_different_tokens_and_every_token_is_hidden_sometimes():
    mask = random_mask(200, 16, 0.5, generator())
    assert len(torch.unique(mask, dim=0)) > 190
    share = mask.float().mean(dim=0)
    assert ((share > 0.35) & (share < 0.65)).all()


@pytest.mark.parametrize("ratio", [0.25, 0.75])
@pytest.mark.parametrize("parts", [[1000], [256, 256, 256, 232], [1, 7, 64, 928], [500] * 2])
def test_masks_drawn_part_by_part_are_those_drawn_at_once(ratio, parts):
    """Predictions stream: what a galaxy hides must not depend on the size of the blocks."""
    whole, stream = random_mask(1000, 33, ratio, generator()), generator()
    assert torch.equal(whole, torch.cat([random_mask(n, 33, ratio, stream) for n in parts]))


def test_the_generator_decides():
    one, same, other = (random_mask(4, 16, 0.5, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_dropout_by_galaxy_or_by_batch():
    by_galaxy = modality_dropout(1000, 0.5, "galaxy", generator())
    assert 400 < by_galaxy.sum() < 600
    source = generator()
    batches = [modality_dropout(10, 0.5, "batch", source) for _ in range(200)]
    assert {int(zeroed.sum()) for zeroed in batches} == {0, 10}
    assert 60 < sum(bool(zeroed[0]) for zeroed in batches) < 140
    assert not modality_dropout(100, 0.0, "galaxy", generator()).any()
    assert modality_dropout(100, 1.0, "batch", generator()).all()


# --- kinds of masks -------------------------------------------------------------------------------

KNOWN = modalities_of(size=16, length=259)
IMAGE, SPECTRUM, PHOTOMETRY = KNOWN.values()
WAVE = torch.tensor(SPECTRUM.geometry.wave, dtype=torch.float64)


def with_errors(n: int = 5, tokens: int = 2) -> Vector:
    """Numbers and their errors."""
    columns = tuple("abcdefghij"[:n])
    settings = VectorModality("vector", columns, columns, tokens=tokens)
    return Vector("catalogue", settings, VectorGeometry(columns, True))


def drawn(modality, kinds: dict, n: int = 4, seed: int = 0) -> torch.Tensor:
    """All values that a mask hides, (n, *shape)."""
    mask = draw(modality, n, kinds, generator(seed))
    assert mask.values is None or mask.values.shape[0] == n
    return (mask.values if mask.values is not None else torch.zeros(n, 1)).expand(
        n, *modality.shape
    )


def test_every_kind_of_the_settings_can_be_drawn():
    for kind, modality, argument in (
        ("random", IMAGE, 0.5),
        ("bands", IMAGE, "g"),
        ("wave", SPECTRUM, (4000.0, 5000.0)),
        ("arms", SPECTRUM, "R"),
        ("sky_lines", SPECTRUM, 20.0),
        ("bad", SPECTRUM, True),
        ("lost_band", IMAGE, 0.5),
        ("lost_arm", SPECTRUM, 0.5),
        ("gap", SPECTRUM, 0.5),
        ("cosmic_rays", IMAGE, 3.0),
        ("dead_pixels", IMAGE, 0.1),
        ("chip_edge", IMAGE, 0.5),
    ):
        assert kind in MASK_KINDS
        valid = torch.ones(4, *modality.shape, dtype=torch.bool)
        assert draw(modality, 4, {kind: argument}, generator(), valid).tokens.shape[0] == 4
    assert {*VALUE_MASKS} | {"random", "bad"} == {*MASK_KINDS}


def test_random_hides_tokens_and_no_values_inside_them():
    mask = draw(IMAGE, 5, {"random": 0.5}, generator())
    assert mask.values is None
    assert torch.equal(mask.tokens, random_mask(5, 4, 0.5, generator()))


@pytest.mark.parametrize(("names", "lost"), [("g", [0]), (("i", "y"), [2, 4])])
def test_bands_are_hidden_whole_and_no_others(names, lost):
    hidden = drawn(IMAGE, {"bands": names})
    for band in range(5):
        assert (hidden[:, band] == (band in lost)).all()
    mask = draw(IMAGE, 4, {"bands": names}, generator())
    assert not mask.tokens.any(), "tokens have other bands, too"
    assert draw(IMAGE, 4, {"bands": BANDS}, generator()).tokens.all()


def test_a_range_of_wavelengths_is_hidden_with_both_ends_and_nothing_else():
    ends = tuple(SPECTRUM.geometry.wave[k] for k in (10, 30))
    hidden = drawn(SPECTRUM, {"wave": ends})
    assert (hidden == ((torch.arange(259) >= 10) & (torch.arange(259) <= 30))).all()
    mask = draw(SPECTRUM, 4, {"wave": ends}, generator())
    # 11 to 30 are hidden: of the patches of 8 pixels, the third alone from its beginning to its end
    assert mask.tokens[0].nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [("B", 0, 5760), ("R", 5800, 7520), ("Z", 7620, 1e5), (("B", "R"), 0, 7520)],
)
def test_arms_are_hidden_where_no_other_arm_sees(names, low, high):
    hidden = drawn(SPECTRUM, {"arms": names})
    assert (hidden == ((low < WAVE) & (high > WAVE))).all()
    assert hidden.any()
    assert not hidden.all()


def test_sky_lines_are_hidden_as_wide_as_asked_for():
    hidden = drawn(SPECTRUM, {"sky_lines": 20.0})[0]
    for wave, has in zip(WAVE.tolist(), hidden.tolist(), strict=True):
        assert has == any(abs(wave - line) <= 20 for line in SKY_LINE_WAVE)
    wider = drawn(SPECTRUM, {"sky_lines": 60.0})[0]
    assert hidden.sum() < wider.sum() < 259
    assert (wider | hidden).equal(wider)


def test_bad_is_what_the_data_lack():
    valid = torch.ones(4, *IMAGE.shape, dtype=torch.bool)
    valid[1, 2, 3, 4] = valid[2] = False
    mask = draw(IMAGE, 4, {"bad": True}, generator(), valid)
    assert torch.equal(mask.values, ~valid)
    assert mask.tokens.all(dim=1).tolist() == [False, False, True, False]
    for kinds, known in (({"bad": False}, valid), ({"bad": True}, None)):
        assert draw(IMAGE, 4, kinds, generator(), known).values is None


def test_some_galaxies_lose_one_band():
    hidden = drawn(IMAGE, {"lost_band": 0.5}, n=2000)
    lost = hidden.flatten(2).all(dim=2)
    assert torch.equal(lost, hidden.flatten(2).any(dim=2)), "a band whole"
    assert lost.sum(dim=1).unique().tolist() == [0, 1]
    share = lost.float().mean(dim=0)
    assert ((share > 0.08) & (share < 0.12)).all(), "any band alike"
    assert not drawn(IMAGE, {"lost_band": 0.0}).any()
    assert drawn(IMAGE, {"lost_band": 1.0}).flatten(1).any(dim=1).all()


def test_some_galaxies_lose_one_arm():
    hidden = drawn(SPECTRUM, {"lost_arm": 0.5}, n=900)
    arms = torch.stack([drawn(SPECTRUM, {"arms": arm}, n=1)[0] for arm in "BRZ"])
    counts = torch.stack([(hidden == arm).all(dim=1) for arm in arms]).sum(dim=1)
    none = (~hidden).all(dim=1).sum()
    assert counts.sum() + none == 900
    assert 400 < none < 500
    assert ((counts > 110) & (counts < 190)).all()


@pytest.mark.parametrize("modality", [IMAGE, SPECTRUM, PHOTOMETRY], ids=lambda one: one.name)
def test_gaps_are_in_one_piece_and_never_longer_than_asked_for(modality):
    hidden = drawn(modality, {"gap": 0.5}, n=4000)
    length = modality.shape[-1]
    row = hidden.reshape(4000, -1, length)
    assert (row == row[:, :1]).all(), "the same in all rows of a galaxy"
    row = row[:, 0].int()
    starts = (row.diff(dim=1, prepend=torch.zeros(4000, 1)) == 1).sum(dim=1)
    assert starts.max() == 1
    assert row.sum(dim=1).max() <= length / 2 + 1
    assert len(row.sum(dim=1).unique()) > 0.3 * length, "gaps of any length"
    assert row.any(dim=0).all(), "and in any place"


def test_cosmic_rays_hit_a_few_values_in_a_row():
    hidden = drawn(IMAGE, {"cosmic_rays": 2.0}, n=1000)
    hits = hidden.flatten(1).sum(dim=1)
    # two hits of 1 to 4 pixels
    assert 4 < hits.float().mean() < 5
    one_hit = hidden[(hits > 0) & (hits <= 4)]
    assert (one_hit.flatten(2).any(dim=2).sum(dim=1) == 1).float().mean() > 0.6, "in one band"
    assert not drawn(IMAGE, {"cosmic_rays": 0.0}).any()
    spectra = drawn(SPECTRUM, {"cosmic_rays": 1.0}, n=1000)
    assert spectra.any(dim=0).float().mean() > 0.99, "in any place"


def test_dead_pixels_are_single_values():
    hidden = drawn(IMAGE, {"dead_pixels": 0.1}, n=200)
    assert hidden.float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert len(hidden.flatten(1).unique(dim=0)) == 200, "other ones of each galaxy"
    assert not hidden[:, 0].equal(hidden[:, 1])


def test_chips_end_on_either_side_of_some_galaxies():
    hidden = drawn(IMAGE, {"chip_edge": 0.5}, n=1000)
    columns = hidden[:, 0, 0]
    assert (hidden == columns[:, None, None]).all(), "in all bands and rows"
    assert columns.sum(dim=1).max() <= 8
    left, right = columns[:, 0], columns[:, -1]
    assert not (left & right).any()
    steps = columns.int().diff(dim=1).abs().sum(dim=1)
    assert steps.max() == 1, "from one end on"
    for side in (left, right):
        assert 190 < side.sum() < 310
    assert not drawn(IMAGE, {"chip_edge": 0.0}).any()


@pytest.mark.parametrize(
    ("modality", "kinds"),
    [
        (IMAGE, {"lost_band": 0.5}),
        (SPECTRUM, {"lost_arm": 0.5}),
        (SPECTRUM, {"gap": 0.5}),
        (IMAGE, {"cosmic_rays": 2.0}),
        (IMAGE, {"dead_pixels": 0.1}),
        (IMAGE, {"chip_edge": 0.5}),
    ],
    ids=lambda part: next(iter(part)) if isinstance(part, dict) else part.name,
)
def test_what_is_drawn_follows_the_generator(modality, kinds):
    one, same, other = (drawn(modality, kinds, 50, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_kinds_add_up_and_tokens_that_are_hidden_whole_are_hidden():
    kinds = {"random": 0.25, "bands": BANDS[:4], "gap": 1.0}
    mask = draw(IMAGE, 50, kinds, generator())
    assert (mask.tokens & random_mask(50, 4, 0.25, generator())).sum() == 50
    assert mask.values[:, :4].all()
    last = mask.values.expand(50, *IMAGE.shape)[:, 4]
    assert last.any()
    # patches of the left half, from top to bottom, where the gap covers them
    left = last[:, :, :8].flatten(1).all(dim=1)
    assert left.any()
    assert mask.tokens[left][:, [0, 2]].all()


def test_random_tokens_are_the_same_whatever_else_is_hidden():
    """So that a view with a band less differs from the headline's in that band alone."""
    plain = draw(IMAGE, 9, {"random": 0.25}, generator())
    more = draw(IMAGE, 9, {"random": 0.25, "bands": "g"}, generator())
    assert torch.equal(plain.tokens, more.tokens)


@pytest.mark.parametrize(
    ("modality", "kinds", "words"),
    [
        (SPECTRUM, {"bands": "g"}, "spectrum: bands: found .* of kind spectrum, expected .* bands"),
        (SPECTRUM, {"lost_band": 1.0}, "spectrum: lost_band: found .* expected one that has bands"),
        (IMAGE, {"wave": (1.0, 2.0)}, "image: wave: found a modality of kind image, .* has wave"),
        (PHOTOMETRY, {"arms": "R"}, "photometry: arms: found .* of kind vector, .* has wave"),
        (IMAGE, {"lost_arm": 1.0}, "image: lost_arm: found .* expected one that has wave"),
        (IMAGE, {"sky_lines": 9.0}, "image: sky_lines: found .* expected one that has wave"),
        (IMAGE, {"bands": ("g", "u")}, r"image: bands: found 'u', expected some of .*'g', 'r'"),
        (SPECTRUM, {"arms": "X"}, r"spectrum: arms: found 'X', expected some of \['B', 'R', 'Z'\]"),
    ],
)
def test_what_a_geometry_lacks_is_told_in_a_sentence(modality, kinds, words):
    with pytest.raises(InputError, match=rf"^masks: {words}"):
        draw(modality, 3, kinds, generator())


def test_errors_are_hidden_with_their_numbers_and_never_alone():
    """An error tells how bright a galaxy is."""
    catalogue = with_errors()
    for kinds in ({"dead_pixels": 0.3}, {"gap": 0.9}, {"cosmic_rays": 2.0}, {"chip_edge": 1.0}):
        hidden = drawn(catalogue, kinds, n=50)
        assert torch.equal(hidden[:, :5], hidden[:, 5:])
        assert hidden.any()


def test_values_that_no_decoder_gives_do_not_count():
    """Pixels beyond the last whole patch, and errors."""
    image = modalities_of(size=20)["image"]
    mask = draw(image, 3, {"bands": "g"}, generator())
    hidden = hidden_values(image, mask).expand(3, *image.shape)
    assert hidden[:, 0, :16, :16].all()
    assert hidden.sum() == 3 * 16 * 16
    catalogue = with_errors()
    mask = Mask(torch.zeros(3, 2, dtype=torch.bool), torch.ones(3, 10, dtype=torch.bool))
    assert hidden_values(catalogue, mask).sum(dim=1).tolist() == [5] * 3
    mask = Mask(torch.ones(3, 2, dtype=torch.bool))
    assert hidden_values(catalogue, mask).sum(dim=1).tolist() == [5] * 3


def test_some_of_the_galaxies_of_a_mask():
    """Bands are the same for all: still each galaxy has its own."""
    mask = draw(IMAGE, 6, {"bands": "g", "random": 0.5}, generator())
    mask = mask._replace(counts=torch.arange(6) > 2)
    for rows in (slice(4, 6), torch.tensor([4, 5])):
        part = mask.of(rows, "cpu")
        assert torch.equal(part.tokens, mask.tokens[4:])
        assert part.values.shape[0] == 2
        assert torch.equal(part.values, mask.values[4:])
        assert part.counts.tolist() == [True, True]


ARGUMENTS = {
    "random": ([0.0, 1.0], [1.5, "all", True]),
    "bands": (["g", ["g", "y"]], [3.0, True, []]),
    "wave": ([[4000.0, 5000.0]], [5000.0, "B", ["a", "b"], [1.0, 2.0, 3.0]]),
    "arms": (["R", ["B", "Z"]], [1.0, []]),
    "sky_lines": ([0.0, 20.0], ["x", -1.0]),
    "bad": ([True, False], ["yes"]),
    "lost_band": ([0.5], [2.0, "g"]),
    "lost_arm": ([0.5], [-0.5, "R"]),
    "gap": ([0.5], [1.5]),
    "cosmic_rays": ([3.0], [-1.0]),
    "dead_pixels": ([0.01], [1.01]),
    "chip_edge": ([1.0], ["left"]),
}


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_arguments_of_a_config_are_those_of_their_kind(kind):
    good, bad = ARGUMENTS[kind]
    for argument in good:
        view = read_section(View, {"hidden": {"image": {kind: argument}}}, "config")
        found = view.hidden["image"][kind]
        assert (list(found) if isinstance(found, tuple) else found) == argument
    for argument in bad:
        with pytest.raises(
            InputError, match=rf"^config: hidden\.image: {kind}: found .*, expected"
        ):
            read_section(View, {"hidden": {"image": {kind: argument}}}, "config")


def test_a_number_is_the_fraction_of_tokens_and_other_kinds_are_told():
    assert View({"image": 0.25}).hidden == {"image": {"random": 0.25}}
    with pytest.raises(InputError, match=r"hidden\.image: found a mask 'fog', expected some of"):
        read_section(View, {"hidden": {"image": {"fog": 0.5}}}, "config")
    with pytest.raises(InputError, match=r"hidden\.image: found 1\.5, expected less than or equal"):
        read_section(View, {"hidden": {"image": 1.5}}, "config")

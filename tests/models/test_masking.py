"""Which tokens and which spectra are hidden."""

import pytest
import torch

from mmae.models.masking import modality_dropout, random_mask


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

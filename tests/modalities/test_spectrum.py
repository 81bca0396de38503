"""Spectra: pooled pixels, patches, and where they come from."""

import h5py
import numpy as np
import pytest
import torch

from galaxies import TOY, modalities_of
from mmae.config import read_section
from mmae.dataset import layout
from mmae.dataset.spectra import normalise, normalise_pooled, pool, pool_by_ivar
from mmae.errors import InputError
from mmae.limits import Known
from mmae.modalities.spectrum import Spectrum
from mmae.settings import Arrays, SpectrumModality

SMALL = modalities_of(length=43)["spectrum"]
"""Five patches of 8 pixels, and three pixels beyond them."""
PIXELS = 120


def arrays_with(**keys) -> Arrays:
    return read_section(Arrays, TOY["arrays"] | keys, "config")


@pytest.fixture
def file(tmp_path):
    """Three spectra of 120 pixels, the last of which lacks some, and one value each."""
    rng = np.random.default_rng(0)
    flux = rng.normal(3, 1, (3, PIXELS)).astype("f4")
    ivar = np.ones_like(flux)
    ivar[2, 30:60] = ivar[2, 65] = 0
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file[layout.FLUX], file[layout.IVAR] = flux, ivar
        file[layout.WAVE] = 3600 + 0.8 * np.arange(PIXELS)[None]
        yield file


def spectrum_of(file, width: int = 30, **keys) -> Spectrum:
    settings = SpectrumModality("spectrum", 2, **keys)
    return Spectrum.of_file("spectrum", settings, file, arrays_with(pool=width))


def test_sizes_follow_from_the_geometry():
    assert (SMALL.shape, SMALL.n_tokens, SMALL.n_outputs) == ((43,), 5, 43)
    assert SMALL.wave.shape == (43,)


def test_masks_cover_the_pixels_of_their_tokens():
    tokens = torch.zeros(1, 5, dtype=torch.bool)
    tokens[0, 4] = True
    covered = SMALL.covered(tokens)
    assert covered.shape == (1, 43)
    assert covered[0].nonzero().flatten().tolist() == [*range(32, 40)]
    assert torch.equal(SMALL.whole_tokens(covered), tokens)
    covered[0, 39] = False
    assert not SMALL.whole_tokens(covered).any()


def test_all_outputs_are_pixels():
    outputs = torch.rand(2, 43)
    assert torch.equal(SMALL.arrange(outputs), outputs)


def test_tokens_are_the_patches_through_one_layer():
    torch.manual_seed(0)
    values, layer = torch.rand(2, 43), SMALL.projection(16, False)
    tokens = layer(values)
    assert tokens.shape == (2, 5, 16)
    assert torch.allclose(tokens[1, 3], layer.weight @ values[1, 24:32] + layer.bias, atol=1e-6)
    other = values.clone()
    other[:, 40:] = 9.0
    assert torch.equal(layer(other), tokens), "pixels beyond the last patch stay out"
    hidden = torch.rand(2, 43) < 0.5
    assert torch.equal(layer(values, hidden), tokens), "it is not told"


def test_it_may_be_told_which_pixels_are_hidden():
    torch.manual_seed(0)
    values, layer = torch.rand(2, 43), SMALL.projection(16, True)
    hidden = torch.zeros(2, 43, dtype=torch.bool)
    assert torch.equal(layer(values), layer(values, hidden))
    hidden[1, 25] = hidden[0, 42] = True
    changed = (layer(values, hidden) - layer(values)).abs().sum(dim=2) > 0
    assert changed.nonzero().tolist() == [[1, 3]]


def test_the_geometry_is_the_grid_after_pooling(file):
    spectrum = spectrum_of(file)
    assert spectrum.shape == (4,)
    assert spectrum.geometry.pool == 30
    assert spectrum.wave == pytest.approx(3600 + 0.8 * (14.5 + 30 * np.arange(4)))
    assert spectrum_of(file, 15).shape == (8,)
    with pytest.raises(InputError, match=r"arrays\.pool: found 121, expected at most the 120 pix"):
        spectrum_of(file, 121)


def test_spectra_are_normalised_pooled_and_nan_where_there_is_nothing(file):
    spectrum = spectrum_of(file)
    flux, ivar = file[layout.FLUX][:], file[layout.IVAR][:]
    with Known("f") as known:
        found = spectrum.read(file, slice(0, 3), known)
        assert np.array_equal(spectrum.read(file, slice(1, 3), known), found[1:], equal_nan=True)
    expected = pool(normalise(flux, ivar), 30)
    assert np.isnan(found).sum() == 1, "a pooled pixel none of whose pixels has any data"
    assert np.isnan(found[2, 1])
    assert np.array_equal(found[~np.isnan(found)], expected[~np.isnan(found)])
    assert found.dtype == np.float32
    assert known.damaged == 0, "no data is no damage"


@pytest.mark.parametrize(
    ("name", "value"), [("IVAR", -1.0), ("IVAR", np.nan), ("FLUX", np.inf), ("FLUX", np.nan)]
)
def test_one_pixel_that_cannot_be_loses_itself(file, name, value):
    spectrum = spectrum_of(file)
    flux, ivar = file[layout.FLUX][:], file[layout.IVAR][:]
    file[getattr(layout, name)][1, 17] = value
    flux[1, 17] = ivar[1, 17] = 0
    with Known("f") as known:
        found = spectrum.read(file, slice(0, 3), known)
    assert np.array_equal(found[1], pool(normalise(flux, ivar), 30)[1])
    assert known.damaged == 1


def test_pooled_by_ivar_the_inverse_variance_is_known(file):
    spectrum = spectrum_of(file, pooling="ivar")
    assert spectrum.has_ivar
    assert not spectrum_of(file).has_ivar
    assert spectrum.geometry != spectrum_of(file).geometry
    flux, ivar = file[layout.FLUX][:], file[layout.IVAR][:]
    with Known("f") as known:
        found = spectrum.read(file, slice(0, 3), known)
    values, weights = normalise_pooled(*pool_by_ivar(flux, ivar, 30))
    assert found.shape == (3, 2, 4)
    assert np.array_equal(found[:, 1], weights)
    assert np.array_equal(np.isnan(found[:, 0]), weights == 0)
    assert np.array_equal(np.nan_to_num(found[:, 0]), values)


def test_a_file_without_spectra_has_none(tmp_path):
    with h5py.File(tmp_path / "g.hdf5", "w") as file:
        assert not SMALL.is_in(file)

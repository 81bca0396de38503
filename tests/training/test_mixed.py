"""A trained model goes on, with real spectra among the simulated ones."""

import numpy as np
import pytest
import torch

from galaxies import TOY, made_up_galaxies, modalities_of, split_of, training_with
from mmae.errors import InputError
from mmae.modalities import to_plain
from mmae.modalities.spectrum import NORMALISATION, Spectrum, SpectrumGeometry
from mmae.settings import SpectrumModality
from mmae.training.mixed import mixed
from mmae.training.run import train_model

N, REAL = 48, 5
GEOMETRY = modalities_of(length=259)["spectrum"].geometry
SPECTRUM = Spectrum(
    "spectrum",
    SpectrumModality("spectrum", 8, pooling="ivar"),
    SpectrumGeometry(GEOMETRY.wave, GEOMETRY.pool, NORMALISATION["ivar"]),
)
SPLIT = split_of(N)
ENTRY = TOY["models"]["restframe"] | {"modalities": ["spectrum"], "dropped": {}}


@pytest.fixture(scope="module")
def arrays():
    made = made_up_galaxies(N, length=259)
    ivar = np.full_like(made.values["spectrum"], 4.0)
    return made._replace(modalities=to_plain([SPECTRUM]), ivar={"spectrum": ivar})


def real(n: int = REAL) -> tuple[np.ndarray, np.ndarray]:
    values = np.full((n, 2, 259), 7.0, np.float32)
    return values, np.linspace(0.2, 0.6, n)


def trained(arrays, split=SPLIT, start=None, **keys):
    settings = training_with(epochs=1, **keys)
    return train_model(ENTRY, "sky", arrays, split, 0.5, 0, settings, "made up", start=start).model


def test_half_of_what_is_learnt_from_is_real(arrays):
    values, redshift = real()
    redshift[1], values[2, 1] = np.nan, 0
    both, rows = mixed(arrays, SPLIT, SPECTRUM, values, redshift, 0)
    train = rows["train"]
    is_real = train >= N
    assert is_real.mean() == 0.5
    assert len({*train[is_real]}) == REAL - 2, "without a redshift or a pixel there is none"
    assert {*train[~is_real]} <= {*SPLIT["train"]}
    assert (both.values["spectrum"][train[is_real]] == 7).all()
    assert np.isin(both.redshift[train[is_real]], redshift[[0, 3, 4]].astype("f4")).all()
    assert np.array_equal(rows["validation"], SPLIT["validation"])


def test_what_cannot_be_tuned_on_is_refused(arrays):
    values, redshift = real()
    with pytest.raises(InputError, match="none with a redshift"):
        mixed(arrays, SPLIT, SPECTRUM, values, np.full(REAL, np.nan), 0)
    with pytest.raises(InputError, match="ivar"):
        mixed(arrays, SPLIT, modalities_of()["spectrum"], values, redshift, 0)


def test_it_goes_on_from_a_model_and_keeps_the_last_epoch(arrays):
    start = trained(arrays).state_dict()
    both, rows = mixed(arrays, SPLIT, SPECTRUM, *real(), 0)
    still = trained(both, rows, start, learning_rate=1e-9, schedule="constant").state_dict()
    for name, before in start.items():
        assert torch.allclose(still[name], before, atol=1e-6), name
    moved = trained(both, rows, start, learning_rate=1e-3, schedule="constant").state_dict()
    assert any(not torch.allclose(moved[name], before, atol=1e-4) for name, before in start.items())


def test_a_model_of_another_size_is_no_start(arrays):
    start = trained(arrays).state_dict() | {"start": torch.zeros(1, 1, 3)}
    with pytest.raises(InputError, match=r"models\.sky.*that of the model of --from"):
        trained(arrays, start=start)

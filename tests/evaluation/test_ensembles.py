"""Densities as qp reads them, and the estimator in RAIL: `make test-rail` installs both."""

from contextlib import chdir
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import TOY, made_up_galaxies, modalities_of
from mmae.errors import InputError
from mmae.evaluation.catalogue import open_catalogues
from mmae.evaluation.ensembles import pdfs_of
from mmae.evaluation.predict_catalogue import shown_modalities, write_predictions
from mmae.metrics.uncertainty import pit
from mmae.models import build_model
from mmae.models.base import Prediction
from mmae.models.weights import save_model
from mmae.settings import View
from mmae.survey.galaxiesml import write_galaxiesml

N = 10
WHOLE = View({"spectrum": {"random": 1.0}})


@pytest.fixture(scope="module", params=["annuli", "bcnn"])
def entry(request) -> dict:
    """Models with a density, and with a Gaussian."""
    return TOY["models"][request.param]


@pytest.fixture(scope="module")
def model(entry) -> torch.nn.Module:
    torch.manual_seed(0)
    known = modalities_of(64, 259, TOY["modalities"]["image"]["patch"])
    return build_model(entry, known).eval()


@pytest.fixture
def files(tmp_path, model) -> tuple[Path, Path, Path]:
    """Galaxies, of which the fourth has no image, their table of predictions, and densities."""
    images = made_up_galaxies(N, size=64).values["image"].copy()
    images[3] = np.nan
    own, table, densities = (tmp_path / name for name in ("own.hdf5", "z.csv", "z_qp.hdf5"))
    write_galaxiesml(own, {"object_id": np.arange(N) + 10**17}, iter([images]))
    opened = open_catalogues([own], shown_modalities(model, WHOLE))
    write_predictions(table, model, opened, WHOLE, 0, 4, None, densities)
    return own, table, densities


def test_densities_have_unit_area_and_the_table_beside_them(files):
    """Also where qp is not installed."""
    with h5py.File(files[2]) as file:
        assert file["ancil/object_id"][:].tolist() == (np.arange(N) + 10**17).tolist()
        np.testing.assert_array_equal(np.isnan(file["ancil/zmode"]), np.arange(N) == 3)
        if "pdfs" in file["data"]:
            area = file["data/pdfs"][:] @ np.diff(file["meta/bins"][0])
            np.testing.assert_allclose(area, 1, atol=1e-5)
            assert np.ptp(file["data/pdfs"][3]) == 0, "says nothing"


def test_a_model_without_densities_is_told():
    with pytest.raises(InputError, match="found one without densities"):
        pdfs_of(Prediction(torch.ones(3)), np.ones(3, bool))


def test_qp_reads_the_same_redshifts(files):
    qp = pytest.importorskip("qp")
    table, ensemble = pd.read_csv(files[1]), qp.read(str(files[2]))
    assert ensemble.npdf == N
    known = table["z_pred"].notna().to_numpy()
    np.testing.assert_allclose(ensemble.ppf(0.5).ravel()[known], table["z_pred"][known], atol=1e-3)
    ends = {"z_low95": 0.025, "z_low68": 0.16, "z_high68": 0.84, "z_high95": 0.975}
    for name, level in ends.items():
        if name in table:
            np.testing.assert_allclose(
                ensemble.ppf(level).ravel()[known], table[name][known], atol=2e-3
            )
    if "z_low68" not in table:  # a Gaussian: our PIT is qp's distribution function
        z_spec = np.linspace(0.1, 1, N)
        ours = pit(table["z_pred"][known], table["z_std"][known], z_spec[known])
        theirs = np.diagonal(ensemble.cdf(z_spec))[known]
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_rail_estimates_the_same_densities(tmp_path, files, model, entry):
    qp = pytest.importorskip("qp")
    pytest.importorskip("rail.estimation.estimator")
    from rail.core.data import TableHandle

    from mmae.evaluation.rail import MmaeEstimator

    folder = tmp_path / "model"
    folder.mkdir()
    save_model(folder, model, {"model": entry, "mask": 0.0})
    options = {"trained": str(folder), "hdf5_groupname": "", "chunk_size": 4}
    with chdir(tmp_path):
        stage = MmaeEstimator.make_stage(name="mmae", **options)
        found = stage.estimate(TableHandle("galaxies", path=str(files[0])))()
    expected = qp.read(str(files[2]))
    z = np.linspace(0.05, 1.5, 40)
    np.testing.assert_allclose(found.cdf(z), expected.cdf(z), atol=1e-5)
    np.testing.assert_array_equal(found.ancil["zmode"], expected.ancil["zmode"])

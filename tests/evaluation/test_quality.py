"""What is measured of each kind of reconstruction, and of what nothing is learnt for."""

import numpy as np
import pytest
import torch

from galaxies import TOY, made_up_galaxies, modalities_of
from mmae.evaluation.predict import reconstruct
from mmae.evaluation.quality import quality_table, radial
from mmae.models import build_model
from mmae.models.batch import load_batch
from mmae.settings import Scoring, View

N = 12
SCORING = Scoring(bootstrap_samples=20)


@pytest.fixture(scope="module")
def said():
    arrays = made_up_galaxies(N, size=64, length=259)
    known = modalities_of(size=64, length=259)
    torch.manual_seed(0)
    entry = TOY["models"]["restframe"]
    model = build_model(entry, {name: known[name] for name in ("image", "spectrum")})
    rows = np.arange(N)
    model.prepare(load_batch(arrays, rows, model.modalities, "cpu"), N)
    view = View({"image": 0.5, "spectrum": 1.0})
    return model.eval(), reconstruct(model.eval(), arrays, rows, view, 0, 5, ("mode",))


def test_each_kind_is_measured_where_it_differs_and_lines_at_both_redshifts(said):
    model, values = said
    values = values | {"spectrum_mode": values["spectrum"]}
    table = quality_table(model, values, SCORING)
    of = table[table["part"] == "all"].set_index(["quantity", "kind", "at"])["value"]
    assert of["spectrum mse", "mode", "z_spec"] == 0 < of["spectrum mse", "mean", "z_spec"]
    image = table[table["quantity"] == "image psnr"]
    assert image["kind"].unique().tolist() == ["mean", "profile"], "no modes of images"
    lines = table[table["quantity"].str.startswith("line found")]
    shown = set(lines[["kind", "at"]].itertuples(index=False, name=None))
    assert shown <= {("mean", "z_spec"), ("mode", "z_spec"), ("mode", "z_pred")}
    assert not table[table["at"] == "z_pred"]["quantity"].str.startswith("image").any()


def test_redshifts_are_scored_as_everywhere(said):
    model, values = said
    z_spec = values["z_spec"].astype(float)
    z_pred = z_spec + (1 + z_spec) * np.array([0.2] + [0.01] * 5 + [-0.01] * 6)
    table = quality_table(model, values | {"z_pred": z_pred}, SCORING)
    whole = table[table["part"] == "all"].set_index("quantity")
    assert whole.loc["redshift", "scatter"] == pytest.approx(1.4826 * 0.01, rel=1e-3)
    assert whole.loc["redshift outlier", "value"] == pytest.approx(1 / N)


def test_what_is_round_is_known_from_what_is_visible():
    y, x = np.indices((64, 64)) - 31.5
    round_one = np.exp(-np.hypot(x, y) / 12).astype(np.float32) * np.ones((2, 5, 1, 1), np.float32)
    hidden = np.zeros((2, 5, 64, 64), dtype=bool)
    hidden[..., :40, 33:50] = True
    found = radial(np.where(hidden, 1e3, round_one).astype(np.float32), hidden)
    assert np.array_equal(found[~hidden], round_one[~hidden])
    assert np.abs(found - round_one)[hidden].max() < 0.04

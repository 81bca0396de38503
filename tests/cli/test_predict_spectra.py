"""`mmae predict --spectra` on files of other surveys, as a user runs it."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from galaxies import TOY, batch_of, made_up_galaxies, modalities_of
from helpers import assert_one_sentence, run_mmae
from mmae.cli import group
from mmae.errors import InputError
from mmae.instruments import desi_wave
from mmae.models import build_model
from mmae.models.masking import Mask
from mmae.models.weights import load_model, save_model

N = 5
NAMES = [40, 10, 50, 30, 20]


def predict(*words: object) -> Result:
    """The command in this process, whose errors are raised."""
    words = ["predict", *map(str, words)]
    return CliRunner().invoke(group, words, catch_exceptions=False)


def saved(folder, kind: str):
    """A model of DESI's pixels that has learnt nothing but scales."""
    known = modalities_of(size=64, length=259)
    entry = TOY["models"][kind]
    model_of = {name: known[name] for name in entry.get("modalities", ["image", "spectrum"])}
    torch.manual_seed(0)
    model = build_model(entry, model_of)
    model.prepare(batch_of(made_up_galaxies(64, size=64, length=259)), 64)
    folder.mkdir()
    save_model(folder, model, {"model": entry, "name": kind, "mask": 0.75})
    return folder


@pytest.fixture(scope="module")
def restframe(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("models") / "restframe", "restframe")


@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    """Spectra in the order NAMES; the third has no data."""
    flux = 5 + np.random.default_rng(0).normal(0, 1, (N, 7781))
    ivar = np.ones(flux.shape)
    ivar[2] = 0
    path = tmp_path_factory.mktemp("spectra") / "a.npz"
    z = np.linspace(0.1, 0.5, N)
    np.savez(path, wave=desi_wave(), flux=flux, ivar=ivar, z=z, targetid=NAMES)
    return path


@pytest.fixture
def options(restframe, toy_config, tmp_path):
    return ["--model", restframe, "--predictions", tmp_path / "z.csv", *toy_config]


def test_rows_are_those_of_the_files(spectra, options, tmp_path):
    more = tmp_path / "b.npz"
    np.savez(more, **{"loglam": np.log10(desi_wave()), "flux": np.ones(7781) + desi_wave() / 1e4})
    result = run_mmae("predict", "--spectra", spectra, more, *options)
    assert result.returncode == 0, result.stderr
    assert f"{N + 1} galaxies in " in result.stderr
    assert "b.npz: no ivar or error" in result.stderr
    table = pd.read_csv(tmp_path / "z.csv")
    assert list(table) == [
        *("file", "id", "z_spec", "z_pred", "z_std", "z_low95", "z_low68", "z_high68", "z_high95"),
        *("delta_chi2", "no_redshift", "flags"),
    ]
    assert table["file"].tolist() == ["a.npz"] * N + ["b.npz"]
    assert table["id"].tolist() == [*map(str, NAMES), "b"]
    np.testing.assert_allclose(table["z_spec"][:N], np.linspace(0.1, 0.5, N))
    assert table["z_pred"].isna().tolist() == [False, False, True, False, False, False]
    assert table["delta_chi2"].isna().tolist() == table["z_pred"].isna().tolist()
    sure = table["delta_chi2"] >= 25
    assert table["no_redshift"].tolist() == (~sure).tolist()
    assert table["flags"].fillna("").tolist() == ["", "", "ivar zero", "", "", "ivar missing"]
    assert run_mmae("metrics", tmp_path / "z.csv").returncode == 0


def test_redshifts_are_those_of_the_model(spectra, options, restframe, tmp_path):
    """Also by halves: what is shown depends neither on the file's order nor on batches."""
    predict(*options, "--spectra", spectra)
    table = pd.read_csv(tmp_path / "z.csv")
    model, _ = load_model(restframe)
    arrays = dict(np.load(spectra))
    values = model.modalities["spectrum"].pooled(
        *(arrays[name].astype(np.float32) for name in ("flux", "ivar"))
    )
    batch = batch_of(made_up_galaxies(N, size=64, length=259))
    values = torch.from_numpy(np.nan_to_num(values))
    batch.values["image"].zero_()
    batch = batch._replace(values=batch.values | {"spectrum": values}, valid={}, ivar={})
    hidden = torch.ones(N, model.modalities["image"].n_tokens, dtype=torch.bool)
    with torch.no_grad():
        said = model.predict(batch, {"image": Mask(hidden)})
    seen = [0, 1, 3, 4]
    np.testing.assert_allclose(table["z_pred"][seen], said.z_pred[seen], rtol=1e-4)
    np.testing.assert_allclose(table["delta_chi2"][seen], said.delta_chi2[seen], rtol=1e-2)


def test_images_of_the_same_name_are_seen_besides(spectra, options, tmp_path, caplog):
    caplog.set_level("INFO")
    images = tmp_path / "images.hdf5"
    with h5py.File(images, "w") as file:
        file["image"] = np.random.default_rng(1).normal(1, 1, (3, 5, 64, 64)).astype("f4")
        file["object_id"] = [30, 99, 50]
    tables = []
    for files in ([], [images]):
        result = predict(*files, *options, "--spectra", spectra)
        assert result.exit_code == 0
        tables.append(pd.read_csv(tmp_path / "z.csv").set_index("id"))
    assert "2 of 5 spectra have an image of the same name" in caplog.text
    alone, both = tables
    changed = ~np.isclose(alone["z_std"], both["z_std"], rtol=1e-6, equal_nan=True)
    assert dict(zip(NAMES, changed, strict=True)) == {
        **{40: False, 10: False, 20: False, 30: True, 50: True}
    }
    # an image says something of what has no spectrum, but not how well a spectrum fits
    assert both["z_pred"].notna().all()
    assert np.isnan(both.loc[50, "delta_chi2"])


def test_the_papers_model_reads_spectra_and_has_no_fit(spectra, options, toy_config, tmp_path):
    words = ["--model", saved(tmp_path / "mmae", "mmae"), *options[2:]]
    result = predict(*words, "--spectra", spectra)
    assert result.exit_code == 0
    table = pd.read_csv(tmp_path / "z.csv")
    assert list(table) == ["id", "z_spec", "z_pred", "no_redshift", "flags"]
    assert table["z_pred"].notna().tolist() == [True, True, False, True, True]
    assert table["no_redshift"].fillna("").tolist() == ["", "", True, "", ""]


def test_a_view_hides_parts_of_spectra_but_not_all(spectra, options, tmp_path):
    tables = []
    for fraction in ("0.0", "0.75"):
        view = ["--view", '{"spectrum": ' + fraction + "}"]
        assert predict("--spectra", spectra, *view, *options).exit_code == 0
        tables.append(pd.read_csv(tmp_path / "z.csv")["z_std"].dropna())
    assert not np.isclose(*tables, rtol=1e-6).any()
    with pytest.raises(InputError, match="view: found the spectrum hidden, expected one that"):
        predict("--spectra", spectra, "--view", '{"spectrum": 1.0}', *options)


def test_models_that_read_no_spectra_are_refused(spectra, options, tmp_path):
    words = ["--model", saved(tmp_path / "cnn", "cnn"), *options[2:]]
    with pytest.raises(InputError, match="cnn: found a model that reads image, expected one that"):
        predict("--spectra", spectra, *words)
    assert not (tmp_path / "z.csv").exists()


def test_wrong_spectra_end_in_one_sentence_and_no_table(options, tmp_path):
    np.savez(tmp_path / "a.npz", wave=np.arange(300.0, 900.0), flux=np.ones(600))
    result = run_mmae("predict", "--spectra", tmp_path / "a.npz", *options)
    assert_one_sentence(result, "a.npz: wavelengths: found 300 to 899, as if in nm")
    assert not (tmp_path / "z.csv").exists()
    result = predict(*options)
    assert result.exit_code == 2

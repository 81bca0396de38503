"""The released GalaxiesML-Spectra, on stand-ins: its schema, its grids, the authors' test set."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import arrays_of
from helpers import assert_one_sentence, run_mmae, shared
from mmae.dataset import layout
from mmae.dataset.split import in_common
from mmae.errors import InputError
from mmae.instruments import BANDS
from mmae.modalities import from_plain

N_PAPER = 134_533


def stand_in(path, n: int = 6, n_wave: int = 7783, wave_rows: int | None = 1, **more) -> None:
    """A file as the authors' loader reads it."""
    rng = np.random.default_rng(0)
    wave = 3600 + 0.8 * np.arange(n_wave)
    with h5py.File(path, "w") as file:
        file[layout.IMAGE] = rng.normal(size=(n, 5, 64, 64)).astype("f4")
        file[layout.FLUX] = rng.normal(size=(n, n_wave)).astype("f4")
        file[layout.IVAR] = np.ones((n, n_wave), "f4")
        file[layout.WAVE] = wave if wave_rows is None else np.tile(wave, (wave_rows, 1))
        file[layout.REDSHIFT] = more.get("redshift", np.linspace(0.1, 1, n))
        file[layout.TARGETID] = np.array([str(39627000000000000 + k).encode() for k in range(n)])


@pytest.mark.parametrize("n_wave", [7781, 7783])
@pytest.mark.parametrize("wave_rows", [None, 1, 6])
def test_both_lengths_and_all_forms_of_wave_give_the_same_pixels(tmp_path, n_wave, wave_rows):
    stand_in(tmp_path / "d.h5", n_wave=n_wave, wave_rows=wave_rows)
    arrays = arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)
    assert arrays.values["spectrum"].shape == (6, 259)
    wave = from_plain(arrays.modalities, "arrays")["spectrum"].wave
    assert wave[:2] == pytest.approx([3611.6, 3635.6])
    assert arrays.targetid[0] == 39627000000000000


def test_magnitudes_are_measured_where_the_release_has_none(small_survey, tmp_path):
    with h5py.File(small_survey.dataset) as whole, h5py.File(tmp_path / "d.h5", "w") as bare:
        for name in (*layout.REQUIRED, layout.WAVE):
            bare[name] = whole[name][:]
        catalogue = np.stack([whole[name][:] for name in layout.MAGNITUDES], axis=1)
    arrays = arrays_of(tmp_path / "arrays", tmp_path / "d.h5")
    measured = arrays.values["photometry"][:, :5]
    bright = catalogue[:, 2] < 21
    difference = (measured - catalogue)[bright]
    assert np.abs(np.nanmedian(difference, axis=0)).max() < 0.4, "part of the light is outside"
    assert np.nanstd(difference[:, 2]) < 0.5


@pytest.mark.parametrize("folder", layout.FOLDERS[:2])
def test_magnitudes_are_known_by_both_names_and_told(tmp_path, caplog, folder):
    caplog.set_level("INFO")
    stand_in(tmp_path / "d.h5")
    magnitudes = np.random.default_rng(0).uniform(18, 24, (6, 5))
    columns = [f"{band}_cmodel_mag" for band in BANDS]
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        for name, values in zip(columns, magnitudes.T, strict=True):
            file[f"{folder}/{name}"] = values
    arrays = arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)
    np.testing.assert_allclose(arrays.values["photometry"][:, :5], magnitudes, rtol=1e-6)
    found = from_plain(arrays.modalities, "arrays")["photometry"].geometry.columns
    assert found[:5] == tuple(columns)
    assert f"photometry: {folder}/{columns[0]}, " in caplog.text
    words = ("--dataset", tmp_path / "d.h5", "--summary", tmp_path / "summary.csv")
    assert run_mmae("summarise", *words).returncode == 0
    (i_mag,) = pd.read_csv(tmp_path / "summary.csv").iloc[:, -1]
    assert i_mag == pytest.approx(np.quantile(magnitudes[:, 2], 0.9))
    # four bands of five are no reason to measure all of them anew
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        del file[f"{folder}/{columns[3]}"]
    words = r"d\.h5: modality 'photometry': found magnitudes g_cmodel_mag .* alone, expected"
    with pytest.raises(InputError, match=words):
        arrays_of(tmp_path / "others", tmp_path / "d.h5", chunk_size=4)


def test_magnitudes_that_are_measured_are_told(tmp_path, caplog):
    caplog.set_level("INFO")
    stand_in(tmp_path / "d.h5")
    arrays = arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)
    instead = [f"measured/{band}_aperture_mag" for band in BANDS]
    found = from_plain(arrays.modalities, "arrays")["photometry"].geometry.columns
    assert list(found[:5]) == instead
    assert f"lacks are measured instead: {' '.join(instead)}" in caplog.text


@pytest.mark.parametrize(
    ("targetid", "words"),
    [
        (np.arange(6) + 39627000000000000.0, r"found values such as 3\.9627e\+16 \(float64\)"),
        ([b"39627000000000000.0"] * 6, "invalid literal for int"),
        (np.full(6, 2**64 - 1, np.uint64), "integers of 64 bits"),
    ],
)
def test_targetids_that_are_no_integers_are_refused(tmp_path, targetid, words):
    stand_in(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        del file[layout.TARGETID]
        file[layout.TARGETID] = targetid
    with pytest.raises(InputError, match=rf"d\.h5: dataset 'targetid': .*{words}"):
        arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)


def fetch(tmp_path, path):
    outputs = ("--dataset", tmp_path / "link.h5", "--schema", tmp_path / "schema.csv")
    return run_mmae("fetch-released", "--file", path, *outputs)


def test_the_schema_is_reported(tmp_path):
    stand_in(tmp_path / "d.h5")
    result = fetch(tmp_path, tmp_path / "d.h5")
    assert result.returncode == 0, result.stderr
    schema = pd.read_csv(tmp_path / "schema.csv").set_index("dataset")
    assert schema.loc["image"].tolist() == ["float32 (6, 5, 64, 64)", "(N, 5, 64, 64)"]
    assert schema.loc["targetid", "found"] == "|S17 (6,)"
    assert (tmp_path / "link.h5").resolve() == tmp_path / "d.h5"


@pytest.mark.parametrize("name", layout.REQUIRED)
def test_a_missing_dataset_is_named_with_all_that_are_there(tmp_path, name):
    stand_in(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        del file[name]
    result = fetch(tmp_path, tmp_path / "d.h5")
    assert_one_sentence(result, "d.h5", f"dataset '{name}'", "found only", "expected")
    assert not (tmp_path / "link.h5").exists()
    assert not (tmp_path / "schema.csv").exists()
    assert "float32 (6, 5, 64, 64)" in result.stderr or name == layout.IMAGE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "damaged or truncated"),
        (b"", "damaged or truncated"),
    ],
)
def test_a_file_that_is_no_hdf5(tmp_path, content, words):
    (tmp_path / "d.h5").write_bytes(content)
    assert_one_sentence(fetch(tmp_path, tmp_path / "d.h5"), "d.h5", words)


@pytest.mark.parametrize("dtype", ["S4", "i8"])
def test_images_of_another_type_are_named(tmp_path, dtype):
    stand_in(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        del file[layout.FLUX]
        file[layout.FLUX] = np.ones((6, 7783)).astype(dtype)
    if dtype == "i8":
        arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)
        return
    with pytest.raises(InputError, match=r"dataset 'spectrum/flux': found text, expected numbers"):
        arrays_of(tmp_path / "arrays", tmp_path / "d.h5", chunk_size=4)


# --- the authors' test set ------------------------------------------------------------------------


def authors_rows() -> np.ndarray:
    """Test rows as the authors' train.py draws them: random_split of lengths, seed 0."""
    lengths = [94_173, 20_179, 20_181]
    generator = torch.Generator().manual_seed(0)
    parts = torch.utils.data.random_split(range(N_PAPER), lengths, generator)
    return np.array(parts[2].indices)


@pytest.fixture(scope="module")
def paper_sized(tmp_path_factory):
    """A stand-in with the real test redshifts at the rows of the authors' test set."""
    theirs = shared("himes2025") / (
        "mmae_fullmaskspectrum_quartermaskimage_redshift_predictions.csv"
    )
    y_test = pd.read_csv(theirs)["y_test"].to_numpy()
    redshift = np.random.default_rng(1).uniform(5, 6, N_PAPER)
    redshift[authors_rows()] = np.random.default_rng(2).permutation(y_test)
    path = tmp_path_factory.mktemp("paper") / "d.h5"
    with h5py.File(path, "w") as file:
        for name, shape in ((layout.IMAGE, (5, 64, 64)), (layout.FLUX, (2,)), (layout.IVAR, (2,))):
            file.create_dataset(name, (N_PAPER, *shape), "f4", chunks=(1, *shape))
        file[layout.REDSHIFT] = redshift
        file[layout.TARGETID] = np.arange(N_PAPER).astype("S")
    return path, theirs


@pytest.mark.parametrize(("seed", "same"), [(0, True), (1, False)])
def test_split_gives_the_authors_test_set(paper_sized, tmp_path, seed, same):
    dataset, theirs = paper_sized
    split, report = tmp_path / "split.npz", tmp_path / "report.csv"
    options = ("--config", "config/config.yaml", "--config", f'{{"split": {{"seed": {seed}}}}}')
    result = run_mmae("split", "--dataset", dataset, "--split", split, *options)
    assert result.returncode == 0, result.stderr
    files = ("--dataset", dataset, "--split", split, "--predictions", theirs, "--report", report)
    result = run_mmae("check-split", *files)
    assert result.returncode == 0, result.stderr
    counts = pd.read_csv(report).set_index("quantity")["count"]
    assert counts["test galaxies here"] == counts["test galaxies of the authors"] == 20_181
    assert (counts["redshifts in common"] == 20_181) == same
    assert ("is NOT the authors'" in result.stderr) != same


def test_a_multiset_counts_repeats():
    assert in_common(np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 4.0])) == 2
    assert in_common(np.array([0.1], np.float64), np.array([0.1], np.float32)) == 1

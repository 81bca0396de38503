"""Redshifts of a user's own files: the same as in memory, block by block, whatever is in them."""

import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from galaxies import TOY, made_up_galaxies, modalities_of, split_of
from mmae.dataset import layout
from mmae.dataset.arrays import TrainingArrays
from mmae.dataset.photometry import half_light_radii
from mmae.errors import InputError
from mmae.evaluation import catalogue as catalogues
from mmae.evaluation.catalogue import n_blocks, open_catalogues, read_blocks
from mmae.evaluation.predict import predict
from mmae.evaluation.predict_catalogue import (
    NO_NUMBER,
    predict_catalogues,
    shown_modalities,
    write_predictions,
)
from mmae.evaluation.views import Model
from mmae.instruments import BANDS
from mmae.modalities.image import BLANK, NOT_FINITE
from mmae.models import build_model
from mmae.settings import View
from mmae.survey.galaxiesml import IMAGE, MAGNITUDES, OBJECT_ID, REDSHIFT
from mmae.training.run import train_model

N = 64
RELEASED_MAGNITUDES = tuple(f"HSC_metadata/{band}_cmodel_mag" for band in BANDS)
HEADLINE_VIEW = View({"image": {"random": 0.25}, "spectrum": {"random": 1.0}})
WHOLE_IMAGE = View({"spectrum": {"random": 1.0}})


@pytest.fixture(scope="module")
def arrays() -> TrainingArrays:
    made_up = made_up_galaxies(N, size=64, length=259)
    # measured in the images, as the sizes of galaxies in files are
    sizes = half_light_radii(made_up.values["image"])
    photometry = np.hstack([magnitudes_of(made_up), sizes]).astype("f4")
    return made_up._replace(values=made_up.values | {"photometry": photometry})


def magnitudes_of(arrays: TrainingArrays) -> np.ndarray:
    """Magnitudes (N, 5), which stand before the sizes."""
    return arrays.values["photometry"][:, :5]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """Models at the toy's sizes: networks with random weights, trees on made-up galaxies."""
    torch.manual_seed(0)
    known, names = modalities_of(64, 259, TOY["modalities"]["image"]["patch"]), TOY["models"]
    found = {name: build_model(names[name], known) for name in ("mmae", "cnn", "bcnn", "bcnn-mag")}
    entry, many = TOY["models"]["gbdt"], made_up_galaxies(400)
    trees = train_model(entry, "gbdt", many, split_of(400), 0.0, 0, None, "arrays")
    return {name: model.eval() for name, model in found.items()} | {"gbdt": trees.model}


def write_file(path: Path, arrays: TrainingArrays, rows: slice = slice(None), **options) -> Path:
    """A file in GalaxiesML's layout, of some galaxies of the arrays."""
    with h5py.File(path, "w") as file:
        file.create_dataset(IMAGE, data=arrays.values["image"][rows], **options)
        file[OBJECT_ID] = arrays.targetid[rows]
        file[REDSHIFT] = arrays.redshift[rows]
        for name, values in zip(MAGNITUDES, magnitudes_of(arrays)[rows].T, strict=True):
            file[name] = values
    return path


def replace(path: Path, name: str, values: object) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values


def opened_for(model: Model, *paths: Path, view: View = WHOLE_IMAGE) -> list[catalogues.Catalogue]:
    """Files of which is read what a view shows; and images, in which damage is looked for."""
    images = {"image": modalities_of(64)["image"]}
    return open_catalogues(paths, shown_modalities(model, view), images)


def table_of(
    model: Model,
    *paths: Path,
    view: View = WHOLE_IMAGE,
    batch_size: int = 16,
    without: Counter | None = None,
) -> pd.DataFrame:
    """All redshifts of some files."""
    opened = opened_for(model, *paths, view=view)
    without = Counter() if without is None else without
    parts = list(predict_catalogues(model, opened, view, 0, batch_size, without))
    assert len(parts) == sum(n_blocks(one, batch_size) for one in opened)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("mmae", HEADLINE_VIEW),
        ("mmae", WHOLE_IMAGE),
        ("cnn", WHOLE_IMAGE),
        ("bcnn-mag", WHOLE_IMAGE),
        ("gbdt", WHOLE_IMAGE),
    ],
)
def test_redshifts_are_those_of_the_same_galaxies_in_memory(tmp_path, arrays, models, name, view):
    path = write_file(tmp_path / "own.hdf5", arrays)
    in_memory = predict(models[name], arrays, np.arange(N), view, 0, 16)
    found = table_of(models[name], path, view=view)
    assert list(found) == ["object_id", *list(in_memory)[1:]]
    assert ("z_std" in found) == (name in ("bcnn-mag", "cnn"))
    assert in_memory["z_pred"].nunique() > N / 4
    assert found.rename(columns={"object_id": "targetid"}).equals(in_memory)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_several_files_and_any_blocks_give_one_table(tmp_path, arrays, models, batch_size):
    cuts = (slice(0, 23), slice(23, 24), slice(24, N))
    chunks = [(10, 1, 64, 64), None, (3, 5, 64, 64)]
    paths = [
        write_file(tmp_path / f"{k}.hdf5", arrays, rows, chunks=chunks[k])
        for k, rows in enumerate(cuts)
    ]
    found = table_of(models["mmae"], *paths, view=HEADLINE_VIEW, batch_size=batch_size)
    in_memory = predict(models["mmae"], arrays, np.arange(N), HEADLINE_VIEW, 0, 16)
    assert found["object_id"].tolist() == arrays.targetid.tolist()
    np.testing.assert_allclose(found["z_pred"], in_memory["z_pred"], rtol=0, atol=1e-5)


def test_chunks_are_read_whole_unless_they_are_huge(tmp_path, arrays, models, monkeypatch, caplog):
    path = write_file(tmp_path / "own.hdf5", arrays, chunks=(20, 5, 8, 8))
    (opened,) = opened_for(models["cnn"], path)
    assert opened.chunk == 20
    # 3 chunks of 20 in blocks of 8, 8 and 4, and 4 galaxies
    assert [len(block.z_spec) for block in read_blocks(opened, 8)] == [8, 8, 4] * 3 + [4]
    # 30 in one block are 2 chunks
    assert [len(block.z_spec) for block in read_blocks(opened, 30)] == [30, 10, 24]
    monkeypatch.setattr(catalogues, "LARGEST_READ_MB", 1)
    (opened,) = opened_for(models["cnn"], path)
    assert [len(block.z_spec) for block in read_blocks(opened, 30)] == [30, 30, 4]
    assert "stored in chunks of 20 galaxies" in caplog.text
    assert "h5repack -l image:CHUNK=16x5x64x64" in caplog.text


def test_of_chunks_that_grow_when_they_are_read_a_block_is_taken_at_a_time(
    tmp_path, arrays, models, monkeypatch, caplog
):
    """Images of a byte a pixel are four times as large in memory."""
    path = write_file(tmp_path / "own.hdf5", arrays)
    images = np.random.default_rng(0).integers(0, 255, (N, 5, 64, 64), np.uint8)
    with h5py.File(path, "r+") as file:
        del file[IMAGE]
        file.create_dataset(IMAGE, data=images, chunks=(N, 3, 64, 64), compression="gzip")
    monkeypatch.setattr(catalogues, "LARGEST_READ_MB", 2)
    (opened,) = opened_for(models["cnn"], path)
    # six bands are stored, two chunks, and kept unpacked while blocks are taken out of them
    assert (opened.chunk, opened.cache_bytes) == (1, N * 6 * 64 * 64)
    assert caplog.text == ""
    blocks = [block.values["image"] for block in read_blocks(opened, 24)]
    assert [len(block) for block in blocks] == [24, 24, 16]
    np.testing.assert_array_equal(np.concatenate(blocks), images)


def test_the_layout_of_galaxiesml_spectra_is_known_too(tmp_path, arrays, models):
    path = tmp_path / "spectra.hdf5"
    with h5py.File(path, "w") as file:
        file[layout.IMAGE] = arrays.values["image"].astype("f8")
        file[layout.TARGETID] = arrays.targetid.astype("S")
        file[layout.REDSHIFT] = arrays.redshift
        for name, values in zip(layout.MAGNITUDES, magnitudes_of(arrays).T, strict=True):
            file[name] = values
    in_memory = predict(models["gbdt"], arrays, np.arange(N), WHOLE_IMAGE, 0, 16)
    found = table_of(models["gbdt"], path)
    assert found["targetid"].tolist() == [str(targetid) for targetid in arrays.targetid]
    assert found.drop(columns="targetid").equals(in_memory.drop(columns="targetid"))


def write_released(path: Path, arrays: TrainingArrays) -> Path:
    """A file in the layout of the released dataset: identifiers of both surveys at its top."""
    with h5py.File(path, "w") as file:
        file[layout.IMAGE] = arrays.values["image"]
        file[OBJECT_ID] = np.arange(N)
        file[layout.TARGETID] = arrays.targetid.astype("S")
        file[layout.REDSHIFT] = arrays.redshift
        file["DESI_fibermap/MORPHTYPE"] = np.full(N, b"EXP")
        file["DESI_redshift_err"] = np.full(N, 1e-4)
        for name, values in zip(RELEASED_MAGNITUDES, magnitudes_of(arrays).T, strict=True):
            file[name] = values
    return path


def test_the_layout_of_the_released_dataset_is_known_by_what_it_has_of_desi(
    tmp_path, arrays, models, caplog
):
    caplog.set_level("INFO")
    path = write_released(tmp_path / "released.hdf5", arrays)
    in_memory = predict(models["gbdt"], arrays, np.arange(N), WHOLE_IMAGE, 0, 16)
    found = table_of(models["gbdt"], path)
    assert found["targetid"].tolist() == [str(targetid) for targetid in arrays.targetid]
    assert found.drop(columns="targetid").equals(in_memory.drop(columns="targetid"))
    assert "released.hdf5: photometry: HSC_metadata/g_cmodel_mag, HSC_metadata/r_" in caplog.text


def test_of_larger_images_the_middle_is_read(tmp_path, arrays, models):
    path = write_file(tmp_path / "own.hdf5", arrays)
    large = np.random.default_rng(0).normal(size=(N, 5, 127, 127)).astype("f4")
    large[:, :, 31:95, 31:95] = arrays.values["image"]
    small = table_of(models["cnn"], path)
    replace(path, IMAGE, large)
    assert table_of(models["cnn"], path).equals(small)


def test_z_spec_is_there_where_one_file_knows_it(tmp_path, arrays, models):
    paths = [write_file(tmp_path / f"{k}.hdf5", arrays, slice(0, 5)) for k in range(2)]
    with h5py.File(paths[0], "r+") as file:
        del file[REDSHIFT]
        for name in MAGNITUDES:
            del file[name]
    assert list(table_of(models["cnn"], paths[0]))[:2] == ["object_id", "z_pred"]
    both = table_of(models["cnn"], *paths)
    assert both["z_spec"].isna().tolist() == [True] * 5 + [False] * 5
    assert both["z_pred"].notna().all()


def test_galaxies_without_an_image_have_no_redshift_and_are_counted(
    tmp_path, arrays, models, caplog
):
    path = write_file(tmp_path / "own.hdf5", arrays)
    whole = table_of(models["bcnn-mag"], path)
    with h5py.File(path, "r+") as file:
        file[IMAGE][3, 2, 10, 10] = np.nan
        file[IMAGE][20, 0, 0, 63] = -np.inf
        file[IMAGE][21, 4] = 0.0
        file[IMAGE][22] = 7.0
        file[IMAGE][23] = np.nan
    bad = [3, 20, 21, 22, 23]
    without: Counter[str] = Counter()
    found = table_of(models["bcnn-mag"], path, without=without)
    assert np.flatnonzero(found["z_pred"].isna()).tolist() == bad
    assert np.flatnonzero(found["z_std"].isna()).tolist() == bad
    assert found.drop(index=bad).equals(whole.drop(index=bad)), "others are as they were"
    assert without == {NOT_FINITE: 2, "image without g r i z y": 1, BLANK: 2}
    opened = opened_for(models["bcnn-mag"], path)
    table = tmp_path / "z.csv"
    assert write_predictions(table, models["bcnn-mag"], opened, WHOLE_IMAGE, 0, 16) == N
    assert f"2 of {N} galaxies without z_pred: {NOT_FINITE}" in caplog.text
    assert f"2 of {N} galaxies without z_pred: {BLANK}" in caplog.text
    assert pd.read_csv(table)["z_pred"].isna().sum() == len(bad)


def test_a_prediction_that_is_no_number_is_empty(tmp_path, arrays, models):
    path = write_file(tmp_path / "own.hdf5", arrays)
    with h5py.File(path, "r+") as file:
        file[IMAGE][5, 2, 10, 10] = 3e38
    without: Counter[str] = Counter()
    found = table_of(models["mmae"], path, without=without)
    assert np.flatnonzero(found["z_pred"].isna()).tolist() == [5]
    assert without == {NO_NUMBER: 1}


@pytest.mark.parametrize("name", ["gbdt", "bcnn-mag"])
def test_magnitudes_and_redshifts_that_cannot_be_are_unknown(
    tmp_path, arrays, models, name, caplog
):
    path = write_file(tmp_path / "own.hdf5", arrays)
    tables = []
    for value in (np.nan, np.inf, -np.inf, 99.0, -99.0, -999.0):
        replace(path, "z_cmodel_mag", np.full(N, value))
        replace(path, REDSHIFT, np.full(N, value))
        caplog.clear()
        tables.append(table_of(models[name], path, batch_size=16))
        words = f"{N} of {{}} values are not from {{}} and taken as unknown, such as {value:g}"
        said = [record.getMessage() for record in caplog.records]
        assert said == [
            f"{path}: {REDSHIFT}: {words.format(N, '-0.1 to 20')}",
            f"{path}: z_cmodel_mag: {words.format(N, '5 to 35')}",
        ] * (not np.isnan(value))
    assert tables[0]["z_spec"].isna().all()
    assert all(table.equals(tables[0]) for table in tables)


def peak_memory(model: Model, path: Path, n: int, table: Path) -> float:
    """Bytes that Python and numpy hold at most while `n` galaxies are predicted."""
    shown = path.with_name(f"{n}.hdf5")
    with h5py.File(path) as source, h5py.File(shown, "w", libver="latest") as file:
        for name in (IMAGE, OBJECT_ID):
            whole = h5py.VirtualSource(str(path), name, source[name].shape)
            virtual = h5py.VirtualLayout((n, *source[name].shape[1:]), source[name].dtype)
            for start in range(0, n, N):
                virtual[start : start + N] = whole
            file.create_virtual_dataset(name, virtual)
    opened = opened_for(model, shown)
    tracemalloc.start()
    assert write_predictions(table, model, opened, WHOLE_IMAGE, 0, 32) == n
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pd.read_csv(table)) == n
    return peak


def test_memory_does_not_grow_with_the_number_of_galaxies(tmp_path, arrays, models):
    path = write_file(tmp_path / "own.hdf5", arrays)
    few, many = (peak_memory(models["bcnn"], path, n, tmp_path / "z.csv") for n in (4 * N, 16 * N))
    assert few > 32 * arrays.values["image"][0].nbytes, "images of a block are seen by the tracer"
    assert many < 1.2 * few


def test_rows_are_written_before_the_next_are_read(tmp_path, arrays, models, monkeypatch):
    """So that neither predictions nor galaxies are collected."""
    path, table = write_file(tmp_path / "own.hdf5", arrays), tmp_path / "z.csv"
    events = []
    to_csv, read = pd.DataFrame.to_csv, catalogues._read
    monkeypatch.setattr(
        pd.DataFrame, "to_csv", lambda *a, **k: (events.append("w"), to_csv(*a, **k))
    )
    monkeypatch.setattr(catalogues, "_read", lambda *a: (events.append("r"), read(*a))[1])
    opened = opened_for(models["cnn"], path)
    write_predictions(table, models["cnn"], opened, WHOLE_IMAGE, 0, 16)
    assert events == ["r", "w"] * 4


# --- files and models that do not do --------------------------------------------------------------


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def delete(name: str, path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]


def make_group(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[IMAGE]
        file.create_group(IMAGE)


def without_rows(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in list(file):
            shape = file[name].shape[1:]
            del file[name]
            file[name] = np.zeros((0, *shape))


BAD_FILES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (Path.unlink, "cnn", "own.hdf5: found no such file"),
    "truncated": (truncate, "cnn", "own.hdf5: found a damaged or truncated file"),
    "no HDF5": (lambda p: p.write_text("z"), "cnn", "expected an HDF5 file"),
    "no images": (partial(delete, IMAGE), "cnn", r"dataset 'image': found only \['g_cmodel_mag'"),
    "no identifiers": (partial(delete, OBJECT_ID), "cnn", "dataset 'object_id': found only"),
    "no magnitudes": (
        partial(delete, "z_cmodel_mag"),
        "gbdt",
        "modality 'photometry': found magnitudes g_cmodel_mag r_cmodel_mag i_cmodel_mag "
        "y_cmodel_mag alone, expected those of all columns, or none; the view shows the modality",
    ),
    "no magnitudes at all": (
        lambda p: [delete(name, p) for name in MAGNITUDES],
        "gbdt",
        r"modality 'photometry', columns: found \('measured/g_aperture_mag', .*"
        r"expected \('g_cmodel_mag', .*as the model was trained on",
    ),
    "identifiers that are decimal numbers": (
        lambda p: replace(p, OBJECT_ID, np.arange(N) + 4e16),
        "cnn",
        r"dataset 'object_id': found values such as 4e\+16 \(float64\), expected integers or text",
    ),
    "no magnitudes for a network": (partial(delete, MAGNITUDES[0]), "bcnn-mag", "r_cmodel_mag"),
    "other images": (
        lambda p: replace(p, IMAGE, np.zeros((N, 5, 32, 32))),
        "cnn",
        r"dataset 'image': found shape \(64, 5, 32, 32\), expected shape \(N, 5, 64, 64\)",
    ),
    "other bands": (
        lambda p: replace(p, IMAGE, np.zeros((N, 64, 64, 3))),
        "cnn",
        r"found shape \(64, 64, 64, 3\), expected shape \(N, 5, 64, 64\)",
    ),
    "a group of images": (make_group, "cnn", "dataset 'image': found a group"),
    "redshifts that are text": (
        lambda p: replace(p, REDSHIFT, np.full(N, b"0.1")),
        "cnn",
        "dataset 'specz_redshift': found text, expected numbers",
    ),
    "datasets of unequal length": (
        lambda p: replace(p, OBJECT_ID, np.arange(3)),
        "cnn",
        "datasets of different lengths",
    ),
    "no galaxy": (without_rows, "cnn", "dataset 'image': found no galaxy, expected at"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_do_not_do_are_told_before_anything_is_read(tmp_path, arrays, models, case):
    damage, model, words = BAD_FILES[case]
    good = write_file(tmp_path / "good.hdf5", arrays)
    path = write_file(tmp_path / "own.hdf5", arrays)
    damage(path)
    with pytest.raises(InputError, match=words):
        opened_for(models[model], good, path)


def test_models_and_views_that_do_not_do_are_told(tmp_path, arrays, models):
    path = write_file(tmp_path / "own.hdf5", arrays)
    spectra = View({"spectrum": {"random": 0.25}})
    words = "dataset 'spectrum/flux': found only .*; the view shows the modality 'spectrum'"
    with pytest.raises(InputError, match=words):
        table_of(models["mmae"], path, view=spectra)
    with pytest.raises(InputError, match="hides no parts"):
        table_of(models["cnn"], path, view=HEADLINE_VIEW)
    known = modalities_of(64, 259, TOY["modalities"]["image"]["patch"])
    clip = build_model(TOY["models"]["astroclip"], known).eval()
    with pytest.raises(InputError, match="model: found one that gives no redshifts"):
        table_of(clip, path)
    small = build_model(TOY["models"]["cnn"], modalities_of(32))
    words = r"own\.hdf5: modality 'image', size: found 64, expected 32, as the model was trained on"
    with pytest.raises(InputError, match=words):
        opened_for(small, path)


def test_files_that_name_galaxies_differently_are_told(tmp_path, arrays, models):
    path, other = (write_file(tmp_path / f"{k}.hdf5", arrays) for k in range(2))
    with h5py.File(other, "r+") as file:
        file.move(OBJECT_ID, layout.TARGETID)
    with pytest.raises(InputError, match="'object_id': found 'targetid' instead, expected"):
        opened_for(models["cnn"], path, other)


def test_rows_that_cannot_be_read_are_named_and_nothing_is_left(tmp_path, arrays, models):
    path = write_file(tmp_path / "own.hdf5", arrays, chunks=(8, 5, 64, 64), fletcher32=True)
    with h5py.File(path) as file:
        place = file[IMAGE].id.get_chunk_info(5).byte_offset
    with path.open("r+b") as stream:
        stream.seek(place + 1000)
        stream.write(b"\xff" * 64)
    table = tmp_path / "new" / "z.csv"
    opened = opened_for(models["cnn"], path)
    with pytest.raises(InputError, match="dataset 'image', rows 40 to 47: found data that fail"):
        write_predictions(table, models["cnn"], opened, WHOLE_IMAGE, 0, 16)
    assert list(table.parent.iterdir()) == []

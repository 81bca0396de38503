"""Models on catalogue columns, kept with skops."""

import time
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from galaxies import TOY, batch_of, made_up_galaxies, modalities_of, split_of
from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.models import build_model
from mmae.models.estimator import Columns, Estimator
from mmae.models.weights import load_model, save_model

N = 400
SPLIT = split_of(N)
KINDS = ("gbdt", "median")


@pytest.fixture(scope="module")
def arrays():
    return made_up_galaxies(N, size=4, length=8)


def columns(arrays, part: str, names=("photometry",)) -> Columns:
    rows = SPLIT[part]
    parts = [arrays.values[name][rows] for name in names]
    return Columns(np.hstack([np.empty((len(rows), 0)), *parts]), arrays.redshift[rows])


def fitted(kind: str, arrays, seed: int = 0, **keys) -> Estimator:
    model = build_model(TOY["models"][kind] | keys, modalities_of())
    parts = [columns(arrays, part, model.modalities) for part in ("train", "validation")]
    model.fit(*parts, seed)
    return model


def redshifts(model: Estimator, arrays) -> np.ndarray:
    return model.predict(batch_of(arrays, SPLIT["test"]), {}).z_pred.numpy()


def with_photometry(arrays, magnitudes=None, sizes=None):
    """The same galaxies with other magnitudes or sizes."""
    known = arrays.values["photometry"]
    parts = [
        known[:, part] if other is None else other
        for part, other in ((slice(0, 5), magnitudes), (slice(5, 10), sizes))
    ]
    return arrays._replace(values=arrays.values | {"photometry": np.hstack(parts).astype("f4")})


def magnitudes_of(arrays) -> np.ndarray:
    return arrays.values["photometry"][:, :5].copy()


def scatter(z_pred: np.ndarray, arrays) -> float:
    return sigma_nmad(z_pred, arrays.redshift[SPLIT["test"]])


def test_features_are_magnitudes_colours_and_sizes():
    magnitudes = np.array([[20.0, 19.0, 18.5, 18.3, np.nan]])
    sizes = np.array([[0.5, 0.6, 0.7, 0.8, 0.9]])
    trees = build_model(TOY["models"]["gbdt"], modalities_of())
    found = trees.features(np.hstack([magnitudes, sizes]))
    assert found.shape == (1, 14)
    assert found[0, :4].tolist() == [20.0, 19.0, 18.5, 18.3]
    assert found[0, 5:8] == pytest.approx([1.0, 0.5, 0.2])
    assert np.isnan(found[0, [4, 8]]).all()
    assert found[0, 9:].tolist() == sizes[0].tolist()


def test_trees_beat_the_median(arrays):
    trees, median = fitted("gbdt", arrays, trees=200), fitted("median", arrays)
    assert scatter(redshifts(trees, arrays), arrays) < 0.3 * scatter(
        redshifts(median, arrays), arrays
    )


def test_the_median_is_that_of_the_training_galaxies(arrays):
    z_pred = redshifts(fitted("median", arrays), arrays)
    expected = np.expm1(np.median(np.log1p(arrays.redshift[SPLIT["train"]].astype(float))))
    assert z_pred == pytest.approx(np.full(len(z_pred), expected))


def test_trees_stop_when_validation_galaxies_say_so(arrays):
    patient = fitted("gbdt", arrays, trees=300, patience=300)
    early = fitted("gbdt", arrays, trees=300, patience=3)
    assert patient.regressor.n_iter_ == 300
    assert 3 < early.regressor.n_iter_ < 300
    # of validation galaxies, not of some of the training galaxies
    blurred = arrays._replace(redshift=arrays.redshift.copy())
    blurred.redshift[SPLIT["validation"]] = 0.5
    assert fitted("gbdt", blurred, trees=300, patience=3).regressor.n_iter_ < 10
    assert fitted("gbdt", arrays, trees=7).regressor.n_iter_ == 7


def test_trees_need_magnitudes(arrays):
    blind = with_photometry(arrays, np.full_like(magnitudes_of(arrays), np.nan))
    with pytest.raises(InputError, match="found a dataset without magnitudes"):
        fitted("gbdt", blind)
    assert np.isfinite(redshifts(fitted("median", blind), blind)).all()


@pytest.mark.parametrize("value", [np.nan, 21.0])
@pytest.mark.parametrize("bands", [[4], [0, 1, 2, 3]])
def test_trees_take_bands_that_say_nothing(arrays, bands, value):
    """Unknown or constant in training: the others still tell redshifts."""
    magnitudes = magnitudes_of(arrays)
    magnitudes[:, bands] = value
    poor = with_photometry(arrays, magnitudes, np.full_like(magnitudes, value))
    trees, median = fitted("gbdt", poor, trees=30), fitted("median", poor)
    assert scatter(redshifts(trees, poor), poor) < 0.6 * scatter(redshifts(median, poor), poor)
    # a galaxy that has the bands is no surprise
    magnitudes[:, bands] = 25.0
    unseen = with_photometry(arrays, magnitudes, np.ones_like(magnitudes))
    assert np.isfinite(redshifts(trees, unseen)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_from_disk_as_it_was(arrays, tmp_path, kind):
    model = fitted(kind, arrays)
    save_model(tmp_path, model, {"name": kind, "model": TOY["models"][kind]})
    assert {path.name for path in tmp_path.iterdir()} == {"regressor.skops", "model.json"}
    loaded, _ = load_model(tmp_path, name=kind)
    assert np.array_equal(redshifts(loaded, arrays), redshifts(model, arrays))
    known = set(skops.io.get_untrusted_types(file=tmp_path / "regressor.skops"))
    assert known <= set(model.trusted), "no more is trusted than there is"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_trainings_have_equal_bytes(arrays, tmp_path, kind, monkeypatch):
    one, other = tmp_path / "one.skops", tmp_path / "other.skops"
    fitted(kind, arrays).save(one)
    again = fitted(kind, arrays)  # at other addresses, as the first may still be there
    monkeypatch.setattr(time, "time", lambda: 1e9)  # a zip has the time of its entries
    again.save(other)
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert len({*archive.namelist()}) == len(archive.namelist())


@pytest.mark.parametrize("kind", KINDS)
def test_types_that_are_not_the_models_are_refused(arrays, tmp_path, kind):
    save_model(tmp_path, fitted(kind, arrays), {"name": kind, "model": TOY["models"][kind]})
    skops.io.dump(FunctionTransformer(np.linalg.norm), tmp_path / "regressor.skops")
    with pytest.raises(InputError, match=r"regressor\.skops: found no regressor that is trusted"):
        load_model(tmp_path)


def test_trees_are_no_median(arrays, tmp_path):
    """What the median's file may hold is less than what the trees' may."""
    description = {"name": "median", "model": {"kind": "median"}}
    save_model(tmp_path, fitted("gbdt", arrays), description)
    with pytest.raises(InputError, match="no regressor that is trusted"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04K\x01."])
def test_files_that_are_none_are_refused(arrays, tmp_path, content):
    save_model(tmp_path, fitted("median", arrays), {"model": TOY["models"]["median"]})
    (tmp_path / "regressor.skops").write_bytes(content)
    with pytest.raises(InputError, match=r"regressor\.skops: .*, expected a skops file"):
        load_model(tmp_path)
    (tmp_path / "regressor.skops").unlink()
    with pytest.raises(InputError, match=r"regressor\.skops: found no such file"):
        load_model(tmp_path)

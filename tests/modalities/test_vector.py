"""Numbers of a catalogue: as tokens, from files, and in the paper's model."""

import h5py
import numpy as np
import pytest
import torch

from galaxies import batch_of, catalogue_of, made_up_galaxies, mask_of, modalities_of, paper_model
from mmae.dataset import layout
from mmae.dataset.arrays import TrainingArrays
from mmae.dataset.photometry import half_light_radii
from mmae.errors import InputError
from mmae.evaluation.predict import predict, reconstruct
from mmae.limits import Known
from mmae.modalities import to_plain
from mmae.modalities import vector as module
from mmae.modalities.vector import Vector
from mmae.models.masking import draw
from mmae.models.paper import PaperMMAE
from mmae.settings import VectorModality, View

N = 4
PLAIN, PAIRED = catalogue_of(5), catalogue_of(5, errors=True)
"""Five numbers in two tokens, without and with errors."""


def tokens_of(modality: Vector, *hidden: int) -> torch.Tensor:
    mask = torch.zeros(1, modality.n_tokens, dtype=torch.bool)
    mask[0, list(hidden)] = True
    return mask


# --- tokens ---------------------------------------------------------------------------------------


def test_sizes_follow_from_the_columns():
    assert (PLAIN.shape, PLAIN.n_tokens, PLAIN.n_outputs) == ((5,), 2, 5)
    assert (PAIRED.shape, PAIRED.n_tokens, PAIRED.n_outputs) == ((10,), 2, 5)
    assert catalogue_of(3, tokens=8).n_tokens == 3, "no more tokens than numbers"


@pytest.mark.parametrize(("n", "tokens"), [(5, 4), (10, 7), (9, 8)])
def test_no_token_is_without_numbers(n, tokens):
    """Numbers do not always divide into as many tokens."""
    catalogue = catalogue_of(n, tokens=tokens)
    for k in range(catalogue.n_tokens):
        assert catalogue.covered(tokens_of(catalogue, k)).any()
    assert catalogue.projection(8, False)(torch.rand(2, n)).shape == (2, catalogue.n_tokens, 8)


def test_masks_cover_the_numbers_of_their_tokens_and_no_errors():
    assert PLAIN.covered(tokens_of(PLAIN, 1)).tolist() == [[False] * 3 + [True] * 2]
    assert PAIRED.covered(tokens_of(PAIRED, 0)).tolist() == [[True] * 3 + [False] * 7]


@pytest.mark.parametrize("catalogue", [PLAIN, PAIRED], ids=["plain", "errors"])
def test_tokens_are_hidden_where_all_their_numbers_are(catalogue):
    for hidden in ((), (0,), (1,), (0, 1)):
        tokens = tokens_of(catalogue, *hidden)
        values = catalogue.with_tells(catalogue.covered(tokens))
        assert torch.equal(catalogue.whole_tokens(values), tokens)
    some = torch.zeros(1, *catalogue.shape, dtype=torch.bool)
    some[0, :2] = True
    assert not catalogue.whole_tokens(some).any()


def test_outputs_are_the_numbers_and_zeros_in_the_place_of_errors():
    outputs = torch.rand(2, 5)
    assert torch.equal(PLAIN.arrange(outputs), outputs)
    found = PAIRED.arrange(outputs)
    assert torch.equal(found[:, :5], outputs)
    assert not found[:, 5:].any()


def test_tokens_are_numbers_errors_and_what_is_not_known_through_one_layer():
    torch.manual_seed(0)
    layer, values = PAIRED.projection(8, False), torch.rand(2, 10)
    hidden = torch.zeros(2, 10, dtype=torch.bool)
    hidden[1, [3, 8]] = True
    tokens = layer(values, hidden)
    numbers, errors = values[1, [3, 4]], values[1, [8, 9]]
    nothing, known = torch.zeros(1), torch.tensor([1.0, 0.0, 0.0])
    by_hand = torch.cat([numbers, nothing, errors, nothing, known])
    assert torch.allclose(tokens[1, 1], layer.weight @ by_hand + layer.bias, atol=1e-6)
    assert not torch.equal(layer(values)[1, 1], tokens[1, 1]), "it is always told"
    assert torch.equal(layer(values)[0], tokens[0])


def test_its_quality_is_in_the_units_of_the_catalogue():
    true = np.array([[20.0, 19.0, 0.1, 0.1], [21.0, 18.0, 0.1, 0.1]])
    rebuilt = true + np.array([0.5, -1.0, 9.0, 9.0])
    hidden = np.array([[True, True, False, False], [False, True, False, False]])
    name, unit, measure = Vector.summary
    assert (name, unit) == ("error", "of the numbers")
    assert measure(true, rebuilt, hidden).tolist() == [0.75, 1.0]
    assert np.isnan(measure(true, rebuilt, hidden & False)).all()
    found = list(catalogue_of(2, errors=True).quality(true, rebuilt, hidden, np.zeros(2)))
    assert [one.quantity for one in found] == ["catalogue a", "catalogue b"]
    np.testing.assert_allclose(found[0].values, [0.5, np.nan])
    np.testing.assert_allclose(found[1].values, [-1.0, -1.0])


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    """Four galaxies with a few columns, in the folders of this project's file."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        file[layout.IMAGE] = rng.uniform(1, 2, (N, 5, 64, 64)).astype("f4")
        file[layout.TARGETID] = np.array([b"11", b"12", b"13", b"14"])
        file["hsc/object_id"] = np.array([7, 8, 9, 10])
        for k, band in enumerate("gr"):
            file[f"hsc/{band}_cmodel_mag"] = 20.0 + k + np.arange(N)
            file[f"hsc/{band}_cmodel_magsigma"] = 0.1 + np.zeros(N)
        file["hsc/g_cmodel_mag"][2] = 99.0
        file["mine"] = np.arange(N * 3.0).reshape(N, 3)
        file["kind"] = np.array([b"PSF"] * N)
        file["short"] = np.zeros(N - 1)
        file["cube"] = np.zeros((N, 2, 2))
        yield file


def vector_of(dataset, *columns: str, **keys) -> Vector:
    return Vector.of_file("mine", VectorModality("vector", columns, **keys), dataset, None)


def read(vector: Vector, file, rows: slice = slice(0, N)) -> np.ndarray:
    with Known("f") as known:
        return vector.read(file, rows, known)


def test_columns_are_read_by_name_wherever_they_stand(file):
    vector = vector_of(file, "g_cmodel_mag", "hsc/r_cmodel_mag", "mine")
    names = ("g_cmodel_mag", "hsc/r_cmodel_mag", "mine.0", "mine.1", "mine.2")
    assert vector.geometry.columns == names
    found = read(vector, file)
    assert found.dtype == np.float32
    assert found[:, 1].tolist() == [21, 22, 23, 24]
    assert found[:, 2:].tolist() == file["mine"][:].tolist()
    assert np.array_equal(read(vector, file, slice(1, 3)), found[1:3], equal_nan=True)


def test_what_cannot_be_is_unknown_and_told(file, caplog):
    found = read(vector_of(file, "g_cmodel_mag"), file)
    assert np.isnan(found[:, 0]).tolist() == [False, False, True, False]
    assert "g_cmodel_mag: 1 of 4 values are not from 5 to 35" in caplog.text


def test_errors_stand_behind_their_numbers(file):
    errors = ("g_cmodel_magsigma", "r_cmodel_magsigma")
    vector = vector_of(file, "g_cmodel_mag", "r_cmodel_mag", errors=errors)
    assert vector.geometry.errors
    assert vector.shape == (4,)
    assert read(vector, file)[0].tolist() == pytest.approx([20.0, 21.0, 0.1, 0.1])
    words = r"config: modalities\.mine\.errors: found 1 errors, expected one for each of the 2 num"
    with pytest.raises(InputError, match=words):
        vector_of(file, "g_cmodel_mag", "r_cmodel_mag", errors=errors[:1])


def test_sizes_are_measured_in_the_images_which_are_read_once(file, monkeypatch):
    reads, read_images = [], module.read_images
    monkeypatch.setattr(
        module, "read_images", lambda *given: (reads.append(1), read_images(*given))[1]
    )
    columns = [f"measured/{band}_half_light_radius" for band in "grizy"]
    found = read(vector_of(file, *columns), file, slice(1, 4))
    assert found == pytest.approx(half_light_radii(file[layout.IMAGE][1:4]), rel=1e-6)
    assert len(reads) == 1
    read(vector_of(file, "mine"), file)
    assert len(reads) == 1, "or not at all"


def test_magnitudes_that_are_not_there_are_measured_and_it_is_told_once(file, caplog):
    vector = vector_of(file, "z_cmodel_mag", "i_cmodel_mag", "mine")
    instead = ("measured/z_aperture_mag", "measured/i_aperture_mag")
    assert vector.geometry.columns[:2] == instead
    assert np.isfinite(read(vector, file)).all()
    assert vector.is_in(file)
    assert caplog.text.count(f"are measured instead: {' '.join(instead)}") == 1
    words = r"modality 'mine': found magnitudes r_cmodel_mag alone, expected those of all columns"
    with pytest.raises(InputError, match=words):
        vector_of(file, "r_cmodel_mag", "i_cmodel_mag")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            "g_sersic_index",
            "dataset 'g_sersic_index': found no such dataset, expected it, as modal",
        ),
        ("kind", "dataset 'kind': found text, expected numbers"),
        ("short", r"found datasets of different lengths .*'short': 3.*, expected one row a galaxy"),
        ("cube", r"dataset 'cube': found shape \(4, 2, 2\), expected shape"),
        ("hsc", "dataset 'hsc': found no such dataset"),
    ],
)
def test_columns_that_are_none_are_told_in_a_sentence(file, column, words):
    with pytest.raises(InputError, match=words):
        vector_of(file, column)


def test_the_columns_of_another_file_are_in_it_only_if_they_are_the_same(file, tmp_path):
    vector = vector_of(file, "g_cmodel_mag", "mine")
    assert vector.is_in(file)
    with h5py.File(tmp_path / "g.hdf5", "w") as other:
        other[layout.IMAGE] = np.zeros((N, 5, 64, 64), "f4")
        other["g_cmodel_mag"] = np.zeros(N)
        assert not vector.is_in(other)
        other["mine"] = np.zeros((N, 2))
        assert not vector.is_in(other)
        del other["mine"]
        other["mine"] = np.zeros((N, 3))
        assert vector.is_in(other)


@pytest.fixture
def embeddings(tmp_path):
    """Vectors of galaxies 14, 99, 11 and 13, in that order."""
    with h5py.File(tmp_path / "e.hdf5", "w") as other:
        other["targetid"] = np.array([14, 99, 11, 13])
        other["vectors"] = np.arange(8.0).reshape(4, 2)
    return tmp_path / "e.hdf5"


def test_vectors_of_a_file_of_their_own_are_joined_by_the_galaxies_names(file, embeddings):
    vector = vector_of(file, "vectors", file=str(embeddings))
    assert vector.geometry.columns == ("vectors.0", "vectors.1")
    expected = [[4.0, 5.0], [np.nan, np.nan], [6.0, 7.0], [0.0, 1.0]]
    np.testing.assert_array_equal(read(vector, file), expected)
    np.testing.assert_array_equal(read(vector, file, slice(1, 2)), expected[1:2])
    with h5py.File(embeddings, "r+") as other:
        del other["targetid"]
        other["object_id"] = np.array([10, 9, 8, 7])
    expected = [[6.0, 7.0], [4.0, 5.0], [2.0, 3.0], [0.0, 1.0]]
    np.testing.assert_array_equal(read(vector, file), expected)


def test_a_file_that_names_no_galaxies_is_told(file, embeddings, tmp_path):
    with pytest.raises(InputError, match=r"absent\.hdf5: found no such file"):
        vector_of(file, "vectors", file=str(tmp_path / "absent.hdf5"))
    vector = vector_of(file, "vectors", file=str(embeddings))
    with h5py.File(tmp_path / "g.hdf5", "w") as other:
        other["object_id"] = np.arange(N)
        assert not vector.is_in(other), "galaxies that are called otherwise have none"
    with h5py.File(embeddings, "r+") as other:
        del other["vectors"]
        other["vectors"] = np.zeros((3, 2))
    with pytest.raises(InputError, match=r"e\.hdf5: "):
        vector_of(file, "vectors", file=str(embeddings))
    with h5py.File(embeddings, "r+") as other:
        del other["targetid"], other["vectors"]
        other["vectors"] = np.zeros((4, 2))
    with pytest.raises(InputError, match=r"e\.hdf5: found none of \['targetid', 'object_id'\]"):
        vector_of(file, "vectors", file=str(embeddings))


def test_a_file_without_a_galaxy_knows_none(file, embeddings):
    with h5py.File(embeddings, "r+") as other:
        del other["targetid"], other["vectors"]
        other["targetid"], other["vectors"] = np.zeros(0, int), np.zeros((0, 2))
    assert np.isnan(read(vector_of(file, "vectors", file=str(embeddings)), file)).all()


# --- in the paper's model -------------------------------------------------------------------------


def galaxies(errors: bool, n: int = 64) -> TrainingArrays:
    """Made-up galaxies with five magnitudes; galaxy 3 lacks one, galaxy 4 all of them."""
    arrays = made_up_galaxies(n)
    numbers = arrays.values["photometry"][:, :5].copy()
    numbers[np.isnan(numbers)] = 21.0
    numbers[3, 1] = numbers[4] = np.nan
    if errors:
        numbers = np.hstack([numbers, np.full((n, 5), 0.3, "f4")])
    known = known_of(errors)
    values = arrays.values | {"catalogue": numbers}
    return arrays._replace(values=values, modalities=to_plain(known.values()))


def known_of(errors: bool) -> dict:
    return modalities_of() | {"catalogue": catalogue_of(5, errors)}


def model_of(errors: bool, **keys) -> PaperMMAE:
    names = ["image", "spectrum", "catalogue"]
    model = paper_model(known_of(errors), modalities=names, **keys)
    model.prepare(batch_of(galaxies(errors)), 64)
    return model


CHOICES = pytest.mark.parametrize(
    ("errors", "masking"), [(e, m) for e in (False, True) for m in ("zero", "drop")]
)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@CHOICES
def test_numbers_reach_the_redshift_on_their_scale(errors, masking):
    model, batch = model_of(errors, masking=masking), batch_of(galaxies(errors))
    scale = model.scales["catalogue"]
    numbers = batch.known("catalogue")[:, :5]
    assert torch.allclose(scale.mean, numbers.nanmean(dim=0), rtol=1e-5)
    seen = []
    model.projections["catalogue"].register_forward_pre_hook(lambda _, given: seen.append(given))
    said = model.predict(batch, {})
    values = torch.cat([given[0] for given in seen])
    assert values[:, :5].abs().max() < 4, "not tens of standard deviations from the mean"
    other = batch._replace(values=batch.values | {"catalogue": batch.values["catalogue"] + 0.1})
    changed = model.predict(other, {}).z_pred != said.z_pred
    assert (~changed).nonzero().flatten().tolist() == [4], "which has none"


@CHOICES
def test_unknown_numbers_are_hidden_and_count_in_no_loss(errors, masking):
    """Whatever stands in their place; no magnitude is 0."""
    model, batch = model_of(errors, masking=masking), batch_of(galaxies(errors))
    other = batch.values["catalogue"].clone()
    other[3, 1] = other[4, :5] = 77.0
    if errors:
        other[3, 6] = 77.0
    other = batch._replace(values=batch.values | {"catalogue": other})
    masks = {"catalogue": mask_of(model.modalities["catalogue"], 0, n=64)}
    ours, theirs = (model.losses(one, masks, generator()) for one in (batch, other))
    assert torch.equal(ours.z_pred, theirs.z_pred)
    # three numbers of all but galaxy 4, of which galaxy 3 lacks one; and no errors
    assert ours.parts["catalogue"].n == theirs.parts["catalogue"].n == 3 * 63 - 1
    assert ours.parts["catalogue"].total == theirs.parts["catalogue"].total
    assert 0.1 < ours.parts["catalogue"].value < 10


@CHOICES
def test_hidden_numbers_never_reach_the_output(errors, masking):
    model, batch = model_of(errors, masking=masking), batch_of(galaxies(errors))
    for kinds in ({"random": 0.5}, {"dead_pixels": 0.4}, {"gap": 0.9}, {"random": 1.0}):
        mask = draw(model.modalities["catalogue"], 64, kinds, generator())
        masks = {"catalogue": mask}
        hidden = model.modalities["catalogue"].covered(mask.tokens)
        if mask.values is not None:
            hidden = hidden | mask.values
        hidden = model.modalities["catalogue"].with_tells(hidden)
        values = batch.values["catalogue"].masked_fill(hidden, 99.0)
        other = batch._replace(values=batch.values | {"catalogue": values})
        ours, theirs = model.predict(batch, masks), model.predict(other, masks)
        assert torch.equal(ours.z_pred, theirs.z_pred)
        assert torch.equal(ours.embedding, theirs.embedding)


def test_errors_are_read():
    model, batch = model_of(True), batch_of(galaxies(True))
    values = batch.values["catalogue"].clone()
    values[7, 5] = 1.0
    other = batch._replace(values=batch.values | {"catalogue": values})
    changed = model.predict(other, {}).z_pred != model.predict(batch, {}).z_pred
    assert changed.nonzero().flatten().tolist() == [7]


def test_nobody_tells_errors():
    """They are not decoded, and cost nothing where they are wrong."""
    model, batch = model_of(True), batch_of(galaxies(True))
    masks = {"catalogue": mask_of(model.modalities["catalogue"], 0, 1, n=64)}
    part = model.losses(batch, masks, generator()).parts["catalogue"]
    assert part.n == 5 * 63 - 1
    other = batch.values["catalogue"].clone()
    other[:, 5:] = 9.0
    other = batch._replace(values=batch.values | {"catalogue": other})
    assert model.losses(other, masks, generator()).parts["catalogue"] == part


@pytest.mark.parametrize("errors", [False, True])
def test_reconstructions_are_in_the_units_of_the_catalogue(errors):
    model, arrays = model_of(errors), galaxies(errors)
    said = reconstruct(model, arrays, np.arange(64), View({"catalogue": 1.0}), 0, 9)
    rebuilt, hidden = said["catalogue_reconstruction"], said["catalogue_hidden"]
    assert hidden[:, :5].sum() == 5 * 63 - 1
    assert not hidden[:, 5:].any()
    assert 15 < rebuilt[:, :5].mean() < 30
    assert np.array_equal(said["catalogue"][:3], arrays.values["catalogue"][:3])
    if errors:
        assert np.array_equal(rebuilt[:, 5:], said["catalogue"][:, 5:]), "as they were given"


def test_a_view_shows_or_hides_it_like_any_other():
    model, arrays = model_of(False), galaxies(False)
    rows = np.arange(64)
    other = arrays._replace(
        values=arrays.values | {"catalogue": arrays.values["catalogue"][::-1].copy()}
    )
    for hidden, same in (({"catalogue": 1.0}, True), ({"catalogue": 0.5}, False), ({}, False)):
        view = View({"spectrum": 1.0} | hidden)
        ours, theirs = (predict(model, one, rows, view, 0, 16) for one in (arrays, other))
        assert ours.equals(theirs) == same

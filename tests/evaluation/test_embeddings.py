"""Embeddings of many models: read, searched, flattened."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.evaluation.embeddings import flatten, load_embeddings, retrieval_table

IMAGE, SPECTRUM = "image0.00-spectrum1.00", "image1.00-spectrum0.00"


def write(folder, model, view, embedding, targetid=None, **more):
    path = folder / f"{model}/mask0.00/seed0/{view}/embeddings.npz"
    path.parent.mkdir(parents=True)
    n = len(embedding)
    np.savez(
        path,
        targetid=np.arange(n) if targetid is None else targetid,
        z_spec=np.linspace(0.1, 1, n),
        embedding=embedding,
        **more,
    )
    return path


def test_images_find_their_spectra_in_models_that_embed_both(tmp_path):
    rng = np.random.default_rng(0)
    space = rng.normal(size=(40, 8))
    paths = [
        write(tmp_path, "aligned", IMAGE, space),
        write(tmp_path, "aligned", SPECTRUM, space + 0.01 * rng.normal(size=space.shape)),
        write(tmp_path, "images", IMAGE, space),
    ]
    embedded = load_embeddings(paths)
    assert [one.label for one in embedded] == [
        "aligned, image",
        "aligned, spectrum",
        "images, image",
    ]
    table = retrieval_table(embedded)
    assert list(table["model"]) == ["aligned"]
    assert table["recall_at_1"][0] == 1
    assert table["n"][0] == 40


def test_halves_that_share_no_space_are_brought_together_by_training_galaxies(tmp_path):
    rng = np.random.default_rng(2)
    known = rng.normal(size=(500, 6))
    turn = rng.normal(size=(6, 6))
    spectra = known @ turn + 0.05 * rng.normal(size=known.shape)
    train, test = slice(None, 400), slice(400, None)
    paths = [
        write(tmp_path, "halves", IMAGE, known[test], train_embedding=known[train]),
        write(tmp_path, "halves", SPECTRUM, spectra[test], train_embedding=spectra[train]),
    ]
    (row,) = retrieval_table(load_embeddings(paths)).to_dict("records")
    assert row["compared_by"] == "cosine after a ridge map fitted to training galaxies"
    assert row["recall_at_1"] > 0.9
    assert row["n"] == 100
    (plain,) = retrieval_table(
        [one._replace(train_embedding=None) for one in load_embeddings(paths)]
    ).to_dict("records")
    assert plain["compared_by"] == "cosine"
    assert plain["median_rank"] > 20, "chance, by construction"


def test_embeddings_of_other_galaxies_are_refused(tmp_path):
    space = np.eye(4)
    paths = [
        write(tmp_path, "a", IMAGE, space),
        write(tmp_path, "b", IMAGE, space, targetid=np.arange(4)[::-1]),
    ]
    with pytest.raises(InputError, match=r"b/mask0.00.*targetid.*other galaxies"):
        load_embeddings(paths)


def test_maps_keep_groups_apart_and_repeat(tmp_path):
    rng = np.random.default_rng(1)
    groups = np.repeat(np.eye(2), 30, axis=0) + 0.01 * rng.normal(size=(60, 2))
    embedded = load_embeddings([write(tmp_path, "two", IMAGE, groups)])
    points = flatten(embedded, seed=3)["two, image"]
    first, second = points[:30].mean(axis=0), points[30:].mean(axis=0)
    within = np.linalg.norm(points[:30] - first, axis=1).max()
    assert np.linalg.norm(first - second) > 2 * within
    np.testing.assert_array_equal(points, flatten(embedded, seed=3)["two, image"])

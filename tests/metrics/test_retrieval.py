"""Retrieval of spectra by images: planted answers, ties, and brute force."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.metrics import retrieval as module
from mmae.metrics.retrieval import retrieval


def test_each_image_finds_its_own_spectrum_whatever_the_lengths():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(50, 8))
    report = retrieval(image * 1e-12, image * rng.uniform(0.1, 10, (50, 1)))
    # Wilson: all of 50 may be 93% of many
    low = pytest.approx(50 / (50 + 1.959964**2), abs=1e-6)
    ends = {f"recall_at_{k}_{end}": x for k in (1, 10) for end, x in (("low", low), ("high", 1.0))}
    assert report == ends | {
        **{"median_rank": 1.0, "recall_at_1": 1.0, "recall_at_10": 1.0},
        **{"chance_at_1": 1 / 50, "chance_at_10": 10 / 50},
    }


def test_planted_places_are_found():
    # on a circle, image k points at spectrum k + shift: its own is the (2 shift)-th or so nearest
    angle = 2 * np.pi * np.arange(100) / 100
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    image = np.stack([np.cos(angle + 0.301), np.sin(angle + 0.301)], axis=1)
    # 0.301 rad is 4.79 steps: -4 .. +5 on the two sides are nearer, that is 9, and its own is 10th
    report = retrieval(image, circle, ranks=(9, 10))
    assert (report["recall_at_9"], report["recall_at_10"], report["median_rank"]) == (0, 1, 10)


@pytest.mark.parametrize("n_swapped", [2, 6])
def test_swapped_spectra_are_not_found_first(n_swapped):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(20, 64))
    spectrum = image.copy()
    spectrum[:n_swapped] = np.roll(image[:n_swapped], 1, axis=0)
    assert retrieval(image, spectrum)["recall_at_1"] == 1 - n_swapped / 20


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_equal_embeddings_find_nothing(value):
    equal = np.full((50, 7), value)
    report = retrieval(equal, equal)
    assert (report["recall_at_1"], report["recall_at_10"], report["median_rank"]) == (0, 0, 50)
    assert retrieval(equal[:8], equal[:8])["recall_at_10"] == 1, "all 8 are among the 10"
    assert retrieval(equal[:8], equal[:8])["chance_at_10"] == 1


def test_equal_directions_are_equal_though_products_are_rounded():
    rng = np.random.default_rng(4)
    image, spectrum = rng.normal(size=(2, 1, 513))
    lengths = rng.uniform(0.1, 10, (701, 1))
    report = retrieval(image * np.ones((701, 1)), spectrum * lengths)
    assert (report["recall_at_10"], report["median_rank"]) == (0, 701)


def test_a_tie_counts_against_the_model():
    spectrum = np.eye(4)
    spectrum[1] = spectrum[0]
    report = retrieval(np.eye(4), spectrum, ranks=(1, 2, 4))
    assert {name: x for name, x in report.items() if not name.endswith(("_low", "_high"))} == {
        "median_rank": 1.5,  # ranks 2, 4 (similar to none, its own as little as others), 1, 1
        **{"recall_at_1": 0.5, "recall_at_2": 0.75, "recall_at_4": 1.0},
        **{"chance_at_1": 0.25, "chance_at_2": 0.5, "chance_at_4": 1.0},
    }


@pytest.mark.parametrize("chunk", [7, 40, 1000])
def test_chunks_do_not_change_the_answer_of_brute_force(monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(2)
    image = rng.normal(size=(40, 5))
    spectrum = (image + rng.normal(size=(40, 5))).astype(np.float32)
    places = []
    for k in range(40):
        cosines = [
            image[k] @ other / np.linalg.norm(image[k]) / np.linalg.norm(other)
            for other in spectrum
        ]
        places.append(1 + sum(c >= cosines[k] for j, c in enumerate(cosines) if j != k))
    report = retrieval(image, spectrum)
    assert report["median_rank"] == np.median(places)
    assert report["recall_at_1"] == np.mean(np.array(places) == 1)
    assert report["recall_at_10"] == np.mean(np.array(places) <= 10)
    assert 0 < report["recall_at_1"] < report["recall_at_10"] < 1


def test_random_embeddings_are_at_chance():
    rng = np.random.default_rng(3)
    report = retrieval(rng.normal(size=(2000, 16)), rng.normal(size=(2000, 16)), ranks=(200,))
    assert report["chance_at_200"] == 0.1
    assert report["recall_at_200"] == pytest.approx(0.1, abs=3 * np.sqrt(0.09 / 2000))
    assert report["median_rank"] == pytest.approx(1000, abs=100)


def test_bad_embeddings_are_an_error():
    good = np.ones((3, 4))
    for image, spectrum in ((good, good[:2]), (good, good[:, :2]), (good[0], good[0])):
        with pytest.raises(InputError, match="the same shape"):
            retrieval(image, spectrum)
    with pytest.raises(InputError, match="not empty"):
        retrieval(good[:0], good[:0])
    bad = good.copy()
    bad[1] = np.nan
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="1 galaxies with embeddings not finite"):
            retrieval(*pair)

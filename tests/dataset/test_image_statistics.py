"""Images unlike those of a training: few false alarms, and planted faults are found."""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest

from mmae.config import read_section
from mmae.dataset.image_statistics import FLAGS, describe_images, flags
from mmae.instruments import BANDS, ZERO_POINT_MAG
from mmae.settings import Simulation
from mmae.survey.simulated.catalogs import plant
from mmae.survey.simulated.images import draw_conditions, make_scene, render

N_TRAIN, N_TEST = 1200, 400


@pytest.fixture(scope="module")
def drawn(config) -> tuple[np.ndarray, np.ndarray]:
    """Galaxies of the embedded survey, training ones, then others; and which have faults already:
    trails, bleeding stars, parts without data."""
    rng = np.random.default_rng(5)
    settings = read_section(Simulation, config["survey"]["simulate"], "test")
    catalogs = plant(N_TRAIN + N_TEST, settings.faults, asdict(settings.targets), rng)
    hsc = catalogs.hsc[catalogs.hsc["role"] == "good"][: N_TRAIN + N_TEST]
    place = hsc["source"].to_numpy(), hsc[["dx", "dy"]].to_numpy()
    scene = make_scene(*place, len(catalogs.sources.redshift), rng)
    conditions = draw_conditions(len(hsc), settings.image_faults, rng)
    images = render(catalogs.sources, scene, conditions, rng.integers(0, 2**63, len(hsc)))
    return images, conditions.fault > 0


@pytest.fixture(scope="module")
def images(drawn) -> np.ndarray:
    return drawn[0]


@pytest.fixture(scope="module")
def training(images) -> dict:
    """As it comes back from model.json."""
    return json.loads(json.dumps(describe_images(images, np.arange(N_TRAIN))))


@pytest.fixture(scope="module")
def others(drawn) -> np.ndarray:
    """Without faults."""
    images, faulty = drawn
    return images[N_TRAIN:][~faulty[N_TRAIN:]]


def named(found: np.ndarray) -> set[str]:
    """Flags that half of the images have."""
    return {name for name, share in zip(FLAGS, found.mean(axis=0), strict=True) if share > 0.5}


def test_there_are_few_false_alarms(others, training):
    assert flags(others, training).any(axis=1).mean() <= 0.01


@pytest.mark.parametrize(("pixels", "share"), [(0, 0.0), (12, 0.1), (16, 0.4)])
def test_a_source_beside_the_middle_is_found(others, training, pixels, share):
    """From 2 to 3 arcsec: a neighbour, or the galaxy itself in a cutout of another place."""
    found = flags(np.roll(others, pixels, axis=3), training)[:, FLAGS.index("off centre")].mean()
    assert share <= found <= (1 if pixels else 0.003)


def test_also_where_it_was_learned_from_few(images, others):
    few = describe_images(images, np.arange(150))
    assert flags(others, few).any(axis=1).mean() <= 0.02


def scaled(factor: float, *bands: int) -> Callable[[np.ndarray], np.ndarray]:
    def scale(images: np.ndarray) -> np.ndarray:
        images[:, list(bands) or slice(None)] *= np.float32(factor)
        return images

    return scale


def in_order(order: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda images: images[:, order]


def swapped(a: int, b: int) -> Callable[[np.ndarray], np.ndarray]:
    order = list(range(5))
    order[a], order[b] = b, a
    return in_order(order)


def half_blank(band: int, value: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    def blank(images: np.ndarray) -> np.ndarray:
        images[:, band, :, :32] = value
        return images

    return blank


def magnitudes(images: np.ndarray) -> np.ndarray:
    return ZERO_POINT_MAG - 2.5 * np.log10(np.maximum(images, 1e-3))


def standardised(images: np.ndarray) -> np.ndarray:
    axes = {"axis": (1, 2, 3), "keepdims": True}
    return (images - images.mean(**axes)) / images.std(**axes)


def from_0_to_1(images: np.ndarray) -> np.ndarray:
    axes = {"axis": (1, 2, 3), "keepdims": True}
    return (images - images.min(**axes)) / np.ptp(images, **axes)


FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"flux times {k:g}": scaled(k) for k in (1e6, 1e3, 63.1, 10, 0.1, 0.0158, 1e-3, 1e-6, -1)},
    **{f"{BANDS[b]} times {k}": scaled(k, b) for b in range(5) for k in (10, 0.1, -1)},
    **{f"{BANDS[a]} for {BANDS[b]}": swapped(a, b) for a, b in combinations(range(5), 2)},
    "red to blue": in_order([4, 3, 2, 1, 0]),
    "begins with r": in_order([1, 2, 3, 4, 0]),
    "one band five times": in_order([2, 2, 2, 2, 2]),
    "half of a band is 0": half_blank(0),
    "half of a band is another value": half_blank(3, 0.05),
    "magnitudes": magnitudes,
    "mean 0 and standard deviation 1": standardised,
    "from 0 to 1": from_0_to_1,
    "sky not subtracted": lambda images: images + 1,
    "noise alone": lambda images: images[:, :, :8, :8].repeat(8, axis=2).repeat(8, axis=3),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(others, training, fault):
    changed = FAULTS[fault](others.copy()).astype("f4")
    # of some galaxies r and i, side by side in wavelength and alike in noise, cannot be told apart
    least = 0.9 if fault == "r for i" else 0.95
    assert flags(changed, training).any(axis=1).mean() >= least


def test_a_percent_of_faulty_training_images_hides_no_fault(drawn, others):
    """Twelve of 1200, with trails a hundred times as bright as the sky's noise."""
    images, faulty = drawn
    training = images[:N_TRAIN][~faulty[:N_TRAIN]].copy()
    clean = describe_images(training, np.arange(len(training)))
    assert flags(FAULTS["one band five times"](others), clean).any(axis=1).mean() >= 0.95
    training[:12, 2] += 100 * clean["noise"][2] * np.eye(64, dtype="f4")[::-1]
    training[6:12, 3, :20] = 0
    spoilt = describe_images(training, np.arange(len(training)))
    assert flags(FAULTS["one band five times"](others), spoilt).any(axis=1).mean() >= 0.95


def test_flags_name_what_is_wrong(others, training):
    assert {f"noise {band}" for band in BANDS} <= named(flags(others * 1e6, training))
    assert "blank i" in named(flags(half_blank(2)(others.copy()), training))
    assert "swapped r-i" in named(flags(swapped(1, 2)(others.copy()), training))
    found = named(flags(scaled(0.1, 4)(others.copy()), training))
    assert {"noise y", "colour z-y"} <= found
    assert not {"noise g", "noise r", "colour g-r"} & found


def test_few_numbers_describe_many_images(images, training):
    assert describe_images(images, np.arange(N_TRAIN)) == describe_images(
        images, np.random.default_rng(0).permutation(N_TRAIN)
    )
    assert N_TRAIN - 20 < training["n"] < N_TRAIN, "but for those in which a band is blank"
    assert len(json.dumps(training)) < 10_000
    # the deviation of negative pixels, which no galaxy has
    negative = [images[:N_TRAIN, k][images[:N_TRAIN, k] < 0] for k in range(5)]
    sigma = [np.sqrt(np.mean(values**2)) for values in negative]
    ratio = np.array(training["noise"]) / sigma
    assert (ratio > 0.8).all()
    assert (ratio < 2).all(), "galaxies are not sky"


def test_of_many_training_galaxies_some_are_measured(images, monkeypatch):
    monkeypatch.setattr("mmae.dataset.image_statistics.LARGEST_SAMPLE", 500)
    assert describe_images(images, np.arange(N_TRAIN))["n"] == 400


def test_extreme_and_constant_images_are_flagged_without_a_warning(others, training):
    odd = np.zeros((3, 5, 64, 64), np.float32)
    odd[1], odd[2, :, ::2] = 3e38, -3e38
    assert flags(odd, training).any(axis=1).all()
    constant = np.ones_like(others[:5])
    assert np.isfinite(describe_images(constant, np.arange(5))["limits"]).all()

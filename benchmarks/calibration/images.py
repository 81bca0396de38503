"""Pixels, noise, and redshifts from images alone."""

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter

from calibration.estimators import scatter_and_outliers, softmax
from calibration.rows import REAL, Row, absent, numbers
from mmae.instruments import BANDS, IMAGE_SIZE, distance_from_middle
from mmae.settings import ImageFaults
from mmae.survey.simulated.images import Conditions, Scene, draw_conditions, make_scene, render
from mmae.survey.simulated.population import draw
from mmae.survey.simulated.sources import Sources, make_sources, take

EDGES = (0, 0.35, 0.6, 0.9, 1.3, 1.8, 2.4, 3.2, 4.2, 5.3)
"""Of the annuli, arcsec."""

SUBPIXELS = 5
CHUNK = 500
FAULTS = ImageFaults(trail=0.005, bleed=0.003, blank=0.003)

RELEASE = {
    "standard deviation of negative pixels": (0.021, 0.035, 0.037, 0.069, 0.137),
    "mean of pixels": (0.29, 0.60, 0.91, 1.17, 1.39),
    "standard deviation of pixels": (1.10, 2.20, 3.54, 4.39, 5.07),
}
"""Of all images of the released dataset, g r i z y (its users' notes)."""


class Survey:
    """Images of the paper's sample, made as they are read."""

    def __init__(self, n: int, seed: int):
        rng = np.random.default_rng(seed)
        self.sources: Sources = make_sources(draw(n, rng, {"matched": 1.0}), rng)
        self.scene = make_scene(np.arange(n), np.zeros((n, 2)), n, rng)
        self.conditions = draw_conditions(n, FAULTS, rng)

    def chunks(self):
        """Images, shape (CHUNK, 5, 64, 64), in order."""
        n = len(self.sources.redshift)
        order = np.argsort(self.scene.image, kind="stable")
        first = np.searchsorted(self.scene.image[order], np.arange(0, n + CHUNK, CHUNK))
        for k, start in enumerate(range(0, n, CHUNK)):
            scene = Scene(*(part[order[first[k] : first[k + 1]]] for part in self.scene))
            needed, local = np.unique(scene.source, return_inverse=True)
            scene = scene._replace(image=scene.image - start, source=local)
            stop = min(start + CHUNK, n)
            under = Conditions(*(part[start:stop] for part in self.conditions))
            yield render(take(self.sources, needed), scene, under, np.arange(start, stop))


def annuli() -> np.ndarray:
    """Share of each pixel in each annulus, shape (4096, 9)."""
    size = IMAGE_SIZE * SUBPIXELS
    radius = distance_from_middle(size, size) / SUBPIXELS
    shape = (IMAGE_SIZE, SUBPIXELS, IMAGE_SIZE, SUBPIXELS)
    inside = [(radius >= a) & (radius < b) for a, b in pairwise(EDGES)]
    return np.array([i.reshape(shape).mean((1, 3)).ravel() for i in inside]).T


def annular_features(images: np.ndarray, noise: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Noise-scaled asinh fluxes, colours and growth of annuli and apertures, shape (N, F)."""
    flux = images.reshape(*images.shape[:2], -1) @ member
    area = member.sum(0)
    features = []
    for values, pixels in ((flux, area), (flux.cumsum(2), area.cumsum())):
        error = noise[:, None] * np.sqrt(pixels)
        smooth = np.log(0.5 * (np.sqrt(values**2 + (1.5 * error) ** 2) + np.clip(values, 0, None)))
        features += [np.arcsinh(values / (2 * error)), smooth[:, :-1] - smooth[:, 1:]]
    features.append(np.diff(smooth, axis=2))
    return np.hstack([part.reshape(len(images), -1) for part in features]).astype("f4")


def pixels_and_redshifts(sizes: tuple[int, ...], n_test: int) -> list[Row]:
    """Statistics of pixels, and the perceptron on annuli trained on the first so many images."""
    n = max(sizes) + n_test
    survey, member = Survey(n, 3), annuli()
    features, noise = np.empty((n, 0), "f4"), None
    sums, squares, below, count, done = np.zeros(5), np.zeros(5), np.zeros((2, 5)), np.zeros(5), 0
    for images in survey.chunks():
        if noise is None:
            noise = np.array(
                [1.4826 * np.median(np.abs(b - np.median(b))) for b in images.swapaxes(0, 1)]
            )
        part = annular_features(images, noise, member)
        if done == 0:
            features = np.empty((n, part.shape[1]), "f4")
        features[done : done + len(part)] = part
        done += len(part)
        values = images.transpose(1, 0, 2, 3).reshape(5, -1).astype(float)
        sums += values.sum(1)
        squares += (values**2).sum(1)
        negative = np.minimum(values, 0)
        count += (negative < 0).sum(1)
        below += np.array([negative.sum(1), (negative**2).sum(1)])
    total = n * IMAGE_SIZE**2
    spread = np.sqrt(below[1] / count - (below[0] / count) ** 2)
    measured = (spread, sums / total, np.sqrt(squares / total - (sums / total) ** 2))
    rows = [
        Row(f"{name}, {' '.join(BANDS)}", numbers(ours, 3), numbers(real, 3), "released dataset")
        for (name, real), ours in zip(RELEASE.items(), measured, strict=True)
    ]
    z = survey.sources.redshift
    for n_train in sizes:
        use = np.r_[:n_train, max(sizes) : n]
        epochs = 40 if n_train < 10_000 else 16 if n_train < 50_000 else 10
        predicted = softmax(features[use], z[use], n_train, epochs=epochs)
        true = z[use][n_train:]
        near = true < 0.4
        large = n_train > 50_000
        known = "0.012 to 0.016 (BCNN, paper's model)" if large else "-"
        name = f"annuli of images and a perceptron, {n_train:,} for training"
        score = scatter_and_outliers(predicted[near], true[near])
        rows.append(Row(f"{name}, z < 0.4", score, known, "paper" if large else "-"))
        known = "0.021, 4.6%" if large else "-"
        rows.append(
            Row(
                f"{name}, all z",
                scatter_and_outliers(predicted, true),
                known,
                "authors' predictions" if large else "-",
            )
        )
    return rows


def second_difference(image: np.ndarray, variance: np.ndarray, step: int) -> float:
    """Robust variance of second differences of faint pixels over that of white noise."""
    faint = np.abs(image - np.median(image)) < 8 * np.sqrt(np.median(variance))
    scaled, found = image / np.sqrt(variance), []
    for axis in (0, 1):
        a, use = np.moveaxis(scaled, axis, 0), np.moveaxis(faint, axis, 0)
        second = a[: -2 * step] - 2 * a[step:-step] + a[2 * step :]
        use = use[: -2 * step] & use[step:-step] & use[2 * step :]
        values = second[use]
        found.append((1.4826 * np.median(np.abs(values - np.median(values)))) ** 2 / 6)
    return float(np.mean(found))


def shared_noise() -> list[Row]:
    """How much less neighbouring pixels differ than distant ones: their noise is shared."""
    if missing := absent("hsc/hsc_cosmos_35.npz"):
        return [missing]
    with np.load(REAL / "hsc/hsc_cosmos_35.npz") as d:
        image, variance = d["images"].astype(float), d["variance"].astype(float)
    real = [
        second_difference(i, v, 1) / second_difference(i, v, 2)
        for i, v in zip(image, variance, strict=True)
    ]
    ours = []
    for images in Survey(CHUNK, 5).chunks():
        for band in images.swapaxes(0, 1).astype(float):
            smooth = np.array([gaussian_filter(one, 3) for one in band])
            sigma = 1.4826 * np.median(np.abs(band - np.median(band)))
            quiet = band[np.abs(smooth).max((1, 2)) < 400 * sigma][:60]
            flat = np.full(quiet[0].shape, sigma**2)
            pairs = [[second_difference(one, flat, step) for step in (1, 2)] for one in quiet]
            ours.append(np.median([a / b for a, b in pairs]))
    what = "second differences of neighbours over those two pixels apart (variance), g r i z y"
    return [Row(what, numbers(ours, 2), numbers(real, 2), "HSC COSMOS, one field")]

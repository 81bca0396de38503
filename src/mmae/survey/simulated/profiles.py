"""Light profiles of galaxies in Fourier space, where seeing is a product and nothing is resampled.

All transforms are on one grid of frequencies, for images of SIZE pixels that repeat themselves.
"""

import numpy as np

from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC
from mmae.survey.simulated.shapes import Shapes

SIZE = 128
"""Pixels along each side: twice an image's, so that what leaves on one side hardly comes back."""

BAND_RATIO = np.array([4844.0, 6259.0, 7730.0, 8912.0, 9787.0]) / 7730.0
"""Effective wavelengths of HSC's bands (speclite) over that of i."""

EXPONENTIAL = 1.0 / 1.6783
"""Scale length of an exponential disk over its half-light radius."""

SPERGEL_INDEX, SPERGEL = -0.6, 1.8258
"""Of the profile of bulges, close to de Vaucouleurs', and its scale over its half-light radius
(Spergel 2010, ApJS 191, 58)."""

KNOTS = 200
"""Of star formation in a galaxy."""

_X = 2 * np.pi * np.fft.rfftfreq(SIZE, PIXEL_SCALE_ARCSEC)
_Y = 2 * np.pi * np.fft.fftfreq(SIZE, PIXEL_SCALE_ARCSEC)
_SQUARED = _Y[:, None] ** 2 + _X**2


def seeing(fwhm: float) -> np.ndarray:
    """Transform of Kolmogorov's seeing (Fried 1966, JOSA 56, 1372), shape (SIZE, SIZE // 2 + 1)."""
    width = fwhm / 0.975865 / (2 * np.pi)
    return np.exp(-3.44 * (width**2 * _SQUARED) ** (5 / 6))


def shifted(x: float, y: float) -> np.ndarray:
    """Transform of a point at (x, y) arcsec from the middle of the image."""
    middle = 0.5 * (SIZE - 1) * PIXEL_SCALE_ARCSEC
    return np.exp(-1j * _Y * (y + middle))[:, None] * np.exp(-1j * _X * (x + middle))


def _stretched(axis_ratio: float, angle: float) -> np.ndarray:
    """Squared frequencies as a profile of that axis ratio sees them."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    along, across = _X * cos + _Y[:, None] * sin, _Y[:, None] * cos - _X * sin
    return along**2 / axis_ratio + across**2 * axis_ratio


def galaxy(shapes: Shapes, share: np.ndarray, seed: int) -> np.ndarray:
    """Transform of one galaxy in each band, of unit flux, shape (5, SIZE, SIZE // 2 + 1).

    Parameters
    ----------
    shapes : Shapes
        Scalars.
    share : ndarray, shape (3, 5)
        Of bulge, disk and nucleus in each band.
    seed : int
        Of the knots.
    """
    q, angle = shapes.axis_ratio, shapes.angle
    round_ = (_stretched(0.5 + 0.5 * q, angle) * (SPERGEL * shapes.bulge_radius) ** 2 + 1) ** (
        -1 - SPERGEL_INDEX
    )
    if shapes.bar > 0:
        bar = np.exp(-0.5 * _stretched(0.35, angle + 40) * (0.5 * shapes.disk_radius) ** 2)
        round_ = (1 - shapes.bar) * round_ + shapes.bar * bar
    disk = _stretched(q, angle)
    knots = _knots(shapes, np.random.default_rng(seed)) if shapes.knots > 0 else 0.0
    light = np.empty((len(BANDS), *disk.shape), dtype=complex)
    for band, ratio in enumerate(BAND_RATIO):
        length = EXPONENTIAL * shapes.disk_radius * ratio**-shapes.gradient
        smooth = 1 + length**2 * disk
        smooth = 1 / (smooth * np.sqrt(smooth))
        clumpy = min(shapes.knots * ratio**-shapes.tint, 0.9)
        smooth = (1 - clumpy) * smooth + clumpy * knots
        light[band] = share[0, band] * round_ + share[1, band] * smooth + share[2, band]
    return light


def _knots(shapes: Shapes, rng: np.random.Generator) -> np.ndarray:
    """Transform of knots of star formation along the arms or ring of a disk, of unit flux."""
    radius = rng.gamma(2.0, EXPONENTIAL, KNOTS)
    angle = rng.uniform(0, 2 * np.pi, KNOTS)
    if shapes.arms > 0:
        arm = rng.integers(shapes.arms, size=KNOTS) * 2 * np.pi / shapes.arms
        angle = arm + np.log(radius + 0.05) / shapes.pitch + rng.normal(0, 0.25, KNOTS)
    elif shapes.arms < 0:
        radius = np.where(rng.uniform(size=KNOTS) < 0.6, rng.normal(1.0, 0.1, KNOTS), radius)
    along, across = radius * np.cos(angle) + shapes.offset, radius * np.sin(angle)
    along, across = along / np.sqrt(shapes.axis_ratio), across * np.sqrt(shapes.axis_ratio)
    cos, sin = np.cos(np.radians(shapes.angle)), np.sin(np.radians(shapes.angle))
    x = shapes.disk_radius * (along * cos - across * sin)
    y = shapes.disk_radius * (along * sin + across * cos)
    flux = rng.pareto(2.0, KNOTS) + 0.5
    rows = (flux / flux.sum()) * np.exp(-1j * np.outer(_Y, y))
    columns = np.exp(-1j * np.outer(x, _X))
    size = 0.1 * shapes.disk_radius
    return (rows @ columns) * np.exp(-0.5 * size**2 * _SQUARED)

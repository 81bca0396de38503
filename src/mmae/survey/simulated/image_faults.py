"""What stands in a few images beside the sky: trails, bleeding stars, pixels without data."""

import numpy as np

from mmae.instruments import BANDS, IMAGE_SIZE
from mmae.settings import ImageFaults

NAMES = ("", *ImageFaults.__dataclass_fields__)
"""By their number; 0 is none."""


def draw_image_faults(n: int, share: ImageFaults, rng: np.random.Generator) -> np.ndarray:
    """Number of each image's fault, shape (n,)."""
    chances = [getattr(share, name) for name in NAMES[1:]]
    return rng.choice(len(NAMES), n, p=[1 - sum(chances), *chances])


def damage(image: np.ndarray, fault: int, sky: np.ndarray, rng: np.random.Generator) -> None:
    """Put a fault into an image (5, H, W), in place, in units of the sky's noise (5,)."""
    band = rng.integers(len(BANDS))
    y, x = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE] - 0.5 * (IMAGE_SIZE - 1)
    if NAMES[fault] == "trail":
        # a satellite or aircraft crosses one exposure of one band
        angle, distance = rng.uniform(0, np.pi), rng.uniform(-25, 25)
        away = x * np.sin(angle) - y * np.cos(angle) - distance
        height = 10 ** rng.uniform(0.3, 1.5) * sky[band]
        image[band] += height * np.exp(-0.5 * (away / rng.uniform(1.5, 3.0)) ** 2)
    elif NAMES[fault] == "bleed":
        # columns of a saturated star outside the image, in all bands
        away = x - rng.choice([-1, 1]) * rng.uniform(10, 31)
        column = np.exp(-((away / rng.uniform(1.0, 2.5)) ** 4))
        image += 10 ** rng.uniform(1.0, 2.5) * sky[:, None, None] * column
    elif NAMES[fault] == "blank":
        # a part without data, in one band
        edge, first = rng.integers(4, 24), rng.integers(4)
        np.rot90(image[band], first)[:edge] = 0.0

"""Made-up galaxies in memory, for tests of models that need no survey."""

import numpy as np
import torch

from helpers import PROJECT
from mmae.config import read_config, read_section
from mmae.dataset.arrays import TrainingArrays
from mmae.models.batch import Batch
from mmae.settings import Training
from mmae.training.batches import load_batch

TOY = read_config(str(PROJECT / "config/config.yaml"), str(PROJECT / "config/toy.yaml"))
"""The config at the toy's sizes, as plain content."""
SMALL_PAPER = {
    **{"kind": "paper", "image_size": 16, "image_patch": 8, "spectrum_length": 32},
    **{"spectrum_patch": 8, "dim": 16, "depth": 1, "heads": 2, "cross_layers": 1, "dropout": 0.0},
}
"""The paper's model for images of 16 pixels and spectra of 32."""


def made_up_galaxies(n: int = 64, size: int = 16, length: int = 32) -> TrainingArrays:
    """Galaxies that are the redder the further they are, one magnitude in twenty unknown."""
    rng = np.random.default_rng(0)
    redshift = rng.uniform(0.1, 1.5, n).astype("f4")
    images = rng.normal(0, 0.1, (n, 5, size, size))
    images[:, 4] += redshift[:, None, None]
    images[:, 0] += 1.6 - redshift[:, None, None]
    spectra = rng.normal(0, 1, (n, length)).astype("f4")
    magnitudes = 21 + np.outer(redshift, [4.0, 2.5, 1.5, 1.0, 0.5]) + rng.normal(0, 0.05, (n, 5))
    magnitudes[rng.random((n, 5)) < 0.05] = np.nan
    return TrainingArrays(
        images=images.astype("f4"),
        spectra=spectra,
        wave=3600.0 + 24 * np.arange(length),
        redshift=redshift,
        targetid=1000 + np.arange(n),
        magnitudes=magnitudes.astype("f4"),
        sizes=rng.uniform(0.4, 1.2, (n, 5)).astype("f4"),
    )


def split_of(n: int) -> dict[str, np.ndarray]:
    """Half of the galaxies for training, a quarter for validation, a quarter to test with."""
    parts = np.split(np.random.default_rng(1).permutation(n), [n // 2, n - n // 4])
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def batch_of(arrays: TrainingArrays, length: int, rows: np.ndarray | None = None) -> Batch:
    """Galaxies as one batch on the CPU; all, if no rows are given."""
    rows = np.arange(len(arrays.redshift)) if rows is None else rows
    return load_batch(arrays, rows, length, torch.device("cpu"))


def training_with(**keys: object) -> Training:
    """The default training, with some keys changed; batches of eight."""
    usual = read_config(str(PROJECT / "config/config.yaml"))["training"] | {"batch_size": 8}
    return read_section(Training, usual | keys, "training")

"""Made-up galaxies in memory, for tests of models that need no survey."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers import PROJECT
from mmae.config import read_config, read_section
from mmae.dataset.arrays import TrainingArrays, open_arrays
from mmae.dataset.make_arrays import write_arrays
from mmae.instruments import BANDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG
from mmae.modalities import of_file, to_plain
from mmae.modalities.base import Modality
from mmae.modalities.image import Image, ImageGeometry
from mmae.modalities.spectrum import NORMALISATION, Spectrum, SpectrumGeometry
from mmae.modalities.vector import Vector, VectorGeometry
from mmae.models import build_model
from mmae.models.batch import Batch, load_batch
from mmae.models.masking import Mask
from mmae.settings import Arrays, ImageModality, SpectrumModality, Training, VectorModality

TOY = read_config(str(PROJECT / "config/config.yaml"), str(PROJECT / "config/toy.yaml"))
"""The config at the toy's sizes, as plain content."""
SMALL_PAPER = {
    **{"kind": "paper", "modalities": ["image", "spectrum"], "dim": 16, "depth": 1, "heads": 2},
    **{"cross_layers": 1, "dropout": 0.0, "dropped": {"spectrum": 0.5}},
    "weights": {"image": 0.1, "spectrum": 0.01, "redshift": 1.0},
}
"""The paper's model, small."""


def modalities_of(size: int = 16, length: int = 32, patch: int = 8) -> dict[str, Modality]:
    """Images, spectra and photometry of made-up galaxies."""
    wave = tuple(3611.6 + 24.0 * k for k in range(length))
    columns = tuple(TOY["modalities"]["photometry"]["columns"])
    image = ImageGeometry(BANDS, size, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG)
    spectrum = SpectrumGeometry(wave, 30, NORMALISATION["mean"])
    photometry = VectorGeometry(columns, False)
    return {
        "image": Image("image", ImageModality("image", patch), image),
        "spectrum": Spectrum("spectrum", SpectrumModality("spectrum", patch), spectrum),
        "photometry": Vector("photometry", VectorModality("vector", columns), photometry),
    }


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
    sizes = rng.uniform(0.4, 1.2, (n, 5))
    return TrainingArrays(
        values={
            "image": images.astype("f4"),
            "spectrum": spectra,
            "photometry": np.hstack([magnitudes, sizes]).astype("f4"),
        },
        redshift=redshift,
        targetid=1000 + np.arange(n),
        modalities=to_plain(modalities_of(size, length).values()),
    )


def catalogue_of(n: int = 5, errors: bool = False, tokens: int = 2) -> Vector:
    """Numbers of a catalogue that are called a, b, c, and so on."""
    columns = tuple("abcdefghijklmnopqrstuvwxyz"[:n])
    settings = VectorModality("vector", columns, columns if errors else (), tokens=tokens)
    return Vector("catalogue", settings, VectorGeometry(columns, errors))


def paper_model(known: dict[str, Modality] | None = None, seed: int = 0, **keys) -> torch.nn.Module:
    """The paper's model, small, with weights of a seed; without modalities, of made-up galaxies."""
    torch.manual_seed(seed)
    return build_model(SMALL_PAPER | keys, known or modalities_of()).eval()


def mask_of(modality: Modality, *tokens: int, n: int = 6) -> Mask:
    """The same tokens hidden of each galaxy."""
    hidden = torch.zeros(n, modality.n_tokens, dtype=torch.bool)
    hidden[:, list(tokens)] = True
    return Mask(hidden)


def arrays_of(
    folder: Path,
    dataset: Path,
    entries: Mapping[str, Any] = TOY["modalities"],
    pool: int = 30,
    chunk_size: int = 64,
    **keys: Any,
) -> TrainingArrays:
    """The training arrays of a dataset, written and opened."""
    settings = read_section(Arrays, TOY["arrays"] | {"pool": pool}, "config")
    modalities = partial(of_file, entries, arrays=settings)
    write_arrays(
        folder, dataset, modalities, lambda found: to_plain(found.values()), chunk_size, **keys
    )
    return open_arrays(folder)


def split_of(n: int) -> dict[str, np.ndarray]:
    """Half of the galaxies for training, a quarter for validation, a quarter to test with."""
    parts = np.split(np.random.default_rng(1).permutation(n), [n // 2, n - n // 4])
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def batch_of(arrays: TrainingArrays, rows: np.ndarray | None = None) -> Batch:
    """Galaxies as one batch on the CPU; all, if no rows are given."""
    rows = np.arange(len(arrays.redshift)) if rows is None else rows
    return load_batch(arrays, rows, arrays.values, "cpu")


def training_with(**keys: object) -> Training:
    """The default training, with some keys changed; batches of eight."""
    usual = read_config(str(PROJECT / "config/config.yaml"))["training"] | {"batch_size": 8}
    return read_section(Training, usual | keys, "training")

"""One trained model tested with more and more hidden (section 4 announces such a study)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import predict, reconstructed_batches, true_and_rebuilt
from mmae.evaluation.views import View
from mmae.metrics.bootstrap import bootstrap_interval, median_interval
from mmae.metrics.image_quality import psnr
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import bias, outlier_fraction, sigma_nmad
from mmae.metrics.spectrum_quality import mse
from mmae.models.base import GalaxyModel
from mmae.settings import Scoring

WHOLE = 0.0
"""Test ratio that the others are compared with: the whole image."""
STUDY_COLUMNS = (
    *("test_mask", "sigma_nmad", "sigma_nmad_low", "sigma_nmad_high", "bias", "outlier_fraction"),
    *("difference", "difference_low", "difference_high", "p_better"),
    *("psnr", "psnr_low", "psnr_high", "spectrum_mse", "spectrum_mse_low", "spectrum_mse_high"),
)


def masking_study(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    test_masks: Sequence[float],
    seed: int,
    batch_size: int,
    scoring: Scoring,
) -> pd.DataFrame:
    """Redshift scatter and reconstruction error of a model at each test ratio.

    Parameters
    ----------
    model : GalaxyModel
        One that hides tokens.
    arrays : TrainingArrays
    rows : ndarray of int, shape (B,)
        Of the test galaxies.
    test_masks : sequence of float
        Hidden fractions.
    seed : int
        Of the masks.
    batch_size : int
    scoring : Scoring
        Bootstrap.

    Returns
    -------
    DataFrame
        STUDY_COLUMNS, one row a test ratio. Redshifts are from images with that fraction hidden and
        the spectrum hidden whole; `difference` is their sigma_NMAD minus that of the whole image,
        of the same galaxies. Reconstructions (PSNR of the image in dB, mean squared error of the
        spectrum) are of the hidden parts with that fraction of both hidden; NaN where nothing is.
    """
    n_samples, draw = scoring.bootstrap_samples, scoring.bootstrap_seed
    z_spec = arrays.redshift[rows].astype(float)

    # the whole image is mostly among them, and is not predicted twice
    redshifts = {
        test_mask: predict(model, arrays, rows, View(test_mask, 1.0), seed, batch_size)["z_pred"]
        for test_mask in dict.fromkeys([WHOLE, *test_masks])
    }
    whole = redshifts[WHOLE].to_numpy()
    found = []
    for test_mask in test_masks:
        z_pred = redshifts[test_mask].to_numpy()
        interval = bootstrap_interval({"sigma_nmad": sigma_nmad}, z_pred, z_spec, n_samples, draw)[
            "sigma_nmad"
        ]
        pair = paired_difference(sigma_nmad, z_pred, whole, z_spec, n_samples, draw)
        row = [test_mask, sigma_nmad(z_pred, z_spec), *interval]
        row += [bias(z_pred, z_spec), outlier_fraction(z_pred, z_spec), *pair]
        image_quality, spectrum_quality = _quality(model, arrays, rows, test_mask, seed, batch_size)
        for values in (image_quality, spectrum_quality):
            row += median_interval(values, n_samples, draw)
        found.append(row)
    return pd.DataFrame(found, columns=STUDY_COLUMNS)


def _quality(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    test_mask: float,
    seed: int,
    batch_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """PSNR of images and mean squared error of spectra with the same fraction of both hidden."""
    if test_mask == 0:
        # nothing to reconstruct
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    view = View(test_mask, test_mask)
    # a batch at a time: errors of all images in double precision are gigabytes
    parts = [
        (psnr(*true_and_rebuilt(said, "image")), mse(*true_and_rebuilt(said, "spectrum")))
        for said in reconstructed_batches(model, arrays, rows, view, seed, batch_size)
    ]
    image_quality, spectrum_quality = zip(*parts, strict=True)
    return np.concatenate(image_quality), np.concatenate(spectrum_quality)

"""One trained model tested with more and more hidden (section 4 announces such a study)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import predict, reconstructed_batches, true_and_rebuilt
from mmae.metrics.bootstrap import bootstrap_interval, median_interval
from mmae.metrics.intervals import MIN_GALAXIES
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import RedshiftRange, bias, outlier_fraction, sigma_nmad
from mmae.models.base import GalaxyModel
from mmae.settings import Scoring, View

REDSHIFT_COLUMNS = (
    *("n", "sigma_nmad", "sigma_nmad_low", "sigma_nmad_high"),
    *("bias", "outlier_fraction", "difference", "difference_low", "difference_high", "p_better"),
    *("outlier_difference", "outlier_difference_low", "outlier_difference_high"),
)
PREFIXES = ("", "low_")
"""Of columns for all redshifts, and for low ones: where the paper makes its claims."""
STUDY_COLUMNS = (
    *("test_mask", "view"),
    *(f"{prefix}{name}" for prefix in PREFIXES for name in REDSHIFT_COLUMNS),
)
"""Followed by the summary of each modality's quality, with `_low` and `_high`."""


class Test(NamedTuple):
    """One row of the study."""

    test_mask: float
    """Hidden fraction; NaN for a named view."""
    view: str
    """Its name; empty for a fraction."""
    redshift: View
    """What redshifts are predicted from."""
    reconstruction: View
    """What reconstructions are made of."""


def fractions(modalities: Sequence[str], test_masks: Sequence[float]) -> list[Test]:
    """Tests with a fraction hidden: of the first modality, the others hidden whole; and of all."""
    first, *others = modalities
    whole = {name: {"random": 1.0} for name in others}
    return [
        Test(
            fraction,
            "",
            View({first: {"random": fraction}} | whole),
            View({name: {"random": fraction} for name in modalities}),
        )
        for fraction in test_masks
    ]


def masking_study(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    test_masks: Sequence[float],
    views: Mapping[str, View],
    seed: int,
    batch_size: int,
    scoring: Scoring,
) -> pd.DataFrame:
    """Redshift scatter and reconstruction error of a model at each test ratio, under each view.

    Parameters
    ----------
    model : GalaxyModel
        One that hides tokens.
    arrays : TrainingArrays
    rows : ndarray of int, shape (B,)
        Of the test galaxies.
    test_masks : sequence of float
        Hidden fractions.
    views : mapping of str to View
        Further tests.
    seed : int
        Of the masks.
    batch_size : int
    scoring : Scoring
        Bootstrap.

    Returns
    -------
    DataFrame
        STUDY_COLUMNS, one row a test. Of a ratio, redshifts are from the first modality with that
        fraction hidden and all others hidden whole; `difference` is their sigma_NMAD minus that of
        the first modality whole, of the same galaxies, and `outlier_difference` the same of the
        outlier fraction. After `low_` these are at low redshift; NaN where a range has fewer than
        MIN_GALAXIES. Reconstructions are of the hidden parts with
        that fraction of all modalities hidden, or under the view; NaN where nothing is.
    """
    n_samples, draw = scoring.bootstrap_samples, scoring.bootstrap_seed
    names = list(model.modalities)
    tests = fractions(names, test_masks)
    tests += [Test(np.nan, name, view, view) for name, view in views.items()]
    z_spec = arrays.redshift[rows].astype(float)
    low = RedshiftRange(scoring.full_range[0], scoring.low_redshift)
    (nothing_hidden,) = fractions(names, [0.0])

    def predicted(test: Test) -> np.ndarray:
        table = predict(model, arrays, rows, test.redshift, seed, batch_size)
        return table["z_pred"].to_numpy()

    whole = predicted(nothing_hidden)
    columns, found = [*STUDY_COLUMNS], []
    for name, modality in model.modalities.items():
        column = f"{name}_{modality.summary[0]}"
        columns += [column, f"{column}_low", f"{column}_high"]
    for test in tests:
        # the whole image is mostly among them, and is not predicted twice
        z_pred = whole if test.redshift == nothing_hidden.redshift else predicted(test)
        row = [test.test_mask, test.view]
        for inside in (np.isfinite(z_spec), low.contains(z_spec)):
            row += _redshifts(*(z[inside] for z in (z_pred, whole, z_spec)), scoring)
        for values in _quality(model, arrays, rows, test.reconstruction, seed, batch_size):
            row += median_interval(values, n_samples, draw)
        found.append(row)
    return pd.DataFrame(found, columns=columns)


def _redshifts(
    z_pred: np.ndarray, whole: np.ndarray, z_spec: np.ndarray, scoring: Scoring
) -> list[float]:
    """REDSHIFT_COLUMNS of the galaxies of a range, (N,) each; `whole`: predicted from all."""
    if len(z_spec) < MIN_GALAXIES:
        return [len(z_spec), *[np.nan] * (len(REDSHIFT_COLUMNS) - 1)]
    options = scoring.bootstrap_samples, scoring.bootstrap_seed
    interval = bootstrap_interval({"": sigma_nmad}, z_pred, z_spec, *options)[""]
    scatter, outliers = (
        paired_difference(metric, z_pred, whole, z_spec, *options)
        for metric in (sigma_nmad, outlier_fraction)
    )
    numbers = [len(z_spec), sigma_nmad(z_pred, z_spec), *interval, bias(z_pred, z_spec)]
    return [*numbers, outlier_fraction(z_pred, z_spec), *scatter, *outliers[:3]]


def _quality(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> list[np.ndarray]:
    """The summary of each modality's quality, (B,) each."""
    if not any(sum(map(bool, kinds.values())) for kinds in view.hidden.values()):
        # nothing to reconstruct
        return [np.full(len(rows), np.nan) for _ in model.modalities]
    measures = [one.summary[2] for one in model.modalities.values()]
    # a batch at a time: errors of all images in double precision are gigabytes
    parts = [
        [
            measure(*true_and_rebuilt(said, name))
            for name, measure in zip(model.modalities, measures, strict=True)
        ]
        for said in reconstructed_batches(model, arrays, rows, view, seed, batch_size)
    ]
    return [np.concatenate(values) for values in zip(*parts, strict=True)]

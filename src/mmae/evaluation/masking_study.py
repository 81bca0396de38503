"""One trained model tested with more and more hidden (section 4 announces such a study)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mmae.dataset.arrays import TrainingArrays
from mmae.evaluation.predict import predict, reconstructed_batches, true_and_rebuilt
from mmae.metrics.bootstrap import bootstrap_interval, median_interval
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import bias, outlier_fraction, sigma_nmad
from mmae.models.base import GalaxyModel
from mmae.settings import Scoring, View

STUDY_COLUMNS = (
    *("test_mask", "view", "sigma_nmad", "sigma_nmad_low", "sigma_nmad_high"),
    *("bias", "outlier_fraction", "difference", "difference_low", "difference_high", "p_better"),
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
        the first modality whole, of the same galaxies. Reconstructions are of the hidden parts with
        that fraction of all modalities hidden, or under the view; NaN where nothing is.
    """
    n_samples, draw = scoring.bootstrap_samples, scoring.bootstrap_seed
    names = list(model.modalities)
    tests = fractions(names, test_masks)
    tests += [Test(np.nan, name, view, view) for name, view in views.items()]
    z_spec = arrays.redshift[rows].astype(float)
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
        interval = bootstrap_interval({"sigma_nmad": sigma_nmad}, z_pred, z_spec, n_samples, draw)[
            "sigma_nmad"
        ]
        pair = paired_difference(sigma_nmad, z_pred, whole, z_spec, n_samples, draw)
        row = [test.test_mask, test.view, sigma_nmad(z_pred, z_spec), *interval]
        row += [bias(z_pred, z_spec), outlier_fraction(z_pred, z_spec), *pair]
        for values in _quality(model, arrays, rows, test.reconstruction, seed, batch_size):
            row += median_interval(values, n_samples, draw)
        found.append(row)
    return pd.DataFrame(found, columns=columns)


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

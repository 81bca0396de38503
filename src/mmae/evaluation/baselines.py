"""Sanity baselines: what redshifts cost without a network."""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.settings import Baseline


def baseline_predictions(
    baseline: Baseline, arrays: TrainingArrays, split: dict[str, np.ndarray], seed: int
) -> pd.DataFrame:
    """Fit on the training galaxies, predict the test galaxies.

    Parameters
    ----------
    baseline : Baseline
        `gbdt`: scikit-learn's gradient-boosted trees on the five cmodel magnitudes and the four
        colours between them; `median`: always the median redshift of the training galaxies.
    arrays : TrainingArrays
    split : dict of str to ndarray of int
    seed : int

    Returns
    -------
    DataFrame
        targetid, z_spec, z_pred of the test galaxies.

    Raises
    ------
    InputError
        If magnitudes are needed and the dataset has none.
    """
    train, test = split["train"], split["test"]
    z_train = arrays.redshift[train].astype(float)
    if baseline.kind == "median":
        z_pred = np.full(len(test), np.median(z_train))
    else:
        magnitudes = np.asarray(arrays.magnitudes)
        if not np.isfinite(magnitudes).any():
            raise InputError(
                "baseline gbdt", found="a dataset without magnitudes", expected="five cmodel bands"
            )
        features = np.hstack([magnitudes, -np.diff(magnitudes, axis=1)])
        # ln(1 + z): the error that counts is dz / (1 + z)
        trees = HistGradientBoostingRegressor(random_state=seed, early_stopping=False)
        trees.fit(features[train], np.log1p(z_train))
        z_pred = np.expm1(trees.predict(features[test]))
    return pd.DataFrame(
        {
            "targetid": arrays.targetid[test],
            "z_spec": arrays.redshift[test].astype(float),
            "z_pred": z_pred,
        }
    )

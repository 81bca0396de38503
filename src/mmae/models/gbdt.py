"""Gradient-boosted trees on magnitudes, colours and sizes."""

from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from mmae.errors import InputError
from mmae.instruments import BANDS
from mmae.modalities.base import Modality
from mmae.models.estimator import Columns, Estimator
from mmae.settings import GbdtModel

SETTINGS = GbdtModel


class Gbdt(Estimator):
    """scikit-learn's histogram gradient boosting: what redshifts cost without a network."""

    trusted = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

    def features(self, values: np.ndarray) -> np.ndarray:
        """Magnitudes, which are the first columns, the colours between them, and all others."""
        magnitudes, rest = np.split(values, [len(BANDS)], axis=1)
        return np.hstack([magnitudes, -np.diff(magnitudes, axis=1), rest])

    def fit(self, train: Columns, validation: Columns, seed: int) -> None:
        """Add trees until the validation loss no longer falls.

        Raises
        ------
        InputError
            If the dataset has no magnitudes.
        """
        if not np.isfinite(train.values[:, : len(BANDS)]).any():
            raise InputError(
                "model gbdt", found="a dataset without magnitudes", expected="five cmodel bands"
            )
        self.regressor = HistGradientBoostingRegressor(
            loss=self.settings.loss,
            learning_rate=self.settings.learning_rate,
            max_iter=self.settings.trees,
            max_leaf_nodes=self.settings.leaves,
            early_stopping=True,
            n_iter_no_change=self.settings.patience,
            random_state=seed,
        )
        features, of_validation = (self.features(part.values) for part in (train, validation))
        # scikit-learn cannot bin what is nowhere known; what is constant is never split
        unknown = np.isnan(features).all(axis=0)
        features[:, unknown] = of_validation[:, unknown] = 0
        self.regressor.fit(
            features,
            np.log1p(train.redshift.astype(float)),
            X_val=of_validation,
            y_val=np.log1p(validation.redshift.astype(float)),
        )


def build(settings: GbdtModel, modalities: Mapping[str, Modality]) -> Gbdt:
    """Make the model, not fitted."""
    return Gbdt(settings, modalities)

"""Always the median redshift of the training galaxies: what any model must beat."""

from collections.abc import Mapping

import numpy as np
from sklearn.dummy import DummyRegressor

from mmae.modalities.base import Modality
from mmae.models.estimator import Columns, Estimator
from mmae.settings import MedianModel

SETTINGS = MedianModel


class Median(Estimator):
    """A regressor that looks at nothing."""

    def fit(self, train: Columns, validation: Columns, seed: int) -> None:
        """Take the median."""
        self.regressor = DummyRegressor(strategy="median")
        self.regressor.fit(self.features(train.values), np.log1p(train.redshift.astype(float)))


def build(settings: MedianModel, modalities: Mapping[str, Modality]) -> Median:
    """Make the model, not fitted."""
    return Median(settings, modalities)

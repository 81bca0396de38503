"""Always the median redshift of the training galaxies: what any model must beat."""

import numpy as np
from sklearn.dummy import DummyRegressor

from mmae.models.estimator import Estimator, Photometry
from mmae.settings import MedianModel

SETTINGS = MedianModel


class Median(Estimator):
    """A regressor that looks at nothing."""

    reads_photometry = False

    def fit(self, train: Photometry, validation: Photometry, seed: int) -> None:
        """Take the median."""
        self.regressor = DummyRegressor(strategy="median")
        features = self.features(train.magnitudes, train.sizes)
        self.regressor.fit(features, np.log1p(train.redshift.astype(float)))


def build(settings: MedianModel) -> Median:
    """Make the model, not fitted."""
    return Median(settings)

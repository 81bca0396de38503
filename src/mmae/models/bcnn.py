"""The Bayesian convolutional network of Jones et al. 2024 (ApJ 974, 159).

Shapes: B galaxies, C bands, H W pixels on a side, F features, T draws.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from mmae.instruments import BANDS
from mmae.modalities.base import Modality
from mmae.modalities.scaling import Standardise
from mmae.models.base import GalaxyModel, Losses, Prediction, full_precision
from mmae.models.batch import Batch, generator_of
from mmae.models.cnn import check_halves, middle
from mmae.models.losses import Mean, mean_of
from mmae.models.masking import Masks
from mmae.models.variational import VariationalLinear
from mmae.settings import BcnnModel

SETTINGS = BcnnModel
N_POOLED = 5
"""Convolutions that are followed by 2x2 pooling."""
MIN_STD = 1e-3
"""Of ln(1 + z): narrower than any photometric redshift is known."""
DRAWS = 5
"""Stream of random numbers behind predictions, apart from those of the training."""


class Bcnn(GalaxyModel):
    """Convolutions on images beside dense layers on magnitudes; the last layer is variational.

    Parameters
    ----------
    settings : BcnnModel

    Notes
    -----
    The network gives a Gaussian for ln(1 + z), in which photometric errors are alike at all
    redshifts. It is trained with the negative log-likelihood plus the divergence of the last layer
    from its prior, for each galaxy of the training set. Jones et al. feed raw flux; here images are
    on an asinh scale and dense layers normalised by batch, without which few epochs do not do.
    """

    def __init__(self, settings: BcnnModel, modalities: Mapping[str, Modality]):
        super().__init__(settings, modalities)
        self.n_train = 1
        modality = modalities[settings.image]
        check_halves(modality, settings.crop, 2**N_POOLED)
        n_bands, size = modality.shape[0], settings.crop or modality.shape[-1]
        self.scale, self.standardise = modality.even_scale(), Standardise(len(BANDS))
        layers: list[nn.Module] = []
        for index, (before, channels) in enumerate(pairwise((n_bands, *settings.channels))):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            if index < N_POOLED:
                layers.append(nn.MaxPool2d(2))
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        n_flat = settings.channels[-1] * (size // 2**N_POOLED) ** 2
        self.dense = _dense(n_flat, settings.dense)
        self.magnitude_dense = _dense(len(BANDS), settings.magnitude_dense)
        n_features = settings.dense[-1] + sum(settings.magnitude_dense[-1:])
        # mean and raw standard deviation of ln(1 + z)
        self.head = VariationalLinear(n_features, 2, settings.prior_std)
        # the layout that convolutions on CPUs and GPUs are fastest with
        self.to(memory_format=torch.channels_last)

    def prepare(self, sample: Batch, n_train: int) -> None:
        """Scale the inputs; start from the mean and scatter of ln(1 + z)."""
        self.n_train = n_train
        self.scale.fit(sample.known(self.settings.image))
        self.standardise.fit(self._magnitudes(sample))
        zeta = sample.redshift[sample.redshift.isfinite()].log1p()
        scatter = zeta.std().clamp(min=MIN_STD)
        with torch.no_grad():
            self.head.mean[:, -1] = torch.stack([zeta.mean(), scatter.expm1().log()])

    def _magnitudes(self, batch: Batch) -> Tensor:
        """Five magnitudes, (B, 5); NaN where unknown, or not read."""
        if self.settings.photometry is None:
            return batch.redshift.new_full((batch.redshift.shape[0], len(BANDS)), torch.nan)
        return batch.known(self.settings.photometry)[:, : len(BANDS)]

    def features(self, batch: Batch) -> Tensor:
        """What the last layer reads: (B, F)."""
        image = self.scale(middle(batch.values[self.settings.image], self.settings.crop))
        image = image.contiguous(memory_format=torch.channels_last)
        features = self.dense(self.convolutions(image))
        if self.settings.magnitude_dense:
            magnitudes = self.magnitude_dense(self.standardise(self._magnitudes(batch)))
            features = torch.cat([features, magnitudes], dim=1)
        return features.float()

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One draw of the mean and the standard deviation of ln(1 + z): (B,) each."""
        features = self.features(batch)
        with full_precision(features):
            return _gaussian(self.head(features, generator))

    def losses(self, batch: Batch, masks: Masks, generator: torch.Generator) -> Losses:
        """Negative log-likelihood of one draw a galaxy; in training, the divergence a galaxy."""
        mean, std = self(batch, generator)
        likelihood = _negative_log_likelihood(mean, std, batch.redshift)
        if not self.training:
            return Losses({"total": likelihood}, mean.expm1())
        divergence = mean_of(self.head.divergence() / self.n_train)
        return Losses({"likelihood": likelihood, "divergence": divergence}, mean.expm1())

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Mean and standard deviation over draws from the posterior, and the features.

        The variance is that of the means between draws plus the mean of the draws' variances.
        """
        features = self.features(batch)
        draws = self.head.draw(features, self.settings.draws, generator_of(0, DRAWS))  # (T, B, 2)
        means, stds = _gaussian(draws)
        mean = means.mean(dim=0)
        variance = means.var(dim=0, correction=0) + stds.square().mean(dim=0)
        z_pred = mean.expm1()
        # d z = (1 + z) d ln(1 + z)
        return Prediction(z_pred, (1 + z_pred) * variance.sqrt(), features)


def _gaussian(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation from the outputs of the last layer (..., 2)."""
    mean, raw_std = outputs.unbind(-1)
    return mean, nn.functional.softplus(raw_std) + MIN_STD


def _negative_log_likelihood(mean: Tensor, std: Tensor, redshift: Tensor) -> Mean:
    """Of ln(1 + z), over galaxies whose redshift is known."""
    known = redshift.isfinite()
    found = torch.distributions.Normal(mean, std).log_prob(redshift.masked_fill(~known, 0).log1p())
    return Mean(-found.masked_fill(~known, 0).sum(), known.sum())


def _dense(n_in: int, units: tuple[int, ...]) -> nn.Sequential:
    """Dense layers with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise((n_in, *units)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def build(settings: BcnnModel, modalities: Mapping[str, Modality]) -> Bcnn:
    """Make the model with random weights from torch's global generator."""
    return Bcnn(settings, modalities)

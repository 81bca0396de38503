"""The Bayesian convolutional network of Jones et al. 2024 (ApJ 974, 159).

Shapes: B galaxies, C bands, H W pixels on a side, F features, T draws.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from mmae.instruments import BANDS
from mmae.models.base import GalaxyModel, Prediction, full_precision
from mmae.models.batch import Batch, generator_of
from mmae.models.scaling import AsinhScale, Standardise
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

    def __init__(self, settings: BcnnModel):
        super().__init__()
        self.settings = settings
        self.n_train = 1
        self.reads_photometry = bool(settings.magnitude_dense)
        self.scale, self.standardise = AsinhScale(), Standardise()
        layers: list[nn.Module] = []
        for index, (before, channels) in enumerate(pairwise((len(BANDS), *settings.channels))):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            if index < N_POOLED:
                layers.append(nn.MaxPool2d(2))
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        n_flat = settings.channels[-1] * (settings.image_size // 2**N_POOLED) ** 2
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
        self.scale.fit(sample.image)
        self.standardise.fit(sample.magnitudes)
        zeta = sample.redshift.log1p()
        scatter = zeta.std().clamp(min=MIN_STD)
        with torch.no_grad():
            self.head.mean[:, -1] = torch.stack([zeta.mean(), scatter.expm1().log()])

    def features(self, batch: Batch) -> Tensor:
        """What the last layer reads: (B, F)."""
        image = self.scale(batch.image).contiguous(memory_format=torch.channels_last)
        features = self.dense(self.convolutions(image))
        if self.settings.magnitude_dense:
            magnitudes = self.magnitude_dense(self.standardise(batch.magnitudes))
            features = torch.cat([features, magnitudes], dim=1)
        return features.float()

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One draw of the mean and the standard deviation of ln(1 + z): (B,) each."""
        features = self.features(batch)
        with full_precision(features):
            return _gaussian(self.head(features, generator))

    def training_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihood and divergence, both a galaxy."""
        mean, std = self(batch, generator)
        likelihood = _negative_log_likelihood(mean, std, batch.redshift.log1p())
        divergence = self.head.divergence() / self.n_train
        return {
            "likelihood": likelihood,
            "divergence": divergence,
            "total": likelihood + divergence,
        }

    def validation_losses(
        self, batch: Batch, mask_ratio: float, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Negative log-likelihood of one draw a galaxy, and its redshifts."""
        mean, std = self(batch, generator)
        return {"total": _negative_log_likelihood(mean, std, batch.redshift.log1p())}, mean.expm1()

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
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


def _negative_log_likelihood(mean: Tensor, std: Tensor, target: Tensor) -> Tensor:
    """Mean over galaxies."""
    return -torch.distributions.Normal(mean, std).log_prob(target).mean()


def _dense(n_in: int, units: tuple[int, ...]) -> nn.Sequential:
    """Dense layers with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise((n_in, *units)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def build(settings: BcnnModel) -> Bcnn:
    """Make the model with random weights from torch's global generator."""
    return Bcnn(settings)

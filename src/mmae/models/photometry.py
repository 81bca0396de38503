"""An image as what an astronomer would measure in it: one token, from fluxes in annuli."""

from torch import Tensor, nn

from mmae.errors import InputError
from mmae.modalities.annuli import Annuli
from mmae.modalities.base import Modality
from mmae.models.base import full_precision
from mmae.models.layers import perceptron


class Photometry(nn.Module):
    """Annuli of the visible pixels through a perceptron.

    Parameters
    ----------
    modality : Modality
        Of images, with a pixel scale.
    hidden, width : int
        Units of the layers, and of the token.

    Raises
    ------
    InputError
        If the modality has no pixel scale.
    """

    def __init__(self, modality: Modality, hidden: int, width: int):
        super().__init__()
        scale = getattr(modality.geometry, "pixel_scale_arcsec", None)
        if scale is None:
            raise InputError(
                "model",
                key=modality.name,
                found=f"a modality of kind {modality.settings.kind}",
                expected="images with a pixel scale",
            )
        self.annuli = Annuli(*modality.shape[:2], scale)
        self.network = perceptron(self.annuli.n_features, hidden, hidden, width)

    def fit(self, image: Tensor) -> None:
        """Learn the scale of the features from images; missing pixels are NaN."""
        self.annuli.fit(image)

    def forward(self, image: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W), hidden pixels True (broadcasts), to tokens (B, D).

        Where all is hidden the token is 0.
        """
        # fluxes span more than 16 bits tell apart
        with full_precision(image):
            token = self.network(self.annuli(image, hidden))
        if hidden is None:
            return token
        return token.masked_fill(hidden.flatten(1).all(dim=1)[:, None], 0.0)

"""Galaxies have no preferred orientation."""

from torch import Tensor

from mmae.models.batch import Batch

IMAGE_AXES = 4
"""Of values that are turned: (B, C, H, W)."""


def augment(batch: Batch, which: Tensor) -> Batch:
    """Turn images by multiples of 90 degrees and mirror them.

    Parameters
    ----------
    batch : Batch
    which : Tensor of int, shape (B,)
        0 to 7, the elements of the dihedral group.

    Returns
    -------
    Batch
        With other images; no pixel is interpolated.
    """
    which = which.to(batch.redshift.device)

    def turned(parts: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: _turned(part, which) if part.dim() == IMAGE_AXES else part
            for name, part in parts.items()
        }

    return batch._replace(values=turned(batch.values), valid=turned(batch.valid))


def _turned(image: Tensor, which: Tensor) -> Tensor:
    """Images (B, C, H, W), each turned in its own way."""
    for bit, change in enumerate((_mirror, _half_turn, _transpose)):
        chosen = (which >> bit & 1).bool()[:, None, None, None]
        image = change(image).where(chosen, image)
    return image


def _mirror(image: Tensor) -> Tensor:
    return image.flip(-1)


def _half_turn(image: Tensor) -> Tensor:
    return image.flip(-1, -2)


def _transpose(image: Tensor) -> Tensor:
    return image.transpose(-1, -2)

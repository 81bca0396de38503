"""Galaxies have no preferred orientation."""

import torch

from mmae.models.batch import Batch


def turn(batch: Batch, generator: torch.Generator) -> Batch:
    """Turn each image by a multiple of 90 degrees and mirror half of them, at random.

    Parameters
    ----------
    batch : Batch
    generator : torch Generator

    Returns
    -------
    Batch
        With other images; no pixel is interpolated.
    """
    which = torch.randint(0, 8, (batch.n_whole,), generator=generator)
    which = which[batch.own].to(batch.image.device)
    image = batch.image
    for bit, change in enumerate((_mirror, _half_turn, _transpose)):
        chosen = (which >> bit & 1).bool()[:, None, None, None]
        image = torch.where(chosen, change(image), image)
    return batch._replace(image=image)


def _mirror(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1)


def _half_turn(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1, -2)


def _transpose(image: torch.Tensor) -> torch.Tensor:
    return image.transpose(-1, -2)

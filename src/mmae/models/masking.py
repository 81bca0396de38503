"""Which tokens are hidden. A mask is a bool tensor, True = hidden, and nowhere else reversed."""

from typing import Literal

import torch
from torch import Tensor


def random_mask(
    n_galaxies: int, n_tokens: int, mask_ratio: float, generator: torch.Generator
) -> Tensor:
    """Hide int(mask_ratio * n_tokens) random tokens of each galaxy.

    Parameters
    ----------
    n_galaxies, n_tokens : int
    mask_ratio : float
        Hidden fraction, 0 to 1.
    generator : torch Generator

    Returns
    -------
    Tensor of bool, shape (B, N)
        True = hidden.

    Notes
    -----
    Source: paper section 4 ("a random 75% subset of image and spectra patch tokens is zeroed out
    for each galaxy"); the rounding is that of the authors' code.
    """
    n_hidden = int(mask_ratio * n_tokens)
    order = torch.rand(n_galaxies, n_tokens, generator=generator).argsort(dim=1)
    mask = torch.zeros(n_galaxies, n_tokens, dtype=torch.bool)
    return mask.scatter_(1, order[:, :n_hidden], True)


def modality_dropout(
    n_galaxies: int, probability: float, by: Literal["galaxy", "batch"], generator: torch.Generator
) -> Tensor:
    """Choose whose spectrum is zeroed entirely.

    Parameters
    ----------
    n_galaxies : int
    probability : float
    by : {"galaxy", "batch"}
        Each galaxy on its own (the paper's text) or all of a batch together (the authors' code).
    generator : torch Generator

    Returns
    -------
    Tensor of bool, shape (B,)
        True = the spectrum is zeroed.
    """
    draws = torch.rand(n_galaxies if by == "galaxy" else 1, generator=generator)
    return (draws < probability).expand(n_galaxies)

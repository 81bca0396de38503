"""Token dropping: encoders see visible tokens alone, as in He et al. 2022.

The paper zeroes hidden tokens and computes on them all the same. Dropped, they cost nothing, and a
galaxy whose spectrum is hidden whole pays nothing for it (arXiv:2111.06377, section 3).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmae.errors import InputError

if TYPE_CHECKING:
    from mmae.models.paper import PaperMMAE


def see_visible(
    model: "PaperMMAE", image: Tensor, spectrum: Tensor, image_mask: Tensor, spectrum_mask: Tensor
) -> Tensor:
    """Joint representation, (B, 2 D), from visible tokens; half of it is 0 for a hidden modality.

    Parameters
    ----------
    model : PaperMMAE
    image : Tensor, shape (B, C, H, W)
    spectrum : Tensor, shape (B, L)
    image_mask, spectrum_mask : Tensor of bool, shape (B, N) and (B, M)
        True = hidden. All galaxies of which anything is visible have as many visible tokens.

    Raises
    ------
    InputError
        If the numbers of visible tokens differ.
    """
    has_image, has_spectrum = ~image_mask.all(dim=1), ~spectrum_mask.all(dim=1)
    joint = image.new_zeros(len(image), 2 * model.settings.dim)
    for with_image, with_spectrum in ((True, True), (True, False), (False, True)):
        rows = ((has_image == with_image) & (has_spectrum == with_spectrum)).nonzero().squeeze(1)
        if len(rows):
            tokens = model.embed_image(image[rows]) if with_image else None
            image_tokens = _encode(model.image_encoder, tokens, image_mask[rows])
            tokens = model.embed_spectrum(spectrum[rows]) if with_spectrum else None
            spectrum_tokens = _encode(model.spectrum_encoder, tokens, spectrum_mask[rows])
            seen = _join(model, image_tokens, spectrum_tokens)
            joint = joint.index_copy(0, rows, seen.to(joint.dtype))
    return joint


def _encode(encoder: torch.nn.Module, tokens: Tensor | None, mask: Tensor) -> Tensor | None:
    """Encode the visible tokens, (B, K, D)."""
    return None if tokens is None else encoder(keep(tokens, mask))


def keep(tokens: Tensor, mask: Tensor) -> Tensor:
    """Visible tokens in their order: (B, N, D) to (B, K, D).

    Raises
    ------
    InputError
        If galaxies have different numbers of them.
    """
    counts = (~mask).sum(dim=1)
    if (counts != counts[0]).any():
        raise InputError(
            "masks",
            found=f"{int(counts.min())} to {int(counts.max())} visible tokens",
            expected="as many for each galaxy, where masking is drop",
        )
    return tokens[~mask].unflatten(0, (len(tokens), int(counts[0])))


def _join(model: "PaperMMAE", image: Tensor | None, spectrum: Tensor | None) -> Tensor:
    """Fuse what there is and pool it: (B, 2 D)."""
    if image is not None and spectrum is not None:
        return model.join(*model.fuse(image, spectrum))
    tokens, pool = (
        (image, model.image_pool) if spectrum is None else (spectrum, model.spectrum_pool)
    )
    for block in model.fusion:
        tokens = block.digest(tokens)
    parts = [pool(tokens), torch.zeros_like(tokens[:, 0])]
    return torch.cat(parts if spectrum is None else parts[::-1], dim=1)

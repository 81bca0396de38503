"""What is hidden of galaxies: one function a kind of mask. True = hidden, nowhere the reverse.

A mask hides tokens, or values inside them: bands, pixels. The kinds, with their arguments, are
named in `mmae.settings.masks.MASK_KINDS`; functions of the same names stand below.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from mmae.errors import InputError
from mmae.instruments import ARMS, SKY_LINE_WAVE
from mmae.modalities.base import Modality


class Mask(NamedTuple):
    """What is hidden of one modality of B galaxies."""

    tokens: Tensor
    """(B, N) bool."""
    values: Tensor | None = None
    """Hidden values, inside tokens or whole ones: bool, (B, ...), broadcasts to (B, *shape)."""
    counts: Tensor | None = None
    """(B,) bool: whose hidden values a loss counts; None: all."""

    def of(self, rows: slice | Tensor, device: torch.device | str) -> "Mask":
        """The mask of some of the galaxies, on a device."""
        parts = (part if part is None else part[rows].to(device) for part in self)
        return Mask(*parts)


Masks = Mapping[str, Mask]
"""By modality."""
Draw = Callable[[Modality, int, Any, torch.Generator], Tensor]
"""Of a modality, a number of galaxies, an argument and a generator."""


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
    """Choose whose modality is zeroed entirely.

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
        True = zeroed.
    """
    draws = torch.rand(n_galaxies if by == "galaxy" else 1, generator=generator)
    return (draws < probability).expand(n_galaxies)


def bands(modality: Modality, n: int, names: Any, generator: torch.Generator) -> Tensor:
    """Whole bands, the same of all galaxies: (1, C, 1, 1)."""
    known = _of_geometry(modality, "bands", "bands")
    chosen = _names(modality, "bands", names, known)
    return torch.tensor([band in chosen for band in known])[None, :, None, None]


def wave(modality: Modality, n: int, ends: Any, generator: torch.Generator) -> Tensor:
    """A range of wavelengths, the same of all galaxies: (1, L)."""
    grid = _wave(modality, "wave")
    low, high = ends
    return ((grid >= low) & (grid <= high))[None]


def arms(modality: Modality, n: int, names: Any, generator: torch.Generator) -> Tensor:
    """What no other arm of the spectrograph sees, the same of all galaxies: (1, L)."""
    chosen = _names(modality, "arms", names, [arm.name for arm in ARMS])
    return _without(_wave(modality, "arms"), chosen)[None]


def sky_lines(modality: Modality, n: int, width: Any, generator: torch.Generator) -> Tensor:
    """Around the bright lines of the night sky, the same of all galaxies: (1, L)."""
    grid = _wave(modality, "sky_lines")
    distance = (grid[:, None] - torch.tensor(SKY_LINE_WAVE)).abs().amin(dim=1)
    return (distance <= float(width))[None]


def lost_band(modality: Modality, n: int, chance: Any, generator: torch.Generator) -> Tensor:
    """One band of some galaxies: (B, C, 1, 1)."""
    n_bands = len(_of_geometry(modality, "bands", "lost_band"))
    which = torch.randint(n_bands, (n,), generator=generator)
    lost = torch.rand(n, generator=generator) < float(chance)
    return (torch.arange(n_bands) == which[:, None])[..., None, None] & lost[:, None, None, None]


def lost_arm(modality: Modality, n: int, chance: Any, generator: torch.Generator) -> Tensor:
    """One arm of the spectra of some galaxies: (B, L)."""
    grid = _wave(modality, "lost_arm")
    each = torch.stack([_without(grid, [arm.name]) for arm in ARMS])
    which = torch.randint(len(ARMS), (n,), generator=generator)
    return each[which] & (torch.rand(n, generator=generator) < float(chance))[:, None]


def gap(modality: Modality, n: int, longest: Any, generator: torch.Generator) -> Tensor:
    """A gap along the last axis of each galaxy, of any length up to a fraction of it."""
    length = modality.shape[-1]
    width = torch.rand(n, generator=generator) * float(longest) * length
    start = torch.rand(n, generator=generator) * (length - width)
    # of the middle of each value, so that both ends are lost alike
    place = torch.arange(length) + 0.5
    hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
    return hidden.view(n, *[1] * (len(modality.shape) - 1), length)


def cosmic_rays(modality: Modality, n: int, mean: Any, generator: torch.Generator) -> Tensor:
    """Hits of one to a few values in a row, in one band each: (B, *shape)."""
    hidden = torch.zeros(n, *modality.shape, dtype=torch.bool)
    counts = torch.poisson(torch.full((n,), float(mean)), generator=generator).long()
    galaxy = torch.arange(n).repeat_interleave(counts)
    places = [torch.randint(size, (len(galaxy),), generator=generator) for size in modality.shape]
    length = torch.randint(1, 5, (len(galaxy),), generator=generator)
    for step in range(4):
        hit = length > step
        last = (places[-1] + step).clamp(max=modality.shape[-1] - 1)
        hidden[(galaxy[hit], *(place[hit] for place in (*places[:-1], last)))] = True
    return hidden


def dead_pixels(modality: Modality, n: int, fraction: Any, generator: torch.Generator) -> Tensor:
    """Single values, other ones of each galaxy: (B, *shape)."""
    return torch.rand(n, *modality.shape, generator=generator) < float(fraction)


def chip_edge(modality: Modality, n: int, chance: Any, generator: torch.Generator) -> Tensor:
    """Up to a half of some galaxies' values from one end of the last axis on, in all bands."""
    length = modality.shape[-1]
    width = torch.rand(n, generator=generator) * length / 2
    place = torch.arange(length).expand(n, length)
    left = torch.rand(n, generator=generator) < 0.5
    place = torch.where(left[:, None], place, length - 1 - place)
    lost = torch.rand(n, generator=generator) < float(chance)
    hidden = (place < width[:, None]) & lost[:, None]
    return hidden.view(n, *[1] * (len(modality.shape) - 1), length)


VALUE_MASKS: dict[str, Draw] = {
    "bands": bands,
    "wave": wave,
    "arms": arms,
    "sky_lines": sky_lines,
    "lost_band": lost_band,
    "lost_arm": lost_arm,
    "gap": gap,
    "cosmic_rays": cosmic_rays,
    "dead_pixels": dead_pixels,
    "chip_edge": chip_edge,
}
"""Kinds that hide values. `random` hides tokens, and `bad` what is missing in the data."""


def draw(
    modality: Modality,
    n_galaxies: int,
    kinds: Mapping[str, Any],
    generator: torch.Generator,
    valid: Tensor | None = None,
) -> Mask:
    """Draw the mask of one modality.

    Parameters
    ----------
    modality : Modality
    n_galaxies : int
    kinds : mapping
        Kind of mask -> its argument; they add up.
    generator : torch Generator
    valid : Tensor of bool, shape (B, *shape), optional
        What the data have, for `bad`.

    Raises
    ------
    InputError
        If the modality has not what a kind hides.
    """
    tokens = random_mask(n_galaxies, modality.n_tokens, kinds.get("random", 0.0), generator)
    parts = [
        VALUE_MASKS[kind](modality, n_galaxies, argument, generator)
        for kind, argument in kinds.items()
        if kind in VALUE_MASKS
    ]
    if kinds.get("bad") and valid is not None:
        parts.append(~valid.cpu())
    if not parts:
        return Mask(tokens)
    values = parts[0].expand(n_galaxies, *parts[0].shape[1:])
    for part in parts[1:]:
        values = values | part
    values = modality.with_tells(values)
    return Mask(tokens | modality.whole_tokens(values), values)


def hidden_values(modality: Modality, mask: Mask) -> Tensor:
    """All values that a mask hides and a decoder gives, those of hidden tokens among them.

    Bool, as `covered`.
    """
    covered = modality.covered(mask.tokens)
    if mask.values is None:
        return covered
    return covered | (mask.values & modality.covered(torch.ones_like(mask.tokens)))


def unseen_values(modality: Modality, mask: Mask) -> Tensor:
    """All values that no visible token shows: hidden ones, and those that belong to no token.

    Bool, as `covered`.
    """
    unseen = ~modality.covered(~mask.tokens)
    return unseen if mask.values is None else unseen | mask.values


def _of_geometry(modality: Modality, field: str, kind: str) -> Any:
    """A field of a modality's geometry that a mask needs."""
    found = getattr(modality.geometry, field, None)
    if found is None:
        raise InputError(
            "masks",
            key=f"{modality.name}: {kind}",
            found=f"a modality of kind {modality.settings.kind}",
            expected=f"one that has {field}",
        )
    return found


def _wave(modality: Modality, kind: str) -> Tensor:
    """Wavelengths of a modality, (L,), Å."""
    return torch.tensor(_of_geometry(modality, "wave", kind), dtype=torch.float64)


def _names(modality: Modality, kind: str, names: Any, known: Any) -> list[str]:
    """Names in an argument, which may be a single one."""
    chosen = [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in known:
            raise InputError(
                "masks",
                key=f"{modality.name}: {kind}",
                found=repr(name),
                expected=f"some of {list(known)}",
            )
    return chosen


def _without(grid: Tensor, lost: list[str]) -> Tensor:
    """Wavelengths that no arm but the lost ones sees, bool, (L,)."""
    seen = torch.zeros(len(grid), dtype=torch.bool)
    for arm in ARMS:
        if arm.name not in lost:
            seen |= (grid >= arm.wave[0]) & (grid <= arm.wave[-1])
    return ~seen

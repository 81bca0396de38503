"""Control without a network: linear templates in the rest frame, learnt from the same spectra.

Each spectrum is a sum of templates and smooth polynomials, whose coefficients have a Gaussian prior
and are solved for, not encoded. Templates are learnt through that solution, such that what is
visible predicts what is hidden; a spectrum belongs to the set of templates that fits it better.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.models.restframe_decoder import N_POLYNOMIALS, RestframeDecoder
from mmae.models.synthesis import APART

STEP, Z_MAX = 1e-3, 4.6
"""Of the grid in ln(1 + z), and its end."""
BATCH, RATE, FORGET = 64, 1e-2, 0.05


class Basis(NamedTuple):
    """Templates, and what is known of their coefficients."""

    templates: Tensor
    """(S, K, R), in the rest frame's steps of the decoder."""
    mean: Tensor
    """(S, K + P)"""
    covariance: Tensor
    """(S, K + P, K + P)"""


class Fitted(NamedTuple):
    """Of N spectra."""

    z_pred: np.ndarray
    delta_chi2: np.ndarray


def observed(decoder: RestframeDecoder, templates: Tensor, zeta: Tensor) -> Tensor:
    """Templates (K, R) at each zeta (B,), with polynomials: (B, K + P, L)."""
    n = len(templates)
    shifted = decoder.shift(templates.repeat(len(zeta), 1), zeta.repeat_interleave(n))
    shifted = shifted.unflatten(0, (len(zeta), n))
    return torch.cat([shifted, decoder.polynomials.expand(len(zeta), -1, -1)], dim=1)


def learn(
    decoder: RestframeDecoder,
    start: Sequence[Tensor],
    flux: Tensor,
    ivar: Tensor,
    redshift: Tensor,
    steps: int = 1200,
    seed: int = 0,
) -> Basis:
    """Templates from spectra (N, L), normalised, and first ones (K, R) of each set."""
    generator = torch.Generator().manual_seed(seed)
    templates = torch.stack([*start]).requires_grad_()
    n = templates.shape[1] + N_POLYNOMIALS
    mean, covariance = torch.zeros(len(templates), n), torch.eye(n).repeat(len(templates), 1, 1)
    optimizer = torch.optim.Adam([templates], lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(flux), (BATCH,), generator=generator)
        data, zeta = flux[rows], redshift[rows].log1p()
        weight = decoder.weights(ivar[rows])
        share = 0.75 * torch.rand(BATCH, 1, generator=generator)
        hidden = torch.rand(BATCH, math.ceil(data.shape[1] / 8), generator=generator) < share
        hidden = hidden.repeat_interleave(8, dim=1)[:, : data.shape[1]]
        losses, found = [], []
        for k in range(len(templates)):
            model = observed(decoder, templates[k], zeta)
            prior = torch.linalg.inv(covariance[k])
            shown = model * (weight * ~hidden)[:, None]
            left = shown @ model.mT + prior
            right = torch.einsum("bkl,bl->bk", shown, data) + prior @ mean[k]
            solution = torch.linalg.solve(left, right)
            squared = (torch.einsum("bk,bkl->bl", solution, model) - data).square() * weight
            # residuals beyond three sigma count by their size alone
            losses.append((9 * ((1 + squared / 9).sqrt() - 1)).mean(dim=1))
            found.append(solution.detach())
        loss, which = torch.stack(losses).min(dim=0)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        schedule.step()
        for k in range(len(templates)):
            own = found[k][which == k]
            if len(own) > 1:
                mean[k] += FORGET * (own.mean(dim=0) - mean[k])
                apart = own - mean[k]
                scatter = apart.T @ apart / len(own) + 1e-3 * torch.eye(n)
                covariance[k] += FORGET * (1.3 * scatter - covariance[k])
    return Basis(templates.detach(), mean, covariance)


def grid() -> Tensor:
    """Of ln(1 + z), (G,)."""
    return torch.arange(STEP, math.log1p(Z_MAX), STEP)


def best_of(score: Tensor, zeta: Tensor) -> Fitted:
    """Best redshifts, between the steps, of spectra of log probabilities (N, G)."""
    best = score.argmax(dim=1)
    inner = best.clamp(1, len(zeta) - 2)
    low, middle, high = (score.gather(1, (inner + d)[:, None])[:, 0] for d in (-1, 0, 1))
    curved = low - 2 * middle + high
    moved = torch.where(curved < 0, 0.5 * (low - high) / curved.clamp(max=-1e-9), 0.0)
    at = zeta[best] + STEP * torch.where(inner == best, moved.clamp(-0.5, 0.5), 0.0)
    far = (zeta - zeta[best][:, None]).abs() > APART
    other = score.masked_fill(~far, -torch.inf).amax(dim=1)
    lead = 2 * (score.amax(dim=1) - other)
    return Fitted(torch.expm1(at).numpy(), lead.numpy())


@torch.no_grad()
def fit(decoder: RestframeDecoder, basis: Basis, flux: Tensor, ivar: Tensor) -> Fitted:
    """Redshifts of spectra (N, L); ivar 0 where hidden or missing."""
    zeta, n = grid(), basis.mean.shape[1]
    weight = decoder.weights(ivar)
    weighted = weight * flux
    total = (weighted * flux).sum(dim=1)
    upper = torch.triu_indices(n, n)
    score = torch.full((len(flux), len(zeta)), -torch.inf)
    for k in range(len(basis.mean)):
        prior = torch.linalg.inv(basis.covariance[k])
        pull = prior @ basis.mean[k]
        offset = basis.mean[k] @ pull
        for g, models in enumerate(observed(decoder, basis.templates[k], zeta)):
            left = torch.empty(len(flux), n, n)
            products = weight @ (models[upper[0]] * models[upper[1]]).T
            left[:, upper[0], upper[1]] = products
            left[:, upper[1], upper[0]] = products
            factor = torch.linalg.cholesky(left + prior)
            right = weighted @ models.T + pull
            half = torch.linalg.solve_triangular(factor, right[:, :, None], upper=False)
            chi2 = total + offset - half.square().sum(dim=(1, 2))
            score[:, g] = torch.maximum(score[:, g], -0.5 * chi2)
    return best_of(score, zeta)

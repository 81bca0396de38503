"""Control without a network or learning: stars, gas and quasars, added up and never subtracted.

kcorrect's continua and groups of nebular lines, or quasars drawn at random, with amplitudes that
are not negative; smooth polynomials beside them. The set that fits better gives the redshift.
"""

import numpy as np
import torch
from torch import Tensor

from mmae.models.restframe_decoder import N_POLYNOMIALS, RestframeDecoder
from mmae.survey.simulated.hydrogen import igm_transmission
from mmae.survey.simulated.quasars import draw_nuclei, nucleus_flux
from mmae.survey.simulated.templates import NEBULAR_WAVE, gaussian_lines, load_templates
from sky.basis import Fitted, best_of, grid, observed

LINES = ((0, 1), (2, 6, 7), (3, 4, 5, 11), (10, 12, 13, 14), (8, 9, 15, 16))
"""Places in NEBULAR_WAVE of lines that share an amplitude."""
RATIOS = np.array(
    [0.41, 0.59, 0.1, 0.26, 0.47, 1, 0.34, 1, 0.1, 0.34, 2.9, 1, 0.6, 0.45, 0.1, 0.2, 0.4]
)
"""Of lines in a group."""
WIDTH_KMS, QUASARS, SWEEPS = 150.0, 12, 12
FOREST_Z = 1.9
"""Beyond which hydrogen between the galaxies is seen."""


def sets(decoder: RestframeDecoder) -> list[Tensor]:
    """Templates of galaxies and of quasars in the decoder's rest frame, (K, R) each."""
    edges = np.exp(decoder.first + decoder.step * np.arange(decoder.n_rest + 1))
    fine = np.exp(np.arange(np.log(edges[0]), np.log(edges[-1]), 2e-4))
    stars = load_templates()
    continua = np.array([np.interp(fine, stars.wave, one) for one in stars.continuum])
    lines = RATIOS[:, None] * gaussian_lines(fine, NEBULAR_WAVE, NEBULAR_WAVE * WIDTH_KMS / 3e5)
    groups = np.array([lines[list(group)].sum(axis=0) for group in LINES])
    quasars = nucleus_flux(draw_nuclei(QUASARS, np.random.default_rng(0)), fine)
    found = []
    for flux in (np.concatenate([continua, groups]), quasars):
        total = np.cumsum(flux * np.gradient(fine), axis=1)
        means = np.diff([np.interp(edges, fine, one) for one in total], axis=1) / np.diff(edges)
        means /= np.sqrt((means**2).mean(axis=1, keepdims=True))
        found.append(torch.from_numpy(means).float())
    return found


@torch.no_grad()
def fit(decoder: RestframeDecoder, templates: list[Tensor], flux: Tensor, ivar: Tensor) -> Fitted:
    """Redshifts of spectra (N, L); ivar 0 where hidden or missing."""
    zeta, weight = grid(), decoder.weights(ivar)
    weighted = weight * flux
    total = (weighted * flux).sum(dim=1)
    wave = decoder.edges.exp()
    middle = ((wave[1:] + wave[:-1]) / 2).numpy()
    score = torch.full((len(flux), len(zeta)), -torch.inf)
    for rest in templates:
        k = len(rest)
        upper = torch.triu_indices(k + N_POLYNOMIALS, k + N_POLYNOMIALS)
        amplitude = torch.zeros(len(flux), k)
        for g, models in enumerate(observed(decoder, rest, zeta)):
            z = torch.expm1(zeta[g]).item()
            if z > FOREST_Z:
                models[:k] *= torch.from_numpy(igm_transmission(middle, z)).float()
            left = torch.empty(len(flux), k + N_POLYNOMIALS, k + N_POLYNOMIALS)
            products = weight @ (models[upper[0]] * models[upper[1]]).T
            left[:, upper[0], upper[1]] = left[:, upper[1], upper[0]] = products
            right = weighted @ models.T
            # polynomials, of any sign, are solved for and gone
            smooth = left[:, k:, k:] + 1e-6 * torch.eye(N_POLYNOMIALS)
            solved = torch.linalg.solve(smooth, torch.cat([left[:, k:, :k], right[:, k:, None]], 2))
            gram = left[:, :k, :k] - left[:, :k, k:] @ solved[:, :, :k]
            pull = right[:, :k] - (left[:, :k, k:] @ solved[:, :, k:])[:, :, 0]
            own = gram.diagonal(dim1=1, dim2=2).clamp(min=1e-4)
            # coordinate descent from the amplitudes of the redshift before
            for _ in range(SWEEPS):
                for one in range(k):
                    step = (pull[:, one] - (gram[:, one] * amplitude).sum(dim=1)) / own[:, one]
                    amplitude[:, one] = (amplitude[:, one] + step).clamp(min=0)
            explained = 2 * (pull * amplitude).sum(dim=1)
            explained -= torch.einsum("nk,nkl,nl->n", amplitude, gram, amplitude)
            explained += (right[:, k:] * solved[:, :, k]).sum(dim=1)
            score[:, g] = torch.maximum(score[:, g], 0.5 * (explained - total))
    return best_of(score, zeta)

"""Fit the smooth densities that the embedded survey is drawn from, to real galaxies.

python benchmarks/population.py

Writes src/mmae/survey/data/population.npz: Gaussian mixtures over (i, g - z, ln(1 + z)).
`parent` is all of HSC's spectroscopic galaxies, `matched` those of them that DESI has observed too,
weighted to the redshifts of the authors' test galaxies, `matched_quasar` their quasars, and
`quasar` those of DESI, which are fainter.
"""

import numpy as np
from sklearn.mixture import GaussianMixture

from mmae.survey.simulated.population import POPULATION, Population, real_sample

N_PARENT, N_MATCHED, N_QUASAR = 40, 40, 8
ROWS = 40_000

# fmt: off
EDGES = np.array([
    0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
    0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.2,
])
AUTHORS = np.array([
    0.0181, 0.0851, 0.1232, 0.0988, 0.0695, 0.0681, 0.0486, 0.0410, 0.0321, 0.0455, 0.0575, 0.0523,
    0.0407, 0.0231, 0.0246, 0.0157, 0.0128, 0.0140, 0.0122, 0.0137, 0.0128, 0.0120, 0.0203, 0.0249,
    0.0137, 0.0080, 0.0088, 0.0028,
])
# fmt: on
"""Shares of the authors' 20,181 test galaxies between the EDGES."""

QUASAR_SHARE = np.interp(
    0.5 * (EDGES[1:] + EDGES[:-1]),
    [0.1, 0.5, 0.75, 0.9, 1.1, 1.3, 1.6],
    [0, 0.01, 0.04, 0.2, 0.5, 0.8, 1],
)
"""ASSUME: how many of them are quasars. Beyond z = 1.6 all; below 1.6 DESI's luminous red and
emission-line galaxies are fewer and fewer at the magnitudes of the paper's sample (i = 20.635 at
the 90th percentile)."""

DESI_EDGES = np.array([0.1, 0.9, 1.4, 2.1, 2.6, 3.5, 4.2])
DESI_QUASARS = np.array([0.12, 0.26, 0.32, 0.18, 0.11, 0.01])
"""Of DESI's quasars, after Chaussidon et al. 2023 (ApJ 944, 107): of 200 a square degree, 60 are
beyond z = 2.1. ASSUME: the shares within each part."""


def faint_end(sample: Population) -> np.ndarray:
    """Relative chance that DESI has observed a galaxy of the parent sample, whatever its redshift.

    The bright and the luminous red samples fade out near i = 20; the bright sample is limited in r,
    so that blue galaxies reach fainter in i; the brightest are saturated in HSC.
    """
    i_mag, colour, z = sample.i_mag, sample.g_minus_z, sample.redshift
    limit = np.where((z > 0.4) & (colour > 1.8), 20.9, np.where(z > 0.8, 21.8, 19.9))
    weight = 1 / (1 + np.exp((i_mag - limit) / 0.2)) / (1 + np.exp((15.2 - i_mag) / 0.2))
    # ASSUME: as much as makes the released images as bright and as blue as they are
    return weight * np.exp(-1.2 * (colour - 1.8) * (z < 0.6) - 0.33 * (i_mag - 18))


def drawn_to(share: np.ndarray, edges: np.ndarray, weight: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Weights scaled until their histogram between the edges is `share`."""
    now = np.histogram(z, edges, weights=weight)[0]
    at = np.clip(np.digitize(z, edges) - 1, 0, len(share) - 1)
    inside = (z > edges[0]) & (z < edges[-1])
    return weight * inside * (share / np.maximum(now, 1e-12))[at]


def nearer_quasars(n: int, rng: np.random.Generator) -> np.ndarray:
    """Quasars below z = 1.6, of which the sample has few, shape (n, 3).

    ASSUME: as bright as DESI's (Chaussidon et al. 2023, ApJ 944, 107: r < 23), as blue as the
    composite of Vanden Berk et al. 2001, redder below z = 0.5 by their hosts.
    """
    z = 1.6 * rng.beta(2.5, 1.0, n)
    i_mag = 21.8 - np.abs(rng.normal(0, 1.3, n)) - 1.5 * np.exp(-z / 0.3)
    colour = rng.normal(0.4 + 0.5 * np.exp(-((z / 0.4) ** 2)), 0.3)
    return np.c_[i_mag, colour, np.log1p(z)]


def fit(rows: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """One mixture: weights, means and the lower triangles of its covariances."""
    model = GaussianMixture(n, random_state=0, reg_covar=1e-5, max_iter=300).fit(rows)
    order = np.argsort(-model.weights_)
    scale = np.linalg.cholesky(model.covariances_[order])
    return {"weight": model.weights_[order], "mean": model.means_[order], "scale": scale}


def main() -> None:
    """Fit all three and write them."""
    rng = np.random.default_rng(0)
    sample = real_sample()
    features = np.c_[sample.i_mag, sample.g_minus_z, np.log1p(sample.redshift)]
    quasar, z = sample.is_quasar, sample.redshift
    galaxy = ~quasar & (z > 0.01) & (z < 1.6)
    parent = rng.choice(np.flatnonzero(galaxy), ROWS, replace=False)
    weight = drawn_to(AUTHORS * (1 - QUASAR_SHARE), EDGES, faint_end(sample) * galaxy, z)
    matched = rng.choice(len(z), ROWS, p=weight / weight.sum())
    # as many nearer ones as the authors' redshifts ask for, beside the distant ones
    distant = features[quasar & (z > 1.6)]
    share = AUTHORS * QUASAR_SHARE
    pool = np.vstack([distant, features[quasar & (z < 1.6)], nearer_quasars(2000, rng)])

    def quasars(share: np.ndarray, edges: np.ndarray, weight: np.ndarray) -> np.ndarray:
        weight = drawn_to(share, edges, weight, np.expm1(pool[:, 2]))
        rows = pool[rng.choice(len(pool), ROWS // 4, p=weight / weight.sum())]
        return rows + rng.normal(0, (0.1, 0.1, 0.01), rows.shape)

    # those that HSC's compilation lists come from shallower surveys than DESI
    shallow = 1 / (1 + np.exp((pool[:, 0] - 20.8) / 0.25))
    fitted = {
        "parent": fit(features[parent], N_PARENT),
        "matched": fit(features[matched], N_MATCHED),
        "matched_quasar": fit(quasars(share, EDGES, shallow), N_QUASAR),
        "quasar": fit(quasars(DESI_QUASARS, DESI_EDGES, np.ones(len(pool))), N_QUASAR),
    }
    arrays = {f"{name}_{k}": v.astype("f4") for name, one in fitted.items() for k, v in one.items()}
    np.savez_compressed(str(POPULATION), quasar_share=np.float32(share.sum()), **arrays)
    print(f"quasars are {share.sum():.3f} of the matched sample")


if __name__ == "__main__":
    main()

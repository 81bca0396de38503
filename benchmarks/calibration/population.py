"""Magnitudes, colours and redshifts of what is drawn, beside real ones."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

from calibration.rows import REAL, Row, numbers
from mmae.survey.simulated.population import draw, real_sample
from mmae.survey.simulated.sources import make_sources

PERCENTILES = (1, 10, 25, 50, 75, 90, 99)
AUTHORS = "himes2025/mmae_fullmaskspectrum_nomaskimage_redshift_predictions.csv"


def distributions() -> list[Row]:
    """The paper's sample beside the authors', and the parent density beside HSC's galaxies."""
    rng = np.random.default_rng(0)
    matched = draw(20_000, rng, {"matched": 1.0})
    z, share = matched.redshift, (matched.redshift < 0.4).mean()
    path = REAL.parent / AUTHORS
    names = ", ".join(str(p) for p in PERCENTILES)
    real, distance = "0.34 (50), 1.65 (90)", "-"
    if path.exists():
        true = pd.read_csv(path)["y_test"].to_numpy()
        real = numbers(np.percentile(true, PERCENTILES), 3)
        distance = f"{ks_2samp(true, z).statistic:.3f}"
    origin = "the authors' 20,181 test galaxies"
    ours = numbers(np.percentile(z, PERCENTILES), 3)
    tenth = np.percentile(matched.i_mag, 90)
    rows = [
        Row(
            f"redshifts, percentiles {names}",
            ours,
            real,
            origin,
        ),
        Row("redshifts, largest distance of cumulative distributions", distance, "0", origin),
        Row("share below z = 0.4", f"{share:.3f}", "0.552", origin),
        Row("i, 90th percentile", f"{tenth:.2f}", "20.635", "paper, Table 1"),
    ]
    parent, sample = draw(20_000, rng, {"parent": 1.0}), real_sample()
    use = ~sample.is_quasar & (sample.redshift > 0.01) & (sample.redshift < 1.6)
    for name in ("i_mag", "g_minus_z", "redshift"):
        drawn, true = getattr(parent, name), getattr(sample, name)[use]
        rows.append(
            Row(
                f"parent density, {name}: percentiles {names}",
                numbers(np.percentile(drawn, PERCENTILES), 2),
                numbers(np.percentile(true, PERCENTILES), 2),
                f"80,000 HSC galaxies; distance {ks_2samp(drawn, true).statistic:.3f}",
            )
        )
    return rows


def leak() -> list[Row]:
    """Copying the redshift of the nearest galaxy: from the same survey, and from another one."""
    n, shares = 10_000, []
    draws = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        sources = make_sources(draw(2 * n, rng, {"matched": 1.0}), rng)
        draws.append((np.c_[sources.mag[:, 2], -np.diff(sources.mag, axis=1)], sources.redshift))
    (features, z), (other, other_z) = draws
    for known, known_z in ((features[:n], z[:n]), (other[:n], other_z[:n])):
        _, nearest = cKDTree(known).query(features[n:])
        error = np.abs(known_z[nearest] - z[n:]) / (1 + z[n:])
        shares.append(f"{np.median(error):.4f}, {100 * np.mean(error < 0.002):.1f}%")
    return [
        Row(
            "nearest neighbour among 10,000, noiseless i and colours: median error, within 0.002",
            shares[0],
            shares[1],
            "an independent survey in the place of the training galaxies",
        )
    ]

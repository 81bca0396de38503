"""Colours and redshifts from magnitudes: simulated galaxies in the place of real ones."""

import numpy as np
from kcorrect.response import ResponseDict
from speclite import filters

from calibration.estimators import magnitudes_and_colours, scatter_and_outliers, softmax, trees
from calibration.rows import REAL, Row, absent, numbers
from mmae.instruments import BANDS
from mmae.settings import ImageFaults
from mmae.survey.simulated import bands
from mmae.survey.simulated.images import draw_conditions
from mmae.survey.simulated.population import Population, draw
from mmae.survey.simulated.simulate import measured_photometry
from mmae.survey.simulated.sources import GALAXY, make_sources, true_properties

SUBARU = "capak_subaru_suprimecam_{}"
COSMOS_ZERO_POINTS = {"g": 0.10, "r": 0.03, "i": 0.0, "z": -0.06}
"""Taken off the magnitudes: what the templates' colours ask for, alike at all redshifts."""

BOSS_ERRORS = 0.3
"""Of the errors in BOSS' table, which are of total magnitudes: colours scatter by less."""


class Table:
    """Real galaxies: magnitudes g r i z, their errors, redshifts, and the filters they are in."""

    def __init__(self, name: str, mag: np.ndarray, error: np.ndarray, z: np.ndarray, curves: list):
        use = np.isfinite(mag).all(1) & ((mag > 10) & (mag < 28)).all(1) & (error > 0).all(1)
        use &= (error < 1).all(1) & (z > 0.02) & (z < 1.5)
        self.name, self.curves = name, curves
        self.mag, self.error, self.z = mag[use], error[use], z[use]


def real_tables() -> list[Table]:
    """Those of zCOSMOS, BOSS, SDSS' main sample and HSC's massive galaxies."""
    folder, griz = REAL / "photometry", "griz"
    sdss = [filters.load_filter(f"sdss2010-{b}") for b in griz]
    sdss = [(f.wavelength, f.response) for f in sdss]
    responses = ResponseDict()
    for band in griz:
        responses.load_response(SUBARU.format(band))
    subaru = [
        (responses[SUBARU.format(b)].wave, responses[SUBARU.format(b)].response) for b in griz
    ]
    with np.load(folder / "zcosmos_bright20k.npz") as d:
        mag = np.array([d[b] - COSMOS_ZERO_POINTS[b] for b in griz], float).T
        error = np.array([d[f"e{b}"] for b in griz], float).T
        tables = [Table("zCOSMOS", mag, error, d["zpec"].astype(float), subaru)]
    for name, file, factor in (("BOSS", "boss_dr10", BOSS_ERRORS), ("SDSS main", "sdss_mgs", 1.0)):
        with np.load(folder / f"{file}.npz") as d:
            mag, error = d["mag"][:, 1:].astype(float), d["magerr"][:, 1:].astype(float)
            use = (error > 0).all(1) & (error < 1).all(1)
            tables.append(
                Table(name, mag[use], factor * error[use], d["z"][use].astype(float), sdss)
            )
    with np.load(folder / "hsc_s16a_massive.npz") as d:
        mag = np.array([d[f"{b}cmodel_mag"] for b in griz], float).T
        hsc = [filters.load_filter(f"hsc2017-{b}") for b in griz]
        hsc = [(f.wavelength, f.response) for f in hsc]
        tables.append(Table("HSC massive", mag, np.full_like(mag, 0.005), d["z_best"], hsc))
    return tables


def in_their_place(table: Table, rng: np.random.Generator) -> np.ndarray:
    """Simulated magnitudes g r i z of galaxies with the real ones' i, g - z and redshift.

    The real i and g - z have their errors already: only r, and g and z together, are given more.
    """
    own = bands.weights()
    y_band = filters.load_filter("hsc2017-y")
    curves = [*table.curves, (y_band.wavelength, y_band.response)]
    bands.weights = lambda: bands.weights_of(curves)
    try:
        colour = table.mag[:, 0] - table.mag[:, 3]
        no = np.zeros(len(colour), bool)
        sources = make_sources(Population(table.mag[:, 2], colour, table.z, no), rng)
    finally:
        bands.weights = lambda: own
    noise = rng.normal(0, 1, table.mag.shape) * np.hypot(table.error, 0.01)
    noise[:, [0, 3]] = noise[:, [0, 3]].mean(1)[:, None]
    return sources.mag[:, :4] + noise


def beside_real_tables() -> list[Row]:
    """Colours at given i, g - z and z, and redshifts by the same two recipes."""
    if missing := absent("photometry/zcosmos_bright20k.npz"):
        return [missing]
    rows, rng = [], np.random.default_rng(0)
    for table in real_tables():
        simulated = in_their_place(table, rng)
        rows.append(_colours(table, simulated))
        if table.name == "HSC massive":
            continue
        order = rng.permutation(len(table.z))
        n_train = int(0.7 * len(order))
        scores = {"trees": [], "softmax": []}
        for mag in (simulated, table.mag):
            features = magnitudes_and_colours(mag)[order]
            z = table.z[order]
            for name, recipe in (("trees", trees), ("softmax", softmax)):
                scores[name].append(scatter_and_outliers(recipe(features, z, n_train), z[n_train:]))
        for name, (ours, real) in scores.items():
            what = f"{table.name}, g r i z of {len(order):,}, {name}: sigma_NMAD, outliers"
            rows.append(Row(what, ours, real, "table, same recipe"))
    return rows


def _colours(table: Table, simulated: np.ndarray) -> Row:
    """Mean over bins of (z, g - z) of what simulated colours differ by, and of their scatter."""
    offset, ratio, weight = [], [], []
    colour = table.mag[:, 0] - table.mag[:, 3]
    for z_lo, z_hi in (
        (0.05, 0.15),
        (0.15, 0.25),
        (0.25, 0.35),
        (0.35, 0.5),
        (0.5, 0.7),
        (0.7, 0.9),
    ):
        for c_lo in np.arange(0.4, 3.2, 0.5):
            inside = (table.z > z_lo) & (table.z < z_hi)
            inside &= (colour > c_lo) & (colour < c_lo + 0.5)
            if inside.sum() < 60:
                continue
            ours, real = (-np.diff(mag[inside], axis=1) for mag in (simulated, table.mag))
            offset.append(np.median(ours, axis=0) - np.median(real, axis=0))
            ratio.append(_deviation(ours) / _deviation(real))
            weight.append(inside.sum())
    offset, ratio = (np.average(values, axis=0, weights=weight) for values in (offset, ratio))
    return Row(
        f"{table.name}, g - r, r - i, i - z at given g - z and z: difference; ratio of scatters",
        f"{numbers(offset, 3)}; {numbers(ratio, 2)}",
        "0 0 0; 1 1 1",
        "table",
    )


def _deviation(values: np.ndarray) -> np.ndarray:
    return 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)


def all_redshifts(n_train: int, n_test: int) -> list[Row]:
    """The survey's own catalogue at all redshifts, and what its truth would allow."""
    rng = np.random.default_rng(1)
    n = n_train + n_test
    sources = make_sources(draw(n, rng, {"matched": 1.0}), rng)
    z = sources.redshift
    conditions = draw_conditions(n, ImageFaults(0.0, 0.0, 0.0), rng)
    catalogue = measured_photometry(sources, np.arange(n), conditions, rng)
    mag = np.array([catalogue[f"{band}_cmodel_mag"] for band in BANDS]).T
    size = np.log(catalogue["i_half_light_radius"])[:, None]
    measured = magnitudes_and_colours(mag)
    truth = true_properties(sources)
    names = [f"{part}mag_{band}" for part in ("", "bulge_", "disk_") for band in BANDS]
    apart = np.array([np.minimum(truth[name], 28.0) for name in names]).T
    shape = np.array([truth["radius"], truth["disk_radius"], truth["axis_ratio"]]).T
    kind = np.c_[truth["quiescent"], sources.kind == GALAXY]
    whole = magnitudes_and_colours(sources.mag)
    ideal = np.hstack([whole, *np.split(apart, 3, axis=1)[1:], np.log(shape + 0.02), kind])
    epochs = 40 if n_train < 10_000 else 16 if n_train < 50_000 else 10
    real = "0.021, 6%" if n_train > 50_000 else "-"
    rows = []
    for name, features in {
        "five magnitudes, trees": measured,
        "five magnitudes, softmax": measured,
        "five magnitudes and size, softmax": np.hstack([measured, size]),
        "true magnitudes of bulge and disk, sizes, types (limit), softmax": ideal,
    }.items():
        recipe = trees if "trees" in name else lambda *a: softmax(*a, epochs=epochs)
        score = scatter_and_outliers(recipe(features, z, n_train), z[n_train:])
        known = real if "trees" in name else "-"
        origin = "-" if known == "-" else "random forest on real HSC magnitudes"
        rows.append(
            Row(
                f"all z, {n_train:,} for training: {name}",
                score,
                known,
                origin,
            )
        )
    return rows

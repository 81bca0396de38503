"""Spectra: breaks and lines of galaxies and quasars, simulated beside real; lines above noise."""

import numpy as np
from astropy.io import fits

from calibration.rows import REAL, Row, absent, numbers
from mmae.instruments import ARMS, desi_wave
from mmae.survey.simulated.population import Population, draw
from mmae.survey.simulated.sources import Sources, make_sources
from mmae.survey.simulated.spectra import fibre_flux, observe, sky_noise, vacuum_wave

AIR = {
    # Worthey et al. 1994 (ApJS 94, 687), Worthey & Ottaviani 1997 (ApJS 111, 377)
    "H-delta A": (4083.500, 4122.250, 4041.600, 4081.500, 4128.500, 4161.000),
    "G4300": (4281.375, 4316.375, 4266.375, 4282.625, 4317.625, 4335.125),
    "H-beta": (4847.875, 4876.625, 4827.875, 4847.875, 4876.625, 4891.625),
    "Mg b": (5160.125, 5192.625, 5117.700, 5142.700, 5191.375, 5206.375),
    "Fe5270": (5245.650, 5285.650, 5233.150, 5248.150, 5285.650, 5318.150),
    "Na D": (5876.875, 5909.375, 5860.625, 5875.675, 5922.125, 5948.125),
    "Ca K": (3925.650, 3945.450, 3845.450, 3880.450, 3954.650, 3965.450),
}
WINDOWS = {name: tuple(vacuum_wave(np.array(w))) for name, w in AIR.items()} | {
    "[O II]": (3718.0, 3740.0, 3690.0, 3715.0, 3742.0, 3765.0),
    "[O III]": (4998.0, 5018.0, 4975.0, 4992.0, 5025.0, 5060.0),
    "H-alpha + [N II]": (6540.0, 6592.0, 6490.0, 6530.0, 6610.0, 6660.0),
}
"""Band, blue and red continuum of equivalent widths, vacuum Å."""

QUASAR_LINES = {
    "Ly-alpha + N V": (1180.0, 1270.0, 1150.0, 1170.0, 1275.0, 1290.0),
    "Si IV": (1360.0, 1440.0, 1340.0, 1360.0, 1440.0, 1460.0),
    "C IV": (1490.0, 1600.0, 1450.0, 1480.0, 1690.0, 1710.0),
    "He II": (1600.0, 1690.0, 1450.0, 1480.0, 1690.0, 1720.0),
    "Al III to C III]": (1830.0, 1960.0, 1790.0, 1820.0, 1970.0, 2000.0),
    "iron at 2450": (2200.0, 2650.0, 2150.0, 2190.0, 2660.0, 2690.0),
    "Mg II": (2730.0, 2870.0, 2650.0, 2690.0, 2900.0, 2950.0),
    "iron at 4570": (4434.0, 4684.0, 4200.0, 4230.0, 4720.0, 4780.0),
    "H-beta, quasars": (4800.0, 4930.0, 4720.0, 4780.0, 5060.0, 5100.0),
    "[O III], quasars": (4985.0, 5030.0, 4930.0, 4950.0, 5050.0, 5090.0),
}
STACK_WAVE = np.exp(np.arange(np.log(950), np.log(7500), 0.001))


def mean_flux(wave: np.ndarray, flux: np.ndarray, use: np.ndarray, lo: float, hi: float) -> float:
    """Mean between two wavelengths; NaN where more than 40% of the pixels are missing."""
    inside = (wave >= lo) & (wave <= hi)
    good = inside & use
    return flux[good].mean() if good.sum() > 0.6 * max(inside.sum(), 1) else np.nan


def break_4000(wave: np.ndarray, flux: np.ndarray, use: np.ndarray) -> float:
    """D4000 of Balogh et al. 1999, ApJ 527, 54."""
    per_frequency = flux * wave**2
    red = mean_flux(wave, per_frequency, use, 4000, 4100)
    return red / mean_flux(wave, per_frequency, use, 3850, 3950)


def equivalent_width(
    wave: np.ndarray, flux: np.ndarray, use: np.ndarray, window: tuple[float, ...]
) -> float:
    """Å, absorption positive, against a line between both continua."""
    lo, hi, blue_lo, blue_hi, red_lo, red_hi = window
    blue, red = (
        mean_flux(wave, flux, use, *pair) for pair in ((blue_lo, blue_hi), (red_lo, red_hi))
    )
    inside = (wave >= lo) & (wave <= hi) & use
    if inside.sum() < 3:
        return np.nan
    x = wave[inside]
    middle = 0.5 * (blue_lo + blue_hi)
    level = blue + (red - blue) * (x - middle) / (0.5 * (red_lo + red_hi) - middle)
    width = np.gradient(wave)[inside]
    return float(((1 - flux[inside] / level) * width).sum() * (hi - lo) / width.sum())


def measure(wave: np.ndarray, flux: np.ndarray, use: np.ndarray) -> dict[str, float]:
    """All indices of one spectrum in its rest frame."""
    widths = {name: equivalent_width(wave, flux, use, w) for name, w in WINDOWS.items()}
    return {"D4000": break_4000(wave, flux, use)} | widths


def table_of(records: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Columns of measured indices."""
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def real_indices(file: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Redshifts and indices of a file of SDSS or BOSS spectra."""
    with np.load(REAL / "spectra" / file) as d:
        wave, z = 10 ** d["loglam"], d["z"].astype(float)
        spectra = zip(d["flux"].astype(float), d["ivar"] > 0, z, strict=True)
        return z, table_of([measure(wave / (1 + one), flux, use) for flux, use, one in spectra])


def simulated_indices(population: Population, rng: np.random.Generator) -> tuple[Sources, dict]:
    """Sources and the indices of their noiseless spectra."""
    sources, wave = make_sources(population, rng), desi_wave()
    use = np.ones(len(wave), bool)
    rows = range(len(sources.redshift))
    records = [measure(wave / (1 + sources.redshift[k]), fibre_flux(sources, k), use) for k in rows]
    return sources, table_of(records)


def like(real_z: np.ndarray, real_break: np.ndarray, z: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Of each real galaxy the five simulated ones that are nearest in (ln(1 + z), D4000)."""
    rows = []
    for one, depth in zip(real_z, real_break, strict=True):
        if np.isfinite(depth):
            far = ((np.log1p(z) - np.log1p(one)) / 0.03) ** 2 + ((ours - depth) / 0.03) ** 2
            rows += list(np.argsort(np.where(np.isfinite(far), far, np.inf))[:5])
    return np.array(rows)


def galaxies() -> list[Row]:
    """Indices of luminous red and of star-forming galaxies."""
    rng, rows = np.random.default_rng(5), []
    population = draw(2500, rng, {"bgs": 0.6, "lrg": 0.4})
    sources, ours = simulated_indices(population, rng)
    forming = (ours["H-alpha + [N II]"] < -8) & (population.redshift < 0.25)
    everything = np.ones_like(forming)
    for file, kind, pool in (
        ("eboss_lrg_3650.npz", "red galaxies", everything),
        ("sdss_starforming_431.npz", "star-forming galaxies", forming),
    ):
        if missing := absent(f"spectra/{file}"):
            rows.append(missing)
            continue
        z, real = real_indices(file)
        members = np.flatnonzero(pool)
        chosen = members[like(z, real["D4000"], sources.redshift[members], ours["D4000"][members])]
        for name, values in real.items():
            seen = values[np.isfinite(values)]
            spread = 1.4826 * np.median(np.abs(seen - np.median(seen)))
            error = 1.25 * spread / np.sqrt(len(seen))
            simulated = np.nanmedian(ours[name][chosen])
            rows.append(
                Row(
                    f"{name} of {kind}{'' if name == 'D4000' else ', Å'}",
                    f"{simulated:.2f}",
                    f"{np.median(seen):.2f} ± {error:.2f}",
                    f"{len(seen)} spectra, simulated ones alike in z and D4000",
                )
            )
    return rows


def stack(wave: np.ndarray, spectra: np.ndarray, use: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Median of rest-frame spectra, each scaled to those before it where they overlap."""
    scaled: list[np.ndarray] = []
    for k in np.argsort(z):
        rest = wave[use[k]] / (1 + z[k])
        one = np.interp(STACK_WAVE, rest, spectra[k][use[k]], np.nan, np.nan)
        if scaled:
            before = np.array(scaled[-25:])
            seen = np.isfinite(before).any(0) & np.isfinite(one)
            if seen.sum() < 50:
                continue
            one = one / np.median(one[seen] / np.nanmedian(before[:, seen], axis=0))
        scaled.append(one)
    seen = np.isfinite(scaled).any(0)
    median = np.full(len(STACK_WAVE), np.nan)
    median[seen] = np.nanmedian(np.array(scaled)[:, seen], axis=0)
    return median


def quasars() -> list[Row]:
    """Emission lines of stacked quasars, and the scatter of their slopes and of C IV."""
    if missing := absent("spectra/boss_quasars.npz"):
        return [missing]
    with np.load(REAL / "spectra/boss_quasars.npz") as d:
        of = d["cls"] == "QSO"
        wave, z, flux, use = (
            10 ** d["loglam"],
            d["z"][of].astype(float),
            d["flux"][of],
            d["ivar"][of] > 0,
        )
    rng = np.random.default_rng(3)
    drawn = draw(4000, rng, {"qso": 1.0})
    near = np.concatenate([np.argsort(np.abs(drawn.redshift - one))[:4] for one in z])
    drawn = Population(*(part[near] for part in drawn))
    sources, grid = make_sources(drawn, rng), desi_wave()
    ours = np.array([fibre_flux(sources, k) for k in range(len(near))])
    everywhere = np.ones(ours.shape, bool)
    stacks = stack(grid, ours, everywhere, drawn.redshift), stack(wave, flux, use, z)
    rows = []
    for name, window in QUASAR_LINES.items():
        seen = [np.isfinite(s) for s in stacks]
        pair = [
            -equivalent_width(STACK_WAVE, s, u, window) for s, u in zip(stacks, seen, strict=True)
        ]
        origin = "stack of 78 quasars, simulated ones alike in z"
        rows.append(Row(f"{name}, emission, Å", f"{pair[0]:.1f}", f"{pair[1]:.1f}", origin))
    shoulder = [
        mean_flux(STACK_WAVE, s, u, 1238, 1242) / mean_flux(STACK_WAVE, s, u, 1275, 1290)
        for s, u in zip(stacks, seen, strict=True)
    ]
    name = "N V: flux at 1240 Å over the continuum at 1282 Å"
    rows.append(Row(name, f"{shoulder[0]:.2f}", f"{shoulder[1]:.2f}", origin))
    return rows


def noise() -> list[Row]:
    """Noise between the sky lines against the wavelength, of 1000 effective seconds."""
    name = "desi/coadd-special-dark-27247.fits"
    if missing := absent(name):
        return [missing]
    bands = np.array([3700, 4000, 4500, 5000, 5400, 6000, 6500, 7000, 8000, 8500, 9000, 9500])

    def at(wave: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        return np.array([np.percentile(sigma[np.abs(wave - b) < 25], 20) for b in bands])

    wave, ivar = desi_wave(), np.zeros(len(desi_wave()))
    with fits.open(REAL / name) as hdus:
        for arm in ARMS:
            pixels = slice(arm.offset, arm.offset + arm.n_pixels)
            ivar[pixels] += hdus[f"{arm.name}_IVAR"].data[0]
        # effective seconds of the luminous red galaxies' exposures (Guy et al. 2023, AJ 165, 144)
        seconds = 12.15 * float(hdus["SCORES"].data["TSNR2_LRG"][0])
    real = at(wave, 1 / np.sqrt(np.maximum(ivar, 1e-12))) * np.sqrt(seconds / 1000)
    names = ", ".join(map(str, bands))
    return [
        Row(
            f"noise of a pixel of 0.8 Å at {names} Å, 1e-17 erg / (s cm2 Å)",
            numbers(at(wave, sky_noise()), 2),
            numbers(real, 2),
            "a coadd of DESI's early release, scaled to 1000 effective seconds",
        )
    ]


def lines_above_noise() -> list[Row]:
    """Shares of objects whose line stands out of DESI's noise by more than five sigma."""
    rows = []
    for kind, program, line, centre, real in (
        ("elg", "dark", "[O II]", 3728.5, "70% (reliable redshifts of main ELG targets)"),
        ("bgs", "bright", "H-alpha", 6564.6, "-"),
    ):
        rng = np.random.default_rng(7)
        population = draw(600, rng, {kind: 1.0})
        sources = make_sources(population, rng)
        seen = []
        spectra = observe(sources, np.arange(600), np.arange(600), program)
        for k, z in enumerate(population.redshift):
            at = centre * (1 + z)
            arm = next((a for a in ARMS if a.wave[0] + 40 < at < a.wave[-1] - 40), None)
            if arm is None:
                continue
            flux, ivar, _ = (part[k].astype(float) for part in spectra[arm.name])
            inside, beside = np.abs(arm.wave - at) < 6, np.abs(arm.wave - at) < 40
            level = np.median(flux[beside & ~inside])
            good = inside & (ivar > 0)
            error = np.sqrt((1 / ivar[good]).sum())
            seen.append((flux[good] - level).sum() > 5 * error)
        share = f"{100 * np.mean(seen):.0f}%"
        origin = "-" if real == "-" else "Raichoor et al. 2023, AJ 165, 126"
        rows.append(Row(f"{kind.upper()}: {line} above five sigma", share, real, origin))
    return rows

"""Time and peak memory of `mmae crossmatch` at the size of the real catalogues, and a check.

HSC's galaxies lie in clumps in fields of about a degree; DESI's targets over a third of the sky,
from the seam at 0 hours to the pole, and denser in these fields. Prints a Markdown table.

python benchmarks/crossmatch.py [--hsc N] [--desi N] [--extra-columns N] [--engine lsdb]
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from mmae.survey.desi import TARGET, ZCATALOG_HDU, ZCATALOG_PATH, zcatalog_blocks
from mmae.survey.galaxiesml import MAGNITUDES, write_galaxiesml

ARCSEC = 1 / 3600
RADIUS = 1.0
"""Of a match, arcsec."""
N_FIELDS = 120
FIELD = 0.6
"""Half the side of a field, degrees."""
MATCHED = 0.48
"""Fraction of HSC's galaxies that DESI observed (paper: 136,939 of 286,401)."""
IN_FIELDS, REPEATED, SKY = 0.03, 0.05, 0.02
"""Of DESI's rows: other targets in HSC's fields, second rows of a target, blank sky."""

ZCATALOG = [
    *(("TARGETID", ">i8"), ("SURVEY", "S7"), ("PROGRAM", "S6"), ("HEALPIX", ">i4")),
    *(("Z", ">f8"), ("ZERR", ">f8"), ("ZWARN", ">i8"), ("SPECTYPE", "S6"), ("DELTACHI2", ">f8")),
    *(("TARGET_RA", ">f8"), ("TARGET_DEC", ">f8"), ("OBJTYPE", "S3")),
    *(("COADD_FIBERSTATUS", ">i4"), ("ZCAT_PRIMARY", "i1")),
]
FORMATS = {"i8": "K", "i4": "J", "f8": "D", "i1": "L"}


def displaced(rng: np.random.Generator, sky: np.ndarray, sigma: float) -> np.ndarray:
    """Positions (n, 2) moved by a Gaussian of `sigma` degrees along each axis."""
    north = rng.normal(0, sigma, len(sky))
    east = rng.normal(0, sigma, len(sky)) / np.maximum(np.cos(np.radians(sky[:, 1])), 1e-3)
    dec = np.clip(sky[:, 1] + north, -90, 90)
    return np.column_stack([(sky[:, 0] + east) % 360, dec])


def over_the_sky(rng: np.random.Generator, n: int) -> np.ndarray:
    """Positions (n, 2) over a third of the sky, degrees."""
    dec = np.degrees(np.arcsin(rng.uniform(-1 / 3, 1, n)))
    return np.column_stack([rng.uniform(-90, 90, n) % 360, dec])


def in_fields(rng: np.random.Generator, n: int, fields: np.ndarray) -> np.ndarray:
    """Positions (n, 2) in HSC's fields, in clumps of thirty (Neyman and Scott's process)."""
    n_clumps = max(1, n // 30)
    field = fields[rng.integers(0, len(fields), n_clumps)]
    north, east = rng.uniform(-FIELD, FIELD, (2, n_clumps))
    clumps = np.column_stack(
        [
            field[:, 0] + east / np.maximum(np.cos(np.radians(field[:, 1])), 1e-3),
            field[:, 1] + north,
        ]
    )
    return displaced(rng, clumps[rng.integers(0, n_clumps, n)], 60 * ARCSEC)


def write_catalogues(folder: Path, n_hsc: int, n_desi: int, n_extra: int) -> None:
    """Write GalaxiesML (without pixels) and a DESI tree below a folder."""
    rng = np.random.default_rng(0)
    fields = over_the_sky(rng, N_FIELDS)
    hsc = in_fields(rng, n_hsc, fields)
    columns = {
        "object_id": np.arange(n_hsc),
        "ra": hsc[:, 0],
        "dec": hsc[:, 1],
        "specz_redshift": rng.uniform(0, 4, n_hsc),
        **{name: rng.uniform(18, 24, n_hsc) for name in MAGNITUDES},
    }
    write_galaxiesml(folder / "galaxiesml.hdf5", columns, images=())

    seen = hsc[rng.random(n_hsc) < MATCHED]
    n_repeated, n_fields = int(n_desi * REPEATED), int(n_desi * IN_FIELDS)
    parts = [displaced(rng, seen, 0.1 * ARCSEC), in_fields(rng, n_fields, fields)]
    parts.append(over_the_sky(rng, n_desi - n_repeated - n_fields - len(seen)))
    first = np.concatenate(parts)
    primary = np.arange(n_desi) < len(first)
    target = np.append(np.arange(len(first)), rng.integers(0, len(first), n_repeated))
    sky = np.concatenate([first, displaced(rng, first[target[len(first) :]], 0.05 * ARCSEC)])
    order = rng.permutation(n_desi)
    path = folder / "desi" / ZCATALOG_PATH
    write_zcatalog(path, target[order], sky[order], primary[order], n_extra, rng)


def write_zcatalog(
    path: Path,
    target: np.ndarray,
    sky: np.ndarray,
    primary: np.ndarray,
    n_extra: int,
    rng: np.random.Generator,
) -> None:
    """Write a redshift catalogue in the layout of zall-pix, a part at a time."""
    names = [*ZCATALOG, *((f"EXTRA{k}", ">f8") for k in range(n_extra))]
    forms = [f"{kind[1:]}A" if kind[0] == "S" else FORMATS[kind.strip(">")] for _, kind in names]
    columns = [fits.Column(name, form) for (name, _), form in zip(names, forms, strict=True)]
    header = fits.BinTableHDU.from_columns(columns, nrows=0, name=ZCATALOG_HDU).header
    header["NAXIS2"] = len(sky)
    path.parent.mkdir(parents=True)
    fits.PrimaryHDU().writeto(path)
    stream = fits.StreamingHDU(str(path), header)
    for start in range(0, len(sky), 100_000):
        part = slice(start, min(start + 100_000, len(sky)))
        n = part.stop - part.start
        rows = np.zeros(n, np.dtype(names))
        rows["TARGETID"] = 39_627_000_000_000_000 + target[part]
        rows["SURVEY"] = rng.choice([b"main", b"sv3", b"special"], n)
        rows["PROGRAM"] = rng.choice([b"bright", b"dark", b"backup"], n)
        rows["SPECTYPE"] = rng.choice([b"GALAXY", b"QSO", b"STAR"], n)
        rows["OBJTYPE"] = np.where(target[part] % round(1 / SKY) == 0, b"SKY", b"TGT")
        rows["DELTACHI2"] = rng.uniform(0, 100, n)
        rows["TARGET_RA"], rows["TARGET_DEC"] = sky[part].T
        rows["Z"] = rng.uniform(0, 4, n)
        rows["ZCAT_PRIMARY"] = np.where(primary[part], ord("T"), ord("F"))
        stream.write(rows.view(np.uint8))
    stream.close()


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (GB) of a command."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # of this process alone: RUSAGE_CHILDREN would count the one that wrote the catalogues
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e9


def haversine(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances (arcsec) of one position from others (n, 2), all in degrees."""
    (ra, dec), (ra2, dec2) = np.radians(one), np.radians(others).T
    half = np.sin((dec2 - dec) / 2) ** 2
    half += np.cos(dec) * np.cos(dec2) * np.sin((ra2 - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) / ARCSEC


def check(folder: Path, hsc: np.ndarray, n_checked: int) -> str:
    """Compare random HSC rows with a search through all of DESI; words for the table."""
    rows = np.random.default_rng(1).choice(len(hsc), min(n_checked, len(hsc)), replace=False)
    distance = np.full(len(rows), np.inf)
    columns = ["OBJTYPE", "TARGET_RA", "TARGET_DEC", "ZCAT_PRIMARY"]
    for block in zcatalog_blocks(folder / "desi", columns):
        stands = (block["OBJTYPE"] == TARGET) & block["ZCAT_PRIMARY"]
        sky = block.loc[stands, ["TARGET_RA", "TARGET_DEC"]].to_numpy()
        for k, row in enumerate(rows):
            distance[k] = min(distance[k], haversine(hsc[row], sky).min())
    matches = pd.read_csv(folder / "matches.csv").set_index("hsc_row")["separation_arcsec"]
    lost = pd.read_csv(folder / "contested.csv").set_index("object_id")["separation_arcsec"]
    # object_id is the row here
    found = pd.concat([matches, lost]).reindex(rows, fill_value=np.inf).to_numpy()
    expected = np.where(distance <= RADIUS, distance, np.inf)
    # haversine's own rounding is 1e-8 arcsec
    if not np.allclose(found, expected, rtol=0, atol=1e-6):
        sys.exit("the search through all pairs disagrees")
    return f"{len(rows)} rows ({np.isfinite(expected).sum()} with a pair) agree"


def main() -> None:
    """Write catalogues, match them with the command, check, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hsc", type=int, default=286_401, help="HSC rows")
    parser.add_argument("--desi", type=int, default=20_283_824, help="DESI rows")
    parser.add_argument(
        "--extra-columns", type=int, default=0, help="columns that nobody reads; zall-pix: 116"
    )
    parser.add_argument(
        "--engine", nargs="+", default=["astropy"], help="astropy, lsdb; the tables are compared"
    )
    parser.add_argument("--checked", type=int, default=40, help="HSC rows checked by brute force")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = (options.hsc, options.desi, options.extra_columns)
        # in a process of its own: a command starts with the peak memory of its parent
        writer = multiprocessing.get_context("spawn").Process(
            target=write_catalogues, args=(folder, *sizes)
        )
        writer.start()
        writer.join()
        size = (folder / "desi" / ZCATALOG_PATH).stat().st_size / 1e9
        print("| engine | HSC | DESI | file, GB | seconds | peak, GB | pairs | brute force |")
        print("|---|---|---|---|---|---|---|---|")
        tables = []
        for engine in options.engine:
            seconds, peak = measure(command(folder, engine))
            hsc = hsc_positions(folder)
            tables.append([pd.read_csv(folder / f"{name}.csv") for name in OUTPUTS])
            cells = [engine, f"{options.hsc:,}", f"{options.desi:,}", f"{size:.1f}"]
            cells += [f"{seconds:.0f}", f"{peak:.2f}", f"{len(tables[-1][0]):,}"]
            print("|", " | ".join([*cells, check(folder, hsc, options.checked)]), "|", flush=True)
        for others in tables[1:]:
            if not all(a.equals(b) for a, b in zip(tables[0], others, strict=True)):
                sys.exit("the engines' tables differ")
        if len(tables) > 1:
            print("\nAll tables of the engines are identical.")


OUTPUTS = ("matches", "contested", "counts")


def command(folder: Path, engine: str) -> list[str]:
    """Command line of the cross-match."""
    settings = {"radius_arcsec": RADIUS, "engine": engine, "max_damaged": 0.0}
    config = json.dumps({"crossmatch": settings})
    words = ["mmae", "crossmatch", "--config", config]
    words += ["--galaxiesml", str(folder / "galaxiesml.hdf5"), "--desi", str(folder / "desi")]
    for name in OUTPUTS:
        words += [f"--{name}", str(folder / f"{name}.csv")]
    return words


def hsc_positions(folder: Path) -> np.ndarray:
    """Positions (n, 2) of HSC's rows."""
    from mmae.survey.galaxiesml import read_catalog

    return read_catalog(folder / "galaxiesml.hdf5")[["ra", "dec"]].to_numpy()


if __name__ == "__main__":
    main()

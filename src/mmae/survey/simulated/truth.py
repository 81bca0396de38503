"""What was simulated: for tests, and for the one model that measures how far others could come."""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from mmae.files.new_hdf5 import new_hdf5
from mmae.files.write import atomic
from mmae.instruments import BANDS
from mmae.survey.simulated.catalogs import Catalogs
from mmae.survey.simulated.sources import SKY, Sources, true_properties

FAINTEST = 35.0
"""Magnitude of a component without light."""


def write_truth(catalogs: Catalogs, path: Path | str) -> None:
    """Write what each row of both catalogues is, what each source is, and where the spikes are."""
    hsc, desi = catalogs.hsc, catalogs.desi
    sources = catalogs.sources
    artefacts = catalogs.artefacts.assign(
        TARGETID=desi["TARGETID"].to_numpy()[catalogs.artefacts["desi_row"]]
    )
    tables = {
        "HSC": hsc[["object_id", "source", "role", "image_fault"]].assign(
            redshift=sources.redshift[hsc["source"]]
        ),
        "DESI": desi[
            ["TARGETID", "SURVEY", "PROGRAM", "HEALPIX", "source", "role", "lost_arm", "bad_pixel"]
        ],
        "ARTEFACTS": artefacts[["TARGETID", "desi_row", "pixel", "height"]],
        "SOURCES": pd.DataFrame(true_properties(sources)),
    }
    hdus: list = [fits.PrimaryHDU()]
    for name, table in tables.items():
        columns = [
            values.to_numpy().astype("S") if values.dtype.kind not in "biuf" else values.to_numpy()
            for _, values in table.items()
        ]
        hdus.append(fits.BinTableHDU(np.rec.fromarrays(columns, names=list(table)), name=name))
    with atomic(path) as part:
        fits.HDUList(hdus).writeto(part)


def noiseless_numbers(sources: Sources) -> dict[str, np.ndarray]:
    """What an estimator without noise may know of each source, by name; the redshift is not in it.

    Returns
    -------
    dict of str to ndarray, shape (N, K)
        magnitudes (AB, g r i z y), and those of bulge, disk and nucleus; colours of bulge and disk;
        sizes (half-light radii of the whole, the bulge and the disk in arcsec, and the axis ratio);
        types (whether quiescent, whether a quasar).
    """
    true = true_properties(sources)

    def magnitudes(part: str) -> np.ndarray:
        return np.stack([true[f"{part}mag_{band}"] for band in BANDS], axis=1).clip(max=FAINTEST)

    parts = {part: magnitudes(f"{part}_") for part in ("bulge", "disk", "nucleus")}
    sizes = ("radius", "bulge_radius", "disk_radius", "axis_ratio")
    types = true["quiescent"], true["spectype"] == "QSO"
    return {
        "magnitudes": magnitudes(""),
        **{f"{part}_magnitudes": mag for part, mag in parts.items()},
        **{f"{part}_colours": -np.diff(parts[part], axis=1) for part in ("bulge", "disk")},
        "sizes": np.stack([true[name] for name in sizes], axis=1),
        "types": np.stack(types, axis=1).astype(float),
    }


def write_noiseless(catalogs: Catalogs, path: Path | str) -> None:
    """Write `noiseless_numbers` of all that both catalogues list, by targetid and object_id.

    Galaxies that one of them lacks have a negative number there.
    """
    seen = catalogs.desi.loc[catalogs.desi["source"] != SKY, ["source", "TARGETID"]]
    # integers that may be missing: as decimals they would lose their last digits
    both = (
        catalogs.hsc[["source", "object_id"]]
        .astype("Int64")
        .merge(seen.drop_duplicates("TARGETID").astype("Int64"), on="source", how="outer")
    )
    none = -1 - np.arange(len(both))
    names = {"targetid": both["TARGETID"], "object_id": both["object_id"]}
    numbers = noiseless_numbers(catalogs.sources)
    size = len(both) * 8 * (2 + sum(values.shape[1] for values in numbers.values()))
    with new_hdf5(path, size) as (file, check):
        for name, values in names.items():
            file[name] = np.where(values.isna(), none, values.fillna(0).to_numpy(np.int64))
        for name, values in numbers.items():
            file[name] = values[both["source"].to_numpy(np.int64)].astype(np.float32)
            check()

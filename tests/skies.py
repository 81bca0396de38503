"""Catalogues at the awkward places of the sky, for tests of the cross-match."""

import numpy as np
import pandas as pd

PLACES = ((0.0, 0.0), (359.9999, 45.0), (10.0, 89.9999), (77.0, -90.0), (45.0, 0.0), (90.0, 41.81))
"""(ra, dec) degrees: the seam, both poles, corners of healpix cells."""


def clustered_catalogues(
    seed: int, radius_arcsec: float, n: int = 60
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """HSC and DESI rows in clumps of some radii at PLACES, with repeats, ties and blank sky.

    A target in seven has a second row: anywhere, or beside another galaxy.
    """
    rng = np.random.default_rng(seed)
    places = np.repeat(PLACES, n, axis=0)
    hsc = _moved(rng, places, 10 * radius_arcsec)
    desi = _moved(rng, hsc[rng.integers(0, len(hsc), 2 * len(hsc))], radius_arcsec)
    desi[::11] = desi[1::11][: len(desi[::11])]  # the same position twice
    hsc[::13] = hsc[1::13][: len(hsc[::13])]
    far = np.column_stack(
        [rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))]
    )
    desi = rng.permutation(np.concatenate([desi, far]))
    desi[::5, 0] -= 360  # the same right ascension, otherwise written
    m = len(desi)
    targetid = np.arange(m)
    targetid[::7] = np.roll(targetid[1::7], 1)[: len(targetid[::7])]
    return (
        pd.DataFrame(
            {
                "object_id": 1000 + np.arange(len(hsc)),
                "ra": hsc[:, 0],
                "dec": hsc[:, 1],
                "specz_redshift": rng.uniform(0, 4, len(hsc)),
            }
        ),
        pd.DataFrame(
            {
                **{"TARGETID": targetid, "SURVEY": "main", "PROGRAM": "dark", "HEALPIX": 1},
                **{"Z": rng.uniform(0, 4, m), "SPECTYPE": "GALAXY", "COADD_FIBERSTATUS": 0},
                "OBJTYPE": np.where(rng.random(m) < 0.1, "SKY", "TGT"),
                **{"TARGET_RA": desi[:, 0], "TARGET_DEC": desi[:, 1]},
                "ZCAT_PRIMARY": rng.random(m) < 0.5,
                "ZWARN": rng.choice([0, 0, 4], m),
                "DELTACHI2": rng.choice([9.0, 25.0, np.nan], m),
            }
        ),
    )


def _moved(rng: np.random.Generator, sky: np.ndarray, sigma_arcsec: float) -> np.ndarray:
    """Positions displaced on the sphere by a Gaussian along each axis."""
    lon, lat = np.radians(sky).T
    xyz = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    x, y, z = xyz + rng.normal(0, np.radians(sigma_arcsec / 3600), xyz.shape)
    dec = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return np.column_stack([np.degrees(np.arctan2(y, x)) % 360, dec])

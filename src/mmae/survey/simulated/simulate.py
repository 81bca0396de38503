"""Write the embedded survey: GalaxiesML, DESI's catalogue, DESI's coadds, and the truth."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mmae.files.outputs import TREE
from mmae.files.write import atomic
from mmae.instruments import BANDS, IMAGE_SIZE, PIXEL_SCALE_ARCSEC, flux_from_mag, mag_from_flux
from mmae.progress import progress
from mmae.settings import Simulation
from mmae.survey.desi import Coadd, coadd_path, write_coadd, write_zcatalog
from mmae.survey.galaxiesml import DEC, OBJECT_ID, RA, REDSHIFT, write_galaxiesml
from mmae.survey.simulated.catalogs import Catalogs, plant
from mmae.survey.simulated.image_faults import NAMES
from mmae.survey.simulated.images import (
    Conditions,
    Scene,
    draw_conditions,
    make_scene,
    render,
    sky_sigma,
)
from mmae.survey.simulated.sources import BULGE, NUCLEUS, SKY, Sources, take
from mmae.survey.simulated.spectra import BAD_PIXEL, add_spike, lose_pixels, observe
from mmae.survey.simulated.truth import write_noiseless, write_truth
from mmae.workflow.orphans import end_with

CATALOG, SCENES, IMAGES, SPECTRA, PHOTOMETRY, CONDITIONS = range(6)
"""Streams of random numbers, so that no step's draws depend on another's."""

MARK = "simulated.txt"
"""Tells the tree from a real one, which is not replaced."""

AHEAD = 16
"""Chunks that are rendered or wait to be written at a time."""


def simulate_survey(
    settings: Simulation,
    galaxiesml: Path | str,
    desi: Path | str,
    truth: Path | str,
    workers: int = 1,
    noiseless: Path | str | None = None,
) -> Catalogs:
    """Draw and write the embedded survey.

    Parameters
    ----------
    settings : Simulation
    galaxiesml : path
        HDF5 file to write, as GalaxiesML.
    desi : path
        Folder to write, a DESI tree: zcatalog/v1/ and healpix/.
    truth : path
        FITS file to write, with what each row of both catalogues is. No step reads it; tests do.
    workers : int
        Processes that render; the bytes do not depend on them.
    noiseless : path, optional
        HDF5 file to write, with the noiseless magnitudes, sizes and types, for the model `limit`.

    Returns
    -------
    Catalogs
        What was written.
    """
    with threadpool_limits(1):
        catalogs = plant(
            settings.n_galaxies,
            settings.faults,
            asdict(settings.targets),
            np.random.default_rng([settings.seed, CATALOG]),
        )
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(),),
    ) as pool:
        _write_images(settings, catalogs, pool, galaxiesml)
        _write_desi(settings, catalogs, pool, desi)
    write_truth(catalogs, truth)
    if noiseless is not None:
        write_noiseless(catalogs, noiseless)
    return catalogs


def _start_worker(parent: int) -> None:
    """A worker ends with its parent and computes in one thread."""
    end_with(parent)
    threadpool_limits(1)


def _write_images(
    settings: Simulation, catalogs: Catalogs, pool: ProcessPoolExecutor, path: Path | str
) -> None:
    """Write the GalaxiesML file."""
    hsc = catalogs.hsc
    conditions = draw_conditions(
        len(hsc), settings.image_faults, np.random.default_rng([settings.seed, CONDITIONS])
    )
    hsc["image_fault"] = np.array(NAMES)[conditions.fault]
    rng = np.random.default_rng([settings.seed, PHOTOMETRY])
    columns = {
        OBJECT_ID: hsc["object_id"].to_numpy(),
        RA: hsc["ra"].to_numpy(),
        DEC: hsc["dec"].to_numpy(),
        REDSHIFT: hsc["redshift"].to_numpy(),
        "specz_redshift_err": hsc["redshift_error"].to_numpy(),
        "specz_flag_homogeneous": np.ones(len(hsc), dtype=bool),
        **measured_photometry(catalogs.sources, hsc["source"].to_numpy(), conditions, rng),
    }
    seeds = _seeds(settings.seed, IMAGES, len(hsc))
    starts = range(0, len(hsc), settings.chunk_size)
    if not settings.images:
        parts = (seeds[start : start + settings.chunk_size] for start in starts)
        write_galaxiesml(path, columns, map(_noise, parts))
        return
    scene = make_scene(
        hsc["source"].to_numpy(),
        hsc[["dx", "dy"]].to_numpy(),
        len(catalogs.sources.redshift),
        np.random.default_rng([settings.seed, SCENES]),
    )

    def render_from(start: int) -> Callable[[], np.ndarray]:
        stop = min(start + settings.chunk_size, len(hsc))
        inside = (scene.image >= start) & (scene.image < stop)
        members = Scene(*(part[inside] for part in scene))
        needed, local = np.unique(members.source, return_inverse=True)
        members = members._replace(image=members.image - start, source=local)
        under = Conditions(*(part[start:stop] for part in conditions))
        return partial(render, take(catalogs.sources, needed), members, under, seeds[start:stop])

    images = _in_order(pool, map(render_from, starts), len(starts), "chunks of images")
    write_galaxiesml(path, columns, _blemished(images, hsc["bad_image"].to_numpy()))


def _noise(seeds: np.ndarray) -> np.ndarray:
    """Images of nothing, (B, 5, 64, 64), from the seed of the first."""
    shape = (len(seeds), len(BANDS), IMAGE_SIZE, IMAGE_SIZE)
    noise = np.random.default_rng(seeds[0]).standard_normal(shape, np.float32)
    return noise * np.float32(sky_sigma())[:, None, None]


def _blemished(chunks: Iterator[np.ndarray], bad: np.ndarray) -> Iterator[np.ndarray]:
    """The images, of which the bad ones have a pixel that is no number."""
    start = 0
    for chunk in chunks:
        chunk[bad[start : start + len(chunk)], BANDS.index("i"), 20, 20] = np.nan
        yield chunk
        start += len(chunk)


def _write_desi(
    settings: Simulation, catalogs: Catalogs, pool: ProcessPoolExecutor, root: Path | str
) -> None:
    """Write the DESI tree: the redshift catalogue and one coadd file a survey, program, healpix."""
    seeds = _seeds(settings.seed, SPECTRA, len(catalogs.desi))
    with atomic(root, TREE) as part:
        part.mkdir()
        (part / MARK).write_text(
            "Simulated by galaxy-mmae: no spectrum in here is of the sky.\n", encoding="utf-8"
        )
        write_zcatalog(part, catalogs.desi)

        def write_group(group: tuple[tuple, pd.DataFrame]) -> Callable[[], None]:
            (survey, program, healpix), table = group
            spikes = catalogs.artefacts[catalogs.artefacts["desi_row"].isin(table.index)]
            return partial(
                _write_one_coadd,
                coadd_path(part, survey, program, healpix),
                take(catalogs.sources, table["source"].to_numpy()),
                table,
                spikes,
                seeds[table.index.to_numpy()],
            )

        groups = catalogs.desi.groupby(["SURVEY", "PROGRAM", "HEALPIX"])
        for _ in _in_order(pool, map(write_group, groups), len(groups), "coadd files"):
            pass


def _write_one_coadd(
    path: Path, sources: Sources, table: pd.DataFrame, spikes: pd.DataFrame, seeds: np.ndarray
) -> None:
    """Observe the targets of one coadd file, damage some, write it."""
    rows = np.where(table["source"] == SKY, SKY, np.arange(len(table)))
    spectra = observe(sources, rows, seeds, table["PROGRAM"].iloc[0])
    lose_pixels(spectra, table["keep_from"].to_numpy(), table["keep_to"].to_numpy())
    for spike in spikes.itertuples():
        add_spike(spectra, table.index.get_loc(spike.desi_row), spike.pixel, spike.height)
    for arm, (flux, ivar, mask) in spectra.items():
        lost = (table["lost_arm"] == arm).to_numpy()
        flux[lost], ivar[lost], mask[lost] = 0, 0, BAD_PIXEL
    odd = np.flatnonzero(table["bad_pixel"] >= 0), table["bad_pixel"][table["bad_pixel"] >= 0]
    spectra["B"].flux[odd], spectra["B"].ivar[odd], spectra["B"].mask[odd] = np.nan, 1, 0
    coadd = Coadd(
        table["TARGETID"].to_numpy(),
        {arm: s.flux for arm, s in spectra.items()},
        {arm: s.ivar for arm, s in spectra.items()},
        {arm: s.mask for arm, s in spectra.items()},
    )
    write_coadd(path, coadd, table)


def _in_order(
    pool: ProcessPoolExecutor, jobs: Iterator[Callable], n_jobs: int, what: str
) -> Iterator:
    """Results in the order of the jobs, with few of them made, running or waiting at a time."""
    running = deque(pool.submit(job) for job in islice(jobs, AHEAD))
    try:
        for _ in progress(range(n_jobs), what):
            yield running.popleft().result()
            running.extend(pool.submit(job) for job in islice(jobs, 1))
    finally:
        # after a failure none may write into a folder that is gone
        wait([job for job in running if not job.cancel()])


def _seeds(seed: int, stream: int, n: int) -> np.ndarray:
    """One seed a row, so that chunks and workers do not change the data."""
    return np.random.default_rng([seed, stream]).integers(0, 2**63, n)


def measured_photometry(
    sources: Sources, rows: np.ndarray, conditions: Conditions, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Magnitudes (cmodel) with their errors and a few shapes, one value a row and band.

    They share their zero points with the images. The model's total flux is wrong by the same
    factor in all bands, its colours are better known (Huang et al. 2018, PASJ 70, S6).
    """
    point = sources.share[rows, NUCLEUS, BANDS.index("i")]
    radius = np.maximum(sources.shapes.radius[rows] * (1 - point), 0.02)
    missed = rng.normal(0, np.where(point > 0.9, 0.01, MODEL_ERROR))
    columns = {}
    for k, band in enumerate(BANDS):
        flux = flux_from_mag(sources.mag[rows, k] + missed) * conditions.zero_point[:, k]
        # pixels under the source: the seeing's and its own light
        width = np.hypot(conditions.seeing[:, k] / 2.355, radius / 1.18) / PIXEL_SCALE_ARCSEC
        sky = sky_sigma()[k] * conditions.noise[:, k] * np.sqrt(4 * np.pi) * width
        sigma = np.hypot(sky, COLOUR_ERROR * flux)
        measured = np.maximum(flux + rng.normal(0, 1, len(rows)) * sigma, 0.2 * sigma)
        bulge = sources.share[rows, BULGE, k]
        columns[f"{band}_cmodel_mag"] = mag_from_flux(measured)
        columns[f"{band}_cmodel_magsigma"] = 1.0857 * sigma / measured
        columns[f"{band}_half_light_radius"] = radius * np.exp(rng.normal(0, 0.05, len(rows)))
        columns[f"{band}_sersic_index"] = 1 + 3 * bulge + rng.normal(0, 0.1, len(rows))
        columns[f"{band}_ellipticity"] = (1 - bulge) * (1 - sources.shapes.axis_ratio[rows])
    return columns


MODEL_ERROR, COLOUR_ERROR = 0.1, 0.007
"""Of cmodel magnitudes of extended sources: common to all bands, and of each band, mag."""

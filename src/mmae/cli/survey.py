"""Commands of workflow/rules/survey.smk: where galaxies come from."""

import logging
from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, path_option, section
from mmae.settings import Crossmatch, Simulation

log = logging.getLogger("mmae")


@click.command()
@config_option(**{"survey.simulate": Simulation})
@path_option("--galaxiesml", "GalaxiesML-like HDF5 file to write.")
@path_option("--desi", "DESI tree to write: zcatalog/v1/ and healpix/.")
@path_option("--truth", "FITS file to write, with what each row is; for tests only.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, help="Processes; the data are the same."
)
def simulate_survey(
    config: dict[str, Any], galaxiesml: Path, desi: Path, truth: Path, workers: int
) -> None:
    """Write the embedded survey in the formats of the real ones.

    Galaxies are drawn from real HSC galaxies, rendered with GalSim and kcorrect's templates, and
    given the faults that real catalogues have. The same seed gives the same bytes.
    """
    from mmae.survey.simulated.simulate import simulate_survey as simulate

    settings = section(config, "survey.simulate", Simulation)
    catalogs = simulate(settings, galaxiesml, desi, truth, workers)
    log.info("simulated %d HSC and %d DESI rows", len(catalogs.hsc), len(catalogs.desi))


@click.command()
@config_option(crossmatch=Crossmatch)
@path_option("--galaxiesml", "GalaxiesML HDF5 file.")
@path_option("--desi", "DESI tree.")
@path_option("--matches", "CSV to write: one row a pair, with its separation.")
@path_option("--contested", "CSV to write: HSC rows that lost their target to a closer one.")
@path_option("--counts", "CSV to write: what was and was not matched.")
def crossmatch(
    config: dict[str, Any],
    galaxiesml: Path,
    desi: Path,
    matches: Path,
    contested: Path,
    counts: Path,
) -> None:
    """Match HSC's galaxies to DESI's targets by position, one to one."""
    from mmae.files import write_table
    from mmae.survey.crossmatch import crossmatch as match
    from mmae.survey.desi import zcatalog_blocks
    from mmae.survey.galaxiesml import read_catalog

    settings = section(config, "crossmatch", Crossmatch)
    result = match(
        read_catalog(galaxiesml), zcatalog_blocks(desi), settings.radius_arcsec, settings.engine
    )
    write_table(matches, result.matches)
    write_table(contested, result.contested)
    write_table(counts, result.counts)
    log.info("%s", result.counts.to_string(index=False, header=False))


@click.command()
@path_option("--matches", "CSV of matched pairs.")
@path_option("--desi", "DESI tree.")
@path_option("--spectra", "HDF5 file to write: one spectrum a pair, arms combined.")
def collect_spectra(matches: Path, desi: Path, spectra: Path) -> None:
    """Take the matched targets' spectra out of DESI's coadd files and combine their arms."""
    from mmae.dataset.collected import write_collected
    from mmae.files import read_table
    from mmae.instruments import desi_wave
    from mmae.survey.collect import matched_spectra

    pairs = read_table(matches, ["targetid", "survey", "program", "healpix"])
    write_collected(
        spectra, pairs["targetid"].to_numpy(), desi_wave(), matched_spectra(pairs, desi)
    )
    log.info("collected %d spectra", len(pairs))

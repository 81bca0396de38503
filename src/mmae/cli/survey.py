"""Commands of workflow/rules/survey.smk: where galaxies come from."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmae.cli.options import config_option, output_option, path_option, reads, section
from mmae.files.outputs import LINK, SHARED, TREE
from mmae.settings import (
    Crossmatch,
    Desi,
    Download,
    Simulation,
    Sparcl,
    SpectraSource,
    ZenodoRecord,
)

if TYPE_CHECKING:
    import pandas as pd

    from mmae.survey.collect import Spectra, Unavailable

log = logging.getLogger("mmae")


@click.command()
@config_option(**{"survey.simulate": Simulation})
@output_option("--galaxiesml", "GalaxiesML-like HDF5 file to write.")
@output_option("--desi", "DESI tree to write: zcatalog/v1/ and healpix/.", kind=TREE)
@output_option("--truth", "FITS file to write, with what each row is; for tests only.")
@output_option(
    "--noiseless",
    "HDF5 file to write: true magnitudes, sizes and types, for the model `limit` alone.",
    required=False,
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, help="Processes; the data are the same."
)
def simulate_survey(
    config: dict[str, Any],
    galaxiesml: Path,
    desi: Path,
    truth: Path,
    noiseless: Path | None,
    workers: int,
) -> None:
    """Write the embedded survey in the formats of the real ones.

    Galaxies are drawn from smooth densities fitted to real ones, given spectra of kcorrect's
    templates, and the faults that real catalogues have. The same seed gives the same bytes.
    """
    from mmae.survey.simulated.simulate import simulate_survey as simulate

    settings = section(config, "survey.simulate", Simulation)
    catalogs = simulate(settings, galaxiesml, desi, truth, workers, noiseless)
    log.info("simulated %d HSC and %d DESI rows", len(catalogs.hsc), len(catalogs.desi))


@click.command()
@config_option(crossmatch=Crossmatch)
@path_option("--galaxiesml", "GalaxiesML HDF5 file.")
@path_option("--desi", "DESI tree.", kind=TREE)
@output_option("--matches", "CSV to write: one row a pair, with its separation.")
@output_option("--contested", "CSV to write: HSC rows that lost their target to a closer one.")
@output_option("--counts", "CSV to write: what was and was not matched.")
def crossmatch(
    config: dict[str, Any],
    galaxiesml: Path,
    desi: Path,
    matches: Path,
    contested: Path,
    counts: Path,
) -> None:
    """Match HSC's galaxies to DESI's targets by position, one to one."""
    from mmae.files.write import write_table
    from mmae.survey.crossmatch import crossmatch as match
    from mmae.survey.desi import zcatalog_blocks
    from mmae.survey.galaxiesml import read_catalog

    settings = section(config, "crossmatch", Crossmatch)
    hsc = read_catalog(galaxiesml, settings.max_damaged)
    blocks = zcatalog_blocks(desi, max_damaged=settings.max_damaged)
    result = match(hsc, blocks, settings.radius_arcsec, settings.engine)
    write_table(matches, result.matches)
    write_table(contested, result.contested)
    write_table(counts, result.counts)
    log.info("%s", result.counts.to_string(index=False, header=False))


@click.command()
@config_option(**{"survey.zenodo.galaxiesml": ZenodoRecord, "download": Download})
@click.option(
    *("--file", "files"),
    multiple=True,
    callback=reads(),
    help="A file already on disk; may be repeated.",
)
@output_option("--galaxiesml", "HDF5 file to write, in which the release's files stand as one.")
def fetch_galaxiesml(config: dict[str, Any], files: tuple[str, ...], galaxiesml: Path) -> None:
    """Get GalaxiesML's files, from disk or from Zenodo, and show them as one.

    The written file is small: its datasets point into the files.
    """
    from mmae.downloads.zenodo import fetch_record, record_folder
    from mmae.survey.galaxiesml import join_galaxiesml

    parts: list[Path | str] = list(files)
    if not parts:
        record = section(config, "survey.zenodo.galaxiesml", ZenodoRecord)
        settings = section(config, "download", Download)
        folder = record_folder(record, settings)
        parts += fetch_record(record, folder, settings, "survey.files.galaxiesml")
    log.info("%d galaxies", join_galaxiesml(galaxiesml, parts))


@click.command()
@config_option(**{"survey.zenodo.galaxiesml_spectra": ZenodoRecord, "download": Download})
@click.option("--file", "file", callback=reads(), help="The file, already on disk.")
@output_option("--dataset", "Link to write, to the GalaxiesML-Spectra HDF5 file.", kind=LINK)
@output_option("--schema", "CSV to write: what the file holds and should hold.")
def fetch_released(config: dict[str, Any], file: str | None, dataset: Path, schema: Path) -> None:
    """Get the released GalaxiesML-Spectra, from disk or from Zenodo, and check its schema."""
    from mmae.dataset.layout import describe, open_dataset
    from mmae.downloads.zenodo import fetch_record, record_folder
    from mmae.errors import InputError
    from mmae.files.write import write_link, write_table

    if file is None:
        record = section(config, "survey.zenodo.galaxiesml_spectra", ZenodoRecord)
        settings = section(config, "download", Download)
        folder = record_folder(record, settings)
        found = fetch_record(record, folder, settings, "survey.files.galaxiesml_spectra")
        if len(found) > 1:
            raise InputError(
                "config",
                key="survey.zenodo.galaxiesml_spectra.pattern",
                found=f"several files {[path.name for path in found]}",
                expected="one",
            )
        file = str(found[0])
    report = describe(file)
    log.info("%s", report.to_string(index=False))
    with open_dataset(file):
        write_link(dataset, file)
    write_table(schema, report)


@click.command()
@config_option(**{"survey.desi": Desi, "download": Download})
@path_option("--tree", "Root of a DESI tree already on disk.", False, kind=TREE)
@output_option("--desi", "Folder to write, with a link to the redshift catalogue.", kind=SHARED)
def fetch_zcatalog(config: dict[str, Any], tree: Path | None, desi: Path) -> None:
    """Get DESI's redshift catalogue, from disk or from the data release."""
    from mmae.files.write import write_link
    from mmae.survey import desi_remote
    from mmae.survey.desi import ZCATALOG_PATH

    if tree is not None:
        catalog = tree / ZCATALOG_PATH
    else:
        settings = section(config, "download", Download)
        catalog = desi_remote.fetch_zcatalog(section(config, "survey.desi", Desi), settings)
    write_link(desi / ZCATALOG_PATH, catalog)


@click.command()
@config_option(
    **{"survey.desi": Desi, "survey.sparcl": Sparcl, "survey.spectra": SpectraSource},
    download=Download,
)
@path_option("--matches", "CSV of matched pairs.")
@path_option("--tree", "Root of a DESI tree on disk; else the service of the config.", False, TREE)
@click.option("--group", type=click.IntRange(0), required=True, help="Which group of healpix.")
@output_option("--spectra", "HDF5 file to write: the group's spectra, arms combined.")
@output_option("--unavailable", "CSV to write: targets that have none, and why.")
def fetch_spectra(
    config: dict[str, Any],
    matches: Path,
    tree: Path | None,
    group: int,
    spectra: Path,
    unavailable: Path,
) -> None:
    """Get the spectra of one group of matched targets.

    A group is a share of the healpix, so that each coadd file belongs to one. They come from a DESI
    tree on disk, from DESI's coadd files over HTTP, or one by one from SPARCL.
    """
    import pandas as pd

    from mmae.dataset.collected import write_group
    from mmae.files.read import read_table
    from mmae.files.write import write_table
    from mmae.instruments import desi_wave
    from mmae.survey.collect import NEEDED, Spectra, group_of

    source = section(config, "survey.spectra", SpectraSource)
    pairs = read_table(matches, NEEDED)
    mine = pairs[group_of(pairs, source.groups) == group]
    rows, targetid = mine.index.to_numpy(), mine["targetid"].to_numpy()
    missing, n_damaged = [], 0

    def had() -> Iterator[Spectra]:
        nonlocal n_damaged
        for item in _spectra_source(config, source, tree, mine.reset_index(drop=True)):
            if isinstance(item, Spectra):
                n_damaged += (item.n_damaged > 0).sum()
                yield item
            else:
                missing.extend((targetid[row], item.reason) for row in item.rows)

    write_group(spectra, rows, targetid, desi_wave(), had())
    write_table(unavailable, pd.DataFrame(missing, columns=["targetid", "reason"]))
    counts = len(mine) - len(missing), n_damaged, len(missing)
    log.info("group %d: %d spectra, %d with damaged pixels, %d unavailable", group, *counts)


def _spectra_source(
    config: dict[str, Any], source: SpectraSource, tree: Path | None, matches: "pd.DataFrame"
) -> "Iterator[Spectra | Unavailable]":
    """The spectra of some matches from where the config says."""
    from contextlib import nullcontext
    from functools import partial

    from mmae.survey.collect import coadd_spectra
    from mmae.survey.desi import coadd_path
    from mmae.survey.desi_remote import fetched_coadd
    from mmae.survey.sparcl import sparcl_spectra

    if tree is not None:
        return coadd_spectra(matches, lambda *names: nullcontext(coadd_path(tree, *names)))
    settings = section(config, "download", Download)
    if source.service == "sparcl":
        return sparcl_spectra(matches, section(config, "survey.sparcl", Sparcl), settings)
    desi = section(config, "survey.desi", Desi)
    return coadd_spectra(matches, partial(fetched_coadd, desi, settings))


@click.command()
@path_option("--matches", "CSV of matched pairs.")
@click.option(
    *("--group", "groups"),
    multiple=True,
    required=True,
    callback=reads(),
    help="HDF5 file of a group.",
)
@output_option("--spectra", "HDF5 file to write: one spectrum a pair.")
def collect_spectra(matches: Path, groups: tuple[str, ...], spectra: Path) -> None:
    """Join the spectra of all groups in the order of the matches."""
    from mmae.dataset.collected import join_groups
    from mmae.files.read import read_table
    from mmae.instruments import desi_wave

    targetid = read_table(matches, ["targetid"])["targetid"].to_numpy()
    missing = join_groups(spectra, groups, targetid, desi_wave())
    log.info("%d spectra, %d unavailable", len(targetid) - missing, missing)

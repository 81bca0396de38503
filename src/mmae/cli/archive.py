"""Commands of workflow/rules/archive.smk: models and runs for others, and figures from those."""

from pathlib import Path
from typing import Any

import click

from mmae.cli.options import (
    config_option,
    output_option,
    path_argument,
    path_option,
    reads,
    section,
    writes,
)
from mmae.config import read_section
from mmae.files.outputs import ARCHIVE, EXPORT, SHARED
from mmae.settings import Download, Settings, ZenodoRecord

citation_option = click.option(
    "--citation",
    type=click.Path(path_type=Path),
    default=Path("CITATION.cff"),
    show_default=True,
    callback=reads(),
    help="Authors, licence and paper.",
)


@click.command()
@path_argument("model")
@config_option()
@click.option(
    "--metrics",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=reads(),
    help="metrics.json of the model under a view, for the card. May be given several times.",
)
@output_option("--output", "Folder to write.", kind=EXPORT)
@citation_option
def export(
    model: Path, config: dict[str, Any], metrics: tuple[Path, ...], output: Path, citation: Path
) -> None:
    """Write a trained network as a folder that others load without this project.

    MODEL is its folder. Written are weights (safetensors), config with geometry and scale of the
    inputs, a torch.export program, a loader for huggingface_hub, and a model card. The config must
    be the whole one of the run.
    """
    from mmae.archive.crate import read_citation
    from mmae.export.folder import export

    settings = read_section(Settings, config, "config")
    export(model, metrics, settings, read_citation(citation), output)


@click.command()
@config_option()
@path_option(
    "--results",
    "Folder of a finished run, such as results/demo.",
    kind=ARCHIVE,
)
@output_option("--output", "Folder to write.", kind=ARCHIVE)
@citation_option
def archive(config: dict[str, Any], results: Path, output: Path, citation: Path) -> None:
    """Pack a finished run into a folder for others: all but images and spectra.

    The config must be the whole one of the run. `snakemake archive` gives it as it was; by hand,
    name its files in their order.
    """
    from mmae.archive.packing import pack

    pack(results, config, citation, output)


@click.command()
@path_option("--archive", "Folder that `mmae archive` wrote, or a .zip or .tar.gz of it.")
@output_option("--results", "Folder to unpack into, such as results/demo.", kind=SHARED)
@click.option("--force", is_flag=True, help="Replace results of another run that are there.")
def restore(archive: Path, results: Path, force: bool) -> None:
    """Verify an archive by its checksums and unpack what figures and tables are made from."""
    from mmae.archive.reading import restore

    restore(archive, results, force)


@click.command()
@config_option(download=Download)
@click.option("--url", default="https://zenodo.org", show_default=True, help="Root of the service.")
@click.option("--pattern", default="*", show_default=True, help="Names of the files to download.")
@click.argument("record", type=click.IntRange(min=1))
@click.argument("folder", type=click.Path(path_type=Path), required=False, callback=writes(SHARED))
def fetch_archive(
    config: dict[str, Any], url: str, pattern: str, record: int, folder: Path | None
) -> None:
    """Download an archive from Zenodo, for `from_archive` in the config.

    RECORD is the number at the end of its address. FOLDER is where its files are put; without it
    they are put where `from_archive: RECORD` finds them, results/zenodo-RECORD.
    """
    from mmae.archive.record import default_folder, fetch_record

    settings = section(config, "download", Download)
    source = {"url": url, "record": record, "pattern": pattern}
    zenodo = read_section(ZenodoRecord, source, "mmae fetch-archive")
    fetch_record(zenodo, folder or default_folder(record), settings)

"""Commands of workflow/rules/paper.smk, and the config's schema."""

from pathlib import Path
from typing import Any

import click

from mmae.cli.options import (
    config_option,
    output_option,
    path_argument,
    reads,
    section,
    writes,
)
from mmae.settings import Download, Grid, Published, Split


@click.command()
@config_option(published=Published, download=Download)
@output_option("--quartermask", "CSV to write: image masked 25%.")
@output_option("--nomask", "CSV to write: image whole.")
def fetch_published(config: dict[str, Any], quartermask: Path, nomask: Path) -> None:
    """Get the authors' predictions for 20,181 real galaxies, from a local copy or by download."""
    from mmae.survey.published import fetch

    settings = section(config, "published", Published)
    patience = section(config, "download", Download)
    fetch(settings.quartermask, settings.folder, quartermask, patience)
    fetch(settings.nomask, settings.folder, nomask, patience)


@click.command()
@path_argument("source")
@click.argument("executed", type=click.Path(path_type=Path), callback=writes())
@click.option(
    "--set",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebook; values are text.",
)
def notebook(source: Path, executed: Path, parameters: tuple[tuple[str, str], ...]) -> None:
    """Execute a notebook with papermill.

    SOURCE is the notebook. EXECUTED is where it is kept with its results, also where it fails.
    """
    from mmae.workflow.notebooks import execute

    execute(source, executed, dict(parameters))


@click.command()
@path_argument("notebooks", nargs=-1, required=True)
@config_option(split=Split, grid=Grid)
@click.option("--survey", required=True, help="Name of the survey.")
@click.option("--source", required=True, help="Where it is from: survey.source in the config.")
@click.option(
    "--caption",
    "captions",
    type=click.Path(path_type=Path),
    multiple=True,
    callback=reads(),
    help="A caption, <name>.rst, that cells of notebooks name; and workflow.rst, the introduction.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    multiple=True,
    callback=reads(),
    help="A file with the rules of the notebooks, to link to.",
)
@output_option("--page", "HTML file to write: one article, images inside.")
@output_option("--opening", "reStructuredText file to write: what Snakemake's report opens with.")
def article(
    notebooks: tuple[Path, ...],
    config: dict[str, Any],
    survey: str,
    source: str,
    captions: tuple[Path, ...],
    rules: tuple[Path, ...],
    page: Path,
    opening: Path,
) -> None:
    """Make one page of executed NOTEBOOKS, in the order of the paper."""
    from mmae.pages.article import Run, write_article

    split, grid = section(config, "split", Split), section(config, "grid", Grid)
    write_article(notebooks, captions, rules, Run(survey, source, split, grid), page, opening)


@click.command()
def schema() -> None:
    """Print the JSON schema of the config, as YAML: config/schema.yaml."""
    import yaml

    from mmae.config import json_schema

    click.echo("# Written by `mmae schema` from src/mmae/settings; do not edit.")
    click.echo(yaml.safe_dump(json_schema(), sort_keys=False, width=100), nl=False)

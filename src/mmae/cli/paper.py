"""Commands of workflow/rules/paper.smk, and the config's schema."""

from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, output_option, path_argument, section, writes
from mmae.settings import Download, Published


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
def schema() -> None:
    """Print the JSON schema of the config, as YAML: config/schema.yaml."""
    import yaml

    from mmae.config import json_schema

    click.echo("# Written by `mmae schema` from src/mmae/settings; do not edit.")
    click.echo(yaml.safe_dump(json_schema(), sort_keys=False, width=100), nl=False)

"""Commands of workflow/rules/paper.smk, and the config's schema."""

from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, path_option, section
from mmae.settings import Published


@click.command()
@config_option(published=Published)
@path_option("--quartermask", "CSV to write: image masked 25%.")
@path_option("--nomask", "CSV to write: image whole.")
def fetch_published(config: dict[str, Any], quartermask: Path, nomask: Path) -> None:
    """Get the authors' predictions for 20,181 real galaxies, from a local copy or by download."""
    from mmae.survey.published import fetch

    settings = section(config, "published", Published)
    fetch(settings.quartermask, settings.folder, quartermask)
    fetch(settings.nomask, settings.folder, nomask)


@click.command()
def schema() -> None:
    """Print the JSON schema of the config, as YAML: config/schema.yaml."""
    import yaml

    from mmae.settings import json_schema

    click.echo("# Written by `mmae schema` from src/mmae/settings.py; do not edit.")
    click.echo(yaml.safe_dump(json_schema(), sort_keys=False, width=100), nl=False)

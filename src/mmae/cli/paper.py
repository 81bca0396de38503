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
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from mmae.errors import InputError
    from mmae.files import existing

    known = papermill.inspect_notebook(existing(source))
    for name, _ in parameters:
        if name not in known:
            raise InputError(
                source, key="parameters", found=f"no {name!r}", expected=f"{list(known)}"
            )
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source, executed, parameters=dict(parameters), progress_bar=False, cwd=Path.cwd()
        )
    except PapermillExecutionError as error:
        raise InputError(
            source, f"{error.ename}: {error.evalue}; see {executed}", key=f"cell {error.exec_count}"
        ) from error


@click.command()
def schema() -> None:
    """Print the JSON schema of the config, as YAML: config/schema.yaml."""
    import yaml

    from mmae.config import json_schema

    click.echo("# Written by `mmae schema` from src/mmae/settings; do not edit.")
    click.echo(yaml.safe_dump(json_schema(), sort_keys=False, width=100), nl=False)

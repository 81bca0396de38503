"""Commands to look at a run: how its trainings went, and what each rule took."""

from pathlib import Path

import click

from mmae.cli.options import output_option, path_argument, path_option


@click.command()
@path_argument("folders", nargs=-1)
@path_option("--models", "Folder of which all trained models are drawn.", required=False)
@output_option("--figure", "PDF to write; a PNG stands beside it.")
def history(folders: tuple[Path, ...], models: Path | None, figure: Path) -> None:
    """Draw losses and redshift scatter of trainings by epoch.

    FOLDERS are trained models, such as results/demo/models/mmae/mask0.75/seed0.
    """
    from mmae.evaluation.histories import read_histories, runs_below
    from mmae.files.write import save_figure
    from mmae.plots.history import history_figure

    found = [] if models is None else runs_below(models)
    save_figure(history_figure(read_histories([*folders, *found])), figure)


@click.command()
@path_argument("folder")
@output_option("--table", "CSV to write.", required=False)
def timing(folder: Path, table: Path | None) -> None:
    """Print what each rule took: jobs, time, memory.

    FOLDER holds Snakemake's benchmark files, such as results/demo/benchmarks.
    """
    from mmae.files.write import write_table
    from mmae.workflow.timing import read_timings, timings_text

    timings = read_timings(folder)
    if table is not None:
        write_table(table, timings)
    click.echo(timings_text(timings))

"""The command of `make compare`: what the new model must show, measured on a run."""

from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, output_option, path_argument, section
from mmae.settings import WHOLE_IMAGE, Scoring


@click.command()
@path_argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@config_option(scoring=Scoring)
@click.option("--model", required=True, help="The new model.")
@click.option("--paper", required=True, help="The paper's model.")
@output_option("--table", "CSV to write, beside it Markdown and LaTeX: one row a target.")
@output_option("--figure", "PDF to write, beside it PNG: scatter by seconds of training.")
def compare_models(
    folders: tuple[Path, ...],
    config: dict[str, Any],
    model: str,
    paper: str,
    table: Path,
    figure: Path,
) -> None:
    """Hold a new model against its targets, the paper's model and all others.

    Each FOLDER is evaluation/<model>/mask<mask>/seed<seed>/<view> of a run, with metrics.json,
    reconstruction.csv or both. All seeds of a model count.
    """
    from mmae.evaluation.comparison import load_runs
    from mmae.evaluation.targets import QUALITY, cost_table, read_quality, targets_table
    from mmae.files.write import save_figure, write_table_formats
    from mmae.plots.cost import cost_figure

    scoring = section(config, "scoring", Scoring)
    runs = load_runs(folder for folder in folders if (folder / "metrics.json").exists())
    quality = read_quality(folder for folder in folders if (folder / QUALITY).exists())
    write_table_formats(targets_table(runs, quality, model, paper, scoring), table)
    save_figure(cost_figure(cost_table(runs, WHOLE_IMAGE), model), figure)

"""Commands of workflow/rules/evaluation.smk: predictions and metrics."""

import json
from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, path_option, section
from mmae.settings import Baseline, Evaluation, Scoring


@click.command()
@config_option(evaluation=Evaluation)
@path_option("--arrays", "Folder of training arrays.")
@path_option("--split", "NPZ of the split.")
@path_option("--model", "Folder of a trained model.")
@click.option(
    "--view", required=True, help="image<hidden>-spectrum<hidden>, as image0.25-spectrum1.00."
)
@path_option("--predictions", "CSV to write: targetid, z_spec, z_pred of the test galaxies.")
@path_option("--reconstructions", "NPZ to write: images and spectra of the example galaxies.")
def evaluate(
    config: dict[str, Any],
    arrays: Path,
    split: Path,
    model: Path,
    view: str,
    predictions: Path,
    reconstructions: Path,
) -> None:
    """Predict the test galaxies' redshifts, and reconstruct the galaxies of the figures."""
    import numpy as np
    import torch

    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split
    from mmae.evaluation.examples import choose_example
    from mmae.evaluation.predict import predict, reconstruct
    from mmae.evaluation.views import parse_view
    from mmae.files import write_npz, write_table
    from mmae.models.batch import check_sizes
    from mmae.models.weights import load_model

    settings = section(config, "evaluation", Evaluation)
    shown = parse_view(view)
    torch.set_num_threads(settings.threads)
    network, _ = load_model(model)
    galaxies = open_arrays(arrays)
    check_sizes(network.settings, galaxies.images.shape, galaxies.spectra.shape, str(arrays))
    test = read_split(split, galaxies.targetid)["test"]
    table = predict(network, galaxies, test, shown, settings.seed, settings.batch_size)
    write_table(predictions, table)
    examples = {
        name: choose_example(galaxies, test, getattr(settings.examples, name))
        for name in ("low_redshift", "high_redshift")
    }
    rows = np.array(list(examples.values()))
    pictures = reconstruct(network, galaxies, rows, shown, settings.seed)
    write_npz(reconstructions, name=np.array(list(examples)), **pictures)


@click.command()
@config_option(**{"baselines.<baseline>": Baseline})
@path_option("--arrays", "Folder of training arrays.")
@path_option("--split", "NPZ of the split.")
@click.option("--baseline", "name", required=True, help="An entry of baselines in the config.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), required=True)
@path_option("--predictions", "CSV to write: targetid, z_spec, z_pred of the test galaxies.")
def baseline(
    config: dict[str, Any], arrays: Path, split: Path, name: str, seed: int, predictions: Path
) -> None:
    """Fit a sanity baseline on the training galaxies and predict the test galaxies."""
    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split
    from mmae.evaluation.baselines import baseline_predictions
    from mmae.files import write_table

    settings = section(config, f"baselines.{name}", Baseline)
    galaxies = open_arrays(arrays)
    rows = read_split(split, galaxies.targetid)
    write_table(predictions, baseline_predictions(settings, galaxies, rows, seed))


@click.command()
@config_option(scoring=Scoring)
@path_option("--predictions", "CSV with the columns z_spec and z_pred.")
@click.option("--survey", required=True, help="Told on in the metrics, as are the next four.")
@click.option("--model", required=True)
@click.option("--mask", required=True, help="Mask ratio in training, such as 0.75.")
@click.option("--seed", required=True)
@click.option("--view", required=True, help="Such as image0.25-spectrum1.00.")
@path_option("--metrics", "JSON to write.")
def score(config: dict[str, Any], predictions: Path, metrics: Path, **labels: str) -> None:
    """Compute all redshift metrics of a run, with their confidence intervals."""
    from mmae.evaluation.scoring import read_predictions
    from mmae.files import write_json
    from mmae.metrics.report import redshift_report

    settings = section(config, "scoring", Scoring)
    z_pred, z_spec = read_predictions(predictions)
    write_json(metrics, labels | {"metrics": redshift_report(z_pred, z_spec, settings)})


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@config_option(scoring=Scoring)
def metrics(file: Path, config: dict[str, Any], as_json: bool) -> None:
    """Print the redshift metrics of a CSV file.

    FILE has the columns z_spec and z_pred (or the authors' y_test and y_pred). Printed are bias,
    sigma_NMAD and outlier fraction, their biweight versions, the redshift loss, RMSE and
    catastrophic outliers, each with a bootstrap 95% interval: overall, at low redshift, and in
    bins.
    """
    from mmae.evaluation.scoring import metrics_text, read_predictions
    from mmae.metrics.report import redshift_report

    settings = section({"scoring": {}} | config, "scoring", Scoring)
    report = redshift_report(*read_predictions(file), settings)
    click.echo(json.dumps(report, indent=1) if as_json else metrics_text(report))

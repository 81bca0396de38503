"""Commands of workflow/rules/evaluation.smk: predictions, reconstructions and metrics."""

import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mmae.cli.options import (
    Fraction,
    columns_option,
    config_option,
    output_option,
    path_argument,
    path_option,
    section,
)
from mmae.cli.spectra import ManySpectra, predict_files, spectra_options
from mmae.files.outputs import ARRAYS, MODEL
from mmae.settings import Evaluation, Scoring

if TYPE_CHECKING:
    import numpy as np

    from mmae.dataset.arrays import TrainingArrays
    from mmae.evaluation.views import Model
    from mmae.settings import View

log = logging.getLogger("mmae")

MOST_LOOKED_AT = 2000
"""Galaxies of files that are points of the page of `mmae look`."""
VIEW_HELP = """One of `views` in the config, or JSON such as '{"spectrum": 1.0}'."""


class Tested(NamedTuple):
    """What all commands on a trained model begin with."""

    settings: Evaluation
    name: str
    mask: float
    model: "Model"
    galaxies: "TrainingArrays"
    rows: "dict[str, np.ndarray]"


def _open(
    config: dict[str, Any], arrays: Path, split: Path, model: Path, name: str | None
) -> Tested:
    """Open a trained model and the galaxies that it is tested on."""
    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split
    from mmae.modalities import check_modalities, from_plain

    settings, network, description = _load(config, model, name)
    galaxies = open_arrays(arrays)
    check_modalities(from_plain(galaxies.modalities, arrays), network.modalities, arrays)
    rows = read_split(split, galaxies.targetid)
    trained = description.get("name", ""), description.get("mask", float("nan"))
    return Tested(settings, *trained, network, galaxies, rows)


def _load(
    config: dict[str, Any], model: Path, name: str | None
) -> "tuple[Evaluation, Model, dict[str, Any]]":
    """Settings, and a trained model with its description, on its device."""
    import torch

    from mmae.models.device import choose_device
    from mmae.models.weights import load_model

    settings = section(config, "evaluation", Evaluation)
    torch.set_num_threads(settings.threads)
    device = choose_device(settings.device, "evaluation.device")
    return settings, *load_model(model, device, name)


def _model_options(command: Any, with_galaxies: bool = True) -> Any:
    """The options of all commands on a trained model; without galaxies, those are optional."""
    for option in (
        click.option("--name", help="The config entry that the model must be of."),
        path_option("--model", "Folder of a trained model.", kind=MODEL),
        path_option("--split", "NPZ of the split.", required=with_galaxies),
        path_option("--arrays", "Folder of training arrays.", with_galaxies, ARRAYS),
    ):
        command = option(command)
    return command


@click.command(cls=ManySpectra)
@path_argument("catalogues", nargs=-1, metavar="[CATALOGUE]...")
@config_option(evaluation=Evaluation)
@partial(_model_options, with_galaxies=False)
@spectra_options
@columns_option
@click.option("--view", help=f"{VIEW_HELP} Of --spectra, by default nothing is hidden.")
@output_option("--predictions", "Table to write: identifier, z_spec, z_pred of galaxies.")
@output_option("--validation", "CSV to write: the same of the validation galaxies.", required=False)
@output_option("--qp", "HDF5 to write: densities, as an ensemble of qp.", required=False)
@output_option("--speed", "JSON to write: galaxies a second.", required=False)
def predict(
    catalogues: tuple[Path, ...],
    spectra: tuple[Path, ...],
    air: bool,
    columns: dict[str, str],
    view: str | None,
    predictions: Path,
    validation: Path | None,
    qp: Path | None,
    speed: Path | None,
    arrays: Path | None,
    split: Path | None,
    **model: Any,
) -> None:
    """Predict redshifts under one view of galaxies: those of files, or of a survey's split.

    Each CATALOGUE is HSC cutouts in FITS or a folder of them, a table with their paths, or an HDF5
    file with the datasets `image` (N, 5, 64, 64) and `object_id`, as in GalaxiesML, or one in the
    layout of GalaxiesML-Spectra. All go into one table, CSV, ECSV, FITS or Parquet by its name, CSV
    as it grows: memory does not depend on the number of galaxies. A galaxy whose image has pixels
    that are not finite, or a band in which all pixels are equal, has an empty z_pred. The column
    flags says in what an image is unlike those of the training: noise, flux, sky, colour, ...

    With --spectra: redshifts of spectra of any survey, in the order of their files, and of images
    of the same identifier, where a CATALOGUE has them. The column no_redshift says where no
    redshift fits much better than all others.

    Without both: with --arrays, --split and --validation, the test galaxies of the split, and
    the validation galaxies in a table of their own.

    A model that knows how sure it is gives z_std, too; one with a density of the redshift the ends
    of its 68% and 95% intervals (z_low68, z_high68, z_low95, z_high95), and one that fits spectra
    delta_chi2, how much worse the next best redshift fits.
    """
    from mmae.evaluation.views import read_view
    from mmae.files.write import write_json

    of_split = {"arrays": arrays, "split": split, "validation": validation}
    files = catalogues or spectra
    wrong = [name for name, path in of_split.items() if (path is None) != bool(files)]
    if wrong:
        named = "CATALOGUE" if catalogues else "--spectra"
        found = f"both {named} and" if files else "neither CATALOGUE nor"
        raise click.UsageError(f"Found {found} --{wrong[0]}: name files, or what a split needs.")
    if view is None and not spectra:
        raise click.UsageError("Missing option '--view'.")
    if qp is not None and (spectra or not catalogues):
        raise click.UsageError("Found --qp without CATALOGUE: densities are of galaxies of files.")
    shown = read_view(view or "{}", model["config"])
    if spectra:
        opened = _load(**model), model["model"]
        n, seconds = predict_files(spectra, air, (catalogues, columns), shown, predictions, *opened)
    elif catalogues:
        n, seconds = _predict_catalogues(catalogues, columns, shown, predictions, qp, **model)
    else:
        tables = {"test": predictions, "validation": validation}
        n, seconds = _predict_split(tables, shown, arrays=arrays, split=split, **model)
    log.info("%d galaxies in %.0f s: %.0f galaxies a second", n, seconds, n / seconds)
    if speed is not None:
        write_json(speed, {"galaxies_per_second": n / seconds})


def _predict_split(tables: dict[str, Path], view: "View", **opened: Any) -> tuple[int, float]:
    """Write the predictions of some subsets; how many galaxies, and the seconds they took."""
    from mmae.evaluation.predict import predict as predict_galaxies
    from mmae.files.write import write_table

    tested = _open(**opened)
    options = (view, tested.settings.seed, tested.settings.batch_size)
    started = time.monotonic()
    for subset, path in tables.items():
        rows = tested.rows[subset]
        write_table(path, predict_galaxies(tested.model, tested.galaxies, rows, *options))
    n = sum(len(tested.rows[subset]) for subset in tables)
    return n, time.monotonic() - started


def _predict_catalogues(
    paths: tuple[Path, ...],
    names: dict[str, str],
    view: "View",
    table: Path,
    qp: Path | None,
    **model: Any,
) -> tuple[int, float]:
    """Write the predictions of all galaxies of files; how many, and the seconds they took."""
    from mmae.evaluation.catalogue import open_catalogues
    from mmae.evaluation.own_galaxies import gather
    from mmae.evaluation.predict_catalogue import shown_modalities, write_predictions
    from mmae.modalities.usual import read_usual

    settings, network, description = _load(**model)
    usual = read_usual(description, model["model"])
    if usual is None:
        log.info("no flags: the model was saved without what the galaxies of its training are like")
    wanted = {one.modality.name: one.modality for one in usual or ()}
    sources = gather(paths, names)
    catalogues = open_catalogues(sources, shown_modalities(network, view), wanted)
    started = time.monotonic()
    options = (view, settings.seed, settings.batch_size, usual)
    n = write_predictions(table, network, catalogues, *options, qp)
    return n, time.monotonic() - started


@click.command()
@path_argument("catalogues", nargs=-1, metavar="[CATALOGUE]...")
@config_option(evaluation=Evaluation)
@partial(_model_options, with_galaxies=False)
@click.option("--view", required=True, help=VIEW_HELP)
@columns_option
@click.option("--galaxies", type=click.IntRange(min=1), default=60, show_default=True)
@output_option("--page", "HTML file to write.")
def look(
    catalogues: tuple[Path, ...],
    columns: dict[str, str],
    view: str,
    galaxies: int,
    page: Path,
    arrays: Path | None,
    split: Path | None,
    **model: Any,
) -> None:
    """Make a page to look at single galaxies: image, mask, reconstruction, spectrum, lines, error.

    Galaxies are those of each CATALOGUE, as for `mmae predict`, or with --arrays and --split the
    test galaxies of a survey. The page needs no server: open it in a browser.
    """
    import numpy as np

    from mmae.evaluation.catalogue import open_catalogues
    from mmae.evaluation.own_galaxies import gather
    from mmae.evaluation.predict_catalogue import shown_modalities
    from mmae.evaluation.views import read_view
    from mmae.pages.look import first_galaxies, write_look

    if (arrays is None) == (not catalogues) or (arrays is None) != (split is None):
        raise click.UsageError("Name either CATALOGUE, or --arrays and --split.")
    shown = read_view(view, model["config"])
    if arrays is not None and split is not None:
        tested = _open(arrays=arrays, split=split, **model)
        settings, network, rows = tested.settings, tested.model, tested.rows["test"]
        found, names = tested.galaxies, tested.galaxies.targetid[rows]
    else:
        settings, network, _ = _load(**model)
        opened = open_catalogues(gather(catalogues, columns), shown_modalities(network, shown))
        found, names = first_galaxies(opened, network, MOST_LOOKED_AT, settings.batch_size)
        rows = np.arange(len(names))
    options = (rows, shown, settings.seed, settings.batch_size, galaxies)
    write_look(network, found, names, *options, page)


@click.command()
@config_option(evaluation=Evaluation)
@_model_options
@click.option("--view", required=True, help=VIEW_HELP)
@output_option("--reconstructions", "NPZ to write: images and spectra of the example galaxies.")
def reconstruct(view: str, reconstructions: Path, **opened: Any) -> None:
    """Reconstruct the galaxies of the figures, in each way that the model has.

    `<modality>_reconstruction` has the least squared error; of `restframe`, `<modality>_mode` is
    drawn at its one most probable redshift, with sharp lines.
    """
    import numpy as np

    from mmae.evaluation.examples import choose_example
    from mmae.evaluation.predict import reconstruct as reconstruct_galaxies
    from mmae.evaluation.views import read_view
    from mmae.files.write import write_npz

    shown = read_view(view, opened["config"])
    tested = _open(**opened)
    settings, test = tested.settings, tested.rows["test"]
    examples = {
        name: choose_example(tested.galaxies, test, getattr(settings.examples, name))
        for name in ("low_redshift", "high_redshift")
    }
    rows = np.array(list(examples.values()))
    others = tested.model.settings.reconstructions[1:]
    options = (shown, settings.seed, settings.batch_size, others)
    pictures = reconstruct_galaxies(tested.model, tested.galaxies, rows, *options)
    about = {"name": [*examples], "model": [tested.name] * len(rows)}
    # what figures show of the spectrum: what is sharp, where there is a choice
    about["kind"] = [["reconstruction", *others][-1]] * len(rows)
    write_npz(reconstructions, **{key: np.array(one) for key, one in about.items()}, **pictures)


@click.command()
@config_option(evaluation=Evaluation, scoring=Scoring)
@_model_options
@click.option("--view", required=True, help=VIEW_HELP)
@output_option("--table", "CSV to write: one row a quantity and redshift range.")
def score_reconstruction(view: str, table: Path, **opened: Any) -> None:
    """Measure how well test galaxies are reconstructed where they were hidden.

    Each modality has measures of its own. Images: PSNR, SSIM, colours, sizes and ellipticities,
    also of the radial profile of the visible pixels. Spectra: squared error, cosine, slope of the
    continuum, and the centre, height and width of lines, at z_spec and at the model's own redshift.
    """
    from mmae.evaluation.predict import reconstruct as reconstruct_galaxies
    from mmae.evaluation.quality import quality_table
    from mmae.evaluation.views import read_view
    from mmae.files.write import write_table

    shown = read_view(view, opened["config"])
    scoring = section(opened["config"], "scoring", Scoring)
    tested = _open(**opened)
    settings, model = tested.settings, tested.model
    rows = tested.rows["test"][: settings.reconstructed]
    options = (shown, settings.seed, settings.batch_size, model.settings.reconstructions[1:])
    said = reconstruct_galaxies(model, tested.galaxies, rows, *options)
    measured = quality_table(model, said, scoring)
    measured.insert(0, "mask", tested.mask)
    measured.insert(0, "model", tested.name)
    write_table(table, measured)


@click.command()
@config_option(evaluation=Evaluation, scoring=Scoring)
@_model_options
@click.option("--test-mask", "test_masks", type=Fraction(), multiple=True, required=True)
@click.option("--view", "views", multiple=True, help=VIEW_HELP)
@output_option("--table", "CSV to write: one row a test, after the model's mask ratio in training.")
def study_masks(
    test_masks: tuple[float, ...], views: tuple[str, ...], table: Path, **opened: Any
) -> None:
    """Test one model with different fractions hidden, and under named views."""
    from mmae.evaluation.masking_study import masking_study
    from mmae.evaluation.views import read_view
    from mmae.files.write import write_table

    scoring = section(opened["config"], "scoring", Scoring)
    tested = _open(**opened)
    settings, test = tested.settings, tested.rows["test"]
    options = (settings.seed, settings.batch_size, scoring)
    named = {view: read_view(view, opened["config"]) for view in views}
    study = masking_study(tested.model, tested.galaxies, test, test_masks, named, *options)
    study.insert(0, "mask", tested.mask)
    study.insert(0, "model", tested.name)
    write_table(table, study)


@click.command()
@config_option(evaluation=Evaluation)
@_model_options
@click.option("--view", required=True, help=VIEW_HELP)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), required=True)
@output_option("--embeddings", "NPZ to write: targetid, z_spec and embedding of the test galaxies.")
@output_option("--knn-predictions", "CSV to write: redshifts from the nearest neighbours.")
@output_option("--knn-validation", "The same of the validation galaxies.")
@output_option("--mlp-predictions", "CSV to write: redshifts from a small network.")
@output_option("--mlp-validation", "The same of the validation galaxies.")
def probe(
    config: dict[str, Any],
    arrays: Path,
    split: Path,
    model: Path,
    name: str | None,
    view: str,
    seed: int,
    embeddings: Path,
    **tables: Path,
) -> None:
    """Read redshifts out of a model's frozen embeddings."""
    from mmae.evaluation.embeddings import N_MAPPED
    from mmae.evaluation.predict import embed, truth
    from mmae.evaluation.probe import READOUTS, read_out
    from mmae.evaluation.views import read_view
    from mmae.files.write import write_npz, write_table

    shown = read_view(view, config)
    tested = _open(config, arrays, split, model, name)
    settings, galaxies, rows = tested.settings, tested.galaxies, tested.rows
    found = {
        subset: embed(
            tested.model, galaxies, rows[subset], shown, settings.seed, settings.batch_size
        )
        for subset in ("train", "test", "validation")
    }
    z_train, others = galaxies.redshift[rows["train"]], [found["test"], found["validation"]]
    for readout in READOUTS:
        z_pred = read_out(readout, found["train"], z_train, others, settings, seed)
        for subset, name, values in zip(
            ("test", "validation"), ("predictions", "validation"), z_pred, strict=True
        ):
            table = truth(galaxies, rows[subset]).assign(z_pred=values)
            write_table(tables[f"{readout}_{name}"], table)
    columns = truth(galaxies, rows["test"])
    several = {}
    if len(tested.model.modalities) > 1 and not tested.model.settings.aligns:
        several["train_embedding"] = found["train"][:N_MAPPED]
    write_npz(
        embeddings,
        targetid=columns["targetid"].to_numpy(),
        z_spec=columns["z_spec"].to_numpy(),
        embedding=found["test"],
        **several,
    )


@click.command()
@config_option(scoring=Scoring)
@path_option("--predictions", "CSV with the columns z_spec and z_pred.")
@path_option("--validation", "The same of validation galaxies, for intervals.", required=False)
@path_option("--split", "NPZ of the split that both must be of.", required=False)
@click.option("--survey", required=True, help="Told on in the metrics, as are the next four.")
@click.option("--model", required=True)
@click.option("--mask", required=True, help="Mask ratio in training, such as 0.75.")
@click.option("--seed", required=True)
@click.option("--view", required=True, help="Such as image0.25-spectrum1.00.")
@output_option("--metrics", "JSON to write.")
def score(
    config: dict[str, Any],
    predictions: Path,
    validation: Path | None,
    split: Path | None,
    metrics: Path,
    **labels: str,
) -> None:
    """Compute all redshift metrics of a run, with their confidence intervals.

    If the predictions have z_std, its calibration is measured; if there are validation galaxies,
    intervals are calibrated with them.
    """
    from mmae.evaluation.scoring import check_targets, full_report, read_forecast
    from mmae.files.write import write_json

    settings = section(config, "scoring", Scoring)
    tables = []
    for path, subset in ((predictions, "test"), (validation, "validation")):
        tables.append(None if path is None else read_forecast(path))
        if path is not None and split is not None:
            check_targets(path, tables[-1], split, subset)
    write_json(metrics, labels | {"metrics": full_report(*tables, settings)})


@click.command()
@path_argument("file")
@columns_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@config_option(scoring=Scoring)
def metrics(file: Path, columns: dict[str, str], config: dict[str, Any], as_json: bool) -> None:
    """Print the redshift metrics of a table: CSV, ECSV, FITS, VOTable or Parquet.

    FILE has the columns z_spec and z_pred (or the authors' y_test and y_pred). Printed are bias,
    sigma_NMAD and outlier fraction, their biweight versions, the redshift loss, RMSE and
    catastrophic outliers, each with a bootstrap 95% interval: overall, at low redshift, and in
    bins. With a column z_std, also how well it is calibrated. Galaxies of which one of these is
    empty or cannot be are left out of all metrics and counted.
    """
    from mmae.evaluation.scoring import full_report, metrics_text, read_forecast
    from mmae.files.write import with_nulls

    settings = section({"scoring": {}} | config, "scoring", Scoring)
    report = full_report(read_forecast(file, True, columns), None, settings)
    click.echo(json.dumps(with_nulls(report), indent=1) if as_json else metrics_text(report))

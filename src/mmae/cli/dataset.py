"""Commands of workflow/rules/dataset.smk: from matched pairs to training arrays."""

import logging
from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, path_option, section
from mmae.settings import Arrays, Cleaning, Split

log = logging.getLogger("mmae")


@click.command()
@config_option(clean=Cleaning)
@path_option("--matches", "CSV of matched pairs.")
@path_option("--galaxiesml", "GalaxiesML HDF5 file.")
@path_option("--spectra", "HDF5 file of the pairs' spectra.")
@path_option("--dataset", "HDF5 file to write, in the schema of GalaxiesML-Spectra.")
@path_option("--report", "CSV to write: what each cut removed.")
@path_option("--removed", "CSV to write: each removed pair and its cut.")
def clean(
    config: dict[str, Any],
    matches: Path,
    galaxiesml: Path,
    spectra: Path,
    dataset: Path,
    report: Path,
    removed: Path,
) -> None:
    """Apply the paper's cuts, replace artefacts, write the dataset."""
    from mmae.dataset.assemble import missing_fractions, write_dataset
    from mmae.dataset.clean import apply_cuts, with_replaced
    from mmae.dataset.collected import AVAILABLE, open_collected
    from mmae.files import read_table, write_table
    from mmae.survey.crossmatch import MATCH_COLUMNS
    from mmae.survey.galaxiesml import IMAGE, open_galaxiesml, read_catalog

    settings = section(config, "clean", Cleaning)
    pairs = read_table(matches, MATCH_COLUMNS)
    hsc = read_catalog(galaxiesml)
    with (
        open_collected(spectra, pairs["targetid"].to_numpy()) as collected,
        open_galaxiesml(galaxiesml) as images,
    ):
        missing = missing_fractions(collected, settings.chunk_size)
        pairs = pairs.assign(available=collected[AVAILABLE][:], missing_fraction=missing)
        cleaned = apply_cuts(pairs, settings)
        n_pixels = write_dataset(dataset, cleaned.kept, hsc, images[IMAGE], collected, settings)
    counts = with_replaced(cleaned.report, n_pixels)
    write_table(report, counts)
    write_table(removed, cleaned.removed)
    log.info("%s", counts.to_string(index=False))


@click.command()
@config_option(split=Split)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--split", "NPZ to write: rows and targetids of train, validation and test.")
def split(config: dict[str, Any], dataset: Path, split: Path) -> None:
    """Divide the dataset as torch's random_split does, in file order."""
    import torch

    from mmae.dataset.layout import open_dataset, read_targetid
    from mmae.dataset.split import random_split, write_split

    settings = section(config, "split", Split)
    with open_dataset(dataset) as file:
        targetid = read_targetid(file)
    n = len(targetid)
    permutation = torch.randperm(n, generator=torch.Generator().manual_seed(settings.seed))
    rows = random_split(
        n, settings.train_fraction, settings.validation_fraction, permutation.numpy()
    )
    write_split(split, rows, targetid)
    log.info("%s", {name: len(part) for name, part in rows.items()})


@click.command()
@config_option(arrays=Arrays)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--arrays", "Folder to write: .npy files and manifest.json.")
def training_arrays(config: dict[str, Any], dataset: Path, arrays: Path) -> None:
    """Normalise and pool the spectra once; write all that training reads."""
    from mmae.dataset.make_arrays import write_arrays

    settings = section(config, "arrays", Arrays)
    write_arrays(arrays, dataset, settings.pool, settings.chunk_size)


@click.command()
@path_option("--galaxiesml", "GalaxiesML HDF5 file, where the pairs were matched here.", False)
@path_option("--desi", "DESI tree, where the pairs were matched here.", False)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--summary", "CSV to write: the rows of the paper's Table 1.")
def summarise(galaxiesml: Path | None, desi: Path | None, dataset: Path, summary: Path) -> None:
    """Count both surveys and the dataset, as in the paper's Table 1."""
    import pandas as pd

    from mmae.dataset import layout
    from mmae.evaluation.tables import summary_row
    from mmae.files import write_table
    from mmae.survey.desi import target_redshifts
    from mmae.survey.galaxiesml import MAGNITUDES, REDSHIFT, read_catalog

    rows = []
    if desi is not None:
        rows.append(summary_row("DESI", target_redshifts(desi), None))
    if galaxiesml is not None:
        hsc = read_catalog(galaxiesml)
        rows.append(
            summary_row("GalaxiesML", hsc[REDSHIFT].to_numpy(), hsc[MAGNITUDES[2]].to_numpy())
        )
    with layout.open_dataset(dataset) as file:
        magnitudes, _ = layout.read_magnitudes(file)
        i_mag = None if magnitudes is None else magnitudes[:, 2]
        rows.append(summary_row("GalaxiesML-Spectra", file[layout.REDSHIFT][:], i_mag))
    write_table(summary, pd.DataFrame(rows))


@click.command()
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--split", "NPZ of this project's split.")
@path_option("--predictions", "CSV of the authors' predictions.")
@path_option("--report", "CSV to write: how many test redshifts are the same.")
def check_split(dataset: Path, split: Path, predictions: Path, report: Path) -> None:
    """Compare our test galaxies' redshifts with those of the authors' predictions."""
    import pandas as pd

    from mmae.dataset import layout
    from mmae.dataset.split import in_common, read_split
    from mmae.files import read_table, write_table

    with layout.open_dataset(dataset) as file:
        rows = read_split(split, layout.read_targetid(file))
        ours = file[layout.REDSHIFT][:][rows["test"]]
    theirs = read_table(predictions, ["y_test"])["y_test"].to_numpy()
    counts = {
        "test galaxies here": len(ours),
        "test galaxies of the authors": len(theirs),
        "redshifts in common": in_common(ours, theirs),
    }
    same = len(set(counts.values())) == 1
    log.log(
        logging.INFO if same else logging.WARNING,
        "the test set %s the authors': %s",
        "is" if same else "is NOT",
        counts,
    )
    write_table(report, pd.DataFrame({"quantity": counts.keys(), "count": counts.values()}))

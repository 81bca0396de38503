"""Commands of workflow/rules/dataset.smk: from matched pairs to training arrays."""

import logging
from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, output_option, path_option, section
from mmae.files.outputs import ARRAYS
from mmae.settings import Arrays, Cleaning, Dataset, Split

log = logging.getLogger("mmae")

BLOCK = 256
"""Galaxies held in memory at a time."""


@click.command()
@config_option(clean=Cleaning, dataset=Dataset)
@path_option("--matches", "CSV of matched pairs.")
@path_option("--contested", "CSV of HSC rows that lost their target to a closer one.")
@path_option("--galaxiesml", "GalaxiesML HDF5 file.")
@path_option("--spectra", "HDF5 file of the pairs' spectra.")
@output_option("--dataset", "HDF5 file to write, in the schema of GalaxiesML-Spectra.")
@output_option("--report", "CSV to write: what each cut removed.")
@output_option("--removed", "CSV to write: each removed pair and its cut.")
@output_option("--unpaired", "CSV to write: HSC's objects that have no spectrum.")
def clean(
    config: dict[str, Any],
    matches: Path,
    contested: Path,
    galaxiesml: Path,
    spectra: Path,
    dataset: Path,
    report: Path,
    removed: Path,
    unpaired: Path,
) -> None:
    """Apply the paper's cuts, replace artefacts, write the dataset."""
    import pandas as pd

    from mmae.dataset.assemble import describe_pairs, write_dataset
    from mmae.dataset.clean import apply_cuts, with_notes
    from mmae.dataset.clean import unpaired as without_spectrum
    from mmae.dataset.collected import open_collected
    from mmae.files.read import read_table
    from mmae.files.write import write_table
    from mmae.survey.crossmatch import MATCH_COLUMNS
    from mmae.survey.galaxiesml import IMAGE, open_galaxiesml, read_catalog

    settings = section(config, "clean", Cleaning)
    pairs = read_table(matches, MATCH_COLUMNS)
    hsc = read_catalog(galaxiesml)
    with (
        open_collected(spectra, pairs["targetid"].to_numpy()) as collected,
        open_galaxiesml(galaxiesml) as images,
    ):
        hsc_row = pairs["hsc_row"].to_numpy()
        pixels = describe_pairs(hsc_row, images[IMAGE], collected, settings.chunk_size)
        cleaned = apply_cuts(pd.concat([pairs, pixels], axis=1), settings)
        kept = cleaned.kept
        n_pixels = write_dataset(dataset, kept, images, collected, settings)
    alone = without_spectrum(hsc, pairs, read_table(contested, ["object_id"]))
    are_kept = section({"dataset": {}} | config, "dataset", Dataset).unpaired
    counts = with_notes(
        cleaned.report,
        f"{kept['lost_arm'].sum()} kept spectra lack one of the three arms",
        f"{kept['damaged_pixels'].sum()} damaged spectrum pixels without weight",
        f"{n_pixels} artefact pixels replaced",
        f"{len(alone)} images without a spectrum "
        + ("kept for trainings" if are_kept else "left out"),
    )
    write_table(unpaired, alone)
    write_table(report, counts)
    write_table(removed, cleaned.removed)
    log.info("%s", counts.to_string(index=False))


@click.command()
@config_option(split=Split)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@output_option("--split", "NPZ to write: rows and targetids of train, validation and test.")
def split(config: dict[str, Any], dataset: Path, split: Path) -> None:
    """Divide the dataset as torch's random_split does, in file order.

    Galaxies without a redshift are left out of validation and test.
    """
    import torch

    from mmae.dataset.layout import REDSHIFT, open_dataset, read_targetid
    from mmae.dataset.split import random_split, with_redshift, write_split

    settings = section(config, "split", Split)
    with open_dataset(dataset) as file:
        targetid, redshift = read_targetid(file), file[REDSHIFT][:]
    n = len(targetid)
    permutation = torch.randperm(n, generator=torch.Generator().manual_seed(settings.seed))
    rows = random_split(
        n, settings.train_fraction, settings.validation_fraction, permutation.numpy()
    )
    rows = with_redshift(rows, redshift)
    write_split(split, rows, targetid)
    log.info("%s", {name: len(part) for name, part in rows.items()})


@click.command()
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@output_option("--sentences", "CSV to write: targetid and sentence.")
@output_option("--vectors", "HDF5 file to write: targetid, and vectors (N, 256).")
def embed_text(dataset: Path, sentences: Path, vectors: Path) -> None:
    """Say of each galaxy in a sentence what the catalogue has, and embed it with WordLlama.

    Vectors of any other language model do as well: an HDF5 file with `targetid` and `vectors`.
    """
    import h5py
    import numpy as np
    import pandas as pd

    from mmae.dataset import layout
    from mmae.dataset.photometry import half_light_radii
    from mmae.dataset.sentences import embed
    from mmae.dataset.sentences import sentences as describe
    from mmae.files.write import atomic, write_table

    with layout.open_dataset(dataset) as file:
        targetid, magnitudes = layout.read_targetid(file), layout.read_magnitudes(file)
        starts = range(0, len(targetid), BLOCK)
        images = (file[layout.IMAGE][start : start + BLOCK] for start in starts)
        sizes = np.concatenate([half_light_radii(part) for part in images])
    texts = describe(magnitudes, sizes)
    write_table(sentences, pd.DataFrame({"targetid": targetid, "sentence": texts}))
    embedded = embed(texts)
    with atomic(vectors) as part, h5py.File(part, "w") as file:
        file["targetid"], file["vectors"] = targetid, embedded


@click.command()
@config_option(arrays=Arrays)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--galaxiesml", "GalaxiesML HDF5 file of which unpaired images are taken.", False)
@path_option("--unpaired", "CSV of its rows that have no spectrum.", False)
@output_option("--arrays", "Folder to write: .npy files and manifest.json.", kind=ARRAYS)
def training_arrays(
    config: dict[str, Any],
    dataset: Path,
    galaxiesml: Path | None,
    unpaired: Path | None,
    arrays: Path,
) -> None:
    """Read each of the config's `modalities` once; write all that training reads.

    Images without a spectrum follow the pairs, if they are given.
    """
    from contextlib import ExitStack
    from functools import partial

    from mmae.dataset.make_arrays import Unpaired, write_arrays
    from mmae.errors import InputError
    from mmae.files.read import read_table
    from mmae.modalities import of_file, to_plain
    from mmae.survey.galaxiesml import OBJECT_ID, REDSHIFT, open_galaxiesml

    settings, entries = section(config, "arrays", Arrays), config.get("modalities")
    if not isinstance(entries, dict) or not entries:
        raise InputError("config", key="modalities", found="none", expected="one entry or more")
    with ExitStack() as stack:
        more = None
        if galaxiesml is not None and unpaired is not None:
            rows = read_table(unpaired, ["hsc_row"])["hsc_row"].to_numpy()
            file = stack.enter_context(open_galaxiesml(galaxiesml))
            more = Unpaired(file, rows, -file[OBJECT_ID][:][rows], file[REDSHIFT][:][rows])
        write_arrays(
            arrays,
            dataset,
            partial(of_file, entries, arrays=settings),
            lambda found: to_plain(found.values()),
            settings.chunk_size,
            settings.max_damaged,
            more,
        )


@click.command()
@path_option("--galaxiesml", "GalaxiesML HDF5 file, where the pairs were matched here.", False)
@path_option("--desi", "DESI tree, where the pairs were matched here.", False)
@path_option("--unpaired", "CSV of GalaxiesML's rows without a spectrum that are kept.", False)
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@output_option("--summary", "CSV to write: the rows of the paper's Table 1.")
def summarise(
    galaxiesml: Path | None,
    desi: Path | None,
    unpaired: Path | None,
    dataset: Path,
    summary: Path,
) -> None:
    """Count both surveys and the dataset, as in the paper's Table 1."""
    import pandas as pd

    from mmae.dataset import layout
    from mmae.evaluation.tables import summary_row
    from mmae.files.damage import sound
    from mmae.files.read import read_table
    from mmae.files.write import write_table
    from mmae.survey.desi import target_redshifts
    from mmae.survey.galaxiesml import LIMITS, MAGNITUDES, REDSHIFT, read_catalog

    rows = []
    if desi is not None:
        rows.append(summary_row("DESI", target_redshifts(desi), None))
    if galaxiesml is not None:
        hsc = read_catalog(galaxiesml)
        parts = {"GalaxiesML": hsc}
        if unpaired is not None:
            kept = read_table(unpaired, ["hsc_row"])["hsc_row"]
            parts["GalaxiesML without a spectrum"] = hsc.iloc[kept]
        for name, part in parts.items():
            good = part[sound(part, LIMITS)]
            z, i_mag = good[REDSHIFT].to_numpy(), good[MAGNITUDES[2]].to_numpy()
            rows.append(summary_row(name, z, i_mag))
    with layout.open_dataset(dataset) as file:
        i_mag = layout.read_magnitudes(file)[:, 2]
        rows.append(summary_row("GalaxiesML-Spectra", file[layout.REDSHIFT][:], i_mag))
    write_table(summary, pd.DataFrame(rows))


@click.command()
@path_option("--dataset", "GalaxiesML-Spectra HDF5 file.")
@path_option("--split", "NPZ of this project's split.")
@path_option("--predictions", "CSV of the authors' predictions.")
@output_option("--report", "CSV to write: how many test redshifts are the same.")
def check_split(dataset: Path, split: Path, predictions: Path, report: Path) -> None:
    """Compare our test galaxies' redshifts with those of the authors' predictions."""
    import pandas as pd

    from mmae.dataset import layout
    from mmae.dataset.split import in_common, read_split
    from mmae.files.read import read_table
    from mmae.files.write import write_table

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

"""The part of `mmae predict` that reads spectra of other surveys."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmae.cli.options import Command, reads

if TYPE_CHECKING:
    from mmae.evaluation.views import Model
    from mmae.settings import Evaluation, View

OPTION = "--spectra"


class ManySpectra(click.Command):
    """A command whose option --spectra takes all values up to the next option, as of `*.fits`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each value an option of its own."""
        spread, here = [], False
        for arg, before in zip(args, ["", *args], strict=False):
            here = before == OPTION or (here and not arg.startswith("-"))
            spread += [OPTION, arg] if here and before != OPTION else [arg]
        return super().parse_args(ctx, spread)


def spectra_options(command: Command) -> Command:
    """The options of spectra."""
    path = click.Path(path_type=Path)
    told = "Files of spectra, up to the next option: docs/predict.md tells which."
    air = "Wavelengths of the spectra are in air. [default: if the file says so]"
    command = click.option("--air", is_flag=True, help=air)(command)
    several = {"type": path, "multiple": True, "metavar": "FILE...", "callback": reads()}
    return click.option(OPTION, help=told, **several)(command)


def predict_files(
    spectra: tuple[Path, ...],
    air: bool,
    images: "tuple[tuple[Path, ...], dict[str, str]]",
    view: "View",
    table: Path,
    opened: "tuple[Evaluation, Model, dict[str, Any]]",
    model: Path,
) -> tuple[int, float]:
    """Write the redshifts of all spectra of files; how many, and the seconds they took.

    `images` are files with images of the same galaxies, and names of the columns of tables.
    """
    from mmae.evaluation.catalogue import open_catalogues
    from mmae.evaluation.own_galaxies import gather
    from mmae.evaluation.predict_spectra import spectrum_of, write_spectrum_predictions

    settings, network, _ = opened
    one = spectrum_of(network, view, model)
    wanted = {name: other for name, other in network.modalities.items() if other is not one}
    catalogues = open_catalogues(gather(*images), {}, wanted)
    started = time.monotonic()
    options = (settings.seed, settings.batch_size, air)
    n = write_spectrum_predictions(table, network, spectra, view, catalogues, *options)
    return n, time.monotonic() - started

"""The `mmae` command: every step of the workflow, also without Snakemake."""

import logging
import os
import sys
from importlib import import_module

import click

from mmae import __version__
from mmae.errors import in_one_sentence, is_foreseen

STRICT = "MMAE_STRICT"
"""Environment variable with which what nobody foresaw keeps its traceback: our tests set it."""

COMMANDS = {
    "simulate-survey": "survey",
    "fetch-released": "survey",
    "fetch-galaxiesml": "survey",
    "fetch-zcatalog": "survey",
    "crossmatch": "survey",
    "fetch-spectra": "survey",
    "collect-spectra": "survey",
    "clean": "dataset",
    "split": "dataset",
    "embed-text": "dataset",
    "training-arrays": "dataset",
    "summarise": "dataset",
    "check-split": "dataset",
    "train": "training",
    "tune": "training",
    "collect-histories": "training",
    "cutouts": "own",
    "predict": "evaluation",
    "reconstruct": "evaluation",
    "look": "evaluation",
    "score-reconstruction": "evaluation",
    "study-masks": "evaluation",
    "probe": "evaluation",
    "score": "evaluation",
    "metrics": "evaluation",
    "compare-models": "compare",
    "fetch-published": "paper",
    "notebook": "paper",
    "article": "paper",
    "export": "archive",
    "archive": "archive",
    "restore": "archive",
    "fetch-archive": "archive",
    "history": "watching",
    "timing": "watching",
    "schema": "paper",
}
"""Module of each command; a module is imported only when one of its commands runs."""


class Steps(click.Group):
    """Commands by name, in the order of the paper, imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the workflow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        module = import_module(f"mmae.cli.{COMMANDS[name]}")
        return getattr(module, name.replace("-", "_"))


@click.command(cls=Steps, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mmae")
@click.option("--traceback", is_flag=True, help="Show where in the code an error arose.")
@click.pass_context
def group(ctx: click.Context, traceback: bool) -> None:
    """Galaxy images and spectra in one masked autoencoder (arXiv:2510.22527).

    Each command is one step of the workflow; `mmae COMMAND --help` tells all of it.
    """
    ctx.obj = traceback


def main() -> None:
    """Run a command; what goes wrong is told in one sentence, with exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        # a locale without Å is no reason to fail
        stream.reconfigure(errors="backslashreplace")
    try:
        _prepare()
        group()
    except Exception as error:
        if "--traceback" in sys.argv or (os.environ.get(STRICT) and not is_foreseen(error)):
            raise
        print(f"mmae: error: {in_one_sentence(error)}", file=sys.stderr)
        sys.exit(1)


def _prepare() -> None:
    """Log on stderr, in words alone; have caches that can be written."""
    from mmae.progress import LineHandler
    from mmae.workflow.caches import fall_back

    fall_back()
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[LineHandler()])
    # tells each glyph of a figure
    logging.getLogger("fontTools").setLevel(logging.WARNING)

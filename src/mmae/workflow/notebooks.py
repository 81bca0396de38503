"""Notebooks executed: by a kernel of this Python, and what goes wrong in a sentence."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbformat.validator import NotebookValidationError
from papermill.exceptions import PapermillExecutionError

from mmae.errors import InputError
from mmae.files.read import UNREADABLE, existing, read_json

PATIENCE = 600
"""Seconds in which a kernel starts; a busy machine or a network file system takes some."""
KERNELSPEC = {"name": "python3", "language": "python", "display_name": "Python 3"}
KERNEL = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")


class OwnKernel(AsyncKernelManager):
    """Starts this Python, whichever kernels the notebook or JUPYTER_PATH name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """What is started."""
        return KernelSpec(argv=[*KERNEL], display_name="Python 3", language="python")


def execute(source: Path, executed: Path, parameters: Mapping[str, str]) -> None:
    """Execute a notebook in the current folder.

    Parameters
    ----------
    source : Path
    executed : Path
        Where it is kept with its results, also where it fails.
    parameters : mapping of str to str

    Raises
    ------
    InputError
        If it is no notebook, knows no such parameter, a cell raises, or its kernel does not start
        or is killed.
    """
    # what is wrong is said once, and what cells print is in the executed notebook
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    known = _parameters(source)
    for name in parameters:
        if name not in known:
            raise InputError(
                source, key="parameters", found=f"no {name!r}", expected=f"{list(known)}"
            )
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            *(source, executed, dict(parameters)),
            **{"kernel_name": "python3", "language": "python"},
            kernel_manager_class=OwnKernel,
            start_timeout=PATIENCE,
            progress_bar=False,
            cwd=Path.cwd(),
        )
    except PapermillExecutionError as error:
        raise InputError(
            source, f"{error.ename}: {error.evalue}; see {executed}", key=f"cell {error.exec_count}"
        ) from error
    except RuntimeError as error:  # of Jupyter: of a dead kernel, and of one that does not answer
        raise InputError(
            source,
            found=f"no kernel that works ({error})",
            expected="one that lives; if it was killed, more memory may help",
        ) from error


def _parameters(source: Path) -> Mapping[str, object]:
    """Parameters of a notebook by their names.

    Raises
    ------
    InputError
        If it is none.
    """
    if "cells" not in read_json(existing(source)):
        raise InputError(source, found="no cells", expected="a Jupyter notebook")
    try:
        content = nbformat.read(source, as_version=4)
        # another environment's name says nothing of the language, or the wrong one
        content.metadata["kernelspec"] = KERNELSPEC
        return papermill.inspect_notebook(content)
    except (*UNREADABLE, NotebookValidationError, AttributeError, KeyError, TypeError) as error:
        raise InputError(
            source, found=f"no notebook ({error})", expected="a Jupyter notebook"
        ) from error

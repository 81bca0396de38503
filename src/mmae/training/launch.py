"""Several processes of one training: torchrun, which tells in a sentence what became of them.

`python -m mmae.training.launch --standalone --nproc-per-node=2 -m mmae train ...`
"""

import logging
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import psutil

from mmae.training.interruption import TRY_AGAIN

PATIENCE = 100
"""Seconds after SIGTERM in which the last step is taken and a checkpoint written."""


def main(arguments: list[str]) -> int:
    """Start the processes that torchrun's arguments ask for, and wait for them.

    Returns
    -------
    int
        Exit code of the first that failed; 75 after SIGTERM, 128 and its number for other signals.
    """
    # torchrun's own account of a failure is twenty lines for each process
    logging.disable(logging.ERROR)
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.run import parse_args, run

    try:
        # torchrun leaves its folder behind
        with _folder() as logs:
            options = (f"--shutdown-timeout={PATIENCE}", f"--log-dir={logs}")
            asked = parse_args([*options, *arguments])
            run(asked)
    except SignalException as stopped:
        is_warning = stopped.sigval == signal.SIGTERM
        return TRY_AGAIN if is_warning else 128 + stopped.sigval
    except RendezvousError as error:
        print(
            f"mmae: error: the processes of {asked.nnodes} nodes did not find each other at "
            f"{asked.rdzv_endpoint} ({type(error).__name__})",
            file=sys.stderr,
        )
        return 1
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        if failure.exitcode >= 0:
            return failure.exitcode
        print(
            f"mmae: error: process {rank} of the training on {socket.gethostname()} was ended by "
            f"{failure.signal_name()}; the same command goes on from the last checkpoint",
            file=sys.stderr,
        )
        return 128 - failure.exitcode
    return 0


def _folder() -> TemporaryDirectory:
    """A temporary folder; those of launchers that were killed on this machine are removed."""
    prefix = f"mmae-{socket.gethostname()}"
    for left in Path(gettempdir()).iterdir():
        found = re.fullmatch(rf"{re.escape(prefix)}-(\d+)-\w+", left.name)
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
    return TemporaryDirectory(prefix=f"{prefix}-{os.getpid()}-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

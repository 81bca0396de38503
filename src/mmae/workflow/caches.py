"""Caches of libraries, where the home folder cannot be written: a container, a full quota."""

import os
from contextlib import suppress
from pathlib import Path

FOLDER = ".cache"
"""Where they are then, below the folder in which a command runs."""
CACHES = {
    "XDG_CACHE_HOME": ".",
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "IPYTHONDIR": "ipython",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
}
"""Environment variable -> folder below."""


def fall_back() -> None:
    """Name folders for caches that would be in the home folder, if that cannot be written.

    What the environment names already stays. It has effect on libraries that are imported later,
    and on commands that this process starts.
    """
    if os.access(os.path.expanduser("~"), os.W_OK):
        return
    folder = Path(FOLDER).resolve()
    # where nothing can be written, libraries have their own ways
    with suppress(OSError):
        for name, below in CACHES.items():
            if name not in os.environ:
                (folder / below).mkdir(parents=True, exist_ok=True)
                os.environ[name] = str(folder / below)

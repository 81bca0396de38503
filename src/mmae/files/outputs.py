"""What an output may replace: what such a command wrote before, and nothing else."""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmae.errors import InputError

SPECIAL = re.compile(r"/(dev(?!/shm/)|proc|sys)/.*")
"""Devices, and names of what other programs have open: a shell's redirected file is one of them."""
PART_BYTES = 6
"""Of random numbers in a temporary name."""
VERIFIED = ".verified"
"""In a folder of training arrays: written when all were as their checksums say."""
LATER = re.compile(r"\.snakemake_timestamp|\.verified(\.[0-9a-f]{12}\.part)?")
"""What comes into a folder after it was written."""


class Kind(NamedTuple):
    """What a command writes at a path."""

    what: str
    names: tuple[str, ...] = ()
    """Of a folder that is replaced as a whole: regular expressions of the files in it. The first
    one tells the kind, each matches one at least where nothing is lost, and there are no others."""

    def has(self, name: str) -> bool:
        """Whether a file in a folder is one of this kind."""
        return any(re.fullmatch(pattern, name) for pattern in self.names)


ANY = Kind("a file or folder", (".*",))

FILE = Kind("a file")
LINK = Kind("a link")
SHARED = Kind("a folder")
"""In which others may have files of their own, which stay."""
ARRAYS = Kind(
    "training arrays",
    (
        r"manifest\.json",
        *(r"redshift\.npy", r"targetid\.npy"),
        # one for each modality
        r"[a-z][a-z0-9-]*\.npy",
    ),
)
MODEL = Kind(
    "a trained model",
    (r"model\.json", r"history\.csv", r"weights\.safetensors|regressor\.skops"),
)
EXPORT = Kind(
    "an exported model",
    (r"model\.pt2", r"model\.safetensors", r"config\.json", r"modeling_mmae\.py", r"README\.md"),
)
ARCHIVE = Kind(
    "an archive",
    (
        *(r"manifest-sha256\.txt", r"config\.yaml", r"versions\.json", r"README\.md"),
        *(r"ro-crate-metadata\.json", r"(dataset|evaluation|models|paper)/.+"),
    ),
)
TREE = Kind(
    "a simulated DESI tree",
    (r"simulated\.txt", r"zcatalog/v1/zall-pix-iron\.fits", r"healpix/.+/coadd-.+\.fits"),
)


def check_output(path: Path | str, kind: Kind = FILE) -> None:
    """Raise InputError unless an output may be written to a path, in the place of what is there.

    Parameters
    ----------
    path : path
    kind : Kind
        What is to be written. A file takes the place of a file, a link of a link, a folder of an
        empty one or of one of its kind with no other files in it.
    """
    path = Path(path)
    found = _in_the_way(path, kind)
    if found:
        expected = f"{kind.what} of an earlier run, or nothing" if kind.names else kind.what
        raise InputError(path, found=found, expected=f"{expected}: name another path")
    try:
        os.lstat(temporary(path))
    except FileNotFoundError:
        folder = next(above for above in path.absolute().parents if os.path.lexists(above))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(path, f"cannot be written (Permission denied in {folder})") from None
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})") from error


def temporary(path: Path) -> Path:
    """A hidden name beside `path` that no other writer has."""
    return path.parent / f".{path.name}.{secrets.token_hex(PART_BYTES)}.part"


def is_temporary(name: str, path: Path) -> bool:
    """Whether a name is one that `temporary` gave for a path."""
    return bool(
        re.fullmatch(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{2 * PART_BYTES}}}\.part", name)
    )


def _in_the_way(path: Path, kind: Kind) -> str | None:
    """What stands at a path and may not be replaced."""
    if SPECIAL.fullmatch(os.path.abspath(path)):
        return "a device or what a program has open"
    if not os.path.lexists(path):
        return None
    if path.is_dir() and kind.names:
        # neither can be renamed
        in_use = os.path.ismount(path) or os.path.samefile(path, ".")
        return "a folder that is in use" if in_use else _foreign(path, kind)
    if path.is_dir():
        # the link itself would be replaced
        return None if kind is SHARED or (kind is LINK and path.is_symlink()) else "a folder"
    if path.exists() and not path.is_file():
        return "a device, pipe or socket"
    fits = kind is FILE or (kind is LINK and path.is_symlink())
    return None if fits else "a file"


def _foreign(folder: Path, kind: Kind) -> str | None:
    """What makes a folder one that is not of its kind."""
    names = list(names_in(folder))
    for name in names:
        if not kind.has(name):
            return f"a folder with {name} in it"
    if names and not any(re.fullmatch(kind.names[0], name) for name in names):
        return f"a folder without {kind.names[0]}".replace("\\", "")
    return None


def names_in(folder: Path) -> Iterator[str]:
    """Relative names of all that is no folder in a folder, links to folders among them."""
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in (*files, *links):
            if not LATER.fullmatch(name):
                yield Path(root, name).relative_to(folder).as_posix()


def is_whole(folder: Path, kind: Kind) -> bool:
    """Whether each of a kind's files is in a folder."""
    names = list(names_in(folder))
    return all(any(re.fullmatch(pattern, name) for name in names) for pattern in kind.names)

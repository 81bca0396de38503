"""DESI's data release over HTTP, kept in the layout of its tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmae.downloads.download import Remote, alone, download, ensure, place
from mmae.settings import Desi, Download
from mmae.survey.desi import ZCATALOG_PATH, coadd_path
from mmae.survey.fits_files import open_fits

INSTEAD = "survey.files.desi"
"""Config key of a tree that is on disk."""


def fetch_zcatalog(desi: Desi, settings: Download) -> Path:
    """Fetch the redshift catalogue (about 20 GB), unless it is there.

    Raises
    ------
    InputError
        If it cannot be had or is damaged.
    """
    checksum = desi.zcatalog_sha256 and f"sha256:{desi.zcatalog_sha256}"
    remote = Remote(_address(desi, ZCATALOG_PATH), checksum=checksum, instead=INSTEAD)
    return download(remote, tree(desi, settings) / ZCATALOG_PATH, settings, _check_fits)


@contextmanager
def fetched_coadd(
    desi: Desi, settings: Download, survey: str, program: str, healpix: int
) -> Iterator[Path]:
    """A coadd file for as long as it is needed.

    It is fetched unless it is there, and verified by the checksums that FITS files carry. If it was
    fetched it is deleted afterwards, unless `settings.keep_coadds`.

    Raises
    ------
    NotThere
        If DESI has no such file.
    InputError
        If it cannot be had or is damaged.
    """
    below = coadd_path("", survey, program, healpix).as_posix()
    path = tree(desi, settings) / below
    with alone(path):
        remote = Remote(_address(desi, below), instead=INSTEAD)
        fetched = ensure(remote, path, settings, _check_checksums)
        try:
            yield path
        finally:
            if fetched and not settings.keep_coadds:
                path.unlink(missing_ok=True)


def _address(desi: Desi, below: str) -> str:
    """URL of a file of the release."""
    return f"{desi.url.rstrip('/')}/{below}"


def tree(desi: Desi, settings: Download) -> Path:
    """Where the release's files are kept."""
    return place(desi.url, settings)


def _check_fits(path: Path) -> None:
    """Raise InputError if a FITS file is truncated; its data are not read."""
    with open_fits(path):
        pass


def _check_checksums(path: Path) -> None:
    """Raise InputError if a FITS file is truncated or an HDU is not what its checksum says."""
    with open_fits(path, checksum=True):
        pass

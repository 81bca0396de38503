"""Archives that were published on Zenodo, by the number of their record."""

from pathlib import Path

from mmae.archive.container import KIND, find_archive
from mmae.errors import InputError
from mmae.settings import Download, ZenodoRecord


def default_folder(record: int) -> Path:
    """Where a record's files are put unless another folder is named."""
    return Path("results", f"zenodo-{record}")


def record_folder(record: int) -> Path:
    """Folder of a record that was fetched before.

    Raises
    ------
    InputError
        If it was not; the sentence says how.
    """
    folder = default_folder(record)
    if not folder.is_dir():
        raise InputError(
            "config",
            key="from_archive",
            found=f"Zenodo record {record}, which is not in {folder}",
            expected=f"it downloaded first: mmae fetch-archive {record}",
        )
    return folder


def fetch_record(record: ZenodoRecord, folder: Path, settings: Download) -> None:
    """Download the files of a Zenodo record, among them an archive.

    Parameters
    ----------
    record : ZenodoRecord
    folder : Path
        Where the files come to lie; what is there and whole is not downloaded again.
    settings : Download

    Raises
    ------
    InputError
        If it cannot be downloaded or holds no archive.
    """
    # at every start of the workflow this module is read: without what downloads bring
    from mmae.downloads import zenodo

    files = zenodo.fetch_record(record, folder, settings, "from_archive")
    try:
        find_archive(folder)
    except InputError:
        raise InputError(
            f"Zenodo record {record.record}",
            found=f"the files {[path.name for path in files]}",
            expected=f"one of them {KIND}",
        ) from None

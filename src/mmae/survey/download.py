"""Files over HTTP: resumed, verified, retried; under their final name whole or not at all.

pooch and astropy download whole files only, and start again when a connection breaks after 10 of 12
GB; hence this file. What is small stays with requests, urllib3 and filelock.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock, Timeout

from mmae.errors import InputError
from mmae.progress import ByteProgress
from mmae.settings import Download
from mmae.survey.http import Broken, Unreachable, answer, copy_body, patiently

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Remote:
    """A file on a server, and what is known of it."""

    url: str
    size: int | None = None
    """Bytes."""
    checksum: str | None = None
    """`md5:<hex>` or `sha256:<hex>`."""


def download(
    remote: Remote,
    path: Path | str,
    settings: Download,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """Fetch a file, unless it is there.

    Another process that wants the same file waits for this one. What a broken attempt left stays in
    a hidden file beside `path`, named after what is fetched, and is gone on with.

    Parameters
    ----------
    remote : Remote
    path : path
        Final name.
    settings : Download
    check : callable, optional
        Called with the name of the whole file before it gets its final name; raises InputError if
        the content is wrong.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    NotThere
        If the server has no such file.
    Unreachable
        If it cannot be had now; the sentence says where to put it by hand.
    InputError
        If it is not what it should be, or does not fit on the disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if path.exists() and _is_whole(path, remote):
            log.info("%s is there", path)
            return path
        part = _part(path, remote)
        if remote.size is not None:
            _check_space(part.parent, remote.url, remote.size - _size(part), settings)
        with ByteProgress(path.name, remote.size) as progress:
            try:
                _fetch(remote, part, settings, progress)
            except Unreachable as error:
                raise Unreachable(str(error), f"or put the file at {path} by hand") from error
        try:
            _check_content(remote, part)
            if check is not None:
                check(part)
        except InputError:
            part.unlink()
            raise
        part.replace(path)
    return path


def download_all(
    files: list[tuple[Remote, Path]],
    settings: Download,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Fetch several files, `settings.parallel` at the same time; parameters as of `download`.

    Whether all fit on the disk of the first is checked before any is begun.
    """
    missing = [
        (remote.size or 0) - _size(_part(path, remote))
        for remote, path in files
        if not path.exists()
    ]
    if missing:
        _check_space(files[0][1].parent, f"{len(missing)} files", sum(missing), settings)
    with ThreadPoolExecutor(settings.parallel) as pool:
        jobs = [pool.submit(download, remote, path, settings, check) for remote, path in files]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(remote: Remote, part: Path, settings: Download, progress: ByteProgress) -> None:
    """Get all bytes into `part`, beginning where an earlier attempt ended."""

    def attempt() -> None:
        if remote.size is None or _size(part) != remote.size:
            _attempt(remote, part, _size(part), settings, progress)

    try:
        patiently(attempt, remote.url, settings, lambda: _size(part))
    except OSError as error:
        raise InputError(part, f"cannot be written ({error.strerror or error})") from error


def _attempt(
    remote: Remote, part: Path, have: int, settings: Download, progress: ByteProgress
) -> None:
    """One request for what is missing."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with answer("GET", remote.url, settings, headers=headers) as response:
        if response.status_code == 416:
            part.unlink()
            raise Broken(f"the server has no byte {have}")
        start = have if _continues(response, have) else 0
        total = _total(remote, response, start)
        if total is not None and remote.size is None:
            _check_space(part.parent, remote.url, total - start, settings)
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            progress.at(start, total)
            got = start + copy_body(response, stream, settings, progress.add)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and got < total:
        raise Broken(f"the connection ended after {got} of {total} bytes")
    if total is not None and got > total:
        part.unlink()
        raise InputError(remote.url, key="size", found=f"more than {total} bytes", expected=total)


def _continues(response: requests.Response, have: int) -> bool:
    """Whether the server sends the rest; one that ignores Range sends all again."""
    if response.status_code != 206:
        return False
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != have:
        raise InputError(
            response.url,
            key="Content-Range",
            found=response.headers.get("Content-Range", "nothing"),
            expected=f"bytes {have}-",
        )
    return True


def _total(remote: Remote, response: requests.Response, start: int) -> int | None:
    """Bytes of the whole file; what server and record say of it must agree."""
    length = response.headers.get("Content-Length")
    said = None if length is None else start + int(length)
    if None not in (said, remote.size) and said != remote.size:
        raise InputError(remote.url, key="size", found=said, expected=remote.size)
    return remote.size if said is None else said


def _check_content(remote: Remote, part: Path) -> None:
    """Raise InputError unless the whole file has the checksum that it should have."""
    if part.stat().st_size == 0:
        raise InputError(remote.url, found="an empty file", expected="data")
    if remote.checksum is not None:
        kind, _, expected = remote.checksum.partition(":")
        found = _checksum(part, kind)
        if found != expected:
            raise InputError(remote.url, key=kind, found=found, expected=expected)


def _is_whole(path: Path, remote: Remote) -> bool:
    """Whether a file under its final name is the wanted one; others are replaced."""
    if remote.size is not None and path.stat().st_size != remote.size:
        return False
    if remote.checksum is None:
        return True
    kind, _, expected = remote.checksum.partition(":")
    return _checksum(path, kind) == expected


def _checksum(path: Path, kind: str) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _part(path: Path, remote: Remote) -> Path:
    """Name of what has come so far, so that only the same thing is gone on with."""
    words = f"{remote.url} {remote.size} {remote.checksum}"
    return path.with_name(f".{path.name}.{hashlib.sha256(words.encode()).hexdigest()[:8]}.part")


def _size(path: Path) -> int:
    """Bytes of a file; none if it is not there."""
    return path.stat().st_size if path.exists() else 0


def _check_space(folder: Path, what: str, missing: int, settings: Download) -> None:
    """Raise InputError if what is missing would not fit on the disk of an existing folder."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if missing + settings.reserve_gb * 1e9 > free:
        raise InputError(
            folder,
            f"too little disk space for {what}",
            found=f"{free / 1e9:.1f} GB free",
            expected=f"{missing / 1e9:.1f} GB, and {settings.reserve_gb:g} GB that stay free",
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a path; the system frees it when a process dies."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process fetches it; waiting", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()

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
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import requests
from filelock import FileLock, Timeout

from mmae.downloads.http import Broken, NotThere, Unreachable, answer, copy_body, patiently
from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.progress import ByteProgress
from mmae.settings import Download

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Remote:
    """A file on a server, and what is known of it."""

    url: str
    size: int | None = None
    """Bytes."""
    checksum: str | None = None
    """`md5:<hex>` or `sha256:<hex>`."""
    instead: str | None = None
    """Config key that says where the file is if it is on disk."""
    content_url: str | None = None
    """Where the file is if `url` only tells of it, which its length shows."""


class OtherSize(InputError):
    """What the server has is not as long as the file should be."""


def download(
    remote: Remote,
    path: Path | str,
    settings: Download,
    check: Callable[[Path], object] | None = None,
    stop: Event | None = None,
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
        Called with the name of a whole file, before it gets its final name or where it is there;
        raises InputError if the content is wrong.
    stop : Event, optional
        Once set, the download ends with an InputError.

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
    with alone(path):
        ensure(remote, path, settings, check, stop)
    return Path(path)


def ensure(
    remote: Remote,
    path: Path | str,
    settings: Download,
    check: Callable[[Path], object] | None = None,
    stop: Event | None = None,
) -> bool:
    """What `download` does, for who holds the path with `alone`; True if it was fetched now."""
    path = Path(path)
    if path.exists() and _is_whole(path, remote, check):
        log.info("%s is there", path)
        return False
    part = _part(path, remote)
    if remote.size is not None:
        _check_space(part.parent, remote.url, remote.size - _size(part), settings)
    try:
        with ByteProgress(path.name, remote.size) as progress:
            _fetch(remote, part, settings, progress, stop or Event())
    except Unreachable as error:
        hint = f"or put the file at {path} by hand"
        hint += f", or say in {remote.instead} where it is" if remote.instead else ""
        raise Unreachable(str(error), hint) from error
    except OtherSize as other:
        if remote.content_url is None:
            raise
        content = replace(remote, url=remote.content_url, content_url=None)
        try:
            return ensure(content, path, settings, check, stop)
        except NotThere:
            raise other from None
    try:
        _check_content(remote, part)
        if check is not None:
            check(part)
    except InputError:
        part.unlink(missing_ok=True)
        raise
    finally:
        _version(part).unlink(missing_ok=True)
    part.replace(path)
    return True


def download_all(
    files: list[tuple[Remote, Path]],
    settings: Download,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Fetch several files, `settings.parallel` at the same time; parameters as of `download`.

    Whether all fit on the disk of the first is checked before any is begun. When one fails the
    others end soon; what they have is kept.
    """
    missing = [
        (remote.size or 0) - _size(_part(path, remote))
        for remote, path in files
        if not path.exists()
    ]
    if missing:
        _check_space(files[0][1].parent, f"{len(missing)} files", sum(missing), settings)
    stop = Event()
    with ThreadPoolExecutor(settings.parallel) as pool:
        jobs = [pool.submit(download, *file, settings, check, stop) for file in files]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(
    remote: Remote, part: Path, settings: Download, progress: ByteProgress, stop: Event
) -> None:
    """Get all bytes into `part`, beginning where an earlier attempt ended."""

    def attempt() -> None:
        if remote.size is None or _size(part) != remote.size:
            _attempt(remote, part, settings, progress, stop)

    try:
        patiently(attempt, remote.url, settings, lambda: _size(part), stop.wait)
    except OSError as error:
        raise InputError(part, f"cannot be written ({error.strerror or error})") from error


def _attempt(
    remote: Remote, part: Path, settings: Download, progress: ByteProgress, stop: Event
) -> None:
    """One request for what is missing."""

    def told(count: int) -> None:
        progress.add(count)
        # others write there, too, and not every server says how much comes
        _check_space(part.parent, remote.url, count, settings)
        if stop.is_set():
            raise InputError(remote.url, "stopped, as another file failed")

    have, headers = _size(part), {"Accept-Encoding": "identity"}
    if have and (rest := _ask_for_rest(remote, part, have)):
        headers |= rest
    else:
        have = 0
    with answer("GET", remote.url, settings, headers=headers) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # a process died between the last byte and the final name
            part.unlink()
            raise Broken(f"the server has no byte {have}")
        start = have if _continues(response, have) else 0
        total = _total(remote, response, start)
        if total is not None and remote.size is None:
            _check_space(part.parent, remote.url, total - start, settings)
        if not start:
            _version(part).write_text(response.headers.get("ETag", ""), encoding="utf-8")
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            progress.at(start, total)
            limit = None if total is None else total - start
            got = start + copy_body(response, stream, settings, limit, told)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and got < total:
        raise Broken(f"the connection ended after {got} of {total} bytes")
    if total is not None and got > total:
        part.unlink()
        _version(part).unlink(missing_ok=True)
        raise OtherSize(remote.url, key="size", found=f"more than {total} bytes", expected=total)


def _ask_for_rest(remote: Remote, part: Path, have: int) -> dict[str, str]:
    """Headers that ask for the rest, and for all of it if the file is another one meanwhile.

    Without a checksum only the server's own name of the version (a strong ETag) tells; without
    that either, nothing is gone on with.
    """
    headers = {"Range": f"bytes={have}-"}
    if remote.checksum is not None:
        return headers
    version = _version(part).read_text(encoding="utf-8") if _version(part).exists() else ""
    return headers | {"If-Range": version} if version.startswith('"') else {}


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
    rest = response.raw.length_remaining
    said = None if rest is None else start + rest
    if None not in (said, remote.size) and said != remote.size:
        raise OtherSize(remote.url, key="size", found=said, expected=remote.size)
    return remote.size if said is None else said


def _check_content(remote: Remote, part: Path) -> None:
    """Raise InputError unless the whole file has the checksum that it should have."""
    if _size(part) == 0:
        raise InputError(remote.url, found="an empty file", expected="data")
    if remote.checksum is not None:
        kind, _, expected = remote.checksum.partition(":")
        found = file_digest(part, kind)
        if found != expected:
            raise InputError(remote.url, key=kind, found=found, expected=expected)


def _is_whole(path: Path, remote: Remote, check: Callable[[Path], object] | None) -> bool:
    """Whether a file under its final name is the wanted one; others are replaced."""
    try:
        if remote.size not in (None, _size(path)):
            return False
        _check_content(remote, path)
        if check is not None:
            check(path)
    except InputError as error:
        log.warning("%s; it is fetched anew", error)
        return False
    return True


def place(url: str, settings: Download) -> Path:
    """Folder for what a service has below an address: named after both."""
    parts = urlsplit(url)
    return Path(settings.folder, parts.netloc, *parts.path.strip("/").split("/"))


def _part(path: Path, remote: Remote) -> Path:
    """Name of what has come so far, so that only the same thing is gone on with."""
    words = f"{remote.url} {remote.size} {remote.checksum}"
    return path.with_name(f".{path.name}.{hashlib.sha256(words.encode()).hexdigest()[:8]}.part")


def _version(part: Path) -> Path:
    """Where the server's name of the version is kept whose bytes have come."""
    return part.with_name(f"{part.name}.etag")


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
def alone(path: Path | str) -> Iterator[None]:
    """Hold the lock of a path; the system frees it when a process dies."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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

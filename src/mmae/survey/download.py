"""Files over HTTP: resumed, verified, retried; under their final name whole or not at all.

pooch and astropy download whole files only, and start again when a connection breaks after 10 of 12
GB; hence this file. What is small stays with requests, urllib3 and filelock.
"""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from filelock import FileLock, Timeout

from mmae.errors import InputError
from mmae.progress import ByteProgress
from mmae.settings import Download

log = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes read at a time."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes after which it is worth asking again."""
LOOPBACK = {"127.0.0.1", "localhost"}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Remote:
    """A file on a server, and what is known of it."""

    url: str
    size: int | None = None
    """Bytes."""
    checksum: str | None = None
    """`md5:<hex>` or `sha256:<hex>`."""


class NotThere(InputError):
    """The server answers, and says that it has no such file."""


class Unreachable(InputError):
    """No server answers well, or the connection breaks again and again."""


class _Broken(Exception):
    """An attempt that failed for a reason that may pass."""

    def __init__(self, reason: str, retry_after: float | None = None):
        super().__init__(reason)
        self.retry_after = retry_after


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
        part = path.with_name(f".{path.name}.{_label(remote)}.part")
        _check_space(remote, part, settings)
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
    """Fetch several files, `settings.parallel` at the same time; parameters as of `download`."""
    with ThreadPoolExecutor(settings.parallel) as pool:
        jobs = [pool.submit(download, remote, path, settings, check) for remote, path in files]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def ask(method: str, url: str, settings: Download, **content: object) -> bytes:
    """A small request and its answer, with the patience of `download`.

    Parameters
    ----------
    method, url : str
    settings : Download
    **content
        As of `requests.request`.

    Raises
    ------
    NotThere
        If the server says that there is nothing of the kind.
    Unreachable
        If there is no good answer now.
    InputError
        If the request is refused.
    """

    def attempt() -> bytes:
        answer = BytesIO()
        with _answer(method, url, settings, **content) as response:
            _copy(response, answer, settings)
        return answer.getvalue()

    return _patiently(attempt, url, settings)


def _patiently(
    attempt: Callable[[], Answer],
    url: str,
    settings: Download,
    progress: Callable[[], int] = lambda: 0,
) -> Answer:
    """Repeat an attempt while it breaks; only those in a row that get nowhere are counted."""
    failures, worth = 0, max(1.0, settings.slowest * settings.timeout)
    while True:
        before = progress()
        try:
            return attempt()
        except _Broken as broken:
            failures = 1 if progress() - before >= worth else failures + 1
            if failures >= settings.tries:
                raise Unreachable(
                    url, f"cannot be had ({broken}; {failures} attempts in a row)"
                ) from broken
            wait = broken.retry_after if broken.retry_after is not None else 2.0 ** (failures - 1)
            wait = min(wait, settings.longest_wait)
            log.info("%s: %s; again in %.0f s", url, broken, wait)
            time.sleep(wait)


def _fetch(remote: Remote, part: Path, settings: Download, progress: ByteProgress) -> None:
    """Get all bytes into `part`, beginning where an earlier attempt ended."""

    def have() -> int:
        return part.stat().st_size if part.exists() else 0

    def attempt() -> None:
        if remote.size is None or have() != remote.size:
            _attempt(remote, part, have(), settings, progress)

    try:
        _patiently(attempt, remote.url, settings, have)
    except OSError as error:
        raise InputError(part, f"cannot be written ({error.strerror or error})") from error


def _attempt(
    remote: Remote, part: Path, have: int, settings: Download, progress: ByteProgress
) -> None:
    """One request for what is missing."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with _answer("GET", remote.url, settings, headers=headers) as response:
        if response.status_code == 416:
            part.unlink()
            raise _Broken(f"the server has no byte {have}")
        start = have if _continues(response, have) else 0
        total = _total(remote, response, start)
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            progress.at(start, total)
            got = start + _copy(response, stream, settings, progress.add)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and got < total:
        raise _Broken(f"the connection ended after {got} of {total} bytes")
    if total is not None and got > total:
        part.unlink()
        raise InputError(remote.url, key="size", found=f"more than {total} bytes", expected=total)


@contextmanager
def _answer(
    method: str, url: str, settings: Download, **content: object
) -> Iterator[requests.Response]:
    """A good answer, or that of a server asked for bytes that it does not have (416)."""
    _check_address(url, url)
    with _passing_troubles():
        response = requests.request(method, url, stream=True, timeout=settings.timeout, **content)
    with response:
        _check_address(url, response.url)
        _check_status(response, url)
        yield response


def _check_address(url: str, address: str) -> None:
    """Nothing is asked for unencrypted, but from this machine; redirects included."""
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise InputError(url, found=f"the address {address}", expected="https")


def _copy(
    response: requests.Response,
    stream: BinaryIO,
    settings: Download,
    told: Callable[[int], object] = lambda count: None,
) -> int:
    """Write the body as it comes; a trickle is as bad as silence."""
    copied, since, began = 0, 0, time.monotonic()
    while True:
        with _passing_troubles():
            chunk = response.raw.read1(CHUNK, decode_content=True)
        if not chunk:
            return copied
        stream.write(chunk)
        copied, since = copied + len(chunk), since + len(chunk)
        told(len(chunk))
        elapsed = time.monotonic() - began
        if elapsed > settings.timeout:
            if since < settings.slowest * elapsed:
                raise _Broken(f"fewer than {settings.slowest:g} bytes a second")
            since, began = 0, time.monotonic()


@contextmanager
def _passing_troubles() -> Iterator[None]:
    """What a network does to requests, as a reason to try again."""
    try:
        yield
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise _Broken(_reason(error)) from error
    except requests.RequestException as error:
        raise InputError(error.request.url if error.request else "request", str(error)) from error


def _reason(error: Exception) -> str:
    """The innermost cause, which says most."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _check_status(response: requests.Response, url: str) -> None:
    """Good answers pass; others are broken attempts or errors."""
    code = response.status_code
    if code == 416:
        return
    if code in PASSING:
        after = response.headers.get("Retry-After")
        raise _Broken(f"answer {code} {response.reason}", _seconds(after))
    if code in (404, 410):
        raise NotThere(url, found=f"answer {code} {response.reason}", expected="a file")
    if code >= 400:
        raise InputError(url, found=f"answer {code} {response.reason}", expected="a file")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise InputError(url, found="an HTML page", expected="the file")


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After asks for: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return float(urllib3.Retry().parse_retry_after(retry_after))
    except urllib3.exceptions.InvalidHeader:
        return None


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


def _label(remote: Remote) -> str:
    """Short name of what is fetched, so that only the same thing is gone on with."""
    words = f"{remote.url} {remote.size} {remote.checksum}"
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def _check_space(remote: Remote, part: Path, settings: Download) -> None:
    """Raise InputError if the file would not fit on the disk."""
    if remote.size is None:
        return
    missing = remote.size - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing + settings.reserve_gb * 1e9 > free:
        raise InputError(
            part.parent,
            f"too little disk space for {remote.url}",
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

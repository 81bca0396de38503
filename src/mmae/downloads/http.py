"""Requests with patience: what may pass is tried again, what cannot is told in a sentence.

Every request to every service is made here, says who asks, and ends.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from mmae import __version__
from mmae.errors import InputError
from mmae.settings import Download

log = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes read at a time."""
PASSING = {408, 425, 429}
"""Status codes below 500 after which it is worth asking again."""
LOOPBACK = {"127.0.0.1", "localhost"}

Answer = TypeVar("Answer")


class NotThere(InputError):
    """The server answers, and says that it has no such file."""


class Unreachable(InputError):
    """No server answers well: none is reached, it refuses, breaks off, or says something else."""


class Broken(Exception):
    """An attempt that failed for a reason that may pass."""

    def __init__(self, reason: str, retry_after: float | None = None):
        super().__init__(reason)
        self.retry_after = retry_after


def ask(method: str, url: str, settings: Download, limit: int, **content: object) -> Any:
    """A small request and what its JSON answer says, with the patience of `download`.

    Parameters
    ----------
    method, url : str
    settings : Download
    limit : int
        Bytes that no good answer is longer than.
    **content
        As of `requests.request`.

    Raises
    ------
    NotThere
        If the server says that there is nothing of the kind.
    Unreachable
        If there is no good answer now.
    """

    def attempt() -> bytes:
        body = BytesIO()
        with answer(method, url, settings, **content) as response:
            if copy_body(response, body, settings, limit) > limit:
                raise Unreachable(
                    url, found=f"an answer of more than {limit:,} bytes", expected="a shorter one"
                )
        return body.getvalue()

    body = patiently(attempt, url, settings)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreachable(url, found=f"no JSON ({error})", expected="JSON") from error


def patiently(
    attempt: Callable[[], Answer],
    url: str,
    settings: Download,
    progress: Callable[[], int] = lambda: 0,
    sleep: Callable[[float], object] = time.sleep,
) -> Answer:
    """Repeat an attempt while it breaks; only those in a row that get no further are counted."""
    failures, worth, most = 0, max(1.0, settings.slowest * settings.timeout), progress()
    while True:
        try:
            return attempt()
        except Broken as broken:
            now = progress()
            failures = 1 if now - most >= worth else failures + 1
            most = max(most, now)
            if failures >= settings.tries:
                raise Unreachable(
                    url, f"cannot be had ({broken}; {failures} attempts in a row)"
                ) from broken
            wait = broken.retry_after if broken.retry_after is not None else 2.0 ** (failures - 1)
            wait = min(wait, settings.longest_wait)
            log.info("%s: %s; again in %.0f s", url, broken, wait)
            sleep(wait)


@contextmanager
def answer(
    method: str, url: str, settings: Download, **content: object
) -> Iterator[requests.Response]:
    """A good answer, or that of a server asked for bytes that it does not have (416)."""
    _check_address(url, url)
    with _Session() as session:
        # Zenodo refuses clients that do not say who they are
        session.headers["User-Agent"] = f"galaxy-mmae/{__version__} (+{settings.contact})"
        with _passing_troubles():
            response = session.request(
                method, url, stream=True, timeout=settings.timeout, **content
            )
        with response:
            _check_status(response, url)
            yield response


class _Session(requests.Session):
    """Follows redirects, but none to an unencrypted address, and reads no page that redirects."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Where a redirect leads; looked at before anything is asked there."""
        target = super().get_redirect_target(response)
        if target is not None:
            _check_address(response.url, target)
            # requests would read it to its end, which may be none
            response.raw.close()
            response.raw = BytesIO()
        return target


def _check_address(url: str, address: str) -> None:
    """Raise InputError unless an address is encrypted, or this machine's, asked for from it."""
    try:
        parts = urlsplit(urljoin(url, address))
        here = parts.hostname in LOOPBACK and urlsplit(url).hostname in LOOPBACK
    except ValueError as error:
        raise InputError(url, found=f"the address {address} ({error})", expected="https") from error
    if not (here or (parts.scheme == "https" and parts.hostname not in LOOPBACK)):
        raise InputError(url, found=f"the address {parts.geturl()}", expected="https")


def copy_body(
    response: requests.Response,
    stream: BinaryIO,
    settings: Download,
    limit: int | None = None,
    told: Callable[[int], object] = lambda count: None,
) -> int:
    """Write the body as it comes; a trickle is as bad as silence.

    Parameters
    ----------
    response : Response
    stream : file
    settings : Download
    limit : int, optional
        Bytes that are written at most.
    told : callable, optional
        Called with the number of bytes before they are written.

    Returns
    -------
    int
        Bytes of the body; if they are more than `limit`, those seen until then.
    """
    copied, since, began = 0, 0, time.monotonic()
    while True:
        with _passing_troubles():
            chunk = response.raw.read1(CHUNK, decode_content=True)
        if not chunk:
            return copied
        copied, since = copied + len(chunk), since + len(chunk)
        if limit is not None and copied > limit:
            return copied
        told(len(chunk))
        stream.write(chunk)
        elapsed = time.monotonic() - began
        if elapsed > settings.timeout:
            if since < settings.slowest * elapsed:
                raise Broken(f"fewer than {settings.slowest:g} bytes a second")
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
        raise Broken(_reason(error)) from error
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
    if code in PASSING or code >= 500:
        after = response.headers.get("Retry-After")
        raise Broken(f"answer {code} {response.reason}", _seconds(after))
    if code in (404, 410):
        raise NotThere(url, found=f"answer {code} {response.reason}", expected="a file")
    if code >= 300:
        expected = "a file that is open to all" if code in (401, 403) else "a file"
        raise Unreachable(url, found=f"answer {code} {response.reason}", expected=expected)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise Unreachable(url, found="an HTML page", expected="the file")


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After asks for: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        return float(urllib3.Retry().parse_retry_after(retry_after))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None

"""Requests with patience: what may pass is tried again, what cannot is told in a sentence."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from mmae.errors import InputError
from mmae.settings import Download

log = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes read at a time."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes after which it is worth asking again."""
LOOPBACK = {"127.0.0.1", "localhost"}

Answer = TypeVar("Answer")


class NotThere(InputError):
    """The server answers, and says that it has no such file."""


class Unreachable(InputError):
    """No server answers well, or the connection breaks again and again."""


class Broken(Exception):
    """An attempt that failed for a reason that may pass."""

    def __init__(self, reason: str, retry_after: float | None = None):
        super().__init__(reason)
        self.retry_after = retry_after


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
        body = BytesIO()
        with answer(method, url, settings, **content) as response:
            copy_body(response, body, settings)
        return body.getvalue()

    return patiently(attempt, url, settings)


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
        with _passing_troubles():
            response = session.request(
                method, url, stream=True, timeout=settings.timeout, **content
            )
        with response:
            _check_status(response, url)
            yield response


class _Session(requests.Session):
    """Follows redirects, but none to an unencrypted address."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        """Where a redirect leads; looked at before anything is asked there."""
        target = super().get_redirect_target(response)
        if target is not None:
            _check_address(response.url, urljoin(response.url, target))
        return target


def _check_address(url: str, address: str) -> None:
    """Raise InputError unless an address is encrypted, or this machine's, asked for from it."""
    parts = urlsplit(address)
    here = parts.hostname in LOOPBACK and urlsplit(url).hostname in LOOPBACK
    if not (here or (parts.scheme == "https" and parts.hostname not in LOOPBACK)):
        raise InputError(url, found=f"the address {address}", expected="https")


def copy_body(
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
    if code in PASSING:
        after = response.headers.get("Retry-After")
        raise Broken(f"answer {code} {response.reason}", _seconds(after))
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

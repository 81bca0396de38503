"""What every request to every service has in common."""

import gzip
import json

import pytest

import services
from downloads.test_download import settings
from mmae import __version__
from mmae.config import read_section
from mmae.downloads.http import Unreachable, ask
from mmae.errors import InputError
from mmae.settings import Download
from services import answers, endless

CONTACT = "https://example.org/who"
LIMIT = 100_000


@pytest.fixture
def server():
    with services.running() as server:
        server.files["/ask"] = b'{"a": 1}'
        yield server


def asked(server, **changes):
    return ask("GET", f"{server.url}/ask", settings(**changes), LIMIT)


def test_an_answer_is_what_its_json_says(server):
    assert asked(server) == {"a": 1}


def test_every_request_says_who_asks_also_after_a_redirect(server):
    server.files["/moved"] = b"[]"
    server.faults["/ask"] = [answers(302, Location="/moved")]
    assert asked(server, contact=CONTACT) == []
    assert [path for _, path, _ in server.asked] == ["/ask", "/moved"]
    assert server.agents == {f"galaxy-mmae/{__version__} (+{CONTACT})"}


@pytest.mark.parametrize("contact", ["mailto:a@example.org", "https://example.org/a?b=c"])
def test_a_contact_is_a_page_or_a_mail_address(contact):
    assert read_section(Download, vars(settings(contact=contact)), "c").contact == contact


@pytest.mark.parametrize("contact", ["", "me", "https://a\r\nX: y", "https://a (b)", "https://é"])
def test_no_other_contact_comes_into_a_header(contact):
    with pytest.raises(InputError, match="c: contact: found"):
        read_section(Download, vars(settings()) | {"contact": contact}, "c")


@pytest.mark.parametrize("code", [300, 304, 400, 401, 403, 418, 451])
def test_a_refusal_is_told_at_once_as_no_answer(server, code):
    server.faults["/ask"] = [answers(code)]
    with pytest.raises(Unreachable, match=f"/ask: found answer {code} .*expected a file"):
        asked(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 501, 503, 522])
def test_a_server_that_is_busy_for_ever_is_left(server, code):
    server.faults["/ask"] = [answers(code)] * 9
    with pytest.raises(Unreachable, match=rf"answer {code} .*3 attempts in a row"):
        asked(server)
    assert len(server.asked) == 3


def bomb() -> bytes:
    return gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    "fault",
    [
        endless(),
        endless(Content_Length="9" * 30),
        answers(200, b" " * LIMIT + b"[]"),
        answers(200, bomb(), Content_Encoding="gzip"),
    ],
    ids=["endless", "long", "a little longer", "compressed"],
)
def test_an_answer_that_does_not_end_is_left(server, fault):
    server.faults["/ask"] = [fault]
    with pytest.raises(Unreachable, match=r"found an answer of more than 100,000 bytes"):
        asked(server)
    assert server.sent < 20_000_000, "what lies in the network's buffers"


def test_a_redirect_whose_page_does_not_end_is_followed(server):
    server.files["/moved"] = b"[]"
    server.faults["/ask"] = [endless(302, Location="/moved")]
    assert asked(server) == []
    assert server.sent < 20_000_000


@pytest.mark.parametrize("address", ["https://[", "https://[x]/", "http://example.org/", "ftp://a"])
def test_a_redirect_to_no_good_address_is_told(server, address):
    server.faults["/ask"] = [answers(302, Location=address)]
    with pytest.raises(InputError, match=r"/ask: found the address .*expected https"):
        asked(server)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 50_000, b"9" * 5_000])
def test_what_is_no_json_is_no_answer(server, body):
    server.faults["/ask"] = [answers(200, body)]
    with pytest.raises(Unreachable, match="no JSON"):
        asked(server)


def test_a_web_page_is_no_answer(server):
    """Of a network that wants a login first, or of a guard against robots."""
    server.faults["/ask"] = [answers(200, b"{}", Content_Type="text/html")]
    with pytest.raises(Unreachable, match="found an HTML page"):
        asked(server)


@pytest.mark.parametrize("when", ["9" * 400, "9" * 5_000, "Wed, 25 Nov 99999999999 00:00:00 GMT"])
def test_a_time_that_is_none_is_not_waited_for(server, when):
    server.faults["/ask"] = [answers(429, Retry_After=when)]
    assert asked(server) == json.loads(server.files["/ask"])

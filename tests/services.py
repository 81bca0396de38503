"""Zenodo, DESI's tree and SPARCL as one HTTP server on loopback, well-behaved unless told."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import parse_qs, unquote, urlsplit

from helpers import read_zcatalog
from mmae.instruments import desi_wave
from mmae.survey.collect import combine_arms
from mmae.survey.desi import coadd_path, read_coadd

Fault = Callable[["Handler", bytes], bool]
"""Called with the whole content of an answer; True if it has answered itself."""


class Services(ThreadingHTTPServer):
    """The services, and what is behind them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, Path | bytes] = {}
        """By path below the root."""
        self.records: dict[int, dict[str, Path | bytes]] = {}
        """Zenodo's records: files by name."""
        self.newest: dict[int, int] = {}
        """Zenodo's numbers that stand for all versions of a record: the newest one."""
        self.desi: Path | None = None
        """A DESI tree, below /desi/."""
        self.faults: dict[str, list[Fault]] = {}
        """What goes wrong, by the end of the path; each fault once, in this order."""
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and Range of all requests."""
        self.agents: set[str | None] = set()
        """User-Agents of all requests."""
        self.sent = 0
        """Bytes of endless answers that clients took."""

    def server_bind(self) -> None:
        """Without the slow search for this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what is tested; others show as failed downloads."""

    def content(self, path: str) -> bytes | None:
        """What lies at a path."""
        if match := re.fullmatch(r"/api/records/(\d+)", path):
            return self._record(int(match[1]))
        if match := re.fullmatch(r"/api/records/(\d+)/files/([^/]+)/content", path):
            found = self.records.get(int(match[1]), {}).get(match[2])
        elif self.desi is not None and path.startswith("/desi/"):
            found = self.desi / path.removeprefix("/desi/")
        else:
            found = self.files.get(path)
        if isinstance(found, Path):
            return found.read_bytes() if found.is_file() else None
        return found

    def _record(self, record: int) -> bytes | None:
        """A record as Zenodo's API describes it."""
        if record not in self.records:
            return None
        files = []
        for name, source in self.records[record].items():
            content = source if isinstance(source, bytes) else source.read_bytes()
            link = f"{self.url}/api/records/{record}/files/{name}/content"
            checksum = f"md5:{hashlib.md5(content).hexdigest()}"
            files.append(
                {"key": name, "size": len(content), "checksum": checksum, "links": {"self": link}}
            )
        concept = {newest: number for number, newest in self.newest.items()}.get(record)
        about = {"id": record, "conceptrecid": concept and str(concept), "files": files}
        return json.dumps(about).encode()

    def found(self, question: dict, limit: int) -> list[dict]:
        """SPARCL's `find`: the spectra of some targets."""
        constraints = {name: values for name, *values in question["search"]}
        catalog = read_zcatalog(self.desi)
        rows = catalog[catalog["TARGETID"].isin(constraints["specid"])].head(limit)
        return [
            {
                "sparcl_id": f"{row.SURVEY}/{row.PROGRAM}/{row.HEALPIX}/{row.TARGETID}",
                "specid": int(row.TARGETID),
                "survey": row.SURVEY,
                "redshift": float(row.Z),
                "specprimary": bool(row.ZCAT_PRIMARY),
                "data_release": constraints["data_release"][0],
            }
            for row in rows.itertuples()
        ]

    def spectra(self, identifiers: list[str]) -> list[dict]:
        """SPARCL's `spectras`: arms combined, as it serves them."""
        records = []
        for name in identifiers:
            survey, program, healpix, targetid = name.split("/")
            coadd = read_coadd(coadd_path(self.desi, survey, program, int(healpix)))
            row = list(coadd.targetid).index(int(targetid))
            arms = (
                {a: v[[row]] for a, v in p.items()} for p in (coadd.flux, coadd.ivar, coadd.mask)
            )
            flux, ivar = combine_arms(*arms)
            records.append(
                {
                    "sparcl_id": name,
                    "flux": flux[0].tolist(),
                    "ivar": ivar[0].tolist(),
                    "mask": [0] * flux.shape[1],
                    "wavelength": desi_wave().tolist(),
                }
            )
        return records


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Services
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Tests read `asked` instead."""

    def do_GET(self) -> None:
        """A file, or the rest of it."""
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/records/(\d+)", path):
            newest = self.server.newest.get(int(match[1]))
            if newest is not None:
                self.send(302, b"", {"Location": f"/api/records/{newest}"})
                return
        self._answer(path, self.server.content(path))

    def do_POST(self) -> None:
        """A question to SPARCL."""
        address = urlsplit(self.path)
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        records = None
        if address.path.endswith("/api/find/"):
            limit = int(parse_qs(address.query).get("limit", ["500"])[0])
            records = self.server.found(question, limit)
        elif address.path.endswith("/api/spectras/"):
            assert "format=json" in address.query
            records = self.server.spectra(question)
        header = {"status": {"success": True, "warnings": []}}
        body = None if records is None else json.dumps([header, *records]).encode()
        self._answer(address.path, body)

    def _answer(self, path: str, content: bytes | None) -> None:
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        self.server.agents.add(self.headers.get("User-Agent"))
        if content is None:
            self.send(404, b"")
            return
        for end, faults in self.server.faults.items():
            if path.endswith(end) and faults and faults.pop(0)(self, content):
                return
        version = f'"{hashlib.md5(content).hexdigest()}"'
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if first is None or self.headers.get("If-Range", version) != version:
            self.send(200, content, {"ETag": version})
        elif int(first[1]) >= len(content):
            self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            start = int(first[1])
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206, content[start:], {"Content-Range": span})

    def send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer."""
        lines = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        self.send_response(code)
        for name, value in (lines | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


# --- what can go wrong ----------------------------------------------------------------------------


def well(handler: Handler, content: bytes) -> bool:
    """Nothing, this time."""
    return False


def cut(n: int) -> Fault:
    """The connection ends after n bytes of the body."""

    def fault(handler: Handler, content: bytes) -> bool:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        rest = content[start:]
        code, span = (
            (206, f"bytes {start}-{len(content) - 1}/{len(content)}") if start else (200, "")
        )
        handler.send_response(code)
        if span:
            handler.send_header("Content-Range", span)
        handler.send_header("Content-Length", str(len(rest)))
        handler.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        handler.end_headers()
        handler.wfile.write(rest[:n])
        handler.close_connection = True
        return True

    return fault


def answers(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Another answer altogether; `_` in header names is `-`."""

    def fault(handler: Handler, content: bytes) -> bool:
        handler.send(code, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return fault


def ignores_range(handler: Handler, content: bytes) -> bool:
    """All bytes, whatever was asked for."""
    handler.send(200, content)
    return True


def endless(code: int = 200, block: bytes = b" " * 65_536, **headers: str) -> Fault:
    """A body that does not end while the client takes it."""

    def fault(handler: Handler, content: bytes) -> bool:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.close_connection = True
        # enough to show that nobody stopped
        while handler.server.sent < 200_000_000:
            try:
                handler.wfile.write(block)
            except OSError:
                break
            handler.server.sent += len(block)
        return True

    return fault


def trickles(handler: Handler, content: bytes) -> bool:
    """A byte now and then, for longer than anyone waits."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.close_connection = True
    for byte in content[:1200]:
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            break
        time.sleep(0.05)
    return True


def silent(handler: Handler, content: bytes) -> bool:
    """No answer."""
    time.sleep(3)
    handler.close_connection = True
    return True


@contextmanager
def running() -> Iterator[Services]:
    """The services for as long as they are needed."""
    with Services() as services:
        threading.Thread(target=services.serve_forever, args=(0.02,), daemon=True).start()
        yield services
        services.shutdown()

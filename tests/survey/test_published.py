"""The authors' predictions: copied where they are, downloaded from a server of the test's own."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmae.errors import InputError
from mmae.settings import PublishedFile
from mmae.survey.published import fetch

CONTENT = b"y_test,y_pred\n0.1,0.11\n"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    """A folder behind HTTP on loopback."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "p.csv").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def file_at(url: str, checksum: str = CHECKSUM) -> PublishedFile:
    """As from the config, but for its rule that addresses are https."""
    file = PublishedFile(name="p.csv", url="https://example.org/p.csv", sha256=checksum)
    object.__setattr__(file, "url", url)
    return file


def test_a_local_copy_is_used(tmp_path):
    (tmp_path / "p.csv").write_bytes(CONTENT)
    fetch(file_at("https://nowhere.invalid/p.csv"), str(tmp_path), tmp_path / "out/got.csv")
    assert (tmp_path / "out/got.csv").read_bytes() == CONTENT


def test_otherwise_it_is_downloaded(server, tmp_path):
    fetch(file_at(f"{server}/p.csv"), str(tmp_path / "none"), tmp_path / "got.csv")
    assert (tmp_path / "got.csv").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match=f"sha256: found {CHECKSUM}, expected {'0' * 64}"):
        fetch(file_at(f"{server}/p.csv", "0" * 64), None, tmp_path / "out/got.csv")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_download_says_where_to_put_the_file(server, tmp_path):
    with pytest.raises(InputError, match=r"cannot be downloaded .*; put it at .*none/p\.csv"):
        fetch(file_at(f"{server}/absent.csv"), str(tmp_path / "none"), tmp_path / "got.csv")
    assert not (tmp_path / "got.csv").exists()

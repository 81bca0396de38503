"""The authors' predictions: copied where they are, downloaded from a server of the test's own."""

import hashlib

import pytest

import services
from downloads.test_download import settings
from mmae.errors import InputError
from mmae.settings import PublishedFile
from mmae.survey.published import fetch

CONTENT = b"y_test,y_pred\n0.1,0.11\n"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with services.running() as server:
        server.files["/p.csv"] = CONTENT
        yield server


def file_at(url: str, checksum: str = CHECKSUM) -> PublishedFile:
    return PublishedFile(name="p.csv", url=url, sha256=checksum)


@pytest.fixture
def patience(tmp_path):
    return settings(folder=str(tmp_path / "data"))


def test_a_local_copy_is_used(tmp_path, patience):
    (tmp_path / "p.csv").write_bytes(CONTENT)
    file = file_at("https://nowhere.invalid/p.csv")
    fetch(file, str(tmp_path), tmp_path / "out/got.csv", patience)
    assert (tmp_path / "out/got.csv").read_bytes() == CONTENT


def test_otherwise_it_is_downloaded_once(server, tmp_path, patience):
    for _ in range(2):
        fetch(file_at(f"{server.url}/p.csv"), str(tmp_path / "no"), tmp_path / "got.csv", patience)
        assert (tmp_path / "got.csv").read_bytes() == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize("local", [True, False])
def test_a_wrong_checksum_leaves_nothing(server, tmp_path, patience, local):
    (tmp_path / "p.csv").write_bytes(CONTENT)
    file = file_at(f"{server.url}/p.csv", "0" * 64)
    folder = str(tmp_path) if local else None
    with pytest.raises(InputError, match=f"sha256: found {CHECKSUM}, expected {'0' * 64}"):
        fetch(file, folder, tmp_path / "out/got.csv", patience)
    assert not (tmp_path / "out/got.csv").exists()


def test_a_failed_download_says_where_to_put_the_file(tmp_path, patience):
    file = file_at("http://127.0.0.1:9/p.csv")
    with pytest.raises(InputError, match=r"put the file at .*p\.csv by hand.*published.folder"):
        fetch(file, None, tmp_path / "got.csv", patience)
    assert not (tmp_path / "got.csv").exists()

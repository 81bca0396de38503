"""Archives by the number of their Zenodo record."""

import shutil

import pytest

import services
from archive_run import CONFIG
from helpers import assert_one_sentence, run_mmae
from mmae.archive.reading import read_archive
from mmae.errors import InputError


@pytest.fixture
def server():
    with services.running() as server:
        yield server


def fetch(server, *arguments):
    """Run the command with little patience."""
    patience = '{"download": {"tries": 3, "longest_wait": 0.05, "reserve_gb": 0.0}}'
    options = ("--config", "config/config.yaml", "--config", patience, "--url", server.url)
    return run_mmae("fetch-archive", *arguments, *options)


def test_a_record_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"from_archive: .*123.*: mmae fetch-archive 123$"):
        read_archive(123, CONFIG, {})


def test_a_fetched_record_is_found_by_its_number(server, archive, tmp_path, monkeypatch):
    packed = shutil.make_archive(str(tmp_path / "toy"), "zip", archive)
    server.records[123] = {"toy.zip": (tmp_path / "toy.zip").read_bytes(), "README.md": b"read"}
    server.faults["toy.zip/content"] = [services.cut(500), services.answers(503)]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/zenodo-123"
    for _ in range(2):
        result = fetch(server, 123, folder)
        assert result.returncode == 0, result.stderr
    assert sum(path.endswith("toy.zip/content") for _, path, _ in server.asked) == 3
    archived = read_archive(123, CONFIG, {})
    assert archived.config["survey"]["name"] == "toy"
    assert str(archived.path) == "results/zenodo-123/toy.zip"
    assert packed.endswith("toy.zip")


def test_a_record_without_an_archive_is_told(server, tmp_path):
    server.records[123] = {"a": b"a"}
    result = fetch(server, 123, tmp_path / "new")
    assert_one_sentence(
        result, "Zenodo record 123", "found the files ['a']", "expected one of them"
    )


def test_a_refused_record_is_taken_from_where_it_was_put_by_hand(server, archive, tmp_path):
    server.records[123] = {"toy.zip": b"toy"}
    server.faults["/records/123"] = [services.answers(403), services.answers(403)]
    folder = tmp_path / "new"
    result = fetch(server, 123, folder)
    assert_one_sentence(result, "answer 403", f"put its files '*' into {folder}", "from_archive")
    shutil.make_archive(str(folder / "toy"), "zip", archive)
    result = fetch(server, 123, folder)
    assert result.returncode == 0, result.stderr
    assert "answer 403" in result.stderr
    assert "['toy.zip'] are not verified" in result.stderr


def test_a_record_that_does_not_exist_is_told(server, tmp_path):
    assert_one_sentence(fetch(server, 5, tmp_path / "new"), "api/records/5", "answer 404")


def test_an_address_that_is_not_encrypted_is_refused(tmp_path):
    result = run_mmae("fetch-archive", "5", tmp_path / "new", "--url", "http://example.org")
    assert_one_sentence(result, "mmae fetch-archive: url", "http://example.org")

"""Archives by the number of their Zenodo record."""

import shutil

import pytest

from archive_run import CONFIG
from helpers import assert_one_sentence, run_mmae
from mmae.archive import record
from mmae.archive.reading import read_archive
from mmae.errors import InputError


def test_a_record_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"from_archive: .*123.*: mmae fetch-archive 123$"):
        read_archive(123, CONFIG, {})


def test_a_fetched_record_is_found_by_its_number(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def download(number, part, folder):
        shutil.make_archive(str(part / "toy"), "zip", archive)

    monkeypatch.setattr(record, "_download", download)
    record.fetch_record(123, record.default_folder(123))
    archived = read_archive(123, CONFIG, {})
    assert archived.config["survey"]["name"] == "toy"
    assert str(archived.path) == "results/zenodo-123/toy.zip"


def test_a_record_without_an_archive_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "_download", lambda number, part, folder: (part / "a").touch())
    with pytest.raises(InputError, match=r"^Zenodo record 123: found the files \['a'\], expected"):
        record.fetch_record(123, tmp_path / "new/folder")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_stands_there_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "_download", lambda number, part, folder: None)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="found a folder or file, expected a name that is free"):
        record.fetch_record(123, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_until_then_it_says_what_to_do(tmp_path):
    result = run_mmae("fetch-archive", "123", tmp_path / "folder")
    assert_one_sentence(result, "Zenodo record 123", "not available yet", str(tmp_path / "folder"))
    assert list(tmp_path.iterdir()) == []

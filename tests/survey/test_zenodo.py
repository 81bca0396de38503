"""Records of Zenodo, from a server of the test's own."""

import json

import pytest

import services
from mmae.errors import InputError
from mmae.settings import ZenodoRecord
from mmae.survey.http import NotThere, Unreachable
from mmae.survey.zenodo import fetch_record, record_folder
from services import answers
from survey.test_download import settings

FILES = {"5x64_testing.hdf5": b"b" * 5000, "5x64_training.hdf5": b"a" * 9000, "readme.md": b"r"}


@pytest.fixture
def server():
    with services.running() as server:
        server.records[7] = dict(FILES)
        yield server


def record(server, pattern: str = "*.hdf5", number: int = 7) -> ZenodoRecord:
    return ZenodoRecord(url=server.url, record=number, pattern=pattern)


def fetch(record: ZenodoRecord, tmp_path) -> list:
    patience = settings(folder=str(tmp_path))
    folder = record_folder(record, patience)
    return fetch_record(record, folder, patience, "survey.files.galaxiesml")


def test_the_files_that_match_come_in_the_order_of_their_names(server, tmp_path):
    paths = fetch(record(server), tmp_path)
    assert [path.name for path in paths] == ["5x64_testing.hdf5", "5x64_training.hdf5"]
    assert [path.read_bytes() for path in paths] == [FILES[path.name] for path in paths]
    assert not list(tmp_path.rglob("readme.md"))


def test_what_is_there_is_not_fetched_again_nor_the_record_read_again(server, tmp_path):
    fetch(record(server), tmp_path)
    server.asked.clear()
    fetch(record(server), tmp_path)
    assert server.asked == []


def test_a_damaged_download_of_before_is_replaced(server, tmp_path):
    first, _ = fetch(record(server), tmp_path)
    first.write_bytes(b"x" * 5000)
    fetch(record(server), tmp_path)
    assert first.read_bytes() == FILES[first.name]


def test_a_pattern_that_matches_nothing_names_what_is_there(server, tmp_path):
    with pytest.raises(InputError, match=r"files: found only \[.*'readme.md'\], expected some"):
        fetch(record(server, "*.fits"), tmp_path)


def test_a_record_that_does_not_exist(server, tmp_path):
    with pytest.raises(NotThere, match="api/records/8: found answer 404"):
        fetch(record(server, number=8), tmp_path)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "files: found none"),
        (b'{"files": []}', "files: found none"),
        (b'{"files": [{"key": "a", "size": 1}]}', "an entry without 'checksum'"),
        *(
            (
                json.dumps(
                    {
                        "files": [
                            {
                                **{"key": name, "size": 1, "checksum": "md5:" + "0" * 32},
                                "links": {"self": "https://example.org"},
                            }
                        ]
                    }
                ).encode(),
                f"file '{name}'",
            )
            for name in ("../a", "a/b", ".record.json", "")
        ),
    ],
)
def test_an_answer_that_the_api_does_not_promise(server, tmp_path, answer, words):
    server.faults["/records/7"] = [answers(200, answer)]
    with pytest.raises(InputError, match=words):
        fetch(record(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_offline_machine_is_told_what_to_do_and_takes_what_was_put_there(tmp_path, caplog):
    offline = ZenodoRecord(url="http://127.0.0.1:9", record=7, pattern="*.hdf5")
    folder = tmp_path / "127.0.0.1:9/records/7"
    with pytest.raises(
        Unreachable, match=rf"put its files '\*.hdf5' into {folder}, or name them in survey.files"
    ):
        fetch(offline, tmp_path)
    folder.mkdir(parents=True)
    (folder / "a.hdf5").write_bytes(b"a")
    assert fetch(offline, tmp_path) == [folder / "a.hdf5"]
    assert "not verified" in caplog.text

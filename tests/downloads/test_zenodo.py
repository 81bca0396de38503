"""Records of Zenodo, from a server of the test's own."""

import hashlib
import json

import pytest

import services
from downloads.test_download import settings
from helpers import shared
from mmae.downloads.http import NotThere, Unreachable
from mmae.downloads.zenodo import LISTING, fetch_record, record_files, record_folder
from mmae.errors import InputError
from mmae.settings import ZenodoRecord
from services import answers, endless

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


def entry(name: str) -> dict:
    """A file as a record lists it."""
    known = {"key": name, "size": 1, "checksum": "md5:" + "0" * 32}
    return known | {"links": {"self": "https://example.org"}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "files: found none"),
        (b'{"files": []}', "files: found none"),
        (b'{"files": {"enabled": false}}', "files: found none"),
        (b'{"files": ["a"]}', "files: .*found 'a'"),
        (b"[" * 50_000, "no JSON"),
        (b'{"files": [{"key": "a", "size": 1}]}', "an entry without 'checksum'"),
        *(
            (
                json.dumps({"files": [entry("a") | {name: value}]}).encode(),
                f"files: {name}.*found|an entry without '{name}",
            )
            for name, value in (
                ("size", -1),
                ("size", float("inf")),
                ("size", 10**30),
                ("checksum", None),
                ("checksum", "sha1:" + "0" * 40),
                ("links", []),
                ("links", {"self": 5}),
                ("key", 5),
            )
        ),
        (json.dumps({"files": [entry("a"), entry("a")]}).encode(), "file 'a': found it twice"),
        *(
            (
                json.dumps({"files": [entry(name)]}).encode(),
                f"file '{name[:9]}",
            )
            for name in ("../a", ".record.json", "", "a\0b", "a" * 300)
        ),
    ],
)
def test_an_answer_that_the_api_does_not_promise(server, tmp_path, answer, words):
    server.faults["/records/7"] = [answers(200, answer)]
    with pytest.raises(InputError, match=words):
        fetch(record(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


def own(server, name: str, **changes) -> dict:
    """An entry of one of FILES, whose links can be followed."""
    content = FILES[name]
    link = f"{server.url}/api/records/7/files/{name}"
    checksum = f"md5:{hashlib.md5(content).hexdigest()}"
    known = {"key": name, "size": len(content), "checksum": checksum}
    return known | {"links": {"self": f"{link}/content"}} | changes


def say(server, *entries: dict, **about) -> None:
    """What the service says of record 7, once."""
    answer = json.dumps({"id": 7, "files": entries} | about).encode()
    server.faults["/records/7"] = [answers(200, answer)]


NAME = "5x64_testing.hdf5"


def test_entries_of_the_older_api(server, tmp_path):
    """`filename`, `filesize`, a bare md5, and data under `download` alone."""
    new = own(server, NAME)
    old = {
        "id": "ca3799c8-b6a7-411b-8041-604b19b684b5",
        "filename": NAME,
        "filesize": new["size"],
        "checksum": new["checksum"].removeprefix("md5:"),
        "links": {"self": f"{server.url}/told", "download": new["links"]["self"]},
    }
    say(server, old)
    (path,) = fetch(record(server), tmp_path)
    assert (path.name, path.read_bytes()) == (NAME, FILES[NAME])
    path.write_bytes(FILES[NAME][::-1])
    fetch(record(server), tmp_path)
    assert path.read_bytes() == FILES[NAME], "the checksum is compared"


@pytest.mark.parametrize("link", ["content", None])
def test_a_link_to_itself_that_only_tells_of_the_file(server, tmp_path, link):
    told = f"/api/records/7/files/{NAME}"
    server.files[told] = json.dumps({"key": NAME}).encode()
    links = {"self": server.url + told} | ({link: f"{server.url}{told}/content"} if link else {})
    say(server, own(server, NAME, links=links))
    (path,) = fetch(record(server), tmp_path)
    assert path.read_bytes() == FILES[NAME]
    asked = [path for _, path, _ in server.asked[1:]]
    assert asked == ([] if link else [told]) + [f"{told}/content"]


def test_a_name_with_a_slash_stays_in_the_folder(server, tmp_path):
    """As those of a repository's releases: owner/name-v1.zip."""
    say(server, own(server, NAME, key=f"owner/{NAME}"), own(server, "readme.md", key="a/../r.md"))
    (path,) = fetch(record(server), tmp_path)
    assert path == record_folder(record(server), settings(folder=str(tmp_path))) / f"owner%2F{NAME}"
    assert path.read_bytes() == FILES[NAME]
    assert fetch(record(server, "owner/*"), tmp_path) == [path]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"metadata": {"access_right": "restricted"}}, "restricted"),
        ({"metadata": {"access_right": "closed"}}, "closed"),
        ({"access": {"record": "public", "files": "restricted"}}, "restricted"),
        (
            {"metadata": {"access_right": "embargoed", "embargo_date": "2031-01-02"}},
            "embargoed until 2031-01-02",
        ),
        (
            {"access": {"status": "embargoed", "embargo": {"active": True, "until": "2031-01-02"}}},
            "embargoed until 2031-01-02",
        ),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_record_that_is_not_open_says_so(server, tmp_path, caplog, about, words, listed):
    say(server, *[own(server, NAME)] * listed, **about)
    server.faults["/content"] = [answers(403)]
    match = rf"the record is {words}.*" if not listed else rf"survey.files.*the record is {words}"
    with pytest.raises(Unreachable, match=match) as error:
        fetch(record(server), tmp_path)
    assert "survey.files.galaxiesml" in str(error.value)
    if not listed:
        say(server, **about)
        put = put_by_hand(record(server), tmp_path)
        assert fetch(record(server), tmp_path) == [put]
        assert "not verified" in caplog.text


def put_by_hand(record: ZenodoRecord, tmp_path):
    """One file, and what a download that did not end would leave."""
    folder = record_folder(record, settings(folder=str(tmp_path)))
    folder.mkdir(parents=True)
    (folder / ".b.hdf5.12345678.part").write_bytes(b"b")
    (folder / "a.hdf5").write_bytes(b"a")
    return folder / "a.hdf5"


@pytest.mark.parametrize(
    "faults",
    [
        [answers(401)],
        [answers(403)],
        [answers(429)] * 9,
        [answers(503)] * 9,
        [answers(520)] * 9,
        [answers(200, b"<html>", Content_Type="text/html")],
        [answers(200, b"<html>")],
        [endless()],
    ],
    ids=["401", "403", "429", "503", "520", "page", "no json", "endless"],
)
def test_a_listing_that_is_refused_counts_as_being_offline(server, tmp_path, caplog, faults):
    server.faults["/records/7"] = list(faults)
    folder = record_folder(record(server), settings(folder=str(tmp_path)))
    words = rf"put its files '\*.hdf5' into {folder}, or name them in survey.files.galaxiesml"
    with pytest.raises(Unreachable, match=words):
        fetch(record(server), tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.faults["/records/7"] = list(faults)
    put = put_by_hand(record(server), tmp_path)
    assert fetch(record(server, "*"), tmp_path) == [put]
    assert "['a.hdf5'] are not verified" in caplog.text
    assert server.sent < 50_000_000
    assert all(agent.startswith("galaxy-mmae/") for agent in server.agents)


def test_a_number_of_all_versions_says_which_is_taken_and_keeps_to_it(server, tmp_path, caplog):
    server.records[8] = {NAME: b"newer"}
    server.newest[6] = 7
    for newest in (7, 8):
        server.newest[6] = newest
        caplog.clear()
        paths = fetch(record(server, number=6), tmp_path)
        assert [path.read_bytes() for path in paths] == [FILES[path.name] for path in paths]
        assert "records/6: 6 stands for all versions of a record; version 7 is taken" in caplog.text
        assert "put 7 in its place" in caplog.text


def test_so_does_one_whose_answer_only_names_another(server, tmp_path, caplog):
    for newest in (8, 9):
        say(server, own(server, NAME), id=newest)
        assert len(fetch(record(server), tmp_path)) == 1
        assert "version 8 is taken and kept to" in caplog.text
        assert "version 9" not in caplog.text
    assert [path for _, path, _ in server.asked].count("/api/records/7") == 1


def test_a_version_is_not_warned_of(server, tmp_path, caplog):
    server.newest[6] = 7
    fetch(record(server), tmp_path)
    assert not caplog.records


def test_an_answer_on_another_record_is_refused(server, tmp_path):
    say(server, own(server, NAME), id=8, conceptrecid="5")
    with pytest.raises(InputError, match=r"records/7: id: found 8, a version of 5, expected 7"):
        fetch(record(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("listing", ['{"id": 8, "files": []}', "[]", "{"])
def test_a_listing_kept_under_the_wrong_number_is_read_anew(server, tmp_path, caplog, listing):
    folder = record_folder(record(server), settings(folder=str(tmp_path)))
    folder.mkdir(parents=True)
    (folder / LISTING).write_text(listing)
    (folder / NAME).write_bytes(b"of another record")
    server.faults["/records/7"] = [answers(403)]
    with pytest.raises(Unreachable, match=r"answer 403 .*or name them in survey.files"):
        fetch(record(server), tmp_path)
    paths = fetch(record(server), tmp_path)
    assert [path.read_bytes() for path in paths] == [FILES[path.name] for path in paths]
    assert "the record is read anew" in caplog.text
    caplog.clear()
    fetch(record(server), tmp_path)
    assert not caplog.records, "it is put right"


@pytest.mark.parametrize("number", [15411009, 50325])
def test_real_answers(number):
    """One of today, one of 2020, cut to their files."""
    content = json.loads(shared(f"real/zenodo/{number}.json").read_text())
    ((name, remote),) = record_files(content, "here").items()
    (entry,) = content["files"]
    assert (name, remote.size, remote.checksum) == (entry["key"], entry["size"], entry["checksum"])
    assert remote.url == entry["links"]["self"]


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

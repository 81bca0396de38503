"""Downloads from a server that misbehaves: whole files or none, work resumed, errors in words."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

import services
from helpers import small_disk_in
from mmae.downloads.download import Remote, download, download_all
from mmae.downloads.http import NotThere, Unreachable, copy_body
from mmae.errors import InputError
from mmae.settings import Download
from services import answers, cut, endless, ignores_range, silent, trickles, well

CONTENT = np.random.default_rng(1).bytes(300_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    with services.running() as server:
        server.files["/file"] = CONTENT
        yield server


def settings(**changes) -> Download:
    # patient enough for a machine that does much else
    values = {"folder": "data", "parallel": 2, "tries": 3, "timeout": 9.0, "slowest": 1000.0}
    values |= {"longest_wait": 0.05, "reserve_gb": 0.0, "keep_coadds": False}
    return Download(**values | changes)


def remote(server, size: int | None = len(CONTENT), checksum: str | None = MD5) -> Remote:
    return Remote(f"{server.url}/file", size, checksum)


def left(folder) -> list[str]:
    """Names that are not locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_comes_whole_and_once(server, tmp_path):
    for _ in range(2):
        download(remote(server), tmp_path / "got", settings())
        assert (tmp_path / "got").read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert left(tmp_path) == ["got"]


@pytest.mark.parametrize("n", [0, 1, 2, 65_535, 65_536, 150_000, len(CONTENT) - 1])
def test_a_cut_connection_is_gone_on_with(server, tmp_path, n):
    server.faults["/file"] = [cut(n)]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.asked[1][2] == (f"bytes={n}-" if n else None)


def test_a_cut_of_a_server_that_does_not_say_how_much_comes(server, tmp_path):
    def without_length(handler, content) -> bool:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content[:1000])
        handler.close_connection = True
        return True

    server.faults["/file"] = [without_length]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.asked[1][2] == "bytes=1000-"


@pytest.mark.parametrize("seed", range(5))
def test_cut_at_any_bytes(server, tmp_path, seed):
    """Many cuts in a row, each after some progress."""
    rng = np.random.default_rng(seed)
    server.faults["/file"] = [cut(int(n)) for n in rng.integers(0, 60_000, 6)]
    download(remote(server), tmp_path / "got", settings(tries=7))
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_progress_starts_the_count_of_failures_anew(server, tmp_path):
    server.faults["/file"] = [cut(20_000)] * 10
    download(remote(server), tmp_path / "got", settings(tries=2))
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_what_came_before_a_failure_is_not_fetched_again(server, tmp_path):
    server.faults["/file"] = [cut(100_000), cut(0), cut(0)]
    with pytest.raises(Unreachable, match=r"cannot be had .*put the file at .*got by hand"):
        download(remote(server), tmp_path / "got", settings())
    assert not (tmp_path / "got").exists()
    server.asked.clear()
    download(remote(server), tmp_path / "got", settings())
    assert server.asked == [("GET", "/file", "bytes=100000-")]
    assert (tmp_path / "got").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, tmp_path, code):
    server.faults["/file"] = [answers(code), answers(code)]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


@pytest.mark.parametrize("when", ["1", "Wed, 25 Nov 2099 00:00:00 GMT"])
def test_retry_after_is_kept_up_to_the_longest_wait(server, tmp_path, caplog, when):
    caplog.set_level("INFO")
    server.faults["/file"] = [answers(429, Retry_After=when)]
    download(remote(server), tmp_path / "got", settings(longest_wait=2.0))
    assert f"answer 429 Too Many Requests; again in {1 if when == '1' else 2} s" in caplog.text


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(server, tmp_path, code):
    server.faults["/file"] = [answers(code)]
    with pytest.raises(InputError, match=rf"/file: found answer {code} .*expected a file") as error:
        download(remote(server), tmp_path / "got", settings())
    assert isinstance(error.value, NotThere) == (code in (404, 410))
    assert isinstance(error.value, Unreachable) == (code in (401, 403))
    assert len(server.asked) == 1
    assert left(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match=r"/file: md5: found \w{32}, expected 0{32}"):
        download(remote(server, checksum="md5:" + "0" * 32), tmp_path / "got", settings())
    assert left(tmp_path) == []


def test_a_flipped_byte_is_found(server, tmp_path):
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    server.faults["/file"] = [answers(200, damaged)]
    with pytest.raises(InputError, match="md5"):
        download(remote(server), tmp_path / "got", settings())
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_length_is_told(server, tmp_path, change):
    expected = len(CONTENT) + change
    with pytest.raises(InputError, match=f"size: found {len(CONTENT)}, expected {expected}"):
        download(remote(server, size=expected), tmp_path / "got", settings())
    assert left(tmp_path) == []


def test_a_server_that_ignores_range(server, tmp_path):
    server.faults["/file"] = [cut(100_000), ignores_range]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_rest_that_begins_elsewhere_is_refused(server, tmp_path):
    wrong = answers(206, CONTENT[5:], Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
    server.faults["/file"] = [cut(100_000), wrong]
    with pytest.raises(InputError, match=r"Content-Range: found bytes 5-.* expected bytes 100000-"):
        download(remote(server), tmp_path / "got", settings())
    assert not (tmp_path / "got").exists()


def test_a_rest_that_the_server_does_not_have(server, tmp_path):
    server.faults["/file"] = [cut(100_000), answers(416)]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_redirect_is_followed(server, tmp_path):
    server.files["/moved"] = CONTENT
    server.faults["/file"] = [answers(302, Location=f"{server.url}/moved")]
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_redirect_in_a_circle_ends(server, tmp_path):
    server.faults["/file"] = [answers(302, Location=f"{server.url}/file")] * 100
    with pytest.raises(InputError, match="redirects"):
        download(remote(server), tmp_path / "got", settings())


def test_a_redirect_to_an_unencrypted_address_is_not_followed(server, tmp_path):
    server.faults["/file"] = [answers(302, Location="http://example.org/file")]
    with pytest.raises(InputError, match=r"/file: found the address http://example.org/file"):
        download(remote(server), tmp_path / "got", settings())


def test_a_file_that_changes_between_attempts_is_not_spliced(server, tmp_path):
    """Without a checksum the server's name of the version tells."""

    def changes(handler, content) -> bool:
        server.files["/file"] = CONTENT[::-1]
        return answers(503)(handler, content)

    server.faults["/file"] = [cut(100_000), changes]
    download(remote(server, None, None), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT[::-1]
    assert left(tmp_path) == ["got"]


def test_without_a_version_or_a_checksum_nothing_is_gone_on_with(server, tmp_path):
    def nameless(handler, content) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:1000])
        handler.close_connection = True
        return True

    server.faults["/file"] = [nameless]
    download(remote(server, None, None), tmp_path / "got", settings())
    assert [what for _, _, what in server.asked] == [None, None]


def test_a_whole_file_without_its_final_name_is_not_fetched_again(server, tmp_path):
    """As when a process dies while it compares checksums."""
    from mmae.downloads import download as module

    module._part(tmp_path / "got", remote(server, None)).write_bytes(CONTENT)
    download(remote(server, None), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert [what for _, _, what in server.asked] == [f"bytes={len(CONTENT)}-"]


def test_a_server_that_starts_anew_each_time_is_left(server, tmp_path):
    """It ignores Range and cuts at other places: that is no progress."""

    def cut_anew(n):
        def fault(handler, content) -> bool:
            handler.headers.replace_header("Range", "bytes=0-") if "Range" in handler.headers else 0
            return cut(n)(handler, content)

        return fault

    server.faults["/file"] = [cut_anew(n) for n in (50_000, 20_000, 40_000, 30_000, 45_000)]
    with pytest.raises(Unreachable, match="3 attempts in a row"):
        download(remote(server), tmp_path / "got", settings())


def test_nothing_is_asked_for_unencrypted(tmp_path):
    with pytest.raises(InputError, match=r"found the address http://example.org/f, expected https"):
        download(Remote("http://example.org/f"), tmp_path / "got", settings())


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_an_empty_file_is_no_file(server, tmp_path, size):
    server.files["/file"] = b""
    with pytest.raises(InputError, match=r"empty file|size: found 0"):
        download(remote(server, size, None), tmp_path / "got", settings())
    assert left(tmp_path) == []


def test_a_web_page_is_no_file(server, tmp_path):
    page = answers(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8")
    server.faults["/file"] = [page]
    with pytest.raises(InputError, match="/file: found an HTML page, expected the file"):
        download(remote(server, None, None), tmp_path / "got", settings())
    assert left(tmp_path) == []


def test_a_trickle_is_no_answer(server, tmp_path):
    """A minute of single bytes is not waited for."""
    server.faults["/file"] = [trickles] * 9
    with pytest.raises(Unreachable, match="fewer than 1000 bytes a second; 2 attempts in a row"):
        download(remote(server), tmp_path / "got", settings(tries=2, timeout=0.5))


@pytest.mark.parametrize("fault", [trickles, silent])
def test_a_server_that_hardly_answers_is_left(server, tmp_path, fault):
    server.faults["/file"] = [fault]
    download(remote(server), tmp_path / "got", settings(timeout=0.5))
    assert (tmp_path / "got").read_bytes() == CONTENT
    server.faults["/file"] = [fault] * 9
    with pytest.raises(Unreachable, match="attempts in a row"):
        download(remote(server), tmp_path / "other", settings(tries=2, timeout=0.5))


def test_an_offline_machine_is_told_where_to_put_the_file(tmp_path):
    with pytest.raises(Unreachable, match=rf"refused.*put the file at {tmp_path}/got by hand"):
        download(Remote("http://127.0.0.1:9/file"), tmp_path / "got", settings())


def test_a_file_put_by_hand_is_taken(tmp_path):
    (tmp_path / "got").write_bytes(CONTENT)
    download(Remote("http://127.0.0.1:9/f", len(CONTENT), MD5), tmp_path / "got", settings())


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_a_damaged_file_put_by_hand_is_replaced(server, tmp_path, content):
    (tmp_path / "got").write_bytes(content)
    download(remote(server), tmp_path / "got", settings())
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_space_is_checked_before_the_first_byte(server, tmp_path):
    with pytest.raises(InputError, match=r"too little disk space .* GB free, expected .* GB"):
        download(remote(server, size=10**18), tmp_path / "got", settings())
    with pytest.raises(InputError, match="too little disk space"):
        download(remote(server), tmp_path / "got", settings(reserve_gb=1e9))
    assert server.asked == []
    with pytest.raises(InputError, match="too little disk space"):
        download(remote(server, None), tmp_path / "got", settings(reserve_gb=1e9))
    assert left(tmp_path) == [], "the size that the server tells is looked at, too"


def test_space_is_checked_for_all_files_together(server, tmp_path):
    free = shutil.disk_usage(tmp_path).free
    file = Remote(f"{server.url}/file", free // 2)
    with pytest.raises(InputError, match="too little disk space for 3 files"):
        download_all([(file, tmp_path / f"new/{k}") for k in range(3)], settings())
    assert server.asked == []


def test_a_disk_that_fills_up(server, tmp_path, monkeypatch):
    """/dev/full takes no byte, as a full disk."""
    from mmae.downloads import download as module

    part = module._part(tmp_path / "got", remote(server, None, None))
    part.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot be written .No space left on device"):
        download(remote(server, None, None), tmp_path / "got", settings())
    assert not (tmp_path / "got").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB, where this user may mount one."""
    with small_disk_in(tmp_path / "disk", "200k") as folder:
        yield folder


def test_a_small_disk_fills_up_and_grows(server, small_disk, monkeypatch):
    # as if others had taken the space after it was looked at
    monkeypatch.setattr("mmae.downloads.download._check_space", lambda *words: None)
    with pytest.raises(InputError, match=r"cannot be written .No space left on device"):
        download(remote(server, None), small_disk / "got", settings())
    assert not (small_disk / "got").exists()
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    server.asked.clear()
    download(remote(server, None), small_disk / "got", settings())
    assert (small_disk / "got").read_bytes() == CONTENT
    ((_, _, what),) = server.asked
    assert 100_000 < int(what.removeprefix("bytes=").rstrip("-")) < len(CONTENT), "it goes on"


def test_no_byte_is_written_beyond_what_was_announced():
    body = BytesIO(CONTENT)
    response = SimpleNamespace(raw=SimpleNamespace(read1=lambda *_, **__: body.read(7)))
    written = BytesIO()
    assert copy_body(response, written, settings(), 10) == 14
    assert written.getvalue() == CONTENT[:7]
    body.seek(len(CONTENT) - 10)
    assert copy_body(response, written, settings(), 10) == 10


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "ten"}])
def test_a_file_announced_with_ten_bytes_that_does_not_end(server, tmp_path, headers):
    server.faults["/file"] = [endless(**headers)]
    with pytest.raises(InputError, match=r"/file: size: found more than 10 bytes, expected 10"):
        download(remote(server, 10), tmp_path / "got", settings())
    assert server.sent < 20_000_000, "what lies in the network's buffers"
    assert left(tmp_path) == []


@pytest.mark.parametrize("size", [None, 10**9])
def test_the_reserve_of_the_disk_is_kept_to_while_bytes_come(server, tmp_path, monkeypatch, size):
    """No size is known, or others write to the disk as well."""
    disk = {"free": 4 * 10**9}

    def usage(folder):
        used = sum(path.stat().st_size for path in folder.glob(".got.*.part"))
        if used:
            disk["free"] = 2 * 10**9 + 3_000_000
        return namedtuple("Usage", "free")(disk["free"] - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    server.faults["/file"] = [endless()]
    with pytest.raises(InputError, match=r"too little disk space for .*/file.* 2 GB that stay fr"):
        download(remote(server, size, None), tmp_path / "got", settings(reserve_gb=2.0))
    (part,) = tmp_path.glob(".got.*.part")
    assert 1_000_000 < part.stat().st_size <= 3_000_000
    assert not (tmp_path / "got").exists()


def test_an_address_that_only_tells_of_the_file(server, tmp_path):
    server.files |= {"/told": b'{"key": "file"}', "/told/content": CONTENT}
    told = f"{server.url}/told"
    download(
        Remote(told, len(CONTENT), MD5, content_url=f"{told}/content"), tmp_path / "got", settings()
    )
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert left(tmp_path) == ["got"]


def test_a_wrong_length_is_told_where_there_is_no_content_beside_it(server, tmp_path):
    url = f"{server.url}/file"
    wrong = Remote(url, len(CONTENT) + 1, MD5, content_url=f"{url}/content")
    with pytest.raises(InputError, match=r"/file: size: found 300000, expected 300001$"):
        download(wrong, tmp_path / "got", settings())


def test_a_check_decides_before_the_final_name(server, tmp_path):
    def refuse(path):
        assert path.read_bytes() == CONTENT
        raise InputError(path, "no")

    with pytest.raises(InputError, match="no"):
        download(remote(server), tmp_path / "got", settings(), refuse)
    assert left(tmp_path) == []
    (tmp_path / "got").write_bytes(CONTENT)
    with pytest.raises(InputError, match="no"):
        download(remote(server), tmp_path / "got", settings(), refuse)
    assert len(server.asked) == 2, "what is there is checked, and replaced if it is wrong"


def test_several_files_one_of_which_fails(server, tmp_path):
    server.files |= {f"/{k}": CONTENT for k in range(4)}
    files = [(Remote(f"{server.url}/{k}", len(CONTENT), MD5), tmp_path / f"{k}") for k in range(4)]
    download_all(files, settings())
    assert left(tmp_path) == ["0", "1", "2", "3"]
    slow = (Remote(f"{server.url}/file"), tmp_path / "slow")
    server.faults["/file"] = [trickles]
    with pytest.raises(NotThere):
        download_all(
            [slow, (Remote(f"{server.url}/none"), tmp_path / "none")], settings(timeout=9.0)
        )
    assert not (tmp_path / "slow").exists(), "it was not waited for"


FETCH = """
import sys
import threading
from pathlib import Path
from mmae.settings import Download
from mmae.downloads.download import Remote, download
url, size, md5, path = sys.argv[1:]
settings = Download(folder="data", parallel=1, tries=3, timeout=5.0, slowest=0.0,
                    longest_wait=0.1, reserve_gb=0.0, keep_coadds=False)
download(Remote(url, int(size), md5), Path(path), settings)
"""


def start(server, path) -> subprocess.Popen:
    """Fetch in a process of its own."""
    words = [f"{server.url}/file", str(len(CONTENT)), MD5, str(path)]
    return subprocess.Popen([sys.executable, "-c", FETCH, *words])


def slowly(handler, content) -> bool:
    """Half at once, the rest much later."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    time.sleep(2)
    handler.close_connection = True
    return True


def test_killed_in_the_middle_and_run_again(server, tmp_path):
    server.faults["/file"] = [slowly]
    process = start(server, tmp_path / "got")
    while not any(p.stat().st_size for p in tmp_path.glob(".got.*.part")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "got").exists()
    assert start(server, tmp_path / "got").wait() == 0
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert server.asked[-1][2] == f"bytes={len(CONTENT) // 2}-"


def test_two_processes_want_the_same_file(server, tmp_path):
    server.faults["/file"] = [slowly, well]
    both = [start(server, tmp_path / "got") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert [what for _, _, what in server.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_no_more_files_at_a_time_than_the_config_says(server, tmp_path):
    now, most, lock = [0], [0], threading.Lock()

    def counted(handler, content) -> bool:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.2)
        with lock:
            now[0] -= 1
        return False

    server.files |= {f"/{k}": CONTENT for k in range(6)}
    server.faults = {f"/{k}": [counted] for k in range(6)}
    files = [(Remote(f"{server.url}/{k}", len(CONTENT), MD5), tmp_path / f"{k}") for k in range(6)]
    download_all(files, settings(parallel=2))
    assert most == [2]


def test_progress_tells_rate_and_time_left(server, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("mmae.progress.LINE_EVERY_SECONDS", -1.0)
    caplog.set_level("INFO")
    download(remote(server), tmp_path / "got", settings())
    assert re.search(r"got: 0 of 0 MB, \d+\.\d MB/s, 0 s left", caplog.text)

"""DESI's release over HTTP."""

import numpy as np
import pandas as pd
import pytest

import services
from downloads.test_download import settings
from helpers import read_zcatalog
from mmae.errors import InputError
from mmae.settings import Desi
from mmae.survey.collect import (
    FILE_COLUMNS,
    NEEDED,
    Spectra,
    Unavailable,
    coadd_spectra,
    group_of,
)
from mmae.survey.desi import ZCATALOG_PATH, coadd_path
from mmae.survey.desi_remote import fetch_zcatalog, fetched_coadd
from services import answers, cut


@pytest.fixture
def server(small_survey):
    with services.running() as server:
        server.desi = small_survey.desi
        yield server


def desi(server, sha256: str | None = None) -> Desi:
    return Desi(url=f"{server.url}/desi", zcatalog_sha256=sha256)


@pytest.fixture
def matches(small_survey) -> pd.DataFrame:
    return pd.read_csv(small_survey.matches)[NEEDED]


def test_the_catalogue_comes_whole(server, small_survey, tmp_path):
    server.faults["-iron.fits"] = [cut(20_000)]
    path = fetch_zcatalog(desi(server), settings(folder=str(tmp_path)))
    tree = tmp_path / server.url.removeprefix("http://") / "desi"
    assert path == tree / ZCATALOG_PATH
    pd.testing.assert_frame_equal(read_zcatalog(tree), read_zcatalog(server.desi))


def test_a_truncated_catalogue_is_refused(server, small_survey, tmp_path):
    content = (small_survey.desi / ZCATALOG_PATH).read_bytes()
    server.faults["-iron.fits"] = [answers(200, content[:-3000])]
    with pytest.raises(InputError, match="truncated"):
        fetch_zcatalog(desi(server), settings(folder=str(tmp_path)))
    assert not list(tmp_path.rglob("zall*"))


def test_the_checksum_of_the_config_is_kept_to(server, tmp_path):
    with pytest.raises(InputError, match="sha256: found"):
        fetch_zcatalog(desi(server, sha256="0" * 64), settings(folder=str(tmp_path)))


def test_a_refusal_names_the_place_and_the_config_key(server, matches, tmp_path):
    server.faults[".fits"] = [answers(403), answers(403)]
    patience = settings(folder=str(tmp_path))
    words = r"answer 403 .*put the file at .*{}.* or say in survey\.files\.desi where it is"
    with pytest.raises(InputError, match=words.format("zall-pix-iron.fits")):
        fetch_zcatalog(desi(server), patience)
    with (
        pytest.raises(InputError, match=words.format("coadd-")),
        fetched_coadd(desi(server), patience, *first_coadd(matches)),
    ):
        pass


def test_a_coadd_file_that_was_there_stays(server, matches, tmp_path):
    """Kept by an earlier run, or put there by hand."""
    names = first_coadd(matches)
    with fetched_coadd(desi(server), settings(folder=str(tmp_path), keep_coadds=True), *names):
        pass
    with fetched_coadd(desi(server), settings(folder=str(tmp_path)), *names) as path:
        pass
    assert path.exists()
    assert len(server.asked) == 1


def test_names_that_lead_elsewhere_are_refused():
    for names in (("../..", "dark"), ("main", "/tmp"), ("", "dark")):
        with pytest.raises(InputError, match="survey, program: found"):
            coadd_path("data", *names, 1)


def first_coadd(matches) -> tuple[str, str, int]:
    return tuple(matches.loc[0, ["survey", "program", "healpix"]])


@pytest.mark.parametrize("keep", [False, True])
def test_a_coadd_file_stays_only_if_the_config_says_so(server, matches, tmp_path, keep):
    names = first_coadd(matches)
    patience = settings(folder=str(tmp_path), keep_coadds=keep)
    with fetched_coadd(desi(server), patience, *names) as path:
        assert path.read_bytes() == coadd_path(server.desi, *names).read_bytes()
    assert path.exists() == keep


@pytest.mark.parametrize("place", [3000, 100_000, -9000])
def test_a_flipped_byte_is_found_by_the_checksums_in_the_file(server, matches, tmp_path, place):
    names = first_coadd(matches)
    content = bytearray(coadd_path(server.desi, *names).read_bytes())
    content[place] ^= 1
    server.faults[".fits"] = [answers(200, bytes(content))]
    with (
        pytest.raises(InputError, match="damaged"),
        fetched_coadd(desi(server), settings(folder=str(tmp_path)), *names),
    ):
        pass
    assert not list(tmp_path.rglob("coadd*"))


def collect(server, matches, tmp_path, **changes) -> list[Spectra | Unavailable]:
    from functools import partial

    source = partial(fetched_coadd, desi(server, **changes), settings(folder=str(tmp_path)))
    return list(coadd_spectra(matches, source))


def test_each_coadd_file_is_fetched_once_and_the_disk_stays_bounded(server, matches, tmp_path):
    items = collect(server, matches, tmp_path)
    assert sum(len(item.rows) for item in items) == len(matches)
    fetched = [path for _, path, _ in server.asked]
    assert len(fetched) == len(set(fetched)) == matches.groupby(FILE_COLUMNS).ngroups
    assert not list(tmp_path.rglob("coadd-*.fits"))


def test_what_desi_does_not_have_is_listed(server, matches, tmp_path):
    survey, program, healpix = first_coadd(matches)
    server.faults[f"coadd-{survey}-{program}-{healpix}.fits"] = [answers(404)]
    gone = (matches[FILE_COLUMNS] == [survey, program, healpix]).all(axis=1)
    unavailable = [
        item for item in collect(server, matches, tmp_path) if isinstance(item, Unavailable)
    ]
    assert np.concatenate([item.rows for item in unavailable]).tolist() == list(matches.index[gone])
    assert "answer 404" in unavailable[0].reason


def test_an_absent_target_is_listed(server, matches, tmp_path):
    matches.loc[3, "targetid"] = 5
    unavailable = [
        item for item in collect(server, matches, tmp_path) if isinstance(item, Unavailable)
    ]
    assert [item.rows.tolist() for item in unavailable] == [[3]]
    assert "not in its FIBERMAP" in unavailable[0].reason


@pytest.mark.parametrize("groups", [1, 2, 3, 100])
def test_each_coadd_file_belongs_to_one_group(matches, groups):
    group = group_of(matches, groups)
    assert set(group) <= set(range(groups))
    by_file = matches.assign(group=group).groupby(FILE_COLUMNS)["group"]
    assert (by_file.nunique() == 1).all()
    n_files = by_file.ngroups
    assert len(set(group)) == min(groups, n_files)

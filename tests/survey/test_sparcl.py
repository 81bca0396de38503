"""Spectra from SPARCL: those of DESI's coadd files, one by one."""

import json

import numpy as np
import pandas as pd
import pytest

import services
from downloads.test_download import settings
from mmae.downloads.http import Unreachable
from mmae.errors import InputError
from mmae.settings import Sparcl
from mmae.survey.collect import NEEDED, Spectra, Unavailable, coadd_spectra
from mmae.survey.desi import coadd_path
from mmae.survey.sparcl import FOUND, sparcl_spectra
from services import answers, cut, endless


@pytest.fixture
def server(small_survey):
    with services.running() as server:
        server.desi = small_survey.desi
        yield server


@pytest.fixture
def matches(small_survey) -> pd.DataFrame:
    """Targets observed once, with all their pixels."""
    matches, truth = pd.read_csv(small_survey.matches), small_survey.truth_table("DESI")
    roles = truth.groupby("TARGETID")["role"].agg(list)
    whole = roles.index[roles.map(lambda role: role == ["good"])]
    alone = matches["targetid"].isin(whole) & ~matches["targetid"].isin(
        truth.loc[truth["lost_arm"] != "", "TARGETID"]
    )
    return matches.loc[alone, NEEDED].head(5).reset_index(drop=True)


def spectra(matches, server, batch_size: int = 2) -> list[Spectra | Unavailable]:
    service = Sparcl(url=server.url, data_release="DESI-DR1", batch_size=batch_size)
    return list(sparcl_spectra(matches, service, settings()))


def test_they_are_those_of_the_coadd_files(server, small_survey, matches):
    from contextlib import nullcontext

    expected = {
        row: (flux, ivar)
        for item in coadd_spectra(
            matches, lambda *names: nullcontext(coadd_path(small_survey.desi, *names))
        )
        for row, flux, ivar, _ in zip(*item, strict=True)
    }
    found = {
        row: (flux, ivar)
        for item in spectra(matches, server)
        for row, flux, ivar, _ in zip(*item, strict=True)
    }
    assert sorted(found) == sorted(expected) == list(range(5))
    for row in found:
        np.testing.assert_array_equal(found[row], expected[row])


def test_batches_are_of_the_size_asked_for(server, matches):
    assert [len(item.rows) for item in spectra(matches, server, batch_size=2)] == [2, 2, 1]


def test_a_target_that_is_not_there_is_listed(server, matches):
    matches.loc[3, "targetid"] = 5
    unavailable = [item for item in spectra(matches, server) if isinstance(item, Unavailable)]
    assert [item.rows.tolist() for item in unavailable] == [[3]]
    assert "not in DESI-DR1" in unavailable[0].reason


def test_of_several_spectra_the_one_of_the_survey_and_redshift_is_taken(server, matches):
    """A target observed in another survey, and twice in this one."""
    found = server.found

    def several(question, limit):
        return [
            record | change
            for record in found(question, limit)
            for change in (
                {"sparcl_id": "elsewhere", "survey": "cmx"},
                {"sparcl_id": "other", "redshift": record["redshift"] + 0.1},
                {"sparcl_id": "rank", "specprimary": not record["specprimary"]},
                {},
            )
        ]

    server.found = several
    rows = np.concatenate([item.rows for item in spectra(matches, server)])
    assert rows.tolist() == list(range(5))


def test_a_broken_connection_is_tried_again(server, matches):
    server.faults["/spectras/"] = [cut(1000), answers(503)]
    assert len(spectra(matches, server)) == 3


def changed(server, monkeypatch, **change) -> None:
    whole = server.spectra
    monkeypatch.setattr(server, "spectra", lambda names: [r | change for r in whole(names)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flux": [1.0]}, "expected flux, ivar, mask and wavelength on DESI's 7781 pixels"),
        ({"wavelength": list(range(7781))}, "on DESI's 7781 pixels"),
        ({"flux": ["x"] * 7781}, "expected numbers"),
        ({"sparcl_id": "another"}, "no spectrum main/"),
    ],
)
def test_an_answer_that_is_no_spectrum(server, matches, monkeypatch, change, words):
    changed(server, monkeypatch, **change)
    with pytest.raises(InputError, match=words):
        spectra(matches, server)


@pytest.mark.parametrize(
    ("end", "answer", "words"),
    [
        ("/find/", b"<html>", "no JSON .*or set survey.spectra.service to coadd.*survey.files.des"),
        ("/find/", b"[]", "no list"),
        ("/find/", b'[{}, "specid"]', "no list"),
        (
            "/find/",
            json.dumps([{"status": []}, dict.fromkeys(FOUND, 39627752139129482.0)]).encode(),
            "specid, redshift: found identifiers with decimals",
        ),
        ("/find/", json.dumps([{}, {"specid": 1}]).encode(), "field sparcl_id: found only"),
        (
            "/find/",
            json.dumps([{}, dict.fromkeys(FOUND, "x")]).encode(),
            "specid, redshift: found",
        ),
        ("/spectras/", b"{}", "no list"),
        ("/spectras/", b"[{}]", "no spectrum main/"),
    ],
)
def test_an_answer_in_another_form(server, matches, end, answer, words):
    server.faults[end] = [answers(200, answer)]
    with pytest.raises(InputError, match=words):
        spectra(matches, server)


@pytest.mark.parametrize("end", ["/find/", "/spectras/"])
def test_an_answer_that_does_not_end(server, matches, end):
    server.faults[end] = [endless()]
    with pytest.raises(Unreachable, match=rf"{end}.*found an answer of more than [\d,]+ bytes"):
        spectra(matches, server)
    assert server.sent < 20_000_000


@pytest.mark.parametrize("end", ["/find/", "/spectras/"])
def test_a_refusal_names_the_other_ways(server, matches, end):
    server.faults[end] = [answers(403)]
    with pytest.raises(Unreachable, match=r"answer 403 .*service to coadd, or survey.files.desi"):
        spectra(matches, server)
    assert all(agent.startswith("galaxy-mmae/") for agent in server.agents)


@pytest.mark.parametrize(
    "change", [{"ivar": [-1.0] + [1.0] * 7780}, {"flux": [None] + [0.5] * 7780}]
)
def test_damaged_pixels_lose_their_weight_and_are_counted(server, matches, monkeypatch, change):
    changed(server, monkeypatch, mask=[0] * 7781, **change)
    for item in spectra(matches, server):
        assert (item.n_damaged == 1).all()
        assert (item.ivar[:, 0] == 0).all()
        assert np.isfinite(item.flux).all()


def test_masked_pixels_have_no_weight(server, matches, monkeypatch):
    changed(server, monkeypatch, mask=[4] + [0] * 7780)
    for item in spectra(matches, server):
        assert (item.flux[:, 0] == 0).all()
        assert (item.ivar[:, 0] == 0).all()
        assert (item.ivar[:, 1:] > 0).any()
        assert not item.n_damaged.any()

"""Single DESI spectra from NOIRLab's SPARCL, in the two steps of its own client.

`find` gives the identifiers of a target's spectra, `spectras` the spectra. The official client,
sparclclient 1.3.1, unpickles what the server sends, which would let the server run code here, and
wants a pandas older than ours; so the same requests are made as JSON.
"""

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from mmae.downloads.http import Unreachable, ask
from mmae.errors import InputError
from mmae.instruments import N_WAVE, desi_wave
from mmae.progress import progress
from mmae.settings import Download, Sparcl
from mmae.survey.collect import Spectra, Unavailable, damaged

log = logging.getLogger(__name__)

FOUND = ("sparcl_id", "specid", "survey", "redshift", "specprimary")
RETRIEVED = ("sparcl_id", "flux", "ivar", "mask", "wavelength")
FOUND_PER_TARGET = 20
"""A target has few spectra; the limit is there so that none is cut off."""
HEADER_BYTES, FOUND_BYTES, SPECTRUM_BYTES = 1_000_000, 1_000, 4 * 32 * N_WAVE
"""What no good answer is longer than: its header, a line of `find`, a spectrum as text."""


def sparcl_spectra(
    matches: pd.DataFrame, sparcl: Sparcl, settings: Download
) -> Iterator[Spectra | Unavailable]:
    """Spectra of the matches, a batch after the other.

    Of several spectra of a target (it was observed in several programs) the one of the same survey,
    primary or not as in the catalogue, and of the redshift nearest to the catalogue's is taken.

    Parameters
    ----------
    matches : DataFrame
        Columns NEEDED of mmae.survey.collect; the index is 0 to N - 1.
    sparcl : Sparcl
    settings : Download

    Raises
    ------
    InputError
        If the service cannot be had now or answers in an unknown way.
    """
    for start in progress(range(0, len(matches), sparcl.batch_size), "batches of spectra"):
        batch = matches.iloc[start : start + sparcl.batch_size]
        identifiers = _choose(batch, _find(batch, sparcl, settings))
        known = identifiers.notna().to_numpy()
        if not known.all():
            yield Unavailable(
                batch.index.to_numpy()[~known], f"{sparcl.url}: not in {sparcl.data_release}"
            )
        if known.any():
            yield from _retrieve(identifiers[known], sparcl, settings)


def _find(batch: pd.DataFrame, sparcl: Sparcl, settings: Download) -> pd.DataFrame:
    """All spectra of a batch's targets that the service knows; columns FOUND."""
    targetid = batch["targetid"].unique().tolist()
    most = FOUND_PER_TARGET * len(targetid)
    query = urlencode({"limit": most})
    search = [["specid", *targetid], ["data_release", sparcl.data_release]]
    wanted = {"outfields": list(FOUND), "search": search}
    records = _records("find", query, wanted, most * FOUND_BYTES, sparcl, settings)
    found = pd.DataFrame(_fields(records, FOUND, sparcl), columns=list(FOUND))
    try:
        if pd.api.types.is_float_dtype(found["specid"]):
            raise TypeError("identifiers with decimals")  # 53 bits do not hold them
        return found.astype({"specid": np.int64, "redshift": np.float64})
    except (TypeError, ValueError) as error:
        raise InputError(
            sparcl.url, key="specid, redshift", found=str(error), expected="numbers"
        ) from error


def _choose(batch: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """The identifier for each match, by its row; missing where there is none."""
    pairs = batch.reset_index(names="row").merge(
        found, left_on="targetid", right_on="specid", suffixes=("", "_found")
    )
    pairs["other_survey"] = pairs["survey"] != pairs["survey_found"]
    pairs["other_rank"] = pairs["specprimary"].astype(bool) != pairs["zcat_primary"].astype(bool)
    pairs["difference"] = (pairs["redshift"] - pairs["desi_redshift"]).abs()
    best = pairs.sort_values(["row", "other_survey", "other_rank", "difference"], kind="stable")
    return best.drop_duplicates("row").set_index("row")["sparcl_id"].reindex(batch.index)


def _retrieve(identifiers: pd.Series, sparcl: Sparcl, settings: Download) -> Iterator[Spectra]:
    """The spectra of these identifiers; the index is the row of the matches."""
    query = urlencode(
        {
            "include": ",".join(RETRIEVED),
            "format": "json",
            "dataset_list": sparcl.data_release,
        }
    )
    wanted = identifiers.unique().tolist()
    size = len(wanted) * SPECTRUM_BYTES
    records = _fields(
        _records("spectras", query, wanted, size, sparcl, settings), RETRIEVED, sparcl
    )
    spectra = {record["sparcl_id"]: _arrays(record, sparcl) for record in records}
    absent = set(wanted) - set(spectra)
    if absent:
        raise InputError(
            sparcl.url,
            key="spectras",
            found=f"no spectrum {min(absent)}",
            expected="what `find` has just named",
        )
    parts = zip(*(spectra[name] for name in identifiers), strict=True)
    yield Spectra(identifiers.index.to_numpy(), *map(np.stack, parts))


def _arrays(record: dict[str, Any], sparcl: Sparcl) -> tuple[np.ndarray, np.ndarray, int]:
    """Flux and ivar of one record on DESI's grid, and the number of damaged pixels.

    Masked pixels have no weight, nor have damaged ones.
    """
    try:
        flux, ivar, mask, wave = (
            np.asarray(record[name], dtype=np.float64)
            for name in ("flux", "ivar", "mask", "wavelength")
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            sparcl.url, key=f"spectrum {record['sparcl_id']}", found=str(error), expected="numbers"
        ) from error
    shapes = {array.shape for array in (flux, ivar, mask, wave)}
    if shapes != {(N_WAVE,)} or not np.allclose(wave, desi_wave(), atol=0.01):
        raise InputError(
            sparcl.url,
            key=f"spectrum {record['sparcl_id']}",
            found=f"pixels {sorted(shapes)}",
            expected=f"flux, ivar, mask and wavelength on DESI's {N_WAVE} pixels",
        )
    bad = damaged(flux, ivar, mask)
    good = (mask == 0) & (ivar > 0) & ~bad
    return (
        np.where(good, flux, 0.0).astype(np.float32),
        np.where(good, ivar, 0.0).astype(np.float32),
        int(bad.sum()),
    )


def _records(
    service: str, query: str, content: object, size: int, sparcl: Sparcl, settings: Download
) -> list[dict]:
    """What a service answers: a list of `size` bytes at most, whose first element is its header."""
    where = f"{sparcl.url.rstrip('/')}/api/{service}/?{query}"
    try:
        answer = ask("POST", where, settings, HEADER_BYTES + size, json=content)
    except Unreachable as error:
        instead = "or set survey.spectra.service to coadd, or survey.files.desi to files on disk"
        raise Unreachable(str(error), instead) from error
    if not (isinstance(answer, list) and answer and all(isinstance(r, dict) for r in answer)):
        raise InputError(where, found="no list of records", expected="a header and records")
    header, *records = answer
    status = header.get("status")
    if isinstance(status, dict) and status.get("warnings"):
        log.warning("%s: %s", where, status["warnings"])
    return records


def _fields(records: list[dict], names: tuple[str, ...], sparcl: Sparcl) -> list[dict]:
    """The records, if each has the named fields."""
    for record in records:
        absent = [name for name in names if name not in record]
        if absent:
            raise InputError(
                sparcl.url, key=f"field {absent[0]}", found=f"only {sorted(record)}", expected="it"
            )
    return records

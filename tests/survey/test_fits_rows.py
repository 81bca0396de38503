"""The catalogue read by ranges of rows; catalogues that are not what they should be."""

import gzip
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from helpers import read_zcatalog
from mmae.errors import InputError
from mmae.survey.desi import (
    ZCATALOG_HDU,
    ZCATALOG_PATH,
    target_redshifts,
    write_zcatalog,
    zcatalog_blocks,
)
from mmae.survey.fits_rows import join_blocks, row_blocks

N = 100


def catalog(**columns: object) -> pd.DataFrame:
    """A catalogue whose rows all differ; some fibres are on blank sky."""
    rng = np.random.default_rng(0)
    defaults = {
        "TARGETID": 2**55 + np.arange(N),
        "SURVEY": rng.choice(["main", "sv3", "special"], N),
        "PROGRAM": rng.choice(["dark", "bright"], N),
        "HEALPIX": rng.integers(0, 49152, N).astype(np.int32),
        "Z": rng.uniform(0, 4, N),
        "ZERR": 1e-4,
        "ZWARN": rng.choice([0, 4], N),
        "SPECTYPE": rng.choice(["GALAXY", "QSO"], N),
        "DELTACHI2": 99.0,
        "TARGET_RA": rng.uniform(0, 360, N),
        "TARGET_DEC": rng.uniform(-90, 90, N),
        "OBJTYPE": np.where(np.arange(N) % 9 == 4, "SKY", "TGT"),
        "COADD_FIBERSTATUS": 0,
        "ZCAT_PRIMARY": rng.random(N) < 0.5,
    }
    return pd.DataFrame(defaults | columns)


def edited(path: Path, change) -> None:
    """Change the columns of a catalogue's file."""
    with fits.open(path, memmap=False) as hdus:
        columns = change({column.name: column for column in hdus[ZCATALOG_HDU].columns})
        table = fits.BinTableHDU.from_columns(list(columns.values()), name=ZCATALOG_HDU)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)


@pytest.fixture
def path(tmp_path) -> Path:
    """File of a good catalogue, in a tree at tmp_path."""
    write_zcatalog(tmp_path, catalog())
    return tmp_path / ZCATALOG_PATH


def extent_of_header(path: Path) -> slice:
    """Where the header of the catalogue's HDU lies in its file."""
    with fits.open(path) as hdus:
        info = hdus.fileinfo(hdus.index_of(ZCATALOG_HDU))
    return slice(info["hdrLoc"], info["datLoc"])


@pytest.mark.parametrize(("rows", "n_blocks"), [(0, N), (10, 10), (10**5, 1)])
def test_blocks_are_the_catalogue_in_file_order(tmp_path, path, rows, n_blocks):
    width = fits.getheader(path, ZCATALOG_HDU)["NAXIS1"]
    blocks = list(zcatalog_blocks(tmp_path, block_bytes=rows * width))
    assert len(blocks) == n_blocks
    whole = pd.concat([block.astype({"OBJTYPE": str}) for block in blocks])
    assert whole.index.tolist() == list(range(N))
    for name, expected in catalog().items():
        if name in whole:
            assert whole[name].tolist() == expected.tolist(), name


def test_text_is_categorical_and_numbers_keep_their_type(tmp_path, path):
    back = read_zcatalog(tmp_path)
    for name, values in catalog()[list(back)].items():
        if values.dtype.kind in "biuf":
            assert back[name].dtype.kind == values.dtype.kind
        else:
            assert isinstance(back[name].dtype, pd.CategoricalDtype)
            assert set(back[name].cat.categories) == set(values)


def test_values_agree_with_astropys(small_survey):
    ours = read_zcatalog(small_survey.desi)
    with fits.open(small_survey.desi / ZCATALOG_PATH) as hdus:
        for name in ours:
            theirs = pd.Series(hdus[ZCATALOG_HDU].data[name].tolist())
            assert theirs.equals(pd.Series(ours[name].tolist())), name  # NaN where both have it


def test_long_text_and_padding(tmp_path):
    names = ["a", "a ", "abcdefgh", "abcdefghi", "abcdefghj  ", "", "abcdefghi"]
    table = fits.BinTableHDU.from_columns([fits.Column("T", "20A", array=np.array(names, "S"))])
    table.name = "X"
    table.writeto(tmp_path / "x.fits")
    (block,) = row_blocks(tmp_path / "x.fits", "X", {"T": "text"})
    assert block["T"].tolist() == [name.strip() for name in names]


def test_redshifts_of_targets(tmp_path, path):
    rows = catalog()
    expected = rows.loc[rows["OBJTYPE"] == "TGT", "Z"]
    assert target_redshifts(tmp_path).tolist() == expected.tolist()
    write_zcatalog(tmp_path, catalog()[:0])
    assert len(target_redshifts(tmp_path)) == 0


def test_a_duplicated_targetid_is_two_rows(tmp_path):
    write_zcatalog(tmp_path, catalog(TARGETID=7))
    assert read_zcatalog(tmp_path)["TARGETID"].tolist() == [7] * N


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("TARGETID", "D", "column TARGETID: found format D, expected one integer a row"),
        ("TARGETID", "2A", "column TARGETID: found format 2A, expected one integer a row"),
        ("Z", "3A", "column Z: found format 3A, expected one number a row"),
        ("TARGET_RA", "3A", "column TARGET_RA: found format 3A, expected one number a row"),
        ("SURVEY", "K", "column SURVEY: found format K, expected one text a row"),
        ("ZCAT_PRIMARY", "K", "column ZCAT_PRIMARY: found format K, expected one boolean a row"),
        ("ZWARN", "D", "column ZWARN: found format D, expected one integer"),
        ("COADD_FIBERSTATUS", "E", "COADD_FIBERSTATUS: found format E, expected one integer a row"),
    ],
)
def test_wrong_columns_are_named(tmp_path, path, name, form, words):
    edited(path, lambda columns: columns | {name: fits.Column(name, form)})
    with pytest.raises(InputError, match=rf"zall-pix-iron\.fits.*{words}"):
        read_zcatalog(tmp_path)


@pytest.mark.parametrize(
    ("column", "value"),
    [("TARGET_RA", np.nan), ("TARGET_RA", -np.inf), ("TARGET_DEC", 90.1), ("Z", 99.0)],
)
def test_impossible_values_are_an_error_only_where_they_are_many(tmp_path, column, value):
    rows = catalog()
    rows.loc[rows["OBJTYPE"].eq("TGT") & (rows.index < 10), column] = value
    write_zcatalog(tmp_path, rows)
    assert len(list(zcatalog_blocks(tmp_path, block_bytes=5000, max_damaged=0.11))) > 3
    words = (
        r"zall-pix-iron.fits: found 9 of 89 targets with an impossible Z or TARGET_RA or .*0\.1 "
    )
    with pytest.raises(InputError, match=words):
        list(zcatalog_blocks(tmp_path, block_bytes=5000, max_damaged=0.1))
    assert len(target_redshifts(tmp_path)) == 80


def test_blank_sky_needs_no_position(tmp_path):
    rows = catalog()
    rows.loc[rows["OBJTYPE"] == "SKY", ["TARGET_RA", "Z"]] = np.nan
    write_zcatalog(tmp_path, rows)
    assert len(join_blocks(list(zcatalog_blocks(tmp_path, max_damaged=0)))) == N


def test_a_missing_column_is_named(tmp_path, path):
    edited(path, lambda columns: {k: v for k, v in columns.items() if k != "ZWARN"})
    with pytest.raises(InputError, match=r"ZCATALOG, column ZWARN: found only \['TARGETID'"):
        read_zcatalog(tmp_path)


def test_columns_of_several_values_or_a_scale_are_named(tmp_path, path):
    many = fits.Column("Z", "2D", array=np.zeros((N, 2)))
    edited(path, lambda columns: columns | {"Z": many})
    with pytest.raises(InputError, match=r"column Z: found format 2D, expected one number a row"):
        read_zcatalog(tmp_path)
    unsigned = fits.Column("HEALPIX", "J", bzero=2**31, array=np.zeros(N, np.uint32))
    edited(path, lambda columns: columns | {"Z": fits.Column("Z", "D"), "HEALPIX": unsigned})
    with pytest.raises(InputError, match=r"column HEALPIX: found format J, scaled, expected one"):
        read_zcatalog(tmp_path)


def test_a_missing_hdu_is_named(tmp_path, path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(path, overwrite=True)
    with pytest.raises(InputError, match=r"HDU ZCATALOG: found only \['PRIMARY'\], expected that"):
        read_zcatalog(tmp_path)


def test_a_file_cut_anywhere_is_one_sentence(tmp_path, path):
    whole, header = path.read_bytes(), extent_of_header(path)
    edges = [0, 2880, header.start, header.stop, len(whole)]
    cuts = {edge + step for edge in edges for step in (-1, 0, 1)} | set(range(0, len(whole), 499))
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"zall-pix-iron\.fits.*found .*expected") as caught:
            read_zcatalog(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_compressed_file_is_not_read_as_rows(tmp_path, path):
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match="the file ends before row 100"):
        read_zcatalog(tmp_path)


def test_columns_that_do_not_fill_the_row_are_noticed(tmp_path, path):
    whole = path.read_bytes()
    damaged = whole.replace(b"TFORM6  = 'D ", b"TFORM6  = 'E ")  # ZERR, which nobody reads
    assert damaged != whole
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"columns of .* bytes in rows of"):
        read_zcatalog(tmp_path)


@pytest.mark.parametrize(
    ("n", "words"), [(N - 1, "more rows than the header says"), (N + 1, "neither T nor F")]
)
def test_a_wrong_number_of_rows_is_noticed_inside_the_padding(tmp_path, path, n, words):
    whole, size = path.read_bytes(), path.stat().st_size
    damaged = whole.replace(f"NAXIS2  ={N:21}".encode(), f"NAXIS2  ={n:21}".encode())
    assert damaged != whole
    path.write_bytes(damaged)
    with fits.open(path) as hdus:
        assert hdus.fileinfo(1)["datLoc"] + hdus.fileinfo(1)["datSpan"] == size
    with pytest.raises(InputError, match=words):
        read_zcatalog(tmp_path)


def test_a_flipped_bit_in_the_header_is_noticed_or_harmless(tmp_path, path):
    whole, good = path.read_bytes(), read_zcatalog(tmp_path)
    header, outcomes = extent_of_header(path), {"noticed": 0, "harmless": 0}
    for place in range(header.start, header.stop, 17):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            back = read_zcatalog(tmp_path)
        except InputError:
            outcomes["noticed"] += 1
        else:
            pd.testing.assert_frame_equal(back, good)
            outcomes["harmless"] += 1
    assert min(outcomes.values()) > 10, outcomes


def test_columns_that_nobody_reads_do_not_matter(tmp_path, path):
    good = read_zcatalog(tmp_path)
    extra = {f"X{k}": fits.Column(f"X{k}", "33D", array=np.ones((N, 33))) for k in range(5)}
    edited(path, lambda columns: extra | dict(reversed(columns.items())))
    assert read_zcatalog(tmp_path).equals(good)


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for repeats in (1, 20):
        rows = pd.concat([catalog()] * 100 * repeats, ignore_index=True)
        write_zcatalog(tmp_path, rows)
        tracemalloc.start()
        for _ in zcatalog_blocks(tmp_path, block_bytes=2**18):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        shutil.rmtree(tmp_path / "zcatalog")
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(("card", "value"), [("TDISP6", "Q99"), ("TNULL6", 5)])
def test_an_odd_card_of_a_column_does_no_harm(tmp_path, path, card, value):
    """Real files have such cards; astropy warns, and reads the column."""
    good = read_zcatalog(tmp_path)
    with fits.open(path, memmap=False) as hdus:
        hdus[ZCATALOG_HDU].header[card] = value
        hdus.writeto(path, overwrite=True)
    pd.testing.assert_frame_equal(read_zcatalog(tmp_path), good)

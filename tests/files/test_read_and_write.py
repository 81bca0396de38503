import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from mmae.errors import InputError
from mmae.files.outputs import Kind
from mmae.files.read import open_hdf5, read_json, read_npz, read_table
from mmae.files.write import (
    atomic,
    write_blocks,
    write_json,
    write_table,
    write_table_formats,
)
from mmae.survey.fits_files import open_fits

NOTES = Kind("notes", ("old|new",))


def test_error_is_one_sentence_with_all_its_parts():
    error = InputError("a.hdf5", key="dataset 'image'", found="shape (3,)", expected="(N, 5)")
    assert str(error) == "a.hdf5: dataset 'image': found shape (3,), expected (N, 5)"
    assert "\n" not in str(InputError("a", "several\nlines", found="x\ny"))


def test_atomic_file_appears_only_when_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_atomic_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway():
        with atomic(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_table_in_blocks_is_the_table_at_once(tmp_path):
    table = pd.DataFrame({"n": range(10), "z": np.linspace(0, 1, 10) / 3})
    table.loc[4, "z"] = np.nan
    write_table(tmp_path / "whole.csv", table)
    write_blocks(tmp_path / "blocks.csv", (table[k : k + 3] for k in range(0, 10, 3)))
    assert (tmp_path / "blocks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_table_whose_blocks_end_early_is_none(tmp_path):
    def blocks():
        yield pd.DataFrame({"n": [1]})
        raise InputError("rows")

    with pytest.raises(InputError):
        write_blocks(tmp_path / "t.csv", blocks())
    assert list(tmp_path.iterdir()) == []


def test_atomic_replaces_a_folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with atomic(path, NOTES) as part:
        part.mkdir()
        (part / "new").touch()
    assert [p.name for p in path.iterdir()] == ["new"]


def test_what_a_killed_writer_left_is_removed_and_nothing_of_others(tmp_path):
    path = tmp_path / "file"
    killed = atomic(path), atomic(tmp_path / "file.csv")
    for writer in killed:
        writer.__enter__().write_text("half")
    assert len([*tmp_path.iterdir()]) == 2
    with atomic(path) as part:
        part.write_text("whole")
    (other,) = [p for p in tmp_path.iterdir() if p != path]
    assert other.name.startswith(".file.csv."), "of another path"


def test_of_two_that_write_at_once_the_one_that_began_last_wins(tmp_path):
    path = tmp_path / "file"
    first, second = atomic(path), atomic(path)
    first.__enter__().write_text("first")
    part = second.__enter__()
    part.write_text("half of the sec")
    with pytest.raises(InputError, match="temporary file gone"):
        first.__exit__(None, None, None)
    assert not path.exists(), "never half of one under the final name"
    part.write_text("second")
    second.__exit__(None, None, None)
    assert path.read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_never_seen_half_deleted(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    rmtree, seen = shutil.rmtree, []

    def watched(folder):
        seen.append(sorted(p.name for p in path.iterdir()))
        rmtree(folder)

    monkeypatch.setattr(shutil, "rmtree", watched)
    with atomic(path, NOTES) as part:
        part.mkdir()
        (part / "new").touch()
    assert seen == [["new"]]


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file/x.csv: cannot be written"),
        atomic(tmp_path / "file" / "x.csv") as part,
    ):
        part.touch()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: np.save(path.open("wb"), np.zeros(10_000_000)),
        lambda path: fits.PrimaryHDU(np.zeros(10_000_000)).writeto(path),
        lambda path: path.write_bytes(bytes(80_000_000)),
    ],
    ids=["numpy", "astropy", "Python"],
)
def test_a_full_disk_is_one_sentence(small_disk, write):
    def fill():
        with atomic(small_disk / "file") as part:
            write(part)

    sentence = r"disk/file: cannot be written \(No space left on device\)$"
    with pytest.raises(InputError, match=sentence):
        fill()
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: None, "only \\[\\]"),
        (
            lambda f: f.create_dataset("image", (3, 4), "f4"),
            "shape \\(3, 4\\), expected shape \\(N, 5\\)",
        ),
    ],
)
def test_hdf5_datasets_are_checked(tmp_path, make, message):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        make(file)
    with (
        pytest.raises(InputError, match=message),
        open_hdf5(tmp_path / "x.hdf5", {"image": (None, 5)}),
    ):
        pass


def test_hdf5_datasets_of_different_lengths(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["a"], file["b"] = np.zeros(3), np.zeros(4)
    with (
        pytest.raises(InputError, match="different lengths"),
        open_hdf5(tmp_path / "x.hdf5", {"a": (None,), "b": (None,)}),
    ):
        pass


@pytest.mark.parametrize("opener", [open_hdf5, open_fits])
def test_missing_and_damaged_files(tmp_path, opener):
    with pytest.raises(InputError, match="no such file"), opener(tmp_path / "none"):
        pass
    (tmp_path / "junk").write_bytes(b"not what it should be")
    with (
        pytest.raises(InputError, match=r"junk: found a damaged or truncated"),
        opener(tmp_path / "junk"),
    ):
        pass


def test_tables_json_and_archives_that_are_none(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00not text")
    for reader in (read_table, read_json, read_npz):
        with pytest.raises(InputError, match="x: found"):
            reader(tmp_path / "x")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"column c: found only \['a', 'b'\]"):
        read_table(tmp_path / "t.csv", ["c"])


def test_texts_are_utf_8_in_any_locale(tmp_path):
    code = r"""
import pandas as pd
from mmae.config import read_config
from mmae.files.read import read_json, read_table
from mmae.files.write import write_blocks, write_json, write_table_formats
write_json("a.json", {"unit": "\u00c5"})
write_blocks("a.csv", [pd.DataFrame({"unit": ["\u00c5"]})])
write_table_formats(pd.DataFrame({"unit": ["\u00c5"]}), "b.csv")
open("c.yaml", "wb").write("unit: \u00c5".encode())
assert read_json("a.json") == read_config("c.yaml") == {"unit": "\u00c5"}
assert list(read_table("a.csv")["unit"]) == ["\u00c5"]
"""
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.csv").read_bytes() == "unit\nÅ\n".encode()


@pytest.mark.parametrize(
    ("column", "words"),
    [
        # as pandas reads integers with a gap
        ("39627752139129482\n\n39627752139129483", r"values such as 3\.96277521391294\d+e\+16"),
        ("3.9627752139129482e16", "values such as 3.96"),
        ("1.0\n2.0", r"values such as 1\.0 \(float64\)"),
        ("a\nb\n\nc", "values such as nan"),
        ("True\nFalse", r"values such as True \(bool\)"),
    ],
)
@pytest.mark.parametrize("name", ["targetid", "object_id"])
def test_identifiers_that_lost_digits_are_refused(tmp_path, name, column, words):
    path = tmp_path / "t.csv"
    lines = [f"{value},0.5" for value in column.split("\n")]
    path.write_text("\n".join([f"{name},z_pred", *lines]))
    with pytest.raises(
        InputError, match=rf"t\.csv: column {name}: found {words}.*expected integers"
    ):
        read_table(path)
    np.savez(tmp_path / "t.npz", **{f"test_{name}": np.array([1.0, 2.0]), "z": np.zeros(2)})
    with pytest.raises(
        InputError, match=rf"t\.npz: array 'test_{name}': found values such as 1\.0"
    ):
        read_npz(tmp_path / "t.npz", [f"test_{name}", "z"])


@pytest.mark.parametrize("values", [[39627752139129482, -1], ["G1", "G 2"], [2**64 - 1, 2**64 - 2]])
def test_integers_and_text_are_identifiers(tmp_path, values):
    pd.DataFrame({"object_id": values}).to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv", ["object_id"])["object_id"].tolist() == values
    np.savez(tmp_path / "t.npz", object_id=np.array(values))
    assert read_npz(tmp_path / "t.npz", ["object_id"])["object_id"].tolist() == values
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["hsc/object_id"] = values
    with open_hdf5(tmp_path / "t.h5", {"hsc/object_id": (2,)}) as file:
        assert len(file["hsc/object_id"]) == 2


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", a=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        read_npz(tmp_path / "p.npz")


def test_an_archive_of_zeros_is_told_by_its_sizes(tmp_path):
    np.savez_compressed(tmp_path / "z.npz", a=np.zeros(30_000_000))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"z\.npz: found 0\.2 GB packed into 0\.2 MB, expected"):
        read_npz(tmp_path / "z.npz")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_json_is_sorted(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": 2})
    assert list(json.loads((tmp_path / "x.json").read_text())) == ["a", "b"]


def test_table_in_three_formats(tmp_path):
    table = pd.DataFrame({"model": ["mmae", "BCNN"], "n": [3, None], "sigma": [0.123456, 0.012]})
    write_table_formats(table.astype({"n": "Int64"}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "model,n,sigma\nmmae,3,0.1235\nBCNN,,0.012\n"
    assert "| mmae" in (tmp_path / "t.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / "t.tex").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "id,z_spec,z_pred\na #1,0.1,0.2\n39627000000000001,,0.3\n",
        " id , z_spec,z_pred \r\n a #1, 0.1 ,0.2\r\n39627000000000001, ,0.3\r\n",
        "# made by, someone\n#\n\nid,z_spec,z_pred\na #1,0.1,0.2\n39627000000000001,,0.3\n",
        "# two redshifts\n# id, z_spec, z_pred\na #1,0.1,0.2\n39627000000000001,,0.3\n",
        '\ufeff"id","z_spec"," z_pred"\n"a #1",0.1,"0.2"\n39627000000000001,,0.3\n',
    ],
    ids=["plain", "spaces", "comments", "names in a comment", "of a spreadsheet"],
)
def test_spaces_and_comments_around_a_header_are_harmless(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    table = read_table(tmp_path / "t.csv", ["id", "z_spec", "z_pred"])
    assert list(table) == ["id", "z_spec", "z_pred"]
    assert table["id"].tolist() == ["a #1", "39627000000000001"]
    np.testing.assert_array_equal(table["z_spec"], [0.1, np.nan])
    assert table["z_pred"].tolist() == [0.2, 0.3]
    assert list(read_table(tmp_path / "t.csv", only=["z_pred", "z"])) == ["z_pred"]


def test_a_table_in_blocks_is_the_same_table(tmp_path, monkeypatch):
    columns = {
        "id": 39627000000000001 + np.arange(10),
        "z": np.arange(10) / 7,
        "w": [*range(9), 0.5],
    }
    table = pd.DataFrame(columns)
    table.to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr("mmae.files.read.ROWS_AT_ONCE", 4)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table)
    (tmp_path / "t.csv").write_text("a,b\n")
    assert read_table(tmp_path / "t.csv", ["a", "b"]).empty


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("z,z \n1,2\n", "of which two have the same name"),
        ("# nothing\n", "found no table"),
        ("a,b\n1,2\n1,2,3\n", "found no table"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_table(tmp_path / "t.csv")


def test_a_votable_that_leads_elsewhere_is_refused(tmp_path):
    """Astropy would read, or fetch, what it names."""
    (tmp_path / "z.csv").write_text("z_spec,z_pred\n0.1,0.2\n")
    path = tmp_path / "z.vot"
    Table.read(tmp_path / "z.csv").write(path, format="votable")
    assert read_table(path)["z_pred"].tolist() == [0.2]
    stream = '<BINARY><STREAM href="file:///etc/hosts"/></BINARY>'
    data = re.sub("<TABLEDATA>.*</TABLEDATA>", stream, path.read_text(), flags=re.DOTALL)
    path.write_text(data)
    with pytest.raises(InputError, match=r"z\.vot: found data in another file"):
        read_table(path)


def test_json_has_neither_nan_nor_infinity(tmp_path):
    content = {"a": [1.5, np.nan, {"b": -np.inf}], "c": (np.float64("inf"), 2, "NaN"), "d": None}
    write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text()
    found = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert found == {"a": [1.5, None, {"b": None}], "c": [None, 2, "NaN"], "d": None}

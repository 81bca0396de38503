"""HDF5 on a disk that fills up: one sentence, no part, and the process lives."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmae.errors import InputError
from mmae.files.new_hdf5 import new_hdf5

FILL = """
import resource, sys
import numpy as np
from mmae.errors import InputError
from mmae.files.new_hdf5 import new_hdf5

path, limit, checked = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "checked"
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def fill(file, check):
    # their chunks are written as they are let go of
    image = file.create_dataset("image", (400, 5, 64, 64), np.float32, chunks=(16, 5, 64, 64))
    flux = file.create_dataset("spectrum/flux", (400, 778), np.float32, chunks=(16, 778))
    for k in range(400):
        image[k], flux[k] = k, k
        if checked:
            check()
    print("filled")

try:
    with new_hdf5(path, 0) as (file, check):
        fill(file, check)
except InputError as error:
    print(error)
"""


def write(path: Path) -> None:
    with new_hdf5(path, 0) as (file, _):
        file["a"] = np.arange(1000)
        file["b"] = np.array([b"text"])


def test_it_is_read_as_any_file_and_has_the_same_bytes(tmp_path):
    write(tmp_path / "a.hdf5")
    write(tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert file["a"][:].tolist() == list(range(1000))
        assert file["b"][0] == b"text"
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


# what does not fit: the first byte, metadata, a chunk among others, the last chunks, the very end
@pytest.mark.parametrize("limit", [0, 100, 5000, 8_000_000, 30_000_000, 34_000_000, 34_021_775])
@pytest.mark.parametrize("checked", ["checked", "not"])
def test_a_disk_that_fills_up_at_any_moment(tmp_path, limit, checked):
    command = [sys.executable, "-c", FILL, str(tmp_path / "x.hdf5"), str(limit), checked]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, (result.returncode, result.stderr)
    *told, sentence = result.stdout.splitlines()
    assert sentence == f"{tmp_path}/x.hdf5: cannot be written (File too large)"
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []
    if checked == "checked" and limit <= 8_000_000:
        assert not told, "told at once, not after all is filled"


def test_room_is_looked_for_before(tmp_path):
    words = r"x\.hdf5: found .* GB free on its disk, expected 1000000\.000 GB"
    with pytest.raises(InputError, match=words), new_hdf5(tmp_path / "new/x.hdf5", 10**15):
        pytest.fail("work began")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_what_is_written_is_that_error(tmp_path):
    with pytest.raises(ZeroDivisionError), new_hdf5(tmp_path / "x.hdf5", 0):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []

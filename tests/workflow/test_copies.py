"""Folders of a copied project get back the times that Snakemake noted."""

import json
import os
from base64 import urlsafe_b64encode

from mmae.workflow.copies import MARK, restore_times


def made(folder, name: str, noted: float, found: float):
    """A folder that a job made, and what Snakemake noted of it."""
    mark = folder / name / MARK
    mark.parent.mkdir(parents=True)
    mark.touch()
    os.utime(mark, (found, found))
    record = folder / ".snakemake/metadata" / urlsafe_b64encode(name.encode()).decode()
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"endtime": noted, "rule": "train"}))
    return mark


def test_only_what_differs_is_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    moved = made(tmp_path, "results/a", 1_700_000_000.1234567, 1_800_000_000)
    same = made(tmp_path, "results/b", 1_700_000_001.5, 1_700_000_001.5)
    assert restore_times(tmp_path / ".snakemake/metadata") == 1
    assert abs(moved.stat().st_mtime - 1_700_000_000.1234567) < 1e-6
    assert same.stat().st_mtime == 1_700_000_001.5
    assert restore_times(tmp_path / ".snakemake/metadata") == 0


def test_files_and_broken_records_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mark = made(tmp_path, "results/a", 5.0, 1_800_000_000)
    records = tmp_path / ".snakemake/metadata"
    for record in records.iterdir():
        record.write_text('{"endtime": 5.')
    (records / "@abc").mkdir()
    (records / "é").write_text("no base64")
    (tmp_path / "file").touch()
    os.utime(tmp_path / "file", (9, 9))
    (records / urlsafe_b64encode(b"file").decode()).write_text('{"endtime": 5.0}')
    assert restore_times(records) == 0
    assert mark.stat().st_mtime == 1_800_000_000
    assert (tmp_path / "file").stat().st_mtime == 9
    assert restore_times(tmp_path / "none") == 0

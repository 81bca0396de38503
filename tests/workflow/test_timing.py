"""Benchmark files of Snakemake, added up."""

from pathlib import Path

import pandas as pd
import pytest

from helpers import assert_one_sentence, run_mmae
from mmae.errors import InputError
from mmae.workflow.timing import COLUMNS, read_timings, timings_text, write_timings

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def job(seconds: object, memory: object, cpu: object) -> str:
    return f"{seconds}\t0:00:01\t{memory}\t9\t9\t9\t0.0\t0.0\t50.0\t{cpu}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two trainings, a rule with one job, and one whose job was too short to be measured."""
    home = tmp_path / "benchmarks"
    (home / "train/mmae/mask0.75").mkdir(parents=True)
    (home / "train/mmae/mask0.75/seed0.tsv").write_text(HEAD + job(100.5, 1200.0, 90.0))
    (home / "train/mmae/mask0.75/seed1.tsv").write_text(HEAD + job(50.25, 1300.0, 45.0))
    (home / "split.tsv").write_text(HEAD + job(200.0, 80.0, 1.5))
    (home / "crossmatch.tsv").write_text(HEAD + job(0.01, "NA", "-"))
    return home


def test_rules_are_added_up_the_longest_first(folder):
    table = read_timings(folder)
    assert tuple(table.columns) == COLUMNS
    assert table["rule"].tolist() == ["split", "train", "crossmatch", "total"]
    train = table.set_index("rule").loc["train"]
    assert train.tolist() == [2, 150.75, 100.5, 135.0, 1300.0]
    total = table.set_index("rule").loc["total"]
    assert total["jobs"] == 4
    assert total["seconds"] == pytest.approx(350.76)
    assert total["longest_seconds"] == 200.0
    assert total["cpu_seconds"] == pytest.approx(136.5)
    assert total["peak_memory_mb"] == 1300.0


def test_what_was_not_measured_is_no_zero(folder):
    short = read_timings(folder).set_index("rule").loc["crossmatch"]
    assert short["jobs"] == 1
    assert short[["cpu_seconds", "peak_memory_mb"]].isna().all()
    line = timings_text(read_timings(folder)).splitlines()[-2]
    assert line.split() == ["crossmatch", "1", "0", "s", "0", "s", "–", "–"]


def test_repeats_of_a_job_are_jobs(folder):
    (folder / "split.tsv").write_text(HEAD + job(1.0, 80.0, 1.0) + job(2.0, 90.0, 1.0))
    split = read_timings(folder).set_index("rule").loc["split"]
    assert split.tolist() == [2, 3.0, 2.0, 2.0, 90.0]


@pytest.mark.parametrize(
    "content", ["", "\n", HEAD, HEAD + "12.5\t0:", "\x00\xff", "a\tb\n1\t2\n", HEAD + "NA\n"]
)
def test_a_partial_file_costs_that_file_alone(folder, content):
    whole = read_timings(folder)
    (folder / "clean.tsv").write_bytes(content.encode("latin-1"))
    table = read_timings(folder)
    known = table[table["rule"] != "clean"].reset_index(drop=True)
    if content.startswith(HEAD + "12.5"):
        # its seconds are there
        assert table.set_index("rule").loc["clean", "seconds"] == 12.5
    else:
        pd.testing.assert_frame_equal(known, whole)


def test_files_of_older_releases_have_no_cpu_time(folder):
    old = [word for word in HEAD.split() if word != "cpu_time"]
    (folder / "split.tsv").write_text("\t".join(old) + "\n3.0\t0:00:03\t80.0" + "\t0" * 6 + "\n")
    split = read_timings(folder).set_index("rule").loc["split"]
    assert (split["seconds"], split["peak_memory_mb"]) == (3.0, 80.0)
    assert pd.isna(split["cpu_seconds"])


def test_without_benchmarks_it_is_told(tmp_path):
    with pytest.raises(InputError, match="benchmarks: found no such file"):
        read_timings(tmp_path / "benchmarks")
    with pytest.raises(InputError, match="found no benchmark of a job"):
        read_timings(tmp_path)


def test_the_command_prints_and_writes(folder, tmp_path):
    result = run_mmae("timing", folder, "--table", tmp_path / "t.csv")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rule", "jobs", "time", "longest", "job", "CPU", "time", "memory"]
    assert lines[3].split() == ["train", "2", "3", "min", "2", "min", "2", "min", "1300", "MB"]
    assert pd.read_csv(tmp_path / "t.csv")["rule"].tolist()[-1] == "total"
    assert_one_sentence(run_mmae("timing", tmp_path / "none"), "none: found no such file")


def test_the_end_of_a_workflow_never_fails_for_it(folder, tmp_path):
    table = tmp_path / "benchmarks.csv"
    assert write_timings(folder, table) == f"Time and memory of each rule: {table}"
    assert len(pd.read_csv(table)) == 4
    assert "No table of times: " in write_timings(tmp_path / "none", table)
    (tmp_path / "file").write_text("")
    assert "No table of times: " in write_timings(folder, tmp_path / "file/benchmarks.csv")

"""What each rule of a run took, from the benchmark files that Snakemake leaves."""

import logging
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from mmae.errors import InputError
from mmae.files.read import existing
from mmae.files.write import write_table
from mmae.progress import duration

log = logging.getLogger(__name__)

MEASURED = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "peak_memory_mb"}
"""Columns of Snakemake's files, and what we call them."""
COLUMNS = ("rule", "jobs", "seconds", "longest_seconds", "cpu_seconds", "peak_memory_mb")


def read_timings(folder: Path | str) -> pd.DataFrame:
    """Add up the benchmark files of a run.

    Parameters
    ----------
    folder : path
        With <rule>.tsv, or <rule>/ and files below it where a rule has several jobs.

    Returns
    -------
    DataFrame
        COLUMNS, one row a rule, the longest first, and `total` last: seconds of all jobs added up
        (jobs side by side take less on the wall), those of the longest job, seconds of CPU, and
        the largest memory of one job. NaN where no job of a rule was measured; a file that is
        damaged is left out with a warning.

    Raises
    ------
    InputError
        If the folder is missing or has no benchmark file.
    """
    folder = existing(folder)
    paths = sorted(folder.rglob("*.tsv"))
    jobs = pd.concat([_jobs(path, _rule(path, folder)) for path in paths]) if paths else None
    if jobs is None or jobs.empty:
        raise InputError(folder, found="no benchmark of a job", expected="<rule>.tsv files")
    rules = [_row(rule, part) for rule, part in jobs.groupby("rule")]
    table = pd.DataFrame(rules, columns=COLUMNS)
    table = table.sort_values(["seconds", "rule"], ascending=[False, True])
    total = pd.DataFrame([_row("total", jobs)], columns=COLUMNS)
    return pd.concat([table, total], ignore_index=True)


def timings_text(timings: pd.DataFrame) -> str:
    """The table of `read_timings` for people."""
    head = ("rule", "jobs", "time", "longest job", "CPU time", "memory")
    rows = [
        (
            *(row.rule, row.jobs),
            *map(_time, (row.seconds, row.longest_seconds, row.cpu_seconds)),
            "–" if pd.isna(row.peak_memory_mb) else f"{row.peak_memory_mb:.0f} MB",
        )
        for row in timings.itertuples()
    ]
    return tabulate(rows, headers=head, colalign=("left", *["right"] * 5), disable_numparse=True)


def write_timings(folder: Path, table: Path) -> str:
    """Write the table of a finished workflow; what goes wrong is told and does no harm.

    Returns
    -------
    str
        A sentence that says where it is, or why there is none.
    """
    try:
        write_table(table, read_timings(folder).round(2))
    except (InputError, OSError) as error:
        return f"No table of times: {error}"
    return f"Time and memory of each rule: {table}"


def _rule(path: Path, folder: Path) -> str:
    """The rule that a file is of."""
    return path.relative_to(folder).parts[0].removesuffix(".tsv")


def _jobs(path: Path, rule: str) -> pd.DataFrame:
    """One row a job: what was measured of it."""
    try:
        table = pd.read_csv(path, sep="\t")
    except (OSError, ValueError) as error:
        log.warning("%s is no benchmark of Snakemake (%s): left out", path, error)
        table = pd.DataFrame()
    # short jobs have NA or - where the system gave no answer
    columns = {
        name: pd.to_numeric(table.get(column, pd.Series(dtype=float)), errors="coerce")
        for column, name in MEASURED.items()
    }
    return pd.DataFrame(columns).dropna(how="all").assign(rule=rule)


def _row(rule: str, jobs: pd.DataFrame) -> tuple:
    """Sums and largest values of some jobs."""
    return (
        *(rule, len(jobs), jobs["seconds"].sum(min_count=1), jobs["seconds"].max()),
        *(jobs["cpu_seconds"].sum(min_count=1), jobs["peak_memory_mb"].max()),
    )


def _time(seconds: float) -> str:
    """Seconds for people."""
    return "–" if pd.isna(seconds) else duration(seconds)

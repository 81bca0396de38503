"""Tables in the formats of astronomy, by the ending of the file's name: CSV is read elsewhere."""

import re
import warnings
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from mmae.errors import InputError

FORMATS = {
    r"\.(fits?|fts)(\.gz)?": "fits",
    r"\.ecsv": "ascii.ecsv",
    r"\.(vot|votable|xml)": "votable",
    r"\.(parquet|pq)": "parquet",
}
"""Endings of names, and what astropy calls the format; all else is CSV."""


def format_of(path: Path | str) -> str | None:
    """What astropy calls a table's format; None for CSV.

    Raises
    ------
    InputError
        If it is Parquet, and the package for that is missing.
    """
    name = Path(path).name.lower()
    found = next((one for end, one in FORMATS.items() if re.search(f"{end}$", name)), None)
    if found == "parquet" and find_spec("pyarrow") is None:
        expected = "it, for Parquet: pip install pyarrow"
        raise InputError(path, found="no package pyarrow", expected=expected)
    return found


def is_table(path: Path | str) -> bool:
    """Whether a name ends as that of a table."""
    return format_of(path) is not None or ".csv" in Path(path).suffixes


def check_own_data(path: Path) -> None:
    """Raise InputError if a VOTable's data are elsewhere: astropy would fetch what it leads to."""
    if re.search(rb"<STREAM[^>]*\shref", path.read_bytes(), re.IGNORECASE):
        raise InputError(path, found="data in another file", expected="a table with its data")


def load(path: Path, style: str, only: Collection[str] | None = None) -> pd.DataFrame:
    """Columns of one number or text a row, of a table that is no CSV.

    Raises
    ------
    InputError
        If it is damaged or has no table.
    """
    try:
        if style == "parquet":
            from pyarrow.parquet import read_schema

            names = [name for name in read_schema(path).names if only is None or name in only]
            return pd.read_parquet(path, columns=names)
        return _astropy(path, style, only)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes readers raise any kind
        expected = "a whole table in the format of its name"
        raise InputError(path, found=f"no table ({error})", expected=expected) from error


def _astropy(path: Path, style: str, only: Collection[str] | None) -> pd.DataFrame:
    """Read by astropy; text as text, numbers that are masked as NaN."""
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyWarning

    if style == "votable":
        check_own_data(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        table = Table.read(path, format=style)
    names = [one for one in table.colnames if only is None or one in only]
    table = table[[one for one in names if table[one].ndim == 1]]
    table.convert_bytestring_to_unicode()
    return table.to_pandas(use_nullable_int=False)


def save(table: pd.DataFrame, path: Path, style: str) -> None:
    """Write a table that is no CSV.

    Raises
    ------
    ValueError
        If the format cannot hold it: FITS has no letters but ASCII's.
    """
    if style == "parquet":
        table.to_parquet(path, index=False)
        return
    from astropy.table import Table

    whole = Table.from_pandas(table)
    for name in whole.colnames:
        if whole[name].dtype.kind == "O":
            whole[name] = whole[name].astype(str)
    whole.write(path, format=style)


def named(path: Path, table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """A table with the columns that the user named under the names that are used here.

    Parameters
    ----------
    path : path
        For the error message.
    table : DataFrame
    names : mapping of str to str
        The name used here, and the one in the table.

    Raises
    ------
    InputError
        If a column is missing.
    """
    for ours, theirs in names.items():
        if theirs not in table:
            words = f"only {list(table.columns)}"
            raise InputError(
                path,
                key=f"column {theirs}",
                found=words,
                expected=f"it, as --columns says of {ours}",
            )
    columns = {ours: table[theirs] for ours, theirs in names.items()}
    return table.drop(columns=[*{*names, *names.values()} & {*table.columns}]).assign(**columns)

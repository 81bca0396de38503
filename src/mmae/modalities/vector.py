"""Numbers that belong together: columns of a catalogue with their errors, or an embedding."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Self

import h5py
import numpy as np
from pydantic.dataclasses import dataclass

from mmae import limits
from mmae.dataset import layout
from mmae.dataset.photometry import CMODEL, MEASURED, aperture_instead
from mmae.errors import InputError
from mmae.files.checks import check_datasets
from mmae.files.read import open_hdf5
from mmae.limits import Known
from mmae.modalities.base import Measured, Modality
from mmae.settings import Arrays, VectorModality
from mmae.survey.galaxiesml import read_images

if TYPE_CHECKING:
    from torch import Tensor, nn

log = logging.getLogger(__name__)

IDENTIFIERS = ("targetid", "object_id")


@dataclass(frozen=True)
class VectorGeometry:
    """What vectors of one origin have in common."""

    columns: tuple[str, ...]
    """One name a number: which magnitudes are meant, cmodel or aperture, is part of it."""
    errors: bool
    """Whether as many standard deviations follow the numbers."""


class Vector(Modality):
    """Numbers (K,), or numbers and their standard deviations (2 K,)."""

    Settings, Geometry = VectorModality, VectorGeometry
    weight = 0.01
    has_zero = False

    @staticmethod
    def summary_of(true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Mean absolute error of hidden numbers, (B,)."""
        error = np.where(hidden, np.abs(reconstruction - true), 0).sum(axis=1)
        return np.where(hidden.any(axis=1), error / np.maximum(hidden.sum(axis=1), 1), np.nan)

    summary = ("error", "of the numbers", summary_of)

    @classmethod
    def of_file(cls, name: str, settings: VectorModality, file: h5py.File, arrays: Arrays) -> Self:
        """The columns as a dataset file, or a file of their own, has them.

        Raises
        ------
        InputError
            If a column or error is missing, or errors are not as many as columns.
        """
        made = cls(name, settings, VectorGeometry((), bool(settings.errors)))
        columns, n_errors = made._found_in(file)
        if settings.errors and n_errors != len(columns):
            raise InputError(
                "config",
                key=f"modalities.{name}.errors",
                found=f"{n_errors} errors",
                expected=f"one for each of the {len(columns)} numbers",
            )
        instead = [one for one in columns if one in MEASURED and one not in settings.columns]
        if instead:
            if own := [one for one in columns if one.endswith(CMODEL)]:
                raise InputError(
                    file.filename,
                    key=f"modality '{name}'",
                    found=f"magnitudes {' '.join(own)} alone",
                    expected="those of all columns, or none",
                )
            words = "%s: magnitudes that it lacks are measured instead: %s"
            log.warning(words, file.filename, " ".join(instead))
        with made._source(file) as source:
            places = [layout.find_column(source, one) for one in settings.columns]
            if any(places):
                log.info("%s: %s: %s", source.filename, name, ", ".join(filter(None, places)))
        return cls(name, settings, VectorGeometry(columns, bool(settings.errors)))

    def _found_in(self, file: h5py.File) -> tuple[tuple[str, ...], int]:
        """Names of all numbers, and how many errors there are."""
        with self._source(file) as source:
            parts = [
                [name for column in columns for name in self._names(source, column)]
                for columns in (self.settings.columns, self.settings.errors)
            ]
            if self.settings.file is not None:
                _shared_names(file, source)
        return tuple(parts[0]), len(parts[1])

    def _source(self, file: h5py.File) -> AbstractContextManager[h5py.File]:
        """The file that has the columns; the dataset file is left open."""
        return nullcontext(file) if self.settings.file is None else open_hdf5(self.settings.file)

    def _names(self, source: h5py.File, column: str) -> list[str]:
        """What a column's numbers are called."""
        if column in MEASURED:
            return [column]
        found = layout.find_column(source, column)
        if found is None:
            instead = aperture_instead(column)
            if instead is None:
                raise InputError(
                    source.filename,
                    key=f"dataset '{column}'",
                    found="no such dataset",
                    expected=f"it, as modalities.{self.name} says",
                )
            return [instead]
        others = {layout.IMAGE: (None,) * 4} if layout.IMAGE in source else {}
        if self.settings.file is not None:
            others = {one: (None,) for one in IDENTIFIERS if one in source}
        check_datasets(source, others | {found: (None,) * max(1, min(source[found].ndim, 2))})
        width = 1 if source[found].ndim == 1 else source[found].shape[1]
        return [column] if width == 1 else [f"{column}.{k}" for k in range(width)]

    def is_in(self, file: h5py.File) -> bool:
        """Whether a file has the numbers."""
        try:
            return self._found_in(file)[0] == self.geometry.columns
        except InputError:
            return False

    def read(self, file: h5py.File, rows: slice, known: Known) -> np.ndarray:
        """Numbers, and their errors behind them."""
        # read for the first column that is measured in them, and once for all
        images = cache(partial(read_images, file, rows))
        with self._source(file) as source:
            where = rows if self.settings.file is None else _joined(file, source, rows)
            parts = [
                known(column, self._column(source, column, images, where), limits.of(column))
                for column in (*self.settings.columns, *self.settings.errors)
            ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _column(
        self,
        source: h5py.File,
        column: str,
        images: Callable[[], np.ndarray],
        where: slice | np.ndarray,
    ) -> np.ndarray:
        """One column, (B, 1) or more."""
        measured = MEASURED.get(self._names(source, column)[0])
        if measured is not None:
            return measured(images())[:, None]
        dataset = source[layout.find_column(source, column)]
        if isinstance(where, slice):
            values = dataset[where].astype(float)
        else:
            values, has = np.full((len(where), *dataset.shape[1:]), np.nan), where >= 0
            if has.any():
                # much faster than h5py's lists of rows, and no more than what lies between them
                first, last = where[has].min(), where[has].max()
                values[has] = dataset[first : last + 1][where[has] - first]
        return values.reshape(len(values), -1)

    @property
    def n_values(self) -> int:
        """Numbers without their errors."""
        return len(self.geometry.columns)

    @property
    def shape(self) -> tuple[int]:
        """(K,), or (2 K,) with errors."""
        return (self.n_values * (1 + self.geometry.errors),)

    @property
    def n_tokens(self) -> int:
        """Tokens that the numbers are divided among, none of them without any."""
        return -(-self.n_values // self.width)

    @property
    def width(self) -> int:
        """Numbers of a token; the last may lack some."""
        return -(-self.n_values // self.settings.tokens)

    def projection(self, dim: int, mask_channel: bool) -> "nn.Module":
        """Numbers, their errors, and which are not known, through a linear layer."""
        from mmae.modalities.projections import PatchLinear

        return PatchLinear(self.width, dim, True, self.n_values, self.geometry.errors)

    def scale(self) -> "nn.Module":
        """Mean 0 and standard deviation 1."""
        from mmae.modalities.scaling import Standardise

        return Standardise(self.n_values)

    @property
    def n_outputs(self) -> int:
        """Numbers without their errors, which nobody can tell."""
        return self.n_values

    def arrange(self, outputs: "Tensor") -> "Tensor":
        """Numbers, and zeros in the place of errors."""
        from torch.nn.functional import pad

        return pad(outputs, (0, self.shape[0] - self.n_values))

    def covered(self, tokens: "Tensor") -> "Tensor":
        """Numbers of tokens; nobody can tell their errors."""
        from torch.nn.functional import pad

        own = tokens.repeat_interleave(self.width, dim=1)[:, : self.n_values]
        return pad(own, (0, self.shape[0] - self.n_values), value=False)

    def with_tells(self, hidden: "Tensor") -> "Tensor":
        """Errors follow their numbers: a magnitude's tells how bright the galaxy is."""
        own = hidden.expand(hidden.shape[0], *self.shape)[:, : self.n_values]
        return own.repeat(1, 1 + self.geometry.errors)

    def whole_tokens(self, values: "Tensor") -> "Tensor":
        """Tokens all of whose numbers are hidden."""
        from torch.nn.functional import pad

        own = values.expand(values.shape[0], *self.shape)[:, : self.n_values]
        beyond = self.n_tokens * self.width - self.n_values
        return pad(own, (0, beyond), value=True).unflatten(1, (self.n_tokens, -1)).all(dim=2)

    def quality(
        self, true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray, z_spec: np.ndarray
    ) -> Iterator[Measured]:
        """Error of each number."""
        error = np.where(hidden, reconstruction - true, np.nan)
        for column, values in zip(self.geometry.columns, error.T, strict=False):
            yield Measured(
                f"{self.name} {column}", "", "as in the catalogue", "median", True, values
            )


def _shared_names(file: h5py.File, source: h5py.File) -> tuple[h5py.Dataset, h5py.Dataset]:
    """What both files call their galaxies.

    Raises
    ------
    InputError
        If they have no such dataset in common.
    """
    for name in IDENTIFIERS:
        ours = layout.find_column(file, name)
        if ours is not None and isinstance(source.get(name), h5py.Dataset):
            return file[ours], source[name]
    raise InputError(
        source.filename,
        found=f"none of {list(IDENTIFIERS)} that {file.filename} has, too",
        expected="the galaxies' names",
    )


def _joined(file: h5py.File, source: h5py.File, rows: slice) -> np.ndarray:
    """Rows of `source` that have the galaxies of `file`, -1 where it has none."""
    names, others = _shared_names(file, source)
    theirs, ours = others[:].astype(np.int64), names[rows].astype(np.int64)
    if not len(theirs):
        return np.full(len(ours), -1)
    order = np.argsort(theirs, kind="stable")
    place = np.minimum(np.searchsorted(theirs, ours, sorter=order), len(theirs) - 1)
    return np.where(theirs[order[place]] == ours, order[place], -1)


MODALITY = Vector

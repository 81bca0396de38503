"""What is known of a galaxy, one class a kind: how it is read, divided into tokens, and judged.

torch is imported where it is needed: who only reads data starts without it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from mmae.errors import InputError
from mmae.limits import Known
from mmae.settings import Arrays

if TYPE_CHECKING:
    import h5py
    from torch import Tensor, nn


class Measured(NamedTuple):
    """One quantity of every galaxy."""

    quantity: str
    line: str
    """A key of `mmae.instruments.LINES`, or empty."""
    unit: str
    statistic: str
    """What stands for all galaxies: median or fraction."""
    scatters: bool
    """Whether it is an error, whose scatter is of interest."""
    values: np.ndarray
    """(B,); NaN for galaxies without it."""


class Modality:
    """One entry of `modalities` in the config, for galaxies of one geometry.

    Parameters
    ----------
    name : str
        Of the entry.
    settings : settings dataclass
        The entry.
    geometry : Geometry
        Of the galaxies: what the data and every model trained on them have in common.
    """

    Settings: ClassVar[type]
    Geometry: ClassVar[type]
    """A frozen dataclass of plain values; two that differ do not fit."""
    verbatim: ClassVar[str | None] = None
    """Dataset of which the values are the numbers as they stand there."""
    weight: ClassVar[float]
    """Of its loss beside a redshift loss of weight 1."""
    has_zero: ClassVar[bool] = True
    """Whether a value that is missing may be taken for 0."""

    def __init__(self, name: str, settings: Any, geometry: Any):
        self.name, self.settings, self.geometry = name, settings, geometry

    @classmethod
    def of_file(cls, name: str, settings: Any, file: "h5py.File", arrays: Arrays) -> Self:
        """The modality as a dataset file has it.

        Raises
        ------
        InputError
            If the file lacks it.
        """
        raise NotImplementedError

    def as_in(self, file: "h5py.File") -> Self:
        """The same modality as another file has it, whose geometry may differ.

        Raises
        ------
        InputError
            If the file lacks it.
        """
        return self.of_file(self.name, self.settings, file, Arrays(pool=1, chunk_size=1))

    def is_in(self, file: "h5py.File") -> bool:
        """Whether a file has the modality."""
        raise NotImplementedError

    def read(self, file: "h5py.File", rows: slice, known: Known) -> np.ndarray:
        """Values of some galaxies, (B, *shape) float32.

        What cannot be is missing, NaN, and told to `known`. With `has_ivar`, (B, 2, *shape): the
        inverse variances of the values stand behind them.
        """
        raise NotImplementedError

    @property
    def has_ivar(self) -> bool:
        """Whether the inverse variance of the values is known."""
        return False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one galaxy's values."""
        raise NotImplementedError

    @property
    def n_tokens(self) -> int:
        """Tokens of one galaxy."""
        raise NotImplementedError

    def projection(self, dim: int, mask_channel: bool) -> "nn.Module":
        """Layer from values (B, *shape), and which of them are hidden, to tokens (B, N, dim).

        Only with `mask_channel` it looks at what is hidden.
        """
        raise NotImplementedError

    def scale(self) -> "nn.Module":
        """Layer that gives values their scale in the loss, with `fit` and `inverse`: none."""
        from mmae.modalities.scaling import Identity

        return Identity()

    def even_scale(self) -> "nn.Module":
        """Layer that gives values a scale on which networks see bright and faint alike."""
        return self.scale()

    @property
    def n_outputs(self) -> int:
        """Values that a decoder gives for one galaxy."""
        return int(np.prod(self.shape))

    def arrange(self, outputs: "Tensor") -> "Tensor":
        """A decoder's outputs (B, n_outputs) as values (B, *shape)."""
        return outputs.unflatten(1, self.shape)

    def covered(self, tokens: "Tensor") -> "Tensor":
        """Which values tokens (B, N) cover, of those that a decoder gives.

        Bool, broadcasts to (B, *shape).
        """
        raise NotImplementedError

    def with_tells(self, hidden: "Tensor") -> "Tensor":
        """Values (bool, broadcasts to (B, *shape)) to hide where `hidden` are: none would tell."""
        return hidden

    def whole_tokens(self, values: "Tensor") -> "Tensor":
        """Tokens all of whose values (bool, broadcasts to (B, *shape)) are hidden: (B, N)."""
        raise NotImplementedError

    def unusable(self, values: np.ndarray) -> np.ndarray:
        """Why no redshift can be told from values (B, *shape); empty where it can: (B,) of str."""
        return np.full(len(values), "", object)

    def describe(self, values: np.ndarray, rows: np.ndarray) -> dict[str, Any] | None:
        """What values (N, *shape) of the galaxies of a training are like, if others may not be."""
        return None

    def unlike(self, values: np.ndarray, described: dict[str, Any]) -> dict[str, np.ndarray]:
        """In what values (B, *shape) are unlike those of a training: by name, (B,) bool each.

        Raises
        ------
        LookupError, TypeError, ValueError
            If `described` is of another form.
        """
        return {}

    unlike_words: ClassVar[str] = ""
    """What is expected instead."""

    def quality(
        self, true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray, z_spec: np.ndarray
    ) -> Iterator[Measured]:
        """How well hidden values are reconstructed, (B, *shape) each."""
        raise NotImplementedError

    def quality_at(
        self,
        true: np.ndarray,
        reconstruction: np.ndarray,
        hidden: np.ndarray,
        z_spec: np.ndarray,
        z_pred: np.ndarray,
    ) -> Iterator[Measured]:
        """What of it depends on the redshift, at the model's own; nothing by default."""
        yield from ()

    summary: ClassVar[tuple[str, str, Callable[..., np.ndarray]]]
    """The one measure of studies: name, unit, function of true, reconstructed and hidden values."""


def differences(found: Any, expected: Any) -> tuple[str, Any, Any] | None:
    """The first field in which two geometries differ, with both values; None if they agree.

    Numbers agree to a thousandth of the pixel scale or wavelength step that they state.
    """
    for name, ours in vars(expected).items():
        theirs = getattr(found, name)
        if isinstance(ours, tuple) and ours and isinstance(ours[0], float):
            same = len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=1e-5, atol=0)
            ours, theirs = _ends(ours), _ends(theirs)
        else:
            same = np.isclose(ours, theirs) if isinstance(ours, float) else ours == theirs
        if not same:
            return name, theirs, ours
    return None


def _ends(values: tuple[float, ...]) -> str:
    """A long list of numbers in words."""
    return f"{len(values)} values from {values[0]:g} to {values[-1]:g}" if values else "none"


def check_geometry(found: Modality, expected: Modality, where: object) -> None:
    """Raise InputError if galaxies are not of the geometry that a model was trained on."""
    if type(found) is not type(expected):
        raise InputError(
            where,
            key=f"modality '{found.name}'",
            found=f"kind {found.settings.kind}",
            expected=f"{expected.settings.kind}, as the model was trained on",
        )
    if (wrong := differences(found.geometry, expected.geometry)) is not None:
        name, theirs, ours = wrong
        raise InputError(
            where,
            key=f"modality '{found.name}', {name}",
            found=theirs,
            expected=f"{ours}, as the model was trained on",
        )

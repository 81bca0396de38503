"""Values that others have published, with their sources. They are never measured here."""

from collections.abc import Sequence
from typing import NamedTuple

from mmae.settings import HEADLINE_VIEW, WHOLE_IMAGE, Settings, can_do


class PublishedValue(NamedTuple):
    """A scatter as printed."""

    model: str
    view: str
    """What it was shown."""
    sigma_nmad: float
    source: str
    shown: str = ""
    """The view in words, where several were published."""

    @property
    def label(self) -> str:
        """Model and view."""
        return f"{self.model}, {self.shown}" if self.shown else self.model


Z_RANGE = (0.0, 0.4)
"""Redshift range of all published values below, in which a claim of the paper is tested."""

PAPER = "Himes et al. 2025, arXiv:2510.22527, sec. 5"
PUBLISHED = (
    PublishedValue("MMAE", HEADLINE_VIEW, 0.016, PAPER, "image 25% hidden"),
    PublishedValue("MMAE", WHOLE_IMAGE, 0.026, PAPER, "image 0% hidden"),
    PublishedValue("AstroCLIP", WHOLE_IMAGE, 0.020, "Parker et al. 2024, as cited in the paper"),
    PublishedValue("BCNN", WHOLE_IMAGE, 0.012, "Jones et al. 2024, as cited in the paper"),
)


def published_as(settings: Settings) -> dict[str, str]:
    """Our models, and readouts of them, that are built after published ones -> those."""
    names = {"himes2025": "MMAE"}
    for name, model in settings.models.items():
        names |= can_do(model).published_as(name)
    return names


def is_papers_range(low_redshift: float) -> bool:
    """Whether columns at low redshift, up to `low_redshift`, are those of Z_RANGE."""
    return low_redshift == Z_RANGE[1]


def published_values(z_range: Sequence[float]) -> tuple[PublishedValue, ...]:
    """Published values of a redshift range; none unless it is theirs."""
    return PUBLISHED if tuple(z_range) == Z_RANGE else ()


TABLE_1 = {
    "DESI DR1": (20_283_824, 1.343, 6.857, None),
    "GalaxiesML": (286_401, 1.155, 4.000, 22.171),
    "GalaxiesML-Spectra": (134_533, 1.581, 4.119, 20.635),
}
"""Count, 90th percentile and maximum of z, 90th percentile of the i magnitude (paper, Table 1)."""

CLEANING = {"cross-matched": 136_939, "after all cuts": 134_533}
"""Sources before and after the cuts (paper, section 3)."""

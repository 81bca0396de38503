"""Values that others have published, with their sources. They are never measured here."""

from collections.abc import Sequence
from typing import NamedTuple

from mmae.settings import AstroClipModel, BcnnModel, PaperModel, Settings


class PublishedValue(NamedTuple):
    """A scatter as printed."""

    model: str
    test_mask: str
    """Hidden fraction of the image at test time; empty where it does not apply."""
    sigma_nmad: float
    source: str

    @property
    def label(self) -> str:
        """Model and test mask."""
        return (
            f"{self.model}, image {float(self.test_mask):.0%} hidden"
            if self.test_mask
            else self.model
        )


Z_RANGE = (0.0, 0.4)
"""Redshift range of all published values below."""

PUBLISHED = (
    PublishedValue("MMAE", "0.25", 0.016, "Himes et al. 2025, arXiv:2510.22527, sec. 5"),
    PublishedValue("MMAE", "0.00", 0.026, "Himes et al. 2025, arXiv:2510.22527, sec. 5"),
    PublishedValue("AstroCLIP", "", 0.020, "Parker et al. 2024, as cited in arXiv:2510.22527"),
    PublishedValue("BCNN", "", 0.012, "Jones et al. 2024, as cited in arXiv:2510.22527"),
)


def published_as(settings: Settings) -> dict[str, str]:
    """Our models that are built after published ones -> the published name.

    The published AstroCLIP redshifts are those of nearest neighbours, and the published BCNN reads
    magnitudes beside images.
    """
    names = {"himes2025": "MMAE"}
    for name, model in settings.models.items():
        match model:
            case PaperModel():
                names[name] = "MMAE"
            case AstroClipModel():
                names[f"{name}-knn"] = "AstroCLIP"
            case BcnnModel() if model.magnitude_dense:
                names[name] = "BCNN"
    return names


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

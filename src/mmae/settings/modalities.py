"""Section 4 of the paper: what is known of a galaxy. `kind` is the file in mmae/modalities."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mmae.settings.base import Count, key, settings
from mmae.settings.kinds import other_kind, tagged

MODALITIES_FOLDER = Path(__file__).parents[1] / "modalities"


@settings
class ImageModality:
    """Images in several bands."""

    kind: Literal["image"] = key("which file of mmae/modalities")
    patch: Count = key("pixels on a side of a token's patch (paper: 8)")


@settings
class SpectrumModality:
    """Spectra, normalised and pooled (`arrays.pool`)."""

    kind: Literal["spectrum"] = key("which file of mmae/modalities")
    patch: Count = key("pooled pixels of a token's patch (paper: 8)")
    pooling: Literal["mean", "ivar"] = key(
        "mean: normalised, then averaged (the paper); ivar: averaged by inverse variance, then "
        "normalised, and the inverse variance is kept",
        default="mean",
    )


@settings
class VectorModality:
    """Numbers that belong together: columns of a catalogue with their errors, or an embedding."""

    kind: Literal["vector"] = key("which file of mmae/modalities")
    columns: Annotated[tuple[str, ...], Field(min_length=1)] = key(
        "datasets of the dataset file, as `g_cmodel_mag` (also under hsc/ or HSC_metadata/); "
        "`measured/g_half_light_radius` and the like are measured in the image; one dataset with "
        "several columns gives all of them"
    )
    errors: tuple[str, ...] = key("datasets with their standard deviations", default=())
    file: str | None = key(
        "HDF5 file that has them instead, with `targetid` or `object_id`, such as embeddings of "
        "texts by a language model",
        default=None,
    )
    tokens: Count = key("tokens that the numbers are divided among, at most", default=1)


MODALITY_KINDS: dict[str, type] = {
    "image": ImageModality,
    "spectrum": SpectrumModality,
    "vector": VectorModality,
}
"""Settings of the kinds that this project brings."""

OtherModality = other_kind("modality", lambda: MODALITIES_FOLDER, MODALITY_KINDS)
Modality = tagged(MODALITY_KINDS, OtherModality)
"""An entry of `modalities`."""

"""What is hidden of a galaxy, in training and in the views of a test."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mmae.settings.base import Name, key, settings

MASK_KINDS = {
    "random": "fraction of the tokens, others for each galaxy",
    "bands": "names of bands",
    "wave": "[from, to], Å",
    "arms": "names of DESI's arms: where no other arm sees",
    "sky_lines": "Å on both sides of each bright line of the night sky",
    "bad": "true: what the instrument itself calls bad",
    "lost_band": "chance of each galaxy to lose one band",
    "lost_arm": "chance of each galaxy to lose one arm",
    "gap": "longest gap as a fraction of the values along the last axis",
    "cosmic_rays": "mean number of hits of each galaxy",
    "dead_pixels": "fraction of single values",
    "chip_edge": "chance of each galaxy to lie at the edge of a chip",
}
"""Kind of mask -> its argument. Each is a function of mmae.models.masking."""


def _known(masks: float | dict[str, Any]) -> dict[str, Any]:
    """A number is the fraction of tokens; the kinds of a mapping add up."""
    if not isinstance(masks, dict):
        return {"random": masks}
    for kind in masks:
        if kind not in MASK_KINDS:
            raise ValueError(f"found a mask '{kind}', expected some of {list(MASK_KINDS)}")
    return masks


Fraction = Annotated[float, Field(ge=0, le=1)]
Argument = bool | float | str | tuple[float, float] | tuple[str, ...]
Masks = Annotated[Fraction | dict[str, Argument], AfterValidator(_known)]
"""Hidden of one modality: a fraction of its tokens, or kinds of masks with their arguments."""

ViewName = Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[0-9]+)?(-[a-z0-9]+(\.[0-9]+)?)*$")]


@settings
class View:
    """What a model is shown of test galaxies."""

    hidden: dict[Name, Masks] = key("modality -> what is hidden of it; all others are shown")
    label: str = key("in tables and figures; empty: nothing to be said", default="")

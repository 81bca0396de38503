"""What is hidden of a galaxy, in training and in the views of a test."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from mmae.settings.base import Fraction, Name, key, settings

NotNegative = Annotated[float, Field(ge=0)]
Names = str | Annotated[tuple[str, ...], Field(min_length=1)]
MASK_KINDS: dict[str, tuple[Any, str]] = {
    "random": (Fraction, "fraction of the tokens, others for each galaxy"),
    "bands": (Names, "names of bands"),
    "wave": (tuple[NotNegative, NotNegative], "[from, to], Å"),
    "arms": (Names, "names of DESI's arms: where no other arm sees"),
    "sky_lines": (NotNegative, "Å on both sides of each bright line of the night sky"),
    "bad": (bool, "true: what the instrument itself calls bad"),
    "lost_band": (Fraction, "chance of each galaxy to lose one band"),
    "lost_arm": (Fraction, "chance of each galaxy to lose one arm"),
    "gap": (Fraction, "longest gap as a fraction of the values along the last axis"),
    "cosmic_rays": (NotNegative, "mean number of hits of each galaxy"),
    "dead_pixels": (Fraction, "fraction of single values"),
    "chip_edge": (Fraction, "chance of each galaxy to lie at the edge of a chip"),
}
"""Kind of mask -> the type of its argument, and its meaning. Each is a function of
mmae.models.masking."""


def _known(masks: float | dict[str, Any]) -> dict[str, Any]:
    """A number is the fraction of tokens; the kinds of a mapping add up."""
    if not isinstance(masks, dict):
        return {"random": masks}
    for kind, argument in masks.items():
        if kind not in MASK_KINDS:
            raise ValueError(f"found a mask '{kind}', expected some of {list(MASK_KINDS)}")
        expected, meaning = MASK_KINDS[kind]
        try:
            TypeAdapter(expected).validate_python(argument, strict=True)
        except ValidationError:
            raise ValueError(f"{kind}: found {argument!r}, expected {meaning}") from None
    return masks


Argument = bool | float | str | tuple[float, ...] | tuple[str, ...]
Masks = Annotated[Fraction | dict[str, Argument], AfterValidator(_known)]
"""Hidden of one modality: a fraction of its tokens, or kinds of masks with their arguments."""

ViewName = Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[0-9]+)?(-[a-z0-9]+(\.[0-9]+)?)*$")]


@settings
class View:
    """What a model is shown of test galaxies."""

    hidden: dict[Name, Masks] = key("modality -> what is hidden of it; all others are shown")
    label: str = key("in tables and figures; empty: nothing to be said", default="")

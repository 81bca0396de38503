"""What all sections are made of: the dataclass, and the types of their keys."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

settings = dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))


def _two_decimals(value: float) -> float:
    """Folders are named by these numbers, as in mask0.75."""
    if round(value, 2) != value:
        raise ValueError(f"{value} has more than two decimals")
    # of -0.0, the folder would be another than that of 0
    return abs(value)


def _no_wildcards(found: Any) -> Any:
    """Paths that Snakemake reads as they are, among what a key may hold."""
    for path in found if isinstance(found, tuple) else [found]:
        if path == "" or {*"{}"} & {*str(path)}:
            raise ValueError(f"found {path!r}, expected a path; {{}} are Snakemake's wildcards")
    return found


Fraction = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[Fraction, AfterValidator(_two_decimals)]
"""A hidden fraction that folders are named by."""
Positive = Annotated[float, Field(gt=0)]
Device = Literal["cpu", "cuda", "auto"]
"""Where a network runs; auto: a GPU where there is one."""
Count = Annotated[int, Field(ge=1, lt=2**31)]
Size = Annotated[int, Field(ge=1, le=2**16)]
"""Width, depth or side of a model: beyond it, no memory suffices."""
OnDisk = AfterValidator(_no_wildcards)
"""Of paths that rules have as input."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Url = Annotated[
    str, Field(pattern=r"^(https://[^/]|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/|$))")
]
"""An address: encrypted, or on this machine."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def key(description: str, **limits: Any) -> Any:
    """A config key with its meaning, unit and source."""
    return Field(description=description, **limits)

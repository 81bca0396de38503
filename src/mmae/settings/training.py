"""Section 4 of the paper: optimisation."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from mmae.settings.base import Count, Device, Fraction, Positive, key, settings


@settings
class Training:
    """Optimisation (paper section 4)."""

    device: Device = key("where to train")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = key("arithmetic of the network")
    threads: Count = key("CPU threads of one training; part of the result: sums round", le=512)
    processes: Count = key("processes that divide each batch, one a GPU: torchrun", le=4096)
    epochs: Count = key("passes over the training galaxies")
    unpaired: Annotated[int, Field(ge=0)] | None = key(
        "galaxies without a spectrum that join the training, at most; null: all that "
        "`dataset.unpaired` keeps",
        default=None,
    )
    patience: Count = key("stop after so many epochs without a better validation loss")
    batch_size: Count = key("galaxies a step")
    learning_rate: Positive = key("AdamW")
    schedule: Literal["constant", "one-cycle", "cosine"] = key(
        "constant (the paper), one-cycle: up to learning_rate and down to nothing, or cosine: the "
        "same after a short warm-up"
    )
    average: Annotated[float, Field(gt=0, lt=1)] | None = key(
        "decay a step of the moving averages of the parameters that are kept instead of them; "
        "null: none",
        default=None,
    )
    weight_decay: Annotated[float, Field(ge=0)] = key("AdamW")
    gradient_clip: Positive = key("largest norm of the gradient")
    compile: bool = key("torch.compile: slower to start, faster steps on a GPU")
    checkpoint_minutes: Positive = key(
        "where a training is, is kept as often, at the end of each epoch, and on SIGTERM"
    )
    augment: Literal["none", "dihedral", "spectra"] = key(
        "dihedral: each image turned and mirrored at random; spectra: noisier, cut, bent, with "
        "residuals of the sky, where pooling is `ivar`; none: as they are (the paper)"
    )


KEYS = [field.name for field in dataclasses.fields(Training)]


def _known(overrides: dict[str, Any]) -> dict[str, Any]:
    """Keys of training; their values are checked together with those that they replace."""
    for name in overrides:
        if name not in KEYS:
            raise ValueError(f"{name} is an unknown key, expected one of {KEYS}")
    return overrides


Overrides = Annotated[
    dict[str, bool | str | int | float | None],
    AfterValidator(_known),
    Field(
        json_schema_extra={
            "propertyNames": {"enum": [f.name for f in dataclasses.fields(Training)]}
        }
    ),
]
"""Keys of `training` that a model has of its own."""


def own_training() -> Any:
    """The key `training` of a model's entry."""
    return key("keys of training that differ for this model", default_factory=dict)


def training_of(training: Training, overrides: Mapping[str, Any]) -> Training:
    """The training of one model.

    Raises
    ------
    ValueError
        If a value is of the wrong type or out of range.
    """
    try:
        merged = dataclasses.asdict(training) | dict(overrides)
        return TypeAdapter(Training).validate_json(json.dumps(merged), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].removeprefix("Input should be ")
        name = ".".join(map(str, first["loc"]))
        raise ValueError(f"{name}: found {first['input']!r}, expected {problem}") from None


@settings
class Tuning:
    """Learning rates chosen on validation galaxies."""

    factors: Annotated[tuple[Positive, ...], Field(min_length=1)] = key(
        "the model is trained with its learning rate times each of these"
    )
    mask: Fraction = key("mask ratio of models that hide tokens")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = key("of all trainings of the search")

"""What a model is shown of test galaxies: the named views of the config."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from mmae.config import read_section
from mmae.errors import InputError
from mmae.models.base import GalaxyModel
from mmae.models.batch import Batch, generator_of
from mmae.models.estimator import Estimator
from mmae.models.masking import Mask, Masks, draw
from mmae.settings import View

Model = GalaxyModel | Estimator
Shown = tuple[Batch, Masks]
EXAMPLE = '{"spectrum": 1.0}'


def read_view(name: str, config: Mapping[str, Any]) -> View:
    """A view of the config by its name, or as JSON text such as '{"spectrum": 1.0}'.

    Raises
    ------
    InputError
        If there is no such view, or it is none.
    """
    if name.lstrip().startswith("{"):
        try:
            hidden = json.loads(name)
        except ValueError as error:
            raise InputError("view", found=f"no JSON ({error})", expected="a mapping") from error
        return _of_known(read_section(View, {"hidden": hidden}, "view"), "view", config)
    views = config.get("views") or {}
    if name not in views:
        raise InputError(
            "view",
            found=repr(name),
            expected=f"one of views in the config, {list(views)}, or JSON as {EXAMPLE}",
        )
    view = read_section(View, views[name], "config", f"views.{name}")
    return _of_known(view, f"views.{name}", config)


def _of_known(view: View, where: str, config: Mapping[str, Any]) -> View:
    """The view, after checking that it hides modalities of the config, if that has any."""
    known = config.get("modalities") or {}
    for name in view.hidden if known else ():
        if name not in known:
            raise InputError(where, key="hidden", found=repr(name), expected=f"some of {[*known]}")
    return view


def shower(model: Model, view: View, seed: int) -> Callable[[Batch], Shown]:
    """A function that draws what is hidden of the next galaxies.

    Random tokens depend on the seed and on a galaxy's place, not on the batches. A model that hides
    nothing is given galaxies as if the hidden values were missing.

    Raises
    ------
    InputError
        If the model cannot hide what the view hides.
    """
    hides = getattr(model.settings, "hides", False)
    if not hides:
        _check_whole(model, view)
    # one stream a modality, in the order in which the model reads them
    streams = {name: generator_of(seed, k) for k, name in enumerate(model.modalities)}

    def show(batch: Batch) -> Shown:
        n, masks = len(batch.redshift), {}
        for name, modality in model.modalities.items():
            kinds = view.hidden.get(name, {})
            mask = draw(modality, n, kinds, streams[name], batch.valid.get(name))
            masks[name] = mask.of(slice(None), batch.redshift.device)
            if not hides and (hidden := _hidden(masks[name], len(modality.shape))).any():
                batch = batch.without(name, hidden)
        return batch, masks

    return show


def _hidden(mask: Mask, n_axes: int) -> Tensor:
    """Which values a mask hides of galaxies of which all tokens are hidden, or none."""
    whole = mask.tokens.all(dim=1).view(-1, *[1] * n_axes)
    return whole if mask.values is None else whole | mask.values


def _check_whole(model: Model, view: View) -> None:
    """Raise InputError if a view hides tokens of a model to which only the whole can be hidden."""
    hidden = {name: view.hidden.get(name, {}).get("random", 0.0) for name in model.modalities}
    shown = [name for name, fraction in hidden.items() if fraction == 0]
    if all(fraction in (0, 1) for fraction in hidden.values()) and (shown or not hidden):
        return
    raise InputError(
        "view",
        found=f"{hidden} hidden, for a model that hides no parts of them",
        expected="all or nothing of each, and one of them shown",
    )

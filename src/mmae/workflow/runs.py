"""Which runs a config asks for, and in which folders they are: said once, for rules and archives.

A run is a trained model; it is tested under a view, what it is shown of the test galaxies.
"""

from typing import NamedTuple

from mmae.settings import BOTH_HIDDEN, HEADLINE_VIEW, SPECTRUM_ALONE, WHOLE_IMAGE, Settings, can_do
from mmae.settings.models import READOUTS

NOTHING_HIDDEN = 0.0
"""Mask ratio of models that hide nothing in training."""


class Run(NamedTuple):
    """A trained model."""

    model: str
    mask: float
    seed: int

    @property
    def folder(self) -> str:
        """Below models/ and evaluation/."""
        return f"{self.model}/mask{self.mask:.2f}/seed{self.seed}"

    def readout(self, name: str) -> "Run":
        """The run under whose name a readout of its embeddings is."""
        return self._replace(model=f"{self.model}-{name}")


class Tested(NamedTuple):
    """A run and what it is shown."""

    run: Run
    view: str

    @property
    def folder(self) -> str:
        """Below evaluation/."""
        return f"{self.run.folder}/{self.view}"


def headline(settings: Settings) -> Run:
    """The run that the paper's figures show."""
    shown = settings.headline
    return Run(shown.model, shown.mask, shown.seed)


def masked(settings: Settings) -> list[Run]:
    """Models that hide tokens: the headline's at every ratio, all with every seed at its ratio."""
    grid, shown = settings.grid, headline(settings)
    runs = [Run(shown.model, mask, seed) for mask in grid.masks for seed in grid.seeds]
    runs += [run for model in grid.models for run in _seeds(settings, model)]
    return list(dict.fromkeys(runs))


def baselines(settings: Settings) -> list[Run]:
    """Models that hide nothing and give redshifts."""
    return [run for model in settings.grid.baselines for run in _seeds(settings, model)]


def _seeds(settings: Settings, model: str) -> list[Run]:
    """A model with all seeds: a masked one at the headline's mask ratio."""
    grid, hides = settings.grid, model in settings.grid.models
    mask = settings.headline.mask if hides else NOTHING_HIDDEN
    return [Run(model, mask, seed) for seed in (*grid.seeds, *grid.more_seeds)]


def probed(settings: Settings) -> list[Tested]:
    """Runs whose embeddings are read out: of images, and of spectra."""
    grid = settings.grid
    parts = {WHOLE_IMAGE: grid.probes, SPECTRUM_ALONE: grid.spectrum_probes}
    return [
        Tested(run, view)
        for view, models in parts.items()
        for model in models
        for run in _seeds(settings, model)
    ]


def trained(settings: Settings) -> list[Run]:
    """Every run that is trained, once."""
    runs = masked(settings) + baselines(settings) + [view.run for view in probed(settings)]
    return list(dict.fromkeys(runs))


def predicted(settings: Settings) -> list[Tested]:
    """Runs that give redshifts themselves, under each view in which they are tested.

    Other mask ratios than the headline's are in the masking study.
    """
    compared = [run for run in masked(settings) if run.mask == settings.headline.mask]
    tests = [Tested(run, view) for run in compared for view in settings.grid.views]
    tests += [Tested(run, WHOLE_IMAGE) for run in baselines(settings)]
    # Figure 3, whatever the grid's views are
    return list(dict.fromkeys([*tests, Tested(headline(settings), HEADLINE_VIEW)]))


def scored(settings: Settings) -> list[Tested]:
    """Everything that gives redshifts: runs themselves, and readouts of their embeddings."""
    readouts = [
        Tested(view.run.readout(name), view.view) for view in probed(settings) for name in READOUTS
    ]
    return predicted(settings) + readouts


def compared(settings: Settings) -> list[Run]:
    """Trained runs behind everything that is scored."""
    return list(dict.fromkeys(view.run for view in predicted(settings) + probed(settings)))


def masks_studied(settings: Settings) -> list[Run]:
    """Runs of the masking study, one a mask ratio."""
    return [headline(settings)._replace(mask=mask) for mask in settings.grid.masks]


def missing(settings: Settings) -> list[Run]:
    """Runs tested with something missing: trained with and without such masks."""
    if not settings.grid.study_views:
        return []
    shown = headline(settings)
    others = [shown._replace(model=model) for model in settings.grid.study_models]
    return list(dict.fromkeys([shown, *others]))


def unpaired(settings: Settings) -> dict[str, int]:
    """Compared models that say how many images without a spectrum join their training."""
    numbers = {
        run.model: settings.models[run.model].training.get("unpaired") for run in compared(settings)
    }
    return {model: n for model, n in numbers.items() if n is not None}


def studied(settings: Settings) -> list[Run]:
    """Runs of both studies."""
    return list(dict.fromkeys(masks_studied(settings) + missing(settings)))


def side_by_side(settings: Settings) -> list[Run]:
    """The headline's run, and such runs of the other models that hide and read the same."""
    shown = headline(settings)
    reads = {model: {*can_do(settings.models[model]).reads} for model in settings.grid.models}
    others = [model for model in reads if reads[shown.model] <= reads[model]]
    return list(dict.fromkeys([shown, *(shown._replace(model=model) for model in others)]))


def measured(settings: Settings, view: str | None = None) -> list[Tested]:
    """Runs whose reconstructions are measured: all ratios alike, and from images alone.

    Parameters
    ----------
    settings : Settings
    view : str, optional
        Only those under it.
    """
    alike = [*masks_studied(settings), *side_by_side(settings)]
    tests = [Tested(run, BOTH_HIDDEN) for run in alike]
    tests += [Tested(run, HEADLINE_VIEW) for run in side_by_side(settings)]
    return [test for test in dict.fromkeys(tests) if view in (None, test.view)]


def pictured(settings: Settings, view: str | None = None) -> list[Tested]:
    """What Figures 1 and 2 show; only what is under a view, if one is given."""
    views = [BOTH_HIDDEN, WHOLE_IMAGE] if view is None else [view]
    # more do not fit a page
    return [Tested(run, one) for one in views for run in side_by_side(settings)[:3]]


def new(settings: Settings) -> str:
    """The model held against its targets: the first that hides and is not the headline's."""
    shown = settings.headline.model
    return next((model for model in settings.grid.models if model != shown), shown)


def without_bands(settings: Settings) -> list[Tested]:
    """What a missing band costs the new model, and the BCNN."""
    models = [new(settings), *(name for name in settings.grid.baselines if name == "bcnn")]
    views = [view for view in ("no-g", "no-y") if view in settings.views]
    return [Tested(run, v) for m in models for run in _seeds(settings, m) for v in views]


def rebuilt(settings: Settings) -> list[Tested]:
    """What the new model's reconstructions are held against, with every seed."""
    models = dict.fromkeys([settings.headline.model, new(settings)])
    views = BOTH_HIDDEN, HEADLINE_VIEW
    return [Tested(run, v) for m in models for run in _seeds(settings, m) for v in views]


def embedded(settings: Settings) -> list[Tested]:
    """Whose embeddings are drawn and searched: the first seed of what is read out."""
    return [view for view in probed(settings) if view.run.seed == settings.grid.seeds[0]]

"""Which runs a config asks for: each once, and all that figures and tables need."""

import copy

import pytest

from galaxies import TOY
from mmae.config import read_section
from mmae.evaluation.views import read_view
from mmae.settings import Settings
from mmae.settings.models import READOUTS
from mmae.workflow import runs
from mmae.workflow.runs import BOTH_HIDDEN, HEADLINE_VIEW, SPECTRUM_ALONE, WHOLE_IMAGE, Run

WHOLE = (HEADLINE_VIEW, WHOLE_IMAGE)
LISTS = (
    *("masked", "baselines", "probed", "trained", "predicted", "scored"),
    *("compared", "studied", "measured", "pictured", "embedded"),
)


def settings_with(**grid) -> Settings:
    config = copy.deepcopy(TOY)
    config["grid"] |= {
        "baselines": ["cnn", "bcnn", "bcnn-mag", "gbdt", "median"],
        "probes": ["mmae", "cnn", "bcnn", "astroclip"],
        "more_seeds": [1, 2],
    } | grid
    return read_section(Settings, config, "config")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_with()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "grid",
    [{}, {"views": ["no-y"]}, {"views": [*WHOLE, "no-y", "no-g"]}, {"seeds": [0, 5]}],
    ids=["toy", "another view", "four views", "two seeds"],
)
def test_everything_is_listed_once(name, grid):
    found = getattr(runs, name)(settings_with(**grid))
    assert found
    assert len(found) == len(set(found))
    folders = [part.folder for part in found]
    assert len(folders) == len(set(folders)), "nor do two share a folder"


@pytest.mark.parametrize("name", LISTS)
def test_all_is_of_trained_models_or_their_readouts(settings, name):
    trained = set(runs.trained(settings))
    readouts = {run.readout(name) for run in trained for name in READOUTS}
    for part in getattr(runs, name)(settings):
        run = part.run if isinstance(part, runs.Tested) else part
        assert run in trained | (readouts if name == "scored" else set())
        if isinstance(part, runs.Tested):
            assert read_view(part.view, TOY) == settings.views[part.view]


def test_masked_models_are_trained_at_each_ratio_and_the_headline_with_more_seeds(settings):
    assert runs.masked(settings) == [
        *(Run("mmae", mask, 0) for mask in (0.25, 0.75)),
        *(Run("mmae", 0.75, seed) for seed in (1, 2)),
    ]
    assert runs.headline(settings) == Run("mmae", 0.75, 0)


def test_all_others_are_trained_with_each_seed_and_nothing_hidden(settings):
    names = ["cnn", "bcnn", "bcnn-mag", "gbdt", "median"]
    assert runs.baselines(settings) == [Run(n, 0.0, s) for n in names for s in (0, 1, 2)]
    others = [run for run in runs.trained(settings) if run.model not in ("mmae", *names)]
    assert others == [Run("astroclip", 0.0, seed) for seed in (0, 1, 2)]


def test_redshifts_are_predicted_by_what_gives_them_under_each_view(settings):
    found = runs.predicted(settings)
    assert runs.Tested(Run("mmae", 0.75, 1), HEADLINE_VIEW) in found
    assert runs.Tested(Run("mmae", 0.75, 0), WHOLE_IMAGE) in found
    assert {view.view for view in found if view.run.model == "gbdt"} == {WHOLE_IMAGE}
    assert not [view for view in found if view.run.model == "astroclip"]


def test_the_headline_has_its_view_whatever_the_grids_are():
    settings = settings_with(views=["no-y"])
    found = [v.view for v in runs.predicted(settings) if v.run == runs.headline(settings)]
    assert sorted(found) == [HEADLINE_VIEW, "no-y"]


def test_readouts_of_images_and_spectra_are_scored_under_names_of_their_own(settings):
    readouts = set(runs.scored(settings)) - set(runs.predicted(settings))
    models = {view.run.model for view in readouts}
    images = ("mmae", "cnn", "bcnn", "astroclip")
    assert models == {f"{model}-{name}" for model in images for name in ("knn", "mlp")}
    spectra = {view.run.model for view in readouts if view.view == SPECTRUM_ALONE}
    assert spectra == {f"{m}-{name}" for m in ("mmae", "astroclip") for name in ("knn", "mlp")}
    assert runs.Tested(Run("mmae-knn", 0.75, 2), WHOLE_IMAGE) in readouts, "the headline's ratio"
    assert len(readouts) == 2 * len(runs.probed(settings)) == 2 * 3 * (4 + 2)


def test_the_masking_study_has_one_run_a_ratio(settings):
    assert runs.masks_studied(settings) == [Run("mmae", 0.25, 0), Run("mmae", 0.75, 0)]
    assert runs.studied(settings) == runs.masks_studied(settings)
    views = runs.measured(settings)
    assert {view.run for view in views if view.view == BOTH_HIDDEN} == set(runs.studied(settings))
    assert runs.Tested(runs.headline(settings), HEADLINE_VIEW) in views


def test_all_models_that_hide_are_shown_and_measured_beside_the_headline():
    settings = settings_with(models=["mmae", "restframe"])
    beside = [Run("mmae", 0.75, 0), Run("restframe", 0.75, 0)]
    assert runs.side_by_side(settings) == beside
    assert [view.run for view in runs.pictured(settings, WHOLE_IMAGE)] == beside
    assert [view.run for view in runs.measured(settings, HEADLINE_VIEW)] == beside
    assert {view.run for view in runs.measured(settings, BOTH_HIDDEN)} == {
        Run("mmae", 0.25, 0),
        *beside,
    }


def test_with_named_views_the_study_has_models_trained_with_and_without_such_masks():
    assert runs.missing(settings_with()) == []
    config = copy.deepcopy(TOY)
    config["models"]["mmae-masked"] = config["models"]["mmae"] | {
        "more_masks": {"image": {"lost_band": 0.5}}
    }
    config["grid"] |= {"models": ["mmae", "mmae-masked"], "study_views": ["no-y", "no-r-arm"]}
    alone = read_section(Settings, config, "config")
    assert runs.missing(alone) == [Run("mmae", 0.75, 0)], "the headline, in any case"
    config["grid"]["study_models"] = ["mmae", "mmae-masked"]
    both = read_section(Settings, config, "config")
    assert runs.missing(both) == [Run("mmae", 0.75, 0), Run("mmae-masked", 0.75, 0)]
    assert runs.studied(both) == [
        *(Run("mmae", mask, 0) for mask in (0.25, 0.75)),
        Run("mmae-masked", 0.75, 0),
    ]
    assert set(runs.studied(both)) <= set(runs.trained(both))


def test_embeddings_are_drawn_of_the_first_seed(settings):
    found = runs.embedded(settings)
    assert {view.run.seed for view in found} == {0}
    assert len(found) == len(runs.probed(settings)) / 3


def test_folders_are_named_by_model_ratio_and_seed():
    view = runs.Tested(Run("mmae", 0.5, 3).readout("knn"), WHOLE_IMAGE)
    assert view.folder == "mmae-knn/mask0.50/seed3/image0.00-spectrum1.00"
